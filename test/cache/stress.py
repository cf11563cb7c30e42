#!/usr/bin/python3
"""Stress of the working set: caches that are far too small, and everybody at once.

    stress.py [--seed S] [--seconds N]      phases of N seconds in proportion; default 70 in all
    stress.py --phase small --seconds 600   one of them

A phase is a server with some size of cache, and clients (client.py) that ask, hold cursors open, fail in the
middle, run into timeouts, change, replace and drop tables, compact, vacuum, cancel and terminate each other.
Answers must be heap's all the time.  In the end, when all is idle, nothing may be pinned, and tables must be sound.

With TSDB_VALGRIND=1 the server runs under valgrind (memcheck, some thirty times slower); a report is a failure:

    TSDB_VALGRIND=1 PG_CONFIG=… test/cache/stress.py --phase small --seconds 600 --clients 3

PGSOURCE names PostgreSQL's source tree, for its src/tools/valgrind.supp.  A server without USE_VALGRIND does not tell
memcheck of its memory contexts: it then finds only what malloc and the stack can tell.
"""

import argparse
import glob
import os
import random
import re
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, os.pardir, "differential")]
sys.dont_write_bytecode = True

import psycopg2                                             # noqa: E402

from client import TABLES, Client                           # noqa: E402
from server import (Server, closing_line, create_extension, memory_directory, note, query,  # noqa: E402
                    remove_directory, work_directory)

SETTINGS = {"jit": "off", "restart_after_crash": "on", "deadlock_timeout": "100ms", "shared_buffers": "32MB",
            "max_connections": "60", "wal_level": "replica", "hot_standby_feedback": "on", "max_standby_streaming_delay": "1s"}
WORKERS = {"tsdb.workers": "2", "tsdb.compact_age": "1s", "tsdb.compact_rows": "2000"}

# name: settings, share of the time, with what else
PHASES = {
    "small": ({"tsdb.cache_size": "1MB", "tsdb.spill_cache_size": "0"}, 0.4, "standby"),
    "spill": ({"tsdb.cache_size": "1MB", "tsdb.spill_cache_size": "4MB"}, 0.2, "restart"),
    "entry": ({"tsdb.cache_size": "16kB", "tsdb.spill_cache_size": "0"}, 0.15, ""),
    "off": ({"tsdb.cache_size": "0", "tsdb.spill_cache_size": "0"}, 0.05, ""),
    "crash": ({"tsdb.cache_size": "2MB", "tsdb.spill_cache_size": "4MB"}, 0.1, "crash"),
    "bare": ({}, 0.1, "bare"),
}


class Phase:
    """A server, its clients, and what is checked in the end."""

    def __init__(self, name, options):
        self.name, self.options = name, options
        self.settings, share, self.more = PHASES[name]
        self.seconds = options.seconds * (share if options.phase == "all" else 1)
        self.good = self.bad = 0
        self.directory = work_directory("cache")
        self.data = memory_directory("cache", 2)
        self.standby = None
        self.server = Server(self.directory, data=self.data)

    def expect(self, fine, what):
        self.good, self.bad = (self.good + 1, self.bad) if fine else (self.good, self.bad + 1)
        if not fine:
            note(f"FAILED {self.name}: {what}")

    def run(self):
        try:
            self.start()
            self.play()
            self.finish()
        except Exception:                                       # pylint: disable=broad-except
            self.expect(False, traceback.format_exc() + self.server.log_tail(20))
        finally:
            for server in (self.standby, self.server):
                if server:
                    server.destroy()
            remove_directory(self.directory)
            if self.data:
                remove_directory(self.data)
        return self.good, self.bad

    # -- the server ----------------------------------------------------------------------------

    def start(self):
        preload = None if self.more == "bare" else "tsdb"
        self.server.new(preload=preload, settings=SETTINGS).start()
        connection = self.server.connect()
        create_extension(connection)
        known = {name for name, in query(connection, "SELECT name FROM pg_settings WHERE name LIKE 'tsdb.%'")}
        self.settings = {key: value for key, value in {**self.settings, **WORKERS}.items() if key in known and preload}
        maker = Client(self.server, 0, self.options.seed, threading.Event())
        maker.connect()
        maker.sql("CREATE TABLE tags AS SELECT i AS id, 'host' || i AS name FROM generate_series(0, 9) i")
        for table in TABLES:
            maker.create(table)
        maker.hang_up()
        connection.close()
        self.server.configure(self.settings)
        self.server.stop()
        if os.environ.get("TSDB_VALGRIND"):
            self.under_valgrind()
        self.server.start()
        if self.more == "standby" and not os.environ.get("TSDB_VALGRIND"):
            self.standby = Server(self.directory, "standby", data=self.data)
            self.server.run("pg_basebackup", "-h", self.server.socket, "-p", str(self.server.port), "-U", "postgres", "-D",
                            self.standby.data, "-R", "-c", "fast")
            self.standby.configure({"unix_socket_directories": f"'{self.standby.socket}'"})
            self.standby.start()

    def under_valgrind(self):
        """Has pg_ctl start a script that starts valgrind instead of postgres."""
        script = os.path.join(self.directory, "postgres")
        suppressions = os.path.join(os.environ.get("PGSOURCE", "."), "src/tools/valgrind.supp")
        options = f"--suppressions={suppressions}" if os.path.exists(suppressions) else ""
        with open(script, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\nexec valgrind -q --leak-check=no {options} --log-file={self.valgrind_log('%p')} "
                       f"{self.server.bin}/postgres \"$@\"\n")
        os.chmod(script, 0o755)
        self.server.program = script

    def valgrind_log(self, process):
        return os.path.join(self.data or self.directory, f"valgrind.{process}")

    # -- clients -------------------------------------------------------------------------------

    def play(self):
        halt, seed = threading.Event(), self.options.seed
        clients = [Client(self.server, n + 1, seed, halt) for n in range(self.options.clients)]
        if self.standby:
            clients += [Client(self.standby, 100 + n, seed, halt, only_reads=True) for n in range(2)]
        for client in clients:
            client.start()
        end = time.monotonic() + self.seconds
        rng = random.Random(seed)
        while time.monotonic() < end:
            time.sleep(min(1, max(0, end - time.monotonic())))
            if self.more == "crash" and rng.random() < 0.4:
                self.kill_one()
        halt.set()
        for client in clients:
            client.join(180)
            self.expect(not client.is_alive(), f"client {client.number} does not end")
        tally = sum((client.tally for client in clients), type(clients[0].tally)())
        note(f"{self.name}: " + ", ".join(f"{count} {what}" for what, count in sorted(tally.items())))
        self.expect(tally["answers compared"] > 20, "there was nothing to compare")
        for client in clients:
            for wrong in client.wrong[:3]:
                note(wrong)
            self.expect(not client.wrong, f"client {client.number}: {len(client.wrong)} wrong")

    def kill_one(self):
        """kill -9 of a backend: the server starts again, with shared memory as new."""
        try:
            connection = self.server.connect()
            found = query(connection, "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'cache%' ORDER BY random() LIMIT 1")
            connection.close()
            if found:
                os.kill(int(found[0][0]), 9)
        except (psycopg2.Error, ProcessLookupError):
            pass

    @staticmethod
    def connect(server):
        """A connection, as soon as the server is back from a crash."""
        for attempt in range(300):
            try:
                return server.connect()
            except psycopg2.OperationalError:
                if attempt == 299:
                    raise
                time.sleep(0.2)

    # -- in the end ----------------------------------------------------------------------------

    def finish(self):
        for server in (self.server, self.standby):
            if server:
                self.check_pins(server)
        if self.more == "restart":          # what was spilled is used again
            self.server.stop()
            self.server.start()
        checker = Client(self.server, 0, 0, threading.Event())
        checker.connect()
        for table in TABLES:
            checker.sql("BEGIN")
            try:
                checker.same_rows(table)
                self.expect(True, "")
            except Exception as wrong:                          # pylint: disable=broad-except
                self.expect(False, str(wrong))
            checker.sql("COMMIT")
            self.expect(checker.sql(f"SELECT * FROM tsdb.verify('{table}_tsdb')") == [], f"{table} is damaged")
        if self.more == "restart":
            found = checker.sql("SELECT hits FROM tsdb.stat_cache WHERE level = 'spill'")
            self.expect(found and int(found[0][0]) > 0, f"the spill cache has {found} hits after a restart")
        checker.hang_up()
        if self.standby:
            self.standby.stop()
        self.server.stop()
        reports = "".join(open(path, encoding="utf-8", errors="replace").read() for path in glob.glob(self.valgrind_log("*")))
        self.expect(not reports, "valgrind:\n" + reports[:6000])
        crashes = r"PANIC|TRAP" + ("" if self.more == "crash" else r"|terminated by signal")
        for server in (self.server, self.standby):
            if server:
                with open(server.log, encoding="utf-8", errors="replace") as file:
                    self.expect(not re.search(crashes, file.read()), f"{server.name}'s log:\n{server.crash_report()}")

    def check_pins(self, server):
        """Nothing is pinned once all is idle; and the cache was used, if there is one."""
        connection = self.connect(server)
        if not query(connection, "SELECT to_regclass('tsdb.stat_cache')")[0][0]:
            connection.close()
            return
        for _ in range(100):
            rows = query(connection, "SELECT coalesce(sum(pins), 0), coalesce(sum(hits), 0), coalesce(sum(evictions), 0) "
                                     "FROM tsdb.stat_cache")
            pins, hits, evictions = (float(value) for value in rows[0])
            if pins == 0:
                break
            time.sleep(0.1)
        connection.close()
        note(f"{self.name}, {server.name}: {hits:.0f} hits, {evictions:.0f} evictions, {pins:.0f} pins")
        self.expect(pins == 0, f"{pins:.0f} entries are pinned though all is idle")
        if self.name in ("small", "spill"):
            self.expect(hits > 0 and (evictions > 0 or server is self.standby), f"{hits} hits, {evictions} evictions: nothing was tested")
        if self.name in ("off", "bare"):
            self.expect(hits == 0, f"{hits} hits without a cache")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("TSDB_TEST_SEED", time.time())))
    parser.add_argument("--seconds", type=float, default=1800 if os.environ.get("TEST_LONG") == "1" else 50)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--phase", choices=["all", *PHASES], default="all")
    options = parser.parse_args()
    note(f"seed {options.seed}")
    good = bad = 0
    for name in PHASES if options.phase == "all" else [options.phase]:
        passed, failed = Phase(name, options).run()
        good, bad = good + passed, bad + failed
    closing_line(good, bad)


if __name__ == "__main__":
    main()
