#!/usr/bin/python3
"""Stress: clients that change tsdb tables at once, compaction all the time, and nothing differs.

    run.py                     eight clients for 12 seconds, or ten minutes with TEST_LONG=1
    run.py --kill              the same while backends, workers and the postmaster are killed
    run.py --am heap           what heap answers: how many retries are normal
    run.py --seed 7 --minutes 2 --clients 4

Each client keeps a model of its own rows, and compares what every statement returns with it; what
several clients change is compared in the end, and has invariants all the time (see model.py). A
transaction that was cut off is found by a row of table marker: it is there whole or not at all.
"""

import argparse
import collections
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "differential"))

import psycopg2                                                         # noqa: E402

from client import RETRY, Client, lost                                  # noqa: E402
from model import (ACCOUNTS, BALANCE, CLAIMS, COUNTERS, DETAILS, FILL, ITEMS, PINS, SCHEMA,     # noqa: E402
                   TABLES, difference)
from server import (Server, closing_line, create_extension, note, remove_directory,     # noqa: E402
                    work_directory)

WORKERS = {"tsdb.workers": "2", "tsdb.compact_rows": "200", "tsdb.compact_age": "'200ms'",
           "tsdb.compact_duty": "100", "tsdb.worker_idle_timeout": "'1s'"}
KINDS = ["backend", "worker", "compactor", "postmaster", "backend", "immediate", "maintainer"]
# what may befall a compaction or a maintenance command: they are repeated
PASSING = {"40P01", "55P03", "55006", "40001"}


class Helper(threading.Thread):
    """A connection that does something again and again."""

    def __init__(self, stress, name):
        super().__init__(daemon=True)
        self.stress, self.label = stress, name
        self.rng = random.Random(f"{stress.options.seed} {name}")
        self.tally, self.wrong = collections.Counter(), []

    def run(self):
        connection = None
        while not self.stress.halt.is_set() and len(self.wrong) < 5:
            try:
                if connection is None or connection.closed:
                    connection = self.stress.connect(self.label)
                with connection.cursor() as cursor:
                    self.tally[self.step(cursor)] += 1
            except psycopg2.Error as error:
                if lost(connection, error):
                    connection = None
                    time.sleep(0.05)
                elif error.pgcode in PASSING:
                    with connection.cursor() as cursor:
                        cursor.execute("ROLLBACK")
                    self.tally[f"{self.label}: {RETRY.get(error.pgcode, error.pgcode)}"] += 1
                else:
                    self.wrong.append(f"{self.label}: {error.pgcode} {error}".strip())
        if connection is not None and not connection.closed:
            connection.close()

    def step(self, cursor):
        """Does one thing, and says which."""
        raise NotImplementedError


class Compactor(Helper):
    """Compaction of all tables in turn, as often as can be."""

    def step(self, cursor):
        time.sleep(self.rng.uniform(0, 0.03))
        table = self.rng.choice(TABLES)
        if self.rng.random() < 0.05:
            cursor.execute(f"BEGIN; SELECT tsdb.compact('{table}'); ROLLBACK")
            return "compactions rolled back"
        cursor.execute(f"SELECT tsdb.compact('{table}')")
        return "compactions"


class Maintainer(Helper):
    """Vacuum, new indexes and new copies of indexes and tables, now and then."""

    def step(self, cursor):
        time.sleep(self.rng.uniform(0.1, 0.6))
        table = self.rng.choice(TABLES)
        # commands that wait for all transactions and fail leave an index that is not valid
        cursor.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid "
                       "OR indexrelid::regclass::text LIKE 'extra%'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        sql = self.rng.choice([
            f"VACUUM {table}", f"VACUUM {table}", f"VACUUM {table}", f"ANALYZE {table}",
            # not all of item: while REINDEX CONCURRENTLY copies the index of a deferrable
            # constraint, heap too checks it at once
            f"VACUUM (FREEZE, INDEX_CLEANUP on) {table}", "REINDEX INDEX CONCURRENTLY item_pkey",
            f"REINDEX TABLE CONCURRENTLY {table if table != 'item' else 'detail'}",
            "CREATE INDEX CONCURRENTLY extra ON item (owner, left(tag, 20), v)",
            "CREATE UNIQUE INDEX CONCURRENTLY extra_u ON item (u DESC)",
            "CREATE INDEX CONCURRENTLY extra_b ON account (balance)",
            f"VACUUM FULL {table}" if self.rng.random() < 0.3 else f"ANALYZE {table}"])
        cursor.execute(sql)
        return " ".join(word for word in sql.split()[:3] if word.isupper())


def child(server, number, options, halt, results):
    """The body of a client's process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    client = Client(server, number, options.seed, options.only)
    try:
        results.put((number, *client.live(halt)))
    except BaseException:                                       # pylint: disable=broad-except
        results.put((number, client.state, client.tally,
                     [*client.wrong, f"client {number}: " + traceback.format_exc()]))


class Stress:
    """The server, the clients and what they leave."""

    def __init__(self, options):
        self.options = options
        self.rng = random.Random(options.seed)
        self.directory = work_directory("stress")
        heap = options.am == "heap"
        self.server = Server(self.directory).new(preload=None if heap else "tsdb", settings={
            "restart_after_crash": "on", "autovacuum": "on", "autovacuum_naptime": "2s",
            "deadlock_timeout": "100ms", "checkpoint_timeout": "30s", "jit": "off",
            "max_prepared_transactions": "20", "max_pred_locks_per_transaction": "256",
            "fsync": "on" if options.kill else "off", "full_page_writes": "on",
            **({} if heap else WORKERS)}).start()
        self.halt = threading.Event()
        self.passed = self.failed = 0
        self.killed = collections.Counter()

    def connect(self, name="check", seconds=90):
        """A connection, once the server takes one."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                connection = psycopg2.connect(
                    host=self.server.socket, port=self.server.port, user="postgres",
                    dbname="postgres", application_name=name,
                    options="-c statement_timeout=120s -c tsdb.shards=2"
                    if self.options.am == "tsdb" else "")
                connection.autocommit = True
                return connection
            except psycopg2.Error:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def check(self, what, wrong):
        """Count one check; wrong: complaints."""
        for line in [w for w in wrong if w][:8]:
            note(f"  {what}: {line}")
        if any(wrong):
            self.failed += 1
        else:
            self.passed += 1

    def run(self):
        options = self.options
        connection = self.connect()
        with connection.cursor() as cursor:
            if options.am == "tsdb":
                create_extension(connection)
            cursor.execute("CREATE EXTENSION amcheck")
            cursor.execute(SCHEMA.format(am=options.am))
            cursor.execute(FILL)
        connection.close()

        context = multiprocessing.get_context("fork")
        halt, results = context.Event(), context.Queue()
        clients = [context.Process(target=child, args=(self.server, n, options, halt, results))
                   for n in range(options.clients)]
        for process in clients:
            process.start()
        helpers = [Maintainer(self, "maintainer")]
        if options.am == "tsdb":
            helpers.append(Compactor(self, "compactor"))
        for helper in helpers:
            helper.start()
        self.wait(options.minutes * 60, clients)
        halt.set()
        ends = [results.get(timeout=300) for _ in clients]
        for process in clients:
            process.join(60)
        self.halt.set()
        for helper in helpers:
            helper.join(150)
        self.report(ends, helpers)
        self.check("while it ran", [w for end in ends for w in end[3]]
                   + [w for helper in helpers for w in helper.wrong])
        self.verify({number: state for number, state, _, _ in ends})

    def wait(self, seconds, clients):
        """Let them work; kill something now and then."""
        end = said = time.monotonic()
        end += seconds
        while time.monotonic() < end and any(process.is_alive() for process in clients):
            if self.options.kill:
                time.sleep(self.rng.uniform(0.5, min(8, max(1.5, seconds / 10))))
                self.kill(self.rng.choice(KINDS))
            else:
                time.sleep(min(1, max(0, end - time.monotonic())))
            if time.monotonic() - said > 30:
                said = time.monotonic()
                note(f"  {end - said:.0f} s left, killed so far: {dict(self.killed)}")

    def kill(self, kind):
        """End something with force, and see that the server comes back."""
        self.killed[kind] += 1
        if kind == "postmaster":
            self.server.kill_postmaster()
            self.server.start(check=False)
        elif kind == "immediate":
            self.server.stop("immediate", check=False)
            self.server.start(check=False)
        else:
            condition = {"worker": "backend_type ILIKE '%tsdb%'",
                         "backend": "application_name LIKE 'client%'"}.get(
                             kind, f"application_name = '{kind}'")
            connection = self.connect("killer")
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT pid FROM pg_stat_activity WHERE {condition}")
                pids = [pid for (pid,) in cursor.fetchall()]
            connection.close()
            if pids:
                os.kill(self.rng.choice(pids), signal.SIGKILL)
        time.sleep(0.1)
        self.connect("killer").close()

    # -- the end -------------------------------------------------------------------------------

    def report(self, ends, helpers):
        total = collections.Counter()
        for _, _, tally, _ in ends:
            total += tally
        for helper in helpers:
            total += helper.tally
        tried = total["committed"] + total["rolled back"] + sum(
            count for name, count in total.items()
            if name.startswith(tuple(RETRY.values())) and "without a rival" not in name)
        note(f"{tried} transactions: {total['committed']} committed, {total['rolled back']} rolled "
             f"back, {total['two-phase']} in two phases; {total['comparisons']} results compared")
        for name in RETRY.values():
            counts = {key.removeprefix(name + " "): n for key, n in total.items()
                      if key.startswith(name + " ") and "without a rival" not in key}
            note(f"{name}: {sum(counts.values())} of {tried} transactions {counts or ''}")
        for name, count in sorted(total.items()):
            if "without a rival" in name:
                note(f"  {name}: {count}")
        note("operations: " + ", ".join(f"{name.split()[1]} {count}" for name, count in
                                        sorted(total.items()) if name.startswith("operation ")))
        note("besides: " + ", ".join(f"{name} {count}" for name, count in sorted(total.items())
                                     if not name.startswith(("operation ", "committed", "rolled",
                                                             "comparisons", "two-phase",
                                                             *RETRY.values()))))
        if self.killed:
            note(f"killed: {sum(self.killed.values())} {dict(self.killed)}")

    def verify(self, states):
        """Everything, by each way to read it, then compacted and vacuumed once more."""
        for when in ("as it was left", "compacted", "vacuumed"):
            connection = self.connect()
            with connection.cursor() as cursor:
                for table in TABLES:
                    if when == "compacted" and self.options.am == "tsdb":
                        cursor.execute(f"SELECT tsdb.compact('{table}')")
                    if when == "vacuumed":
                        cursor.execute(f"VACUUM (FREEZE, INDEX_CLEANUP on) {table}")
                for way in ("seqscan", "indexscan", "bitmapscan"):
                    for other in ("seqscan", "indexscan", "bitmapscan", "indexonlyscan"):
                        cursor.execute(f"SET enable_{other} = "
                                       f"{'on' if other.startswith(way[:5]) else 'off'}")
                    self.check(f"own rows by {way}, {when}", self.own_rows(cursor, states))
                    self.check(f"shared rows by {way}, {when}", self.shared_rows(cursor, states))
                cursor.execute("RESET ALL")
                self.check(f"constraints, {when}", self.constraints(cursor))
                self.check(f"indexes, {when}", self.indexes(cursor))
            connection.close()

    @staticmethod
    def own_rows(cursor, states):
        for number, state in states.items():
            for sql, wanted in state.expected().items():
                cursor.execute(sql.format(owner=number))
                yield difference(f"client {number}, {sql.split(' FROM ')[1]}",
                                 sorted(cursor.fetchall(), key=str), sorted(wanted, key=str))
        for sql, table in ((ITEMS, "item"), (DETAILS, "detail"), (CLAIMS, "claim"), (PINS, "pin")):
            cursor.execute(f"SELECT count(*) FROM {table}")
            yield difference(f"all of {table}", cursor.fetchall(),
                             [(sum(len(s.expected()[sql]) for s in states.values()),)])

    @staticmethod
    def shared_rows(cursor, states):
        balances, transfers, counters, consumed = (collections.Counter() for _ in range(4))
        for state in states.values():
            balances.update(state.balances)
            transfers.update(state.transfers)
            counters.update(state.counters)
            consumed.update(state.consumed)
        cursor.execute("SELECT id, balance, n FROM account WHERE id >= 0 ORDER BY id")
        yield difference("accounts", cursor.fetchall(),
                         [(i, BALANCE + balances[i], transfers[i]) for i in range(ACCOUNTS)])
        cursor.execute("SELECT id, n FROM counter WHERE id >= 0 ORDER BY id")
        yield difference("counters", cursor.fetchall(),
                         [(i, counters[i]) for i in range(COUNTERS) if counters[i]])
        yield difference("tokens taken twice", [t for t, n in consumed.items() if n > 1], [])
        produced = set().union(*(s.produced for s in states.values()))
        cursor.execute("SELECT token FROM queue WHERE token >= 0")
        yield difference("tokens left", sorted(t for (t,) in cursor.fetchall()),
                         sorted(produced - set(consumed)))

    @staticmethod
    def constraints(cursor):
        """Foreign keys by joins, unique keys by groups: not by what enforces them."""
        for what, sql in {
                "pins without a parent": "pin c LEFT JOIN pool p ON p.id = c.pool WHERE p.id IS NULL",
                "details without an item": "detail c LEFT JOIN item p ON p.owner = c.owner "
                                           "AND p.id = c.item WHERE p.id IS NULL",
                "notes without an item": "note c LEFT JOIN item p ON p.owner = c.owner "
                                         "AND p.id = c.item WHERE p.id IS NULL",
                "items without a kind": "item c LEFT JOIN kind p USING (owner, kind) "
                                        "WHERE p.owner IS NULL AND c.kind IS NOT NULL",
                "equal keys": "(SELECT 1 FROM item GROUP BY owner, id HAVING count(*) > 1) x",
                "equal ranks": "(SELECT 1 FROM item GROUP BY owner, rank HAVING count(*) > 1) x",
                "equal u": "(SELECT 1 FROM item GROUP BY u HAVING count(*) > 1) x",
                "equal codes": "(SELECT 1 FROM claim GROUP BY code HAVING count(*) > 1) x",
                "equal pool": "(SELECT 1 FROM pool GROUP BY id HAVING count(*) > 1) x",
                "prepared transactions": "pg_prepared_xacts"}.items():
            cursor.execute(f"SET enable_indexscan = off; SET enable_bitmapscan = off; "
                           f"SET enable_indexonlyscan = off; SELECT count(*) FROM {sql}")
            yield difference(what, cursor.fetchall(), [(0,)])

    def indexes(self, cursor):
        """Every row has its entry, and the order is right; tsdb.verify() if there is one."""
        cursor.execute("SELECT indexrelid::regclass::text FROM pg_index i JOIN pg_class c "
                       "ON c.oid = indexrelid WHERE c.relnamespace = 'public'::regnamespace "
                       "AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'btree') "
                       "AND indisvalid")
        for (name,) in cursor.fetchall():
            try:
                cursor.execute(f"SELECT bt_index_check('{name}', true)")
            except psycopg2.Error as error:
                yield f"{name}: {error}".strip()
        cursor.execute("SELECT to_regprocedure('tsdb.verify(regclass)') IS NOT NULL")
        if cursor.fetchall()[0][0]:
            for table in TABLES:
                cursor.execute(f"SELECT v::text FROM tsdb.verify('{table}') v")
                yield from (f"tsdb.verify({table}): {row}" for (row,) in cursor.fetchall())


def main():
    long = os.environ.get("TEST_LONG") == "1"
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10 if long else 0.2)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--kill", action="store_true", help="kill processes at random")
    parser.add_argument("--only", nargs="*", metavar="OPERATION",
                        help="of own.py and shared.py, by name")
    parser.add_argument("--am", default="tsdb", choices=["tsdb", "heap"])
    options = parser.parse_args()
    note(f"seed {options.seed}, {options.clients} clients, {options.minutes} minutes"
         + (", with kill -9" if options.kill else ""))
    stress = Stress(options)
    try:
        stress.run()
        if stress.failed:
            note(stress.server.crash_report())
    finally:
        stress.server.stop("immediate", check=False)
        if not stress.failed:
            stress.server.destroy()
            remove_directory(stress.directory)
    closing_line(stress.passed, stress.failed)


if __name__ == "__main__":
    main()
