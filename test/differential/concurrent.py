#!/usr/bin/python3
"""Differential test of concurrency: random interleavings of sessions on heap and on tsdb.

    concurrent.py --seeds 500 [--start S] [--am heap] [--verbose]

A script is a list of (session, statement) over a table of a few rows.  Each side runs it alone;
a statement that waits for a lock is noted as waiting, and the script goes on with the other
sessions.  On the tsdb side the table is compacted between steps, at random.  Who waits, who
fails with which SQLSTATE, every answer and the rows in the end must be the same.

Left out of the comparison is what is not the same on heap either: the victim of a deadlock, the
winner when one step sets two sessions free, and serialization failures that SERIALIZABLE raises
on suspicion.  Those are counted.
"""

import argparse
import collections
import os
import queue
import random
import sys
import threading
import time

import psycopg2

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from server import (KEY_INDEX, STAND_IN, Server, closing_line, create_extension,    # noqa: E402
                    memory_directory, note, query, remove_directory, with_key_index,
                    work_directory)

COMPACT = "tsdb.compact"
FINE = (None, "deadlock", "suspicion", "race", "quirk")      # outcomes of a comparison that raise no alarm
ROWS = 8
WORKERS = ("SET force_parallel_mode = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; "
           "SET min_parallel_table_scan_size = 0")      # reading is a parallel worker's


class Session(threading.Thread):
    """One connection that runs a statement at a time, in a thread of its own."""

    def __init__(self, server, database, method, number):
        super().__init__(daemon=True)
        self.connection = server.connect(
            database, name=f"s{number}",
            options=f"-c default_table_access_method={method} -c statement_timeout=30s "
                    f"-c deadlock_timeout={[50, 400, 1200][number]}ms")
        self.pid = self.connection.info.backend_pid
        self.work, self.done = queue.Queue(), queue.Queue()
        self.busy = False

    def run(self):
        while (sql := self.work.get()) is not None:
            try:
                with self.connection.cursor() as cursor:
                    cursor.execute(sql)
                    rows = sorted(map(str, cursor.fetchall())) if cursor.description else None
                    self.done.put((None, cursor.statusmessage, rows))
            except psycopg2.Error as error:
                lost = self.connection.closed
                self.done.put(("lost" if lost else error.pgcode, str(error).split("\n")[0], None))

    def stop(self):
        self.work.put(None)
        try:
            self.connection.cancel()
        except psycopg2.Error:
            pass
        self.join(5)
        self.connection.close()


class Runner:
    """Runs scripts on one side: a database with its own access method."""

    def __init__(self, server, database, method):
        self.server, self.database, self.method = server, database, method

    def run(self, setup, script, sessions):
        """The events of a script: (step, session, 'waits' or outcome), and the rows in the end."""
        self.helper = self.server.connect(
            self.database, name="helper",
            options=f"-c default_table_access_method={self.method} -c lock_timeout=5s")
        query(self.helper, "DROP TABLE IF EXISTS c, m")
        for sql in setup:
            self.help(sql)
        self.events, self.started = [], {}
        self.sessions = [Session(self.server, self.database, self.method, n)
                         for n in range(sessions)]
        for session in self.sessions:
            session.start()
        for number, (who, sql) in enumerate(script):
            if who is None:
                self.help(sql, number)
                continue
            session = self.sessions[who]
            if session.busy:
                self.events.append((number, who, "skipped, still waiting"))
                continue
            session.busy = True
            self.started[who] = number
            session.work.put(sql)
            self.settle(number)
        self.finish(len(script))
        final = [query(self.helper, sql) for sql in
                 ("SELECT * FROM m ORDER BY id, m::text", "SELECT * FROM c ORDER BY 1, 2",
                  "SELECT count(*), sum(v) FROM m")]
        query(self.helper, "SET enable_seqscan = off")
        final.append(query(self.helper, "SELECT id, k FROM m WHERE id > -10 ORDER BY id, k"))
        if self.method == "tsdb" and not STAND_IN:      # nothing, as on heap
            final += [query(self.helper, f"SELECT * FROM tsdb.verify('{name}')")
                      for name in ("m", "c")]
        else:
            final += [[], []]
        for session in self.sessions:
            session.stop()
        self.helper.close()
        return self.events, final

    def help(self, sql, number=None):
        if sql == COMPACT:
            if self.method != "tsdb":
                return
            for table in ("m", "c"):
                query(self.helper, f"SELECT tsdb.compact('{table}')")
        else:
            query(self.helper, with_key_index(sql, self.method))

    def settle(self, number):
        """Wait until every busy session has answered or is known to wait for a lock."""
        quiet = {}
        deadline = time.monotonic() + 25
        while time.monotonic() < deadline:
            unsure = False
            for who, session in enumerate(self.sessions):
                if not session.busy:
                    continue
                try:
                    self.answered(number, who, session.done.get(timeout=0.004))
                    quiet.clear()
                    unsure = True
                    continue
                except queue.Empty:
                    pass
                blocked = query(self.helper, "SELECT pg_blocking_pids(%s) <> '{}'",
                                (session.pid,))[0][0] == "t"
                quiet[who] = quiet.get(who, 0) + 1 if blocked else 0
                # a deadlock is not over before its victim has been told
                need = 12 if self.cycle() else 3
                unsure = unsure or quiet[who] < need
            if not unsure:
                break
        for who, session in enumerate(self.sessions):
            if session.busy and self.started.get(who) == number:
                self.events.append((number, who, "waits"))

    def cycle(self):
        """Whether all sessions that could let others go on are waiting themselves."""
        return sum(session.busy for session in self.sessions) > 1

    def answered(self, number, who, outcome):
        self.sessions[who].busy = False
        state, tag, rows = outcome
        self.events.append((number, who, state or tag, rows, tag if state else None))

    def finish(self, number):
        """End all transactions, first those that do not wait."""
        for _ in range(6):
            for who, session in enumerate(self.sessions):
                if not session.busy:
                    session.busy = True
                    self.started[who] = number
                    session.work.put("COMMIT")
                    self.settle(number)
            if not any(session.busy for session in self.sessions):
                return


def make(rng):
    """Setup statements, script and the number of sessions."""
    key = rng.choice(["PRIMARY KEY", "PRIMARY KEY", "UNIQUE", "key index", "key index", ""])
    constraint = key if key != "key index" else ""
    setup = [f"CREATE TABLE m (id int {constraint}, ts timestamptz, k int, v int)",
             "CREATE TABLE c (id int" + (" REFERENCES m (id)" if constraint else "") + ", n int)",
             f"INSERT INTO m SELECT i, timestamptz '2024-01-01' + i * interval '1 s', i % 3, i * 10 "
             f"FROM generate_series(1, {ROWS}) i"]
    if key == "key index":
        setup.append(f"CREATE UNIQUE INDEX ON m USING {KEY_INDEX} (id)")
    elif not key:
        setup.append("CREATE INDEX ON m (id)")
    if rng.random() < 0.3:
        setup.append("CREATE INDEX ON m (k)")
    if rng.random() < 0.6:
        setup.append(COMPACT)
    if rng.random() < 0.3:
        setup.append("UPDATE m SET v = v + 1 WHERE id % 2 = 0")
        if rng.random() < 0.5:
            setup.append(COMPACT)
    sessions = rng.choice([2, 2, 3])
    script, inside = [], [0] * sessions
    hot = rng.sample(range(1, ROWS + 1), 2)
    for _ in range(rng.randint(6, 18)):
        if rng.random() < 0.35:
            script.append((None, rng.choice([COMPACT] * 4 + ["VACUUM m"])))
        who = rng.randrange(sessions)
        if not inside[who] and rng.random() < 0.7:
            level = rng.choice(["", "", "", " ISOLATION LEVEL REPEATABLE READ",
                                " ISOLATION LEVEL REPEATABLE READ",
                                " ISOLATION LEVEL SERIALIZABLE"])
            script.append((who, "BEGIN" + level))
            inside[who] = 1
            if level and rng.random() < 0.8:
                script.append((who, "SELECT count(*), sum(v) FROM m"))
            continue
        if inside[who] and rng.random() < 0.18:
            script.append((who, rng.choice(["COMMIT", "COMMIT", "ROLLBACK"])))
            inside[who] = 0
            continue
        script.append((who, statement(rng, hot, key, inside[who])))
    if rng.random() < 0.15:
        script = [(who, WORKERS) for who in range(sessions)] + script
    return setup, script, sessions


def statement(rng, hot, key, inside):
    row = rng.choice(hot + [rng.randint(1, ROWS + 2)])
    other = rng.choice(hot + [rng.randint(1, ROWS + 2)])
    delta = rng.randint(1, 99)
    strength = rng.choice(["UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"])
    wait = rng.choice(["", "", "", " NOWAIT", " SKIP LOCKED"])
    choices = [
        f"UPDATE m SET v = v + {delta} WHERE id = {row} RETURNING *",
        f"UPDATE m SET v = v + {delta} WHERE id = {row} RETURNING *",
        f"UPDATE m SET v = v + {delta}, k = {delta % 3} WHERE id = {row} AND k = {delta % 3} "
        "RETURNING *",
        f"UPDATE m SET v = v + {delta} WHERE id = {row} AND v % 2 = 0 RETURNING *",
        f"DELETE FROM m WHERE id = {row} RETURNING *",
        f"DELETE FROM m WHERE id = {row} AND k = {delta % 3} RETURNING *",
        f"SELECT * FROM m WHERE id = {row} FOR {strength}{wait}",
        f"SELECT * FROM m WHERE id = {row} FOR {strength}{wait}",
        f"SELECT * FROM m WHERE id = {row} FOR {strength}{wait}",
        "SELECT * FROM m ORDER BY id",
        f"SELECT * FROM m WHERE k = {delta % 3} ORDER BY id",
        f"WITH x AS MATERIALIZED (SELECT id FROM m WHERE k = {delta % 3} ORDER BY id, m::text FOR UPDATE) "
        f"UPDATE m SET v = v + {delta} FROM x WHERE m.id = x.id RETURNING m.*",
        f"SELECT * FROM (SELECT * FROM m ORDER BY id, m::text FOR {strength} SKIP LOCKED) s LIMIT 3",
        f"INSERT INTO m VALUES ({row}, '2024-01-02', {delta % 3}, {delta}) RETURNING *",
        f"MERGE INTO m USING (VALUES ({row}, {delta})) s (id, d) ON m.id = s.id "
        "WHEN MATCHED AND v % 2 = 0 THEN UPDATE SET v = v + d WHEN MATCHED THEN DELETE "
        "WHEN NOT MATCHED THEN INSERT VALUES (s.id, '2024-01-03', 1, s.d)",
        f"UPDATE m SET id = {other} WHERE id = {row} RETURNING *",
        f"UPDATE m SET id = {ROWS + delta} WHERE id = {row} RETURNING *",
    ]
    if key:
        choices += [
            f"INSERT INTO m VALUES ({row}, '2024-01-02', 0, {delta}) ON CONFLICT (id) DO UPDATE "
            "SET v = m.v + excluded.v RETURNING *",
            f"INSERT INTO m VALUES ({row}, '2024-01-02', 0, {delta}) ON CONFLICT DO NOTHING "
            "RETURNING *",
            f"INSERT INTO c VALUES ({row}, {delta})",
            f"DELETE FROM c WHERE id = {row} RETURNING *",
        ]
    if inside:
        choices += ["SAVEPOINT a", "SAVEPOINT a", "ROLLBACK TO a", "ROLLBACK TO a"]
    return rng.choice(choices)


def compare(heap, tsdb, script):
    """None, another of FINE, or a description of the first difference."""
    (heap, heap_final), (tsdb, tsdb_final) = heap, tsdb
    states = [{event[2] for event in events} for events in (heap, tsdb)]
    if "lost" in states[1]:
        return "the tsdb server closed a connection"
    if "40P01" in states[0] and "40P01" in states[1]:
        return "deadlock"
    # two sessions that one step sets free race each other: what follows is the scheduler's choice
    race = min(first_race(heap), first_race(tsdb))
    order = (lambda events: sorted(events, key=lambda e: (e[0], e[1])))
    for one, two in zip(order(heap), order(tsdb)):
        if one[:4] != two[:4]:
            if min(one[0], two[0]) >= race:
                return "race"
            sql = script[one[0]][1] if one[0] < len(script) else ""
            if one[1] == two[1] and quirk(sql, one, two):
                return "quirk"
            serializable = any("SERIALIZABLE" in sql for who, sql in script if who == one[1])
            if serializable and "40001" in (one[2], two[2]):
                return "suspicion"
            step = script[one[0]] if one[0] < len(script) else "the end"
            return f"at step {one[0]} {step}\n  heap: {one}\n  tsdb: {two}"
    if len(heap) != len(tsdb):
        if race < sys.maxsize:
            return "race"
        return f"heap has {len(heap)} events, tsdb {len(tsdb)}"
    if heap_final != tsdb_final:
        if race < sys.maxsize:
            return "race"
        return f"rows in the end\n  heap: {heap_final}\n  tsdb: {tsdb_final}"
    return None


def quirk(sql, heap, tsdb):
    """What heap does for reasons of its own, and nobody should want.

    SKIP LOCKED and NOWAIT wait when they lock the later versions of a row; and of two rows with a
    foreign key's value, one deleted since the snapshot, heap looks at the older first.
    """
    return (heap[2] == "waits" and ("SKIP LOCKED" in sql or "NOWAIT" in sql)
            or heap[2] == "40001" and tsdb[2] == "INSERT 0 1" and sql.startswith("INSERT INTO c"))


def first_race(events):
    """The first step after which two sessions go on that had waited."""
    waiting, freed = set(), collections.Counter()
    for event in events:
        if event[2] == "waits":
            waiting.add(event[1])
        elif event[1] in waiting and not event[2].startswith("skipped"):
            waiting.discard(event[1])
            freed[event[0]] += 1
    return min((step for step, count in freed.items() if count > 1), default=sys.maxsize)


def shrink(runners, setup, script, sessions, seconds=30):
    """Leave out steps while the sides still differ in some way."""
    deadline = time.monotonic() + seconds
    at = 0
    while at < len(script) and time.monotonic() < deadline:
        shorter = script[:at] + script[at + 1:]
        try:
            found = compare(*[r.run(setup, shorter, sessions) for r in runners], shorter)
        except psycopg2.Error:
            time.sleep(3)
            found = None
        if found and found not in FINE:
            script = shorter
        else:
            at += 1
    return script


def run_seeds(server, options):
    """Run every seed; the tally of outcomes and the seeds that differ."""
    admin = server.connect()
    for name in ("dh", "dt"):
        query(admin, f"CREATE DATABASE {name}")
    if options.am == "tsdb":
        connection = server.connect("dt")
        create_extension(connection)
        connection.close()
    runners = [Runner(server, "dh", "heap"), Runner(server, "dt", options.am)]
    tally = collections.Counter()
    failed = []
    deadline = time.monotonic() + options.minutes * 60 if options.minutes else None
    said = time.monotonic()
    for seed in range(options.start, options.start + options.seeds):
        if deadline and time.monotonic() > deadline:
            break
        setup, script, sessions = make(random.Random(seed))
        try:
            results = [runner.run(setup, script, sessions) for runner in runners]
            found = compare(*results, script)
        except psycopg2.Error as error:
            found = f"{type(error).__name__} {error.pgcode} {error}".strip()
            time.sleep(3)
        if options.verbose:
            for event in results[1][0]:
                note(f"{event} {script[event[0]] if event[0] < len(script) else ''}")
        if found in FINE:
            tally[found or "equal"] += 1
        else:
            failed.append(seed)
            short = shrink(runners, setup, script, sessions)
            note(f"--- seed {seed}: {found}")
            for sql in setup:
                note(f"  setup: {sql}")
            for who, sql in short:
                note(f"  {'helper' if who is None else 's' + str(who)}: {sql}")
            if len(failed) >= options.max_failures:
                note("too many failures, stopped")
                break
        if time.monotonic() - said > 20:
            said = time.monotonic()
            note(f"seed {seed}: {dict(tally)}, {len(failed)} different")
    return tally, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--start", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--am", default="tsdb", choices=["tsdb", "heap"])
    parser.add_argument("--max-failures", type=int, default=10)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                        help="a line for postgresql.conf")
    options = parser.parse_args()
    server = Server(work_directory("concurrent"), data=memory_directory("concurrent")).new(
        preload="tsdb" if options.am == "tsdb" else None,
        settings=dict(item.split("=", 1) for item in options.set)).start()
    try:
        tally, failed = run_seeds(server, options)
    finally:
        server.stop("immediate", check=False)
        server.destroy()
    if not failed:
        remove_directory(server.directory)
    note(f"{dict(tally)}")
    if failed:
        note("differing seeds: " + " ".join(map(str, failed)))
    closing_line(sum(tally.values()), len(failed))


if __name__ == "__main__":
    main()
