#!/usr/bin/python3
"""Real time series through heap and tsdb: the same rows and bits, and how many bytes they take.

The sets are those of TSDB_DATA_DIR (default: ../shared/data beside the repository); when there is
no such directory only the synthetic special values are compared.  Every table is loaded twice
by the same COPY, the tsdb one compacted, and compared by sums that do not depend on the order of
rows: per column over its binary send form, so that NaN payloads and the sign of zero count, and
over whole rows, so that values that changed places are found as well.

    run.py                  all sets
    run.py nab_tweets ...   only these
"""

import csv
import gzip
import io
import os
import random
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "differential"))

from server import (Server, closing_line, create_extension, note, query,      # noqa: E402
                    remove_directory, work_directory)

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
DATA = os.environ.get("TSDB_DATA_DIR") or os.path.join(ROOT, "..", "shared", "data")

# a column's type by set and name; what is not named here is guessed from its values
TYPES = {
    ("*", "ts"): "timestamptz", ("*", "series"): "text", ("*", "labels"): "jsonb",
    ("*", "series_id"): "int4", ("*", "interface"): "text", ("*", "run"): "text",
    ("*", "metric"): "text", ("*", "value"): "float8", ("sp500_daily", "volume"): "int8",
}
KINDS_OF_FLOAT = {"ett_h1": "float4"}       # the origin's values were float32


def send_function(connection, kind):
    """The binary output function of a type: what a client reads in binary, bit for bit."""
    return query(connection, "SELECT typsend::regproc FROM pg_type WHERE oid = %s::regtype",
                 (kind,))[0][0]


def guess(name, column, values):
    """A type that holds every value: int4, int8, float4 / float8, text."""
    known = TYPES.get((name, column)) or TYPES.get(("*", column))
    if known:
        return known
    try:
        numbers = [int(value) for value in values if value]
        return "int4" if all(-2 ** 31 <= n < 2 ** 31 for n in numbers) else "int8"
    except ValueError:
        pass
    try:
        for value in values:
            float(value or 0)
        return KINDS_OF_FLOAT.get(name, "float8")
    except ValueError:
        return "text"


class Compare:
    """One server, its tally, and the table that is printed."""

    def __init__(self):
        self.server = Server(work_directory("realdata")).new(
            settings={"max_wal_size": "8GB", "shared_buffers": "256MB",
                      "maintenance_work_mem": "256MB", "work_mem": "128MB",
                      "wal_level": "minimal", "max_wal_senders": "0"}).start()
        self.connection = self.server.connect()
        create_extension(self.connection)
        self.passed = self.failed = 0
        note(f"{'set':22} {'rows':>9} {'heap B/row':>10} {'tsdb B/row':>10} {'ratio':>6} "
             f"{'load':>6} {'compact':>7} s")

    def check(self, what, good, detail=""):
        self.passed += good
        self.failed += not good
        if not good:
            note(f"FAILED {what}: {detail}")

    def table(self, name, columns, load):
        """Make name on both sides, load(cursor, table) each, compact, compare."""
        body = ", ".join(f'"{column}" {kind}' for column, kind in columns)
        seconds = {}
        for method in ("heap", "tsdb"):
            query(self.connection, f'CREATE TABLE {method}_{name} ({body}) USING {method}')
            started = time.monotonic()
            with self.connection.cursor() as cursor:
                load(cursor, f"{method}_{name}")
            seconds[method] = time.monotonic() - started
        self.same(name, columns, "before compaction")
        started = time.monotonic()
        for _ in range(100):
            if query(self.connection, f"SELECT tsdb.compact('tsdb_{name}')")[0][0] in ("0", None):
                break
        compacting = time.monotonic() - started
        query(self.connection, f"VACUUM tsdb_{name}")
        self.same(name, columns, "after compaction")
        rows = int(query(self.connection, f"SELECT count(*) FROM tsdb_{name}")[0][0])
        heap = int(query(self.connection, f"SELECT pg_table_size('heap_{name}')")[0][0])
        tsdb = int(query(self.connection, f"SELECT tsdb.table_size('tsdb_{name}')")[0][0])
        note(f"{name:22} {rows:9} {heap / max(rows, 1):10.1f} {tsdb / max(rows, 1):10.2f} "
             f"{heap / max(tsdb, 1):6.1f} {seconds['tsdb']:6.1f} {compacting:7.1f}")

    def same(self, name, columns, when):
        """Row counts, and a checksum a column."""
        sums = ["count(*)"]
        for column, kind in columns:
            send = send_function(self.connection, kind)
            sums.append(f'sum(hashtextextended(encode({send}("{column}"), \'hex\'), 1)::numeric)')
            sums.append(f'count("{column}")')
        wanted, got = (query(self.connection, f"SELECT {', '.join(sums)} FROM {m}_{name}")[0]
                       for m in ("heap", "tsdb"))
        self.check(f"{name} {when}: rows", wanted[0] == got[0], f"{wanted[0]} <> {got[0]}")
        for number, (column, kind) in enumerate(columns):
            at = 1 + 2 * number
            self.check(f"{name} {when}: column {column} {kind}", wanted[at:at + 2] == got[at:at + 2],
                       f"heap {wanted[at:at + 2]}, tsdb {got[at:at + 2]}")
        # whole rows: values that changed places between rows leave the sums above as they were
        rows = "count(*), sum(hashtextextended(x::text, 7)::numeric)"
        wanted, got = (query(self.connection, f"SELECT {rows} FROM {m}_{name} x")[0]
                       for m in ("heap", "tsdb"))
        self.check(f"{name} {when}: whole rows", wanted == got, f"heap {wanted}, tsdb {got}")

    def csv(self, path):
        """A gzipped CSV file with a header."""
        name = os.path.basename(path).removesuffix(".csv.gz")
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            header = next(reader)
            sample = list(zip(*reader))
        columns = [(column, guess(name, column, values)) for column, values in zip(header, sample)]

        def load(cursor, table):
            with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
                cursor.copy_expert(f"COPY {table} FROM STDIN (FORMAT csv, HEADER)", file)
        self.table(name, columns, load)

    def lines(self, path):
        """A gzipped text file, a row a line."""
        def load(cursor, table):
            with gzip.open(path, "rt", encoding="utf-8") as file:
                for number, line in enumerate(file):
                    cursor.execute(f"INSERT INTO {table} VALUES (%s, %s)",
                                   (number, line.rstrip("\n")))
        self.table(os.path.basename(path).removesuffix(".txt.gz"),
                   [("line", "int4"), ("content", "text")], load)

    def special(self):
        """Values that arithmetic or text would lose: made from bits where SQL has no literal."""
        self.table("special_float8", [("ts", "timestamptz"), ("v", "float8"), ("w", "float4")],
                   special_floats)
        self.table("special_time", [("ts", "timestamptz"), ("t", "timestamp"), ("d", "date"),
                                    ("n", "numeric"), ("i", "int8"), ("s", "interval")],
                   special_times)
        self.table("special_text", [("ts", "timestamptz"), ("a", "text"), ("b", "bytea"),
                                    ("j", "jsonb"), ("x", "float8[]")], special_texts)

    def close(self):
        self.connection.close()
        self.server.stop(check=False)
        self.server.destroy()
        remove_directory(self.server.directory)


def binary_copy(cursor, table, rows):
    """COPY BINARY: the only way in for NaN payloads.  rows: lists of bytes or None."""
    out = io.BytesIO()
    out.write(b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0))
    for row in rows:
        out.write(struct.pack(">h", len(row)))
        for field in row:
            out.write(struct.pack(">i", -1) if field is None
                      else struct.pack(">i", len(field)) + field)
    out.write(struct.pack(">h", -1))
    out.seek(0)
    cursor.copy_expert(f"COPY {table} FROM STDIN (FORMAT binary)", out)


def special_floats(cursor, table):
    """Signalling and quiet NaNs with payloads, both zeros, infinities, denormals, in runs and mixed."""
    rng = random.Random(5)
    bits = [0x7FF8000000000000, 0xFFF8000000000000, 0x7FF0000000000001, 0x7FF8DEADBEEF0001,
            0xFFFFFFFFFFFFFFFF, 0x8000000000000000, 0, 0x7FF0000000000000, 0xFFF0000000000000, 1,
            0x000FFFFFFFFFFFFF, 0x0010000000000000, 0x7FEFFFFFFFFFFFFF, 0x3FF0000000000000,
            0x3FB999999999999A, 0x4340000000000001, 0x41DFFFFFFFC00000]
    narrow = [0x7FC00000, 0xFFC00000, 0x7F800001, 0x7FDEAD01, 0x80000000, 0, 0x7F800000,
              0xFF800000, 1, 0x007FFFFF, 0x7F7FFFFF, 0x3DCCCCCD]
    rows = []
    for number in range(6000):
        style = number // 1000
        if style == 0:
            v, w = rng.choice(bits), rng.choice(narrow)
        elif style == 1:
            v, w = bits[number // 50 % len(bits)], narrow[number // 50 % len(narrow)]
        elif style == 2:        # decimals with an exception now and then
            v = struct.unpack(">Q", struct.pack(">d", number / 10))[0]
            w = struct.unpack(">I", struct.pack(">f", number / 4))[0]
            if number % 97 == 0:
                v, w = rng.choice(bits), rng.choice(narrow)
        elif style == 3:
            v, w = rng.getrandbits(64), rng.getrandbits(32)
        elif style == 4:
            v, w = 0x8000000000000000, 0x80000000
        else:
            v, w = 0x7FF8DEADBEEF0001, 0x7FDEAD01
        rows.append([struct.pack(">q", number * 10_000_000),
                     None if number % 31 == 0 else struct.pack(">Q", v),
                     None if number % 37 == 0 else struct.pack(">I", w)])
    binary_copy(cursor, table, rows)


def special_times(cursor, table):
    cursor.execute(f"""INSERT INTO {table}
        SELECT CASE i % 7 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity'
                   WHEN 2 THEN '294276-12-31 23:59:59.999999+00'::timestamptz
                   WHEN 3 THEN '4713-01-01 00:00:00+00 BC'::timestamptz
                   ELSE timestamptz '2024-01-01 00:00+00' + i * interval '1 s' END,
               CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN 'infinity'
                   WHEN 2 THEN '1999-12-31 23:59:59.999999'
                   ELSE timestamp '2000-01-01' - i * interval '17 days' END,
               CASE i % 6 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' WHEN 2 THEN '5874897-12-31'
                   WHEN 3 THEN '4713-01-01 BC' ELSE date '2024-01-01' + i END,
               CASE i % 9 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' WHEN 2 THEN '-Infinity'
                   WHEN 3 THEN 0.000 WHEN 4 THEN 1e-1000 WHEN 5 THEN 1e1000 WHEN 6 THEN -0.10
                   WHEN 7 THEN NULL ELSE i / 100.0 END::numeric,
               CASE i % 5 WHEN 0 THEN 9223372036854775807 WHEN 1 THEN -9223372036854775808
                   WHEN 2 THEN 0 WHEN 3 THEN NULL ELSE i::int8 << 40 END,
               CASE i % 4 WHEN 0 THEN interval '30 days' WHEN 1 THEN interval '1 mon'
                   WHEN 2 THEN interval '720 hours' ELSE make_interval(secs => i * 0.001) END
        FROM generate_series(1, 5000) i""")


def special_texts(cursor, table):
    cursor.execute(f"""INSERT INTO {table}
        SELECT timestamptz '2024-01-01 00:00+00' + i * interval '1 s',
               CASE i % 8 WHEN 0 THEN '' WHEN 1 THEN NULL WHEN 2 THEN E'tab\\tnew\\nline'
                   WHEN 3 THEN repeat('long', 3000 + i % 7) WHEN 4 THEN 'é日本' || i
                   WHEN 5 THEN (SELECT string_agg(md5(g::text || i), '')
                                FROM generate_series(1, 300) g)
                   ELSE 'label-' || i % 10 END,
               CASE i % 3 WHEN 0 THEN ''::bytea WHEN 1 THEN decode(md5(i::text), 'hex')
                   ELSE decode(repeat('00', i % 500), 'hex') END,
               jsonb_build_object('i', i % 10, 'f', i * 0.1, 'a', jsonb_build_array(NULL, true)),
               CASE WHEN i % 4 = 0 THEN '{{}}' ELSE ARRAY[i, 'NaN', NULL, '-0']::float8[] END
        FROM generate_series(1, 2000) i""")


def main():
    wanted = sys.argv[1:]
    compare = Compare()
    try:
        if not wanted or "special" in wanted:
            compare.special()
        if os.path.isdir(DATA):
            for file in sorted(os.listdir(DATA)):
                if wanted and not any(file.startswith(name) for name in wanted):
                    continue
                path = os.path.join(DATA, file)
                if file.endswith(".csv.gz"):
                    compare.csv(path)
                elif file.endswith(".txt.gz"):
                    compare.lines(path)
        else:
            note(f"skipped: real data sets (no directory {DATA}; TSDB_DATA_DIR names it)")
    finally:
        compare.close()
    closing_line(compare.passed, compare.failed)


if __name__ == "__main__":
    main()
