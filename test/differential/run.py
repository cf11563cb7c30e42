#!/usr/bin/python3
"""Differential test: random schemas, data and statements on heap and on tsdb, the same answers.

    run.py --seeds 200                seeds 1 .. 200 on a private server
    run.py --start 4711 --seeds 1     one seed again
    run.py --am heap                  heap against heap: the harness itself must raise no alarm
    run.py --minutes 3.5              as many seeds as fit

Environment: PG_CONFIG, BUILD_DIR.  A failing seed is replayed with fewer and fewer statements;
the shortest script that still differs is printed and kept in BUILD_DIR/differential.
"""

import argparse
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import psycopg2                                             # noqa: E402

from compare import Pair, Side, as_sql, minimise            # noqa: E402
from generate import Script                                 # noqa: E402
from server import (Server, closing_line, create_extension, memory_directory,     # noqa: E402
                    note, query, remove_directory, work_directory)

VACUUM_EVERY = 100      # seeds: autovacuum is off, and what each of them drops stays in the catalogs


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--start", type=int, default=1)
    parser.add_argument("--length", type=int, default=60, help="statements per seed")
    parser.add_argument("--minutes", type=float, default=0, help="stop after this time")
    parser.add_argument("--am", default="tsdb", choices=["tsdb", "heap"])
    parser.add_argument("--verbose", action="store_true", help="print each statement and outcome")
    parser.add_argument("--no-minimise", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave the server's directory")
    parser.add_argument("--max-failures", type=int, default=20)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                        help="a line for postgresql.conf")
    return parser.parse_args()


class Runner:
    """The server, the two databases and the tally."""

    def __init__(self, options):
        self.options = options
        self.directory = work_directory("differential")
        settings = dict(item.split("=", 1) for item in options.set)
        settings.setdefault("restart_after_crash", "on")
        settings.setdefault("allow_in_place_tablespaces", "on")
        settings.setdefault("jit", "off")       # plans that are costly on purpose are many here
        settings.setdefault("full_page_writes", "off")
        settings.setdefault("max_wal_size", "512MB")
        data = None if options.keep else memory_directory("differential")
        self.server = Server(self.directory, data=data).new(
            preload="tsdb" if options.am == "tsdb" else None, settings=settings).start()
        admin = self.server.connect()
        for name in ("dh", "dt"):
            query(admin, f"CREATE DATABASE {name}")
        query(admin, "CREATE ROLE tester")
        query(admin, "CREATE TABLESPACE elsewhere LOCATION ''")
        query(admin, "GRANT CREATE ON TABLESPACE elsewhere TO tester")
        admin.close()
        if options.am == "tsdb":
            connection = self.server.connect("dt")
            create_extension(connection)
            self.settings = [name for (name,) in query(
                connection, "SELECT name FROM pg_settings WHERE name LIKE 'tsdb.%'")]
            connection.close()
        else:
            self.settings = []
        self.pair = Pair(Side(self.server, "dh", "heap"), Side(self.server, "dt", options.am))
        self.failures = []
        self.passed = 0
        self.compared = 0
        self.stop = False       # SIGTERM: the seed at hand is the last
        self.undecided = 0      # seeds that ended early, where the answer hangs on the plan

    def revive(self):
        """After a crash: wait until the server has restarted, or start it again."""
        time.sleep(0.3)         # it first has to notice
        for attempt in range(300):
            try:
                connection = self.server.connect("dt")
                query(connection, "SELECT 1")
                connection.close()
                return
            except psycopg2.Error:
                if attempt % 100 == 99:
                    self.server.start(check=False)
                time.sleep(0.1)

    def seed(self, seed):
        """Run one seed: its Difference and steps, or None."""
        script = Script(seed, self.options.length)
        self.surroundings(random.Random(seed))
        self.pair.start()
        done = []
        while (step := script.next()) is not None:
            done.append(step)
            heap, difference = self.pair.step(len(done) - 1, step)
            if self.options.verbose:
                note(f"{step.how:8} {step.sql[:300]}  -> {heap}")
            if difference:
                return difference, done
            self.compared += heap is not None
            if heap is not None:
                script.learn(step, heap.state is None, heap.aborted)
        return None, done

    def surroundings(self, chance):
        """Settings that hold for a whole seed: RESET ALL comes back to them."""
        both, tsdb = "", ""
        if chance.random() < 0.2:
            both = " ".join(f"-c {name}=0" for name in (
                "parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size",
                "min_parallel_index_scan_size"))
            if chance.random() < 0.4:
                both += " -c force_parallel_mode=on"
        if chance.random() < 0.2:
            both += " -c plan_cache_mode=force_generic_plan"
        if "tsdb.compact_always" in self.settings:
            if chance.random() < 0.25:
                tsdb += " -c tsdb.compact_always=on"
            tsdb += f" -c tsdb.shards={chance.choice([1, 1, 2, 16])}"
        if "tsdb.direct_load_rows" in self.settings and chance.random() < 0.5:
            tsdb += f" -c tsdb.direct_load_rows={chance.choice([1, 1, 2, 5, 100])}"
        self.pair.heap.options, self.pair.tsdb.options = both, both + tsdb

    def run(self):
        try:
            self.run_seeds()
        finally:
            self.server.stop("immediate", check=False)
            if not self.options.keep:
                self.server.destroy()
        if not self.failures:
            remove_directory(self.directory)

    def run_seeds(self):
        options = self.options
        deadline = time.monotonic() + options.minutes * 60 if options.minutes else None
        said = time.monotonic()
        for seed in range(options.start, options.start + options.seeds):
            if self.stop or deadline and time.monotonic() > deadline:
                note(f"stopped before seed {seed}")
                break
            if seed % VACUUM_EVERY == 0:
                self.pair.vacuum()
            difference, steps = self.seed(seed)
            if difference and difference.kind == "plan":
                self.undecided += 1
                self.passed += 1
            elif difference:
                self.failures.append(seed)
                self.report(seed, difference, steps)
                if len(self.failures) >= options.max_failures:
                    note("too many failures, stopped")
                    break
            else:
                self.passed += 1
            if time.monotonic() - said > 20:
                said = time.monotonic()
                note(f"seed {seed}: {self.passed} equal, {len(self.failures)} different, "
                     f"{self.compared} statements compared")

    def report(self, seed, difference, steps):
        if difference.kind == "lost":
            note(self.server.crash_report())
            self.revive()
        if not self.options.no_minimise:
            steps = minimise(self.pair, steps, difference, self.revive)
            self.revive()
        path = os.path.join(self.directory, f"seed-{seed}.sql")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"-- seed {seed}: {difference.kind}\n-- heap: {difference.heap}\n"
                       f"-- tsdb: {difference.tsdb}\n"
                       "SET default_table_access_method = tsdb;\n" + as_sql(steps))
        note(f"--- seed {seed} {self.pair.tsdb.options}\n{difference}\n"
             f"--- {len(steps)} steps, {path}\n" + as_sql(steps)[-3000:] + "---")


def main():
    runner = Runner(arguments())
    signal.signal(signal.SIGTERM, lambda *_: setattr(runner, "stop", True))
    runner.run()
    note(f"{runner.compared} statements compared; {runner.undecided} seeds ended early since a "
         "cursor's plan decided what was in use")
    if runner.failures:
        note("differing seeds: " + " ".join(map(str, runner.failures)))
    closing_line(runner.passed, len(runner.failures))


if __name__ == "__main__":
    main()
