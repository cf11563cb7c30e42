#!/usr/bin/python3
"""Crash test: kill -9 under concurrent writers while compaction runs; nothing acknowledged is lost.

    run.py                  short: about three minutes
    run.py --rounds 100     or TEST_LONG=1
    run.py --seed 7         another run of dice
    run.py --kinds none     nobody dies: a stress test of the same promises

A round lets writers, a compactor and the background workers run, ends some of them with force,
lets the server recover, and compares every row with what the writers were promised.  A streaming
standby, made by pg_basebackup under load, is attached in half of the rounds and must end up equal.
Named stop points (setting tsdb.stop_point) then crash the process at each place that is worth it.
"""

import argparse
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "differential"))

import psycopg2                                                         # noqa: E402

from server import (STAND_IN, Server, closing_line, create_extension, note,     # noqa: E402
                    query, remove_directory, work_directory)
from writers import SCHEMA, Compactor, Writer                           # noqa: E402

STOP_POINTS = ["compact_after_mark", "compact_after_write", "compact_after_index",
               "compact_before_commit", "mark_after_stub", "mark_after_tombstone",
               "vacuum_after_index", "vacuum_after_directory"]
WORKERS = {"tsdb.workers": "2", "tsdb.compact_rows": "300", "tsdb.compact_age": "'200ms'",
           "tsdb.compact_duty": "100", "tsdb.worker_idle_timeout": "'1s'"}
KINDS = ["postmaster", "backend", "worker", "compactor", "immediate"]
CHECKSUM = ("SELECT count(*), sum(hashtextextended(x::text, 0)::numeric), "
            "(SELECT count(*) FROM log), (SELECT sum(hashtextextended(l::text, 0)::numeric) "
            "FROM log l) FROM events x")


class Crash:
    """One primary, perhaps a standby, the writers and the tally."""

    def __init__(self, options):
        self.options = options
        self.rng = random.Random(options.seed)
        self.directory = work_directory("crash")
        self.primary = Server(self.directory, "primary").new(settings={
            "wal_level": "replica", "max_wal_senders": "5", "wal_keep_size": "'2GB'",
            "restart_after_crash": "on", "autovacuum": "on", "autovacuum_naptime": "1s",
            "checkpoint_timeout": "30s", "deadlock_timeout": "200ms",
            **({} if STAND_IN else WORKERS)}).start()
        connection = self.primary.connect()
        create_extension(connection)
        connection.close()
        self.standby = None
        self.writers = []
        self.passed = self.failed = 0

    def admin(self, server=None, seconds=90):
        """A connection, once the server takes one; a dead postmaster is started again."""
        server = server or self.primary
        deadline = time.monotonic() + seconds
        while True:
            try:
                if not self.alive(server):
                    server.start(check=False)
                return server.connect(name="admin")
            except psycopg2.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    @staticmethod
    def alive(server):
        pid = server.postmaster()
        if not pid:
            return False
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                return file.read().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    # -- one round -----------------------------------------------------------------------------

    def fresh_tables(self):
        connection = self.admin()
        query(connection, "DROP TABLE IF EXISTS events, log")
        for sql in SCHEMA:
            query(connection, sql)
        connection.close()
        self.writers = [Writer(self.primary, n, self.rng.random())
                        for n in range(self.options.writers)]

    def begin(self):
        """Start writers, with the memory of earlier rounds, and a compactor."""
        started = []
        for old in self.writers:
            writer = Writer(self.primary, old.number, self.rng.random())
            writer.next, writer.acknowledged, writer.live = old.next, old.acknowledged, old.live
            started.append(writer)
        self.writers = started
        self.compactor = Compactor(self.primary, self.rng.random())
        for thread in [*self.writers, self.compactor]:
            thread.start()

    def end(self, name):
        """Stop the writers, compare everything, and say so."""
        for thread in [*self.writers, self.compactor]:
            thread.halt.set()
        for thread in [*self.writers, self.compactor]:
            thread.join(120)
        wrong = [e for thread in [*self.writers, self.compactor] for e in thread.errors]
        try:
            wrong += self.verify()
            if self.standby:
                wrong += self.verify_standby()
        except Exception as error:              # a crash while verifying is a failure of the round
            wrong.append(f"{type(error).__name__}: {error}")
        acknowledged = sum(len(writer.acknowledged) for writer in self.writers)
        note(f"{name}: {acknowledged} transactions acknowledged, "
             + ("ok" if not wrong else f"{len(wrong)} FAULTS"))
        for line in wrong[:10]:
            note("    " + line)
        if wrong:
            self.failed += 1
            note(self.primary.log_tail(15))
        else:
            self.passed += 1
        return not wrong

    def verify(self):
        wrong = []
        connection = self.admin()
        # by sequential scan, then by the index of the primary key, then compacted
        for way in ("scan", "index", "compacted"):
            query(connection, f"SET enable_seqscan = {'off' if way == 'index' else 'on'}")
            query(connection, f"SET enable_indexscan = {'on' if way == 'index' else 'off'}")
            query(connection, "SET enable_bitmapscan = off")
            if way == "compacted":
                for table in ("events", "log"):
                    query(connection, "SELECT tsdb.compact(%s::regclass)", (table,))
            for writer in self.writers:
                logged = [int(txn) for (txn,) in query(
                    connection, "SELECT txn FROM log WHERE writer = %s", (writer.number,))]
                rows = [(int(txn), int(n), float(v)) for txn, n, v in query(
                    connection, "SELECT txn, n, v FROM events WHERE writer = %s",
                    (writer.number,))]
                wrong += [f"by {way}: {w}" for w in writer.verify(logged, rows)]
            if wrong:
                break
        bad = query(connection, "SELECT count(*) FROM events WHERE note IS DISTINCT FROM "
                    "CASE n WHEN 3 THEN repeat('wide', 900) ELSE 'w' || n END")[0][0]
        if bad != "0":
            wrong.append(f"{bad} notes are wrong")
        if not STAND_IN and query(connection, "SELECT to_regprocedure('tsdb.verify(regclass)')"
                                  )[0][0]:
            for table in ("events", "log"):
                wrong += [f"tsdb.verify({table}): {row}" for row in query(
                    connection, "SELECT * FROM tsdb.verify(%s::regclass) v WHERE v IS NOT NULL",
                    (table,))]
        connection.close()
        return wrong

    # -- standby -------------------------------------------------------------------------------

    def attach_standby(self):
        self.detach_standby()
        self.standby = Server(self.directory, "standby")
        self.primary.run("pg_basebackup", "-h", self.primary.socket, "-p", str(self.primary.port),
                         "-U", "postgres", "-D", self.standby.data, "-R", "-c", "fast",
                         "--no-sync")
        self.standby.configure({"unix_socket_directories": f"'{self.standby.socket}'",
                                "hot_standby": "on"})
        self.standby.start()

    def detach_standby(self):
        if self.standby:
            self.standby.destroy()
            self.standby = None

    def verify_standby(self):
        primary = self.admin()
        lsn = query(primary, "SELECT pg_current_wal_insert_lsn()")[0][0]
        query(primary, "CREATE TABLE IF NOT EXISTS nudge (); DROP TABLE nudge")
        wanted = query(primary, CHECKSUM)
        primary.close()
        standby = self.admin(self.standby)
        deadline = time.monotonic() + 60
        while query(standby, "SELECT pg_last_wal_replay_lsn() < %s::pg_lsn", (lsn,))[0][0] == "t":
            if time.monotonic() > deadline:
                return ["the standby does not catch up\n" + self.standby.log_tail(10)]
            time.sleep(0.1)
        got = query(standby, CHECKSUM)
        standby.close()
        return [] if wanted == got else [f"the standby differs: primary {wanted}, standby {got}"]

    # -- ways to die ---------------------------------------------------------------------------

    def kill(self, kind):
        """End something with force; says what it was."""
        if kind == "none":
            return kind
        if kind == "postmaster":
            self.primary.kill_postmaster()
            return kind
        if kind == "immediate":
            self.primary.stop("immediate", check=False)
            return kind
        condition = {"backend": "application_name LIKE 'writer%'",
                     "compactor": "application_name = 'compactor'",
                     "worker": "backend_type ILIKE '%tsdb%'"}[kind]
        connection = self.admin()
        pids = [int(pid) for (pid,) in query(
            connection, f"SELECT pid FROM pg_stat_activity WHERE {condition}")]
        connection.close()
        if not pids:
            return f"no {kind} to kill"
        os.kill(self.rng.choice(pids), signal.SIGKILL)
        return kind

    def round(self, number):
        if number % 10 == 0:
            self.fresh_tables()
        self.begin()
        if number % 4 == 2:
            self.attach_standby()
        elif number % 4 == 0:
            self.detach_standby()
        time.sleep(self.rng.uniform(0.3, self.options.seconds))
        killed = []
        for _ in range(self.rng.choice([1, 1, 2])):
            kinds = self.options.kinds
            kind = kinds[number % len(kinds)] if not killed else self.rng.choice(kinds)
            try:
                killed.append(self.kill(kind))
            except psycopg2.Error as error:
                killed.append(f"{kind}: {error}".strip())
            self.admin().close()
            time.sleep(self.rng.uniform(0.05, 0.5))
        self.end(f"round {number} ({', '.join(killed)}{', standby' if self.standby else ''})")

    def stop_point(self, name):
        """Let a session run into a stop point, with writers around it."""
        self.fresh_tables()
        self.begin()
        time.sleep(0.7)
        died, tries = False, 0
        while not died and tries < 40:
            tries += 1
            try:
                connection = self.admin()
                query(connection, "SET application_name = 'victim'")
                query(connection, "SELECT tsdb.compact('events')")
                query(connection, f"SET tsdb.stop_point = '{name}'")
                query(connection, "DELETE FROM events WHERE writer = -1")
                if name.startswith("compact"):
                    query(connection, "SELECT tsdb.compact('events')")
                elif name == "mark_after_tombstone":
                    query(connection, "BEGIN; DELETE FROM events WHERE ctid IN "
                          "(SELECT ctid FROM events WHERE (ctid::text::point)[0] >= 2147483648 "
                          "LIMIT 1); ROLLBACK")
                elif name.startswith("mark"):
                    # rolled back if it survives: the rows are the writers'
                    query(connection, "BEGIN; UPDATE events SET v = v WHERE ctid IN "
                          "(SELECT ctid FROM events WHERE (ctid::text::point)[0] >= 2147483648 "
                          "LIMIT 5 FOR UPDATE SKIP LOCKED); ROLLBACK")
                else:
                    query(connection, "VACUUM events")
                connection.close()
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                died = True
            except psycopg2.Error as error:
                note(f"    {name}: {error}")
                break
            time.sleep(0.1)
        self.admin().close()
        time.sleep(0.3)
        if self.end(f"stop point {name}" + ("" if died else " (not reached)")) and not died:
            self.passed -= 1
            self.failed += 1


def main():
    long = os.environ.get("TEST_LONG") == "1"
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=100 if long else 20)
    parser.add_argument("--minutes", type=float, default=0 if long else 3.3)
    parser.add_argument("--seconds", type=float, default=3 if long else 1.5)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--kinds", nargs="*", default=KINDS, choices=[*KINDS, "none"])
    parser.add_argument("--only", choices=["rounds", "stops"])
    parser.add_argument("--points", nargs="*", default=STOP_POINTS)
    options = parser.parse_args()
    note(f"seed {options.seed}")
    started = time.monotonic()
    crash = Crash(options)
    try:
        if options.only != "rounds" and not STAND_IN:
            for name in options.points:
                crash.stop_point(name)
        if options.only != "stops":
            for number in range(options.rounds):
                if options.minutes and time.monotonic() - started > options.minutes * 60 - 10:
                    note(f"stopped after {number} rounds: time is over")
                    break
                crash.round(number)
    finally:
        crash.detach_standby()
        crash.primary.destroy()
        if not crash.failed:
            remove_directory(crash.directory)
    closing_line(crash.passed, crash.failed)


if __name__ == "__main__":
    main()
