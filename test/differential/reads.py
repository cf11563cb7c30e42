#!/usr/bin/python3
"""Random questions of one time series, on heap and on tsdb with and without each shortcut.

    reads.py --seeds 200              seeds 1 .. 200 on a private server
    reads.py --start 4711 --seeds 1   one seed again
    reads.py --minutes 2              as many seeds as fit

A seed makes a table of two hundred to six thousand rows: NULL, NaN, infinities and -0, late rows,
rows in both stores, rows changed after compaction, a column that old chunks do not have. Then it
asks thirty questions from a grammar of buckets, filters, aggregates, groups, orders and joins, while
the table goes on being changed and compacted, and compares heap's answer with tsdb's: as it
comes, with each shortcut off, with all of them off, and in workers.

Floats are eighths, so that no order of additions shows; what has to be rounded is, away from
the halves that variances of round numbers of rows may be.
"""

import argparse
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import psycopg2                                             # noqa: E402

from server import (STAND_IN, Raw, Server, closing_line, create_extension, memory_directory,    # noqa: E402
                    note, remove_directory, work_directory)

SHORTCUTS = ["tsdb.enable_scan", "tsdb.enable_aggregate", "tsdb.enable_in_list", "tsdb.enable_seek", "tsdb.enable_cache"]
WORKERS = {"max_parallel_workers_per_gather": "2", "parallel_setup_cost": "0",
           "parallel_tuple_cost": "0", "min_parallel_table_scan_size": "0"}
WAYS = {
    "as it comes": {},
    **{"without " + name: {name: "off"} for name in SHORTCUTS},
    "without any": {name: "off" for name in SHORTCUTS},
    "in workers": WORKERS,
    "in nested loops": {"enable_hashjoin": "off", "enable_mergejoin": "off"},
    "with no memory": {"tsdb.directory_cache_size": "0"},
}
QUESTIONS = 30

COLUMNS = ["ts", "local", "tick", "device", "host", "n", "big", "v", "r", "day", "ok", "price", "late"]
BUCKETS = [
    "time_bucket('1 hour', ts)", "time_bucket('5 min', ts)", "time_bucket('1 day', ts)",
    "time_bucket('1 month', ts)", "time_bucket('1 hour', ts, '7 min'::interval)",
    "time_bucket('1 day', ts, 'Europe/Berlin')", "date_trunc('hour', ts)", "date_trunc('day', ts)",
    "date_trunc('minute', local)", "date_bin('10 min', ts, '2001-01-01')", "ts::date", "local::date",
    "floor(extract(epoch from ts) / 300) * 300", "floor(date_part('epoch', ts) / 600)",
    "(tick / 900) * 900", "time_bucket(600, tick)", "tick / 3600 * 3600",
    "time_bucket('1 week', day)", "extract(hour from ts)", "to_char(ts, 'HH24:MI')", "tick % 7"]
KEYS = ["device", "host", "ok", "day", "late", "n % 5", "lower(host)", "v + 0", "price", "r"]
AGGREGATES = [
    "count(*)", "count(n)", "count(v)", "count(late)", "sum(n)", "sum(device)", "sum(big)", "avg(n)",
    "avg(big)", "avg(device)", "sum(v)", "avg(v)", "max(v)", "min(v) + 0", "min(n)", "max(n)", "min(ts)",
    "max(ts)", "max(day)", "min(local)", "min(big)", "max(big)", "sum(r)", "avg(r)", "min(r)", "max(r)",
    "bool_and(ok)", "bool_or(ok)", "every(ok)", "max(host)", "min(price)", "sum(price)", "avg(price)",
    "count(DISTINCT device)", "sum(n) FILTER (WHERE ok)", "max(n) FILTER (WHERE device = 1)",
    "round(stddev(n), 4)", "round((stddev(r) + 0.000013)::numeric, 4)", "round((var_pop(r) + 0.000013)::numeric, 4)",
    "count(*) + sum(n)", "sum(late)", "max(late)",
    # filters of all kinds, arguments that are expressions
    "count(*) FILTER (WHERE n > 100)", "sum(n) FILTER (WHERE device IN (1, 2) AND v > 0)",
    "avg(v) FILTER (WHERE host = 'host1')", "count(*) FILTER (WHERE n <> 0 AND 100000 / n > 90)",
    "max(v) FILTER (WHERE v < 'Infinity' AND late IS NULL)", "sum(v) FILTER (WHERE v = 0)",
    "avg(v) FILTER (WHERE v <= 0)", "count(v) FILTER (WHERE ts < '2024-10-27 03:00+00')",
    "min(price) FILTER (WHERE day = '2024-10-26' OR ok)", "sum(n + device)", "avg(v * 2)",
    "max(n::text)", "sum(CASE WHEN ok THEN n END)", "count(nullif(device, 1))", "avg(n::float4)",
    "bool_or(n > 1000)", "sum(n::numeric / 4)", "sum(10000 / n) FILTER (WHERE n <> 0)",
    # values that are kept: of times that no two rows share, or that decide on the value
    "min(host)", "max(host COLLATE \"C\")", "max(lower(host))", "max(price)", "min(price + 1)",
    "avg(price) FILTER (WHERE n > 0)", "min(ts - local::timestamptz)", "max(ARRAY[n, 1])",
    "last(tick, ts)", "first(local, ts)", "first(ts, tick)", "last(host, n)", "first(price, n)",
    "last(ok, n)", "first(big, n) FILTER (WHERE r > 1)", "last(n, (ts, n))",
    "first(host, (ts, host)) FILTER (WHERE device < 3)",
    "count(DISTINCT v)", "sum(DISTINCT n)", "count(DISTINCT host) FILTER (WHERE ok)"]

FILL = """INSERT INTO {{t}} (ts, local, tick, device, host, n, big, v, r, day, ok, price)
    SELECT '2024-10-26 20:00+00'::timestamptz + i / {devices} * '{step}'::interval,
        '2024-10-26 20:00'::timestamp + i / {devices} * '{step}'::interval, i / {devices} * 10,
        i % {devices}, CASE WHEN i % {odd} > 0 THEN 'host' || i % {devices} END,
        CASE WHEN i % ({odd} + 1) > 0 THEN i - 1000 END,
        CASE i % 500 WHEN 0 THEN 9223372036854775807 WHEN 1 THEN -9223372036854775808
            ELSE i * 1000000007::int8 END,
        CASE WHEN i % ({odd} * 7) = 0 AND i % 4 = 0 THEN 'NaN'
            WHEN i % ({odd} * 7) = 0 AND i % 4 = 1 THEN 'Infinity'
            WHEN i % {odd} = 2 THEN NULL WHEN i % {odd} = 1 THEN '-0' ELSE i / 8.0 - 100 END,
        (i % 9) / 4.0, '2024-10-26'::date + i / 700,
        CASE i % 3 WHEN 0 THEN true WHEN 1 THEN i % 2 = 0 END, i % 700 / 7.0
    FROM generate_series({first}, {last}) i"""


def make(rng):
    """Statements that fill table {t}, and compactions between them."""
    rows = rng.choice([200, 900, 2500, 6000])
    numbers = {"devices": rng.choice([1, 3, 10, 200]), "odd": rng.choice([5, 11, 97]),
               "step": rng.choice(["1 s", "10 s", "1 min", "7 min", "3 h"])}
    yield FILL.format(first=1, last=rows, **numbers)
    if rng.random() < 0.5:
        yield "COMPACT"
    yield "ALTER TABLE {t} ADD COLUMN late int" + rng.choice(["", " DEFAULT 7"])
    yield FILL.format(first=rows - rng.choice([0, 50, 150]), last=rows + 300, **numbers)
    if rng.random() < 0.8:
        yield "COMPACT"
    if rng.random() < 0.3:
        yield ("INSERT INTO {t} (ts, device, v) VALUES ('infinity', 1, 1), ('-infinity', 2, 2), "
               "(NULL, NULL, NULL)")


def change(rng):
    """A statement that changes the table, or a compaction."""
    where = f"n % {rng.choice([3, 10, 77])} = {rng.randrange(3)}"
    return rng.choice([
        f"DELETE FROM {{t}} WHERE {where}",
        f"UPDATE {{t}} SET v = v + 1, late = n % 3 WHERE {where}",
        f"UPDATE {{t}} SET device = device + 1 WHERE {where} AND ok",
        f"INSERT INTO {{t}} SELECT * FROM {{t}} WHERE {where} AND ts < '2024-10-27'",
        f"DELETE FROM {{t}} WHERE ts < '2024-10-26 21:00+00' AND device = {rng.randrange(4)}",
        "COMPACT", "COMPACT", "COMPACT"])


def condition(rng):
    minute = rng.choice(["00", "17", "30"])
    hour = f"'2024-10-{rng.randrange(26, 30)} {rng.randrange(24):02}:{minute}+00'"
    number = rng.choice([-1000, -1, 0, 17, 500, 1300, 5000])
    return rng.choice([
        f"ts >= {hour}", f"ts < {hour}", f"ts BETWEEN {hour} AND {hour}::timestamptz + '5 h'",
        f"ts > {hour}::timestamptz - '1 h'::interval", "ts < now()", f"local < {hour}::timestamp",
        f"day = {hour}::date", f"device = {rng.randrange(12)}",
        f"device IN ({rng.randrange(4)}, {rng.randrange(12)}, 77)",
        f"device = ANY ('{{{rng.randrange(4)},NULL,5}}')", f"host = 'host{rng.randrange(4)}'",
        f"host IN ('host{rng.randrange(4)}', 'host7')", "host LIKE 'host1%'", "host IS NULL",
        f"n > {number}", f"n <= {number}", f"{number} < n", f"n <> {number}",
        f"n % 7 = {rng.randrange(7)}", "v > 90", "v = 'NaN'", "v <= -50", "v = 0", "v IS NOT NULL",
        "v < 'Infinity'", f"r = {rng.randrange(9) / 4}", "ok", "NOT ok", "ok IS NULL",
        f"price < {rng.randrange(100)}", "late = 7", "late IS NULL",
        f"big > {rng.choice([0, 9 * 10 ** 18, 10 ** 12])}",
        f"device IN (SELECT id FROM tags WHERE name < 'host{rng.randrange(5)}')",
        f"n = (SELECT max(id) + {number} FROM tags)", f"tick < {rng.choice([100, 3000])}",
        f"row(device, tick) > row({rng.randrange(4)}, 500)", "coalesce(v, 1) > 3"])


def conditions(rng, more=()):
    parts = [condition(rng) for _ in range(rng.choice([0, 0, 1, 1, 2, 3]))]
    if len(parts) > 1 and rng.random() < 0.2:
        parts = [f"({parts[0]} OR {parts[1]})"] + parts[2:]
    parts += more
    return " WHERE " + " AND ".join(parts) if parts else ""


def ordered(rng):
    """A query whose answer depends on an order, but not on that of equal rows."""
    kind = rng.randrange(5)
    way = rng.choice(["", " DESC", " NULLS FIRST", " DESC NULLS LAST"])
    column = rng.choice(["ts", "ts", "ts", "n", "v", "big", "local", "day", "r", "price", "tick", "device"])
    limit = rng.choice([1, 2, 10, 300])
    if kind == 0:
        return (f"SELECT {column} FROM {{t}}{conditions(rng)} ORDER BY {column}{way} "
                f"LIMIT {limit} OFFSET {rng.choice([0, 0, 7])}")
    if kind == 1:
        return (f"SELECT g, c.* FROM generate_series(-1, 5) g LEFT JOIN LATERAL (SELECT device, {column} "
                f"FROM {{t}}{conditions(rng, ['device = g'])} ORDER BY {column}{way} LIMIT {limit}) c ON true")
    if kind == 2:
        return (f"SELECT DISTINCT ON (device) device, {column} FROM {{t}}{conditions(rng)} "
                f"ORDER BY device{rng.choice(['', ' DESC'])}, {column}{way}")
    if kind == 3:
        return (f"SELECT tags.name, c.ts, c.n, c.v FROM tags JOIN {{t}} c ON c.device = tags.id AND c.n > tags.id * 100 "
                f"WHERE tags.name < 'host{rng.randrange(6)}'")
    return (f"SELECT o.at, c.ts FROM (SELECT '2024-10-26 20:00+00'::timestamptz + i * '37 min'::interval AS at "
            f"FROM generate_series(0, 9) i) o LEFT JOIN LATERAL (SELECT ts FROM {{t}} "
            f"WHERE ts <= o.at AND device = {rng.randrange(4)} ORDER BY ts DESC LIMIT 1) c ON true")


def question(rng):
    """A query of table {t} whose answer is a set of rows."""
    kind = rng.randrange(13)
    if kind >= 10:
        return ordered(rng)
    chosen = rng.sample(AGGREGATES, rng.choice([1, 2, 4, 7]))
    aggregates = ", ".join(f"{text} AS a{i}" for i, text in enumerate(chosen))
    if kind == 0:
        return f"SELECT {aggregates} FROM {{t}}{conditions(rng)}"
    if kind == 1:
        columns = ", ".join(rng.sample(COLUMNS, rng.choice([1, 3, 6])))
        return f"SELECT {columns} FROM {{t}}{conditions(rng)}"
    if kind == 2:
        return (f"SELECT tags.name, {aggregates} FROM {{t}} JOIN tags ON tags.id = device"
                f"{conditions(rng)} GROUP BY tags.name")
    if kind == 3:
        order = rng.choice(["ts", "ts DESC", "device, ts", "time_bucket('1 hour', ts) DESC, n"])
        return (f"SELECT ts, device, n, v FROM {{t}}{conditions(rng)} ORDER BY {order}, device, n, v, big, "
                f"late LIMIT {rng.choice([1, 5, 40])}")
    if kind == 4:
        correlated = [rng.choice(["device = g", "n > g * 1000", "late = g"])]
        aggregates += ", count(*) FILTER (WHERE n > g * 100) AS filtered, sum(n + g) AS argument"
        return (f"SELECT g, c.* FROM generate_series(0, 3) g, LATERAL (SELECT {aggregates} FROM {{t}}"
                f"{conditions(rng, correlated)}) c")
    keys = rng.sample(BUCKETS + KEYS * 2, rng.choice([1, 1, 2, 3]))
    select = ", ".join(f"{key} AS k{i}" for i, key in enumerate(keys))
    having = rng.choice(["", "", " HAVING count(*) > 3", " HAVING max(n) > 100", " HAVING bool_or(ok)"])
    return (f"SELECT {select}, {aggregates} FROM {{t}}{conditions(rng)} GROUP BY "
            f"{', '.join(str(i + 1) for i in range(len(keys)))}{having}")


class Session:
    """One connection. An answer is a sorted list of the server's texts, or an SQLSTATE."""

    def __init__(self, server):
        self.connection = psycopg2.connect(host=server.socket, port=server.port, user="postgres",
                                           dbname="postgres")
        self.connection.autocommit = True
        Raw.register(self.connection)
        self.cursor = self.connection.cursor()

    def run(self, sql):
        self.cursor.execute(sql)

    def ask(self, sql, settings):
        for name, value in settings.items():
            self.run(f"SET {name} = {value}")
        try:
            self.run(sql)
            return sorted(self.cursor.fetchall(), key=str)
        except psycopg2.Error as error:
            if self.connection.closed:
                raise
            return error.pgcode
        finally:
            if not self.connection.closed:
                for name in settings:
                    self.run(f"RESET {name}")


class Seed:
    """Two tables with the same rows, and what was compared of them."""

    def __init__(self, session, seed):
        self.session = session
        self.seed = seed
        self.rng = random.Random(seed)
        self.compared = 0
        self.differences = []

    def both(self, sql):
        if sql != "COMPACT":
            self.session.run(sql.replace("{t}", "t_heap"))
            self.session.run(sql.replace("{t}", "t_tsdb"))
        elif not STAND_IN:
            self.session.run("SELECT tsdb.compact('t_tsdb')")

    def prepare(self):
        rng, run = self.rng, self.session.run
        run("SET client_min_messages = warning; DROP TABLE IF EXISTS t_heap, t_tsdb, tags")
        run("CREATE TABLE tags AS SELECT i AS id, 'host' || i AS name FROM generate_series(0, 9) i")
        zone = rng.choice(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"])
        run(f"SET timezone = '{zone}'")
        run("""CREATE TABLE t_heap (ts timestamptz, local timestamp, tick int8, device int2, host text,
            n int4, big int8, v float8, r float4, day date, ok bool, price numeric(10, 2))""")
        run("CREATE TABLE t_tsdb (LIKE t_heap)" + ("" if STAND_IN else " USING tsdb"))
        if not STAND_IN and rng.random() < 0.7:
            run("SELECT tsdb.set_key('t_tsdb', 'ts', '{device}')")
        for sql in make(rng):
            self.both(sql)
        if rng.random() < 0.7:
            run("ANALYZE t_heap; ANALYZE t_tsdb; ANALYZE tags")

    def compare(self):
        sql = question(self.rng)
        wanted = self.session.ask(sql.replace("{t}", "t_heap"), {})
        for way, settings in WAYS.items():
            if way != "as it comes" and self.rng.random() < 0.5:
                continue
            if STAND_IN:
                settings = {name: value for name, value in settings.items() if name in WORKERS}
            got = self.session.ask(sql.replace("{t}", "t_tsdb"), settings)
            self.compared += 1
            if got != wanted:
                self.differences.append(f"seed {self.seed}, {way}: {sql}\n  heap: {str(wanted)[:400]}\n"
                                        f"  tsdb: {str(got)[:400]}")

    def run(self):
        self.prepare()
        for _ in range(QUESTIONS):
            if self.rng.random() < 0.25:
                self.both(change(self.rng))
            self.compare()


def run_seeds(server, options):
    """Returns how many seeds were equal, how many not, and how many answers were compared."""
    good = bad = compared = 0
    end = time.time() + options.minutes * 60 if options.minutes else None
    session = Session(server)
    for seed in range(options.start, options.start + options.seeds):
        if (end and time.time() > end) or bad >= options.max_failures:
            break
        one = Seed(session, seed)
        try:
            one.run()
        except psycopg2.Error as error:
            one.differences.append(f"seed {seed}: {error}\n{server.log_tail(20)}")
            time.sleep(5)
            session = Session(server)
        compared += one.compared
        good, bad = (good, bad + 1) if one.differences else (good + 1, bad)
        for difference in one.differences[:3]:
            note(difference)
        if seed % 100 == 0:
            note(f"seed {seed}: {compared} answers compared, {bad} seeds differ")
    return good, bad, compared


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--start", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=0, help="stop after this time")
    parser.add_argument("--max-failures", type=int, default=20)
    options = parser.parse_args()

    directory = work_directory("reads")
    data = memory_directory("reads")
    settings = {"jit": "off", "restart_after_crash": "on"}
    if not STAND_IN:
        # far too small for the table: columns come from everywhere
        settings.update({"tsdb.workers": "0", "tsdb.cache_size": "256kB", "tsdb.spill_cache_size": "4MB"})
    server = Server(directory, data=data).new(settings=settings)
    try:
        server.start()
        create_extension(Session(server).connection)
        good, bad, compared = run_seeds(server, options)
    finally:
        server.stop("immediate", check=False)
        remove_directory(directory)
        if data:
            remove_directory(data)
    note(f"{compared} answers compared")
    closing_line(good, bad)


if __name__ == "__main__":
    main()
