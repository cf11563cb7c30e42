#!/usr/bin/python3
"""Damage test: bytes of a table's internal relations are changed; nothing wrong goes unsaid.

    run.py                   about a minute
    run.py --seeds 600       or TEST_LONG=1
    run.py --seed 17         only this one, with all that was seen
    run.py --checksums       with data checksums on: then the server itself finds nearly all

A database with one table of many types, compacted, with deleted and updated rows, is copied once
for each seed.  While the server is down, one thing is damaged in each copy: a byte or bit is
flipped, a page zeroed, a file cut, two pieces swapped, a piece overwritten with another one, or a
page put back as it was some time ago (a lost write).  Then, in each copy:

  * reading everything, and each series by the index, gives the truth or an error of damaged data;
  * tsdb.verify() itself succeeds, and reports a fault if anything gave an error or a wrong answer;
  * with tsdb.damaged_chunks = skip, and = nulls, everything can be read but for what was lost;
  * UPDATE, compaction, VACUUM and ANALYZE neither crash, nor spread the damage to other series, nor
    turn it into wrong answers;
  * what verify names can be dropped (in every other copy, before all that), and what is left is
    readable.
"""

import argparse
import collections
import os
import random
import re
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "differential"))

import psycopg2                                                         # noqa: E402

from server import (Server, closing_line, create_extension, note, query,        # noqa: E402
                    remove_directory, work_directory)

PAGE = 8192
BATCH = 40

# What damaged data may raise; 58P01 is the server's, for a transaction id that never was.
DAMAGE = {"XX001", "XX002", "58030", "58P01"}

SCHEMA = """
CREATE TABLE t (
    ts timestamptz NOT NULL, device text COLLATE "C" NOT NULL, host int NOT NULL,
    v float8, f4 float4, n numeric, b boolean, i8 bigint, note text, j jsonb, arr int[],
    u uuid, iv interval, wide text, empty int,
    PRIMARY KEY (device, host, ts)) USING tsdb
"""
ROWS = """
INSERT INTO t
SELECT '2026-01-01'::timestamptz + i * interval '10 s', 'd' || i % %(series)s, i % 2,
       CASE WHEN i % 17 <> 0 THEN i / 10.0 END, sqrt(i)::float4, (i %% 1000)::numeric / 8, i % 3 = 0,
       i::bigint * 1000003, CASE WHEN i % 5 <> 0 THEN 'note ' || i % 13 END,
       jsonb_build_object('a', i % 5), ARRAY[i, NULL, i + 1], md5(i::text)::uuid,
       i * interval '1 min',
       CASE WHEN i % 400 = 0 THEN (SELECT string_agg(md5((i * 999 + k)::text), '')
                                   FROM generate_series(1, 500) k) END
FROM generate_series(%(first)s, %(last)s) i
""".replace("% %(series)s", "%% %(series)s").replace("i % ", "i %% ")
SERIES = 12
DIGEST = "SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM t"


class Damage:
    """One server, the base database, and what was found."""

    def __init__(self, options):
        self.options = options
        self.directory = work_directory("damage")
        self.server = Server(self.directory).new(settings={
            "tsdb.workers": "0", "max_parallel_workers_per_gather": "0", "restart_after_crash": "on",
            "log_min_messages": "log", "shared_buffers": "'32MB'"})
        if options.checksums:
            self.server.run("pg_checksums", "-D", self.server.data, "--enable")
        self.server.start()
        self.passed = self.failed = 0
        self.tally = collections.Counter()

    # -- the base ------------------------------------------------------------------------------

    def build(self):
        connection = self.server.connect()
        query(connection, "CREATE DATABASE base")
        connection.close()
        connection = self.server.connect("base")
        create_extension(connection)
        query(connection, "SET tsdb.shards = 3")
        query(connection, SCHEMA)
        query(connection, ROWS, {"series": SERIES, "first": 1, "last": 8000})
        query(connection, "SELECT tsdb.compact('t')")
        query(connection, "DELETE FROM t WHERE host = 1 AND i8 % 7 = 0 AND ts < '2026-01-01 12:00'")
        query(connection, "CHECKPOINT")
        files = self.files(connection)
        self.old = {name: self.read(path) for name, path in files.items()}

        query(connection, ROWS, {"series": SERIES, "first": 8001, "last": 12000})
        query(connection, "SELECT tsdb.compact('t')")
        query(connection, "UPDATE t SET v = v + 1 WHERE device = 'd3' AND i8 % 5 = 0")
        query(connection, "DELETE FROM t WHERE host = 0 AND i8 % 11 = 0")
        query(connection, "SELECT tsdb.compact('t')")
        query(connection, "DELETE FROM t WHERE device = 'd4' AND i8 % 13 = 0")
        query(connection, "UPDATE t SET note = 'changed' WHERE device = 'd5' AND i8 % 50 = 0")
        self.truth = query(connection, DIGEST)
        self.by_series = {f"d{n}": query(connection, f"{DIGEST} WHERE device = 'd{n}'")
                          for n in range(SERIES)}
        query(connection, "CREATE TABLE truth AS SELECT t::text AS r FROM t")
        query(connection, "CREATE TABLE keys AS SELECT device, host, ts FROM t")
        if query(connection, "SELECT * FROM tsdb.verify('t')"):
            raise RuntimeError("verify finds faults in the base")
        query(connection, "CHECKPOINT")
        self.names = self.files(connection)
        connection.close()

    def files(self, connection):
        """Name of each internal relation, its path below the data directory of its database."""
        rows = query(connection, "SELECT relname, pg_relation_filepath(oid) FROM pg_class "
                                 "WHERE relnamespace = '_tsdb'::regnamespace AND relkind = 'r' "
                                 "AND pg_relation_size(oid) > 0 ORDER BY relname")
        return dict(rows)

    def read(self, path):
        with open(os.path.join(self.server.data, path), "rb") as file:
            return file.read()

    # -- damaging ------------------------------------------------------------------------------

    def damage(self, seed, oid):
        """Damage one file of the copy with this OID; returns what was done."""
        rng = random.Random(seed)
        kinds = ["byte"] * 8 + ["bit"] * 4 + ["zero page", "zero sector", "cut", "cut pages",
                                              "swap", "overwrite", "lost write", "garbage page"]
        kind = rng.choice(kinds)
        part = rng.choice(["directory", "directory", "shard", "shard", "marks", "marks", "moves"])
        names = [name for name in self.names if name.startswith(f"tsdb_{part}")]
        name = rng.choice(names)
        path = os.path.join(self.server.data, re.sub(r"base/\d+/", f"base/{oid}/", self.names[name]))
        with open(path, "rb") as file:
            data = bytearray(file.read())
        text = f"{kind} of {name}"
        page = rng.randrange(len(data) // PAGE) * PAGE
        items = self.items(data, page)
        if kind in ("byte", "bit"):
            # half of them in what is used most densely: header and line pointers
            at = page + (rng.randrange(24 + 4 * len(items)) if rng.random() < 0.3
                         else rng.randrange(PAGE))
            data[at] ^= rng.randrange(1, 256) if kind == "byte" else 1 << rng.randrange(8)
            text += f" at {at // PAGE}:{at % PAGE}"
        elif kind == "zero page":
            data[page:page + PAGE] = bytes(PAGE)
        elif kind == "zero sector":
            at = page + rng.randrange(16) * 512
            data[at:at + 512] = bytes(512)
        elif kind == "cut":
            del data[rng.randrange(len(data)):]
        elif kind == "cut pages":
            del data[page:]
        elif kind == "swap" and len(items) > 1:
            one, two = rng.sample(range(len(items)), 2)
            at, to = page + 24 + 4 * one, page + 24 + 4 * two
            data[at:at + 4], data[to:to + 4] = data[to:to + 4], data[at:at + 4]
            text += f" on page {page // PAGE}: {one + 1}, {two + 1}"
        elif kind == "overwrite" and len(items) > 1:
            one, two = rng.sample(items, 2)
            size = min(one[1], two[1])
            data[page + two[0]:page + two[0] + size] = data[page + one[0]:page + one[0] + size]
        elif kind == "lost write":
            old = self.old.get(name, b"")[page:page + PAGE]
            data[page:page + PAGE] = old or bytes(PAGE)
        else:
            data[page:page + PAGE] = rng.randbytes(PAGE)
        with open(path, "r+b") as file:
            file.truncate(len(data))
            file.write(data)
        return text

    @staticmethod
    def items(data, page):
        """(offset, length) of the used line pointers of a page."""
        lower = struct.unpack_from("<H", data, page + 12)[0]
        found = []
        for at in range(page + 24, page + lower, 4):
            item = struct.unpack_from("<I", data, at)[0]
            if item >> 15 & 3 == 1:
                found.append((item & 0x7FFF, item >> 17))
        return found

    # -- checking ------------------------------------------------------------------------------

    def try_query(self, connection, sql):
        """(rows, None) or (None, SQLSTATE and message); a lost connection is raised."""
        try:
            return query(connection, sql), None
        except psycopg2.Error as error:
            if connection.closed or error.pgcode is None:
                raise
            return None, (error.pgcode, str(error).strip())

    def read_all(self, connection, wrong):
        """Compare all and each series with the truth; the outcome of each question."""
        seen = {}
        for setting in ("enable_indexscan", "enable_seqscan"):
            query(connection, f"SET {setting} = off; SET enable_bitmapscan = off")
            questions = {"": self.truth}
            if setting == "enable_seqscan":
                questions = {f" WHERE device = '{key}'": value for key, value in self.by_series.items()}
            for where, truth in questions.items():
                rows, error = self.try_query(connection, DIGEST + where)
                if error is None:
                    seen[where] = "right" if rows == truth else "wrong"
                    continue
                seen[where] = "error"
                if error[0] not in DAMAGE:
                    wrong.append(f"{DIGEST + where}: {error}")
                elif '"t"' not in error[1] and "in file" not in error[1] \
                        and "block" not in error[1] and "transaction" not in error[1]:
                    wrong.append(f"the error does not name the table: {error[1]}")
            query(connection, f"RESET {setting}; RESET enable_bitmapscan")
        return seen

    def salvage(self, connection, wrong, faults, was_wrong):
        """Read around the damage, both ways."""
        for mode, columns in (("skip", "t::text"), ("nulls", "device, host, ts")):
            query(connection, f"SET tsdb.damaged_chunks = {mode}")
            _, error = self.try_query(connection, f"CREATE TABLE {mode}_t AS SELECT * FROM t")
            if error is not None:
                # marks and row store have no chunk that could be passed over
                wrong.append(f"salvage ({mode}): {error}")
                continue
            truth = "truth" if mode == "skip" else "keys"
            if mode == "nulls" and not query(
                    connection, "SELECT 1 FROM nulls_t WHERE device IS NULL OR host IS NULL OR ts IS NULL"):
                query(connection, "ALTER TABLE nulls_t ALTER device SET NOT NULL")
            extra = query(connection, f"SELECT count(*) FROM (SELECT {columns} FROM {mode}_t t "
                                      f"WHERE t.device IS NOT NULL AND host IS NOT NULL AND ts IS NOT NULL "
                                      f"EXCEPT SELECT * FROM {truth}) x")
            if extra != [("0",)] and not was_wrong:
                wrong.append(f"salvage ({mode}) found {extra[0][0]} rows that there never were")
            query(connection, "RESET tsdb.damaged_chunks")

    def maintain(self, connection, wrong):
        """What changes a damaged table must keep what it can keep, and not crash."""
        for sql in ("UPDATE t SET v = v WHERE device = 'd7'", "DELETE FROM t WHERE device = 'none'",
                    "INSERT INTO t SELECT ts + interval '1 year', 'new' || host, host "
                    "FROM generate_series(1, 3) h(host), (SELECT '2026-01-01'::timestamptz) x(ts)",
                    "SELECT tsdb.compact('t')", "ANALYZE t", "VACUUM t", "VACUUM FREEZE t",
                    "REINDEX TABLE t"):
            _, error = self.try_query(connection, sql)
            if error is not None and error[0] not in DAMAGE | {"XX000"}:
                wrong.append(f"{sql}: {error}")
            self.tally[f"{sql.split()[0]} {'failed' if error else 'worked'}"] += 1

    def drop(self, connection, wrong, faults):
        """Remove what is damaged; what is left is readable."""
        for chunk in sorted({int(fault[3]) for fault in faults if fault[3] is not None}):
            _, error = self.try_query(connection, f"SELECT tsdb.drop_damaged_chunk('t', {chunk})")
            if error is not None and error[0] not in {"55000", "42704"} | DAMAGE:
                wrong.append(f"drop_damaged_chunk: {error}")
        _, error = self.try_query(connection, "SELECT tsdb.drop_orphaned_pieces('t')")
        if error is not None and error[0] not in DAMAGE:
            wrong.append(f"drop_orphaned_pieces: {error}")

    def check_dropped(self, connection, wrong, faults):
        left, error = self.try_query(connection, "SELECT * FROM tsdb.verify('t')")
        if error is not None:
            wrong.append(f"verify after dropping: {error}")
        elif not left and faults:
            self.tally["clean after dropping"] += 1
            _, error = self.try_query(connection, DIGEST)
            if error is not None:
                wrong.append(f"nothing is damaged any more, and reading fails: {error}")

    def check_maintained(self, connection, wrong, before):
        """Damage is where it was: all series that were right are, and wrong ones are reported."""
        query(connection, "DROP TABLE IF EXISTS skip_t, nulls_t")
        after = self.read_all(connection, wrong)
        for where, outcome in after.items():
            if where and before[where] == "right" and outcome != "right":
                wrong.append(f"{where} was right, and is {outcome} after maintenance")
        faults, error = self.try_query(connection, "SELECT * FROM tsdb.verify('t')")
        if error is not None:
            wrong.append(f"verify after maintenance: {error}")
        elif not faults and set(outcome for where, outcome in after.items() if where) != {"right"}:
            wrong.append(f"verify is silent after maintenance, reading was {after}")

    def check(self, seed, text):
        wrong = []
        self.reading = True
        try:
            connection = self.server.connect(f"d{seed}")
            outcomes = self.read_all(connection, wrong)
            seen = set(outcomes.values())
            faults, error = self.try_query(connection, "SELECT * FROM tsdb.verify('t')")
            if error is not None:
                wrong.append(f"verify: {error}")
                faults = []
            if seen != {"right"} and not faults:
                wrong.append(f"verify is silent, reading was {sorted(seen)}")
            if "shard" in text and self.truth and "error" in seen and "right" not in seen:
                wrong.append("no series is readable")
            self.tally["wrong and reported" if "wrong" in seen else
                       "error and reported" if "error" in seen else
                       "reported only" if faults else "nothing changed"] += 1
            if self.options.seed is not None:
                note(f"reading: {sorted(seen)}")
                for fault in faults:
                    note(f"   {fault}")
            self.salvage(connection, wrong, faults, "wrong" in seen)
            self.reading = False
            if seed % 2:
                self.drop(connection, wrong, faults)
                self.check_dropped(connection, wrong, faults)
            self.maintain(connection, wrong)
            if not seed % 2:
                self.check_maintained(connection, wrong, outcomes)
            connection.close()
        except psycopg2.Error as error:
            wrong.append(f"{type(error).__name__}: {error}")
            if self.crashed():
                report = self.server.crash_report()
                if not self.reading and re.search(r'TRAP: .*File: "(pruneheap|heapam|vacuumlazy|nbt\w+)\.c"', report):
                    # what the server asserts of heap pages when it changes them
                    wrong.pop()
                    self.tally["assertion of the server's heap"] += 1
                else:
                    wrong.append(report)
                self.recover()
        self.note_outcome(f"seed {seed}: {text}", wrong)

    def crashed(self):
        with open(self.server.log, encoding="utf-8", errors="replace") as file:
            log = file.read()
        return "TRAP:" in log or "terminated by signal" in log or "PANIC" in log

    def recover(self):
        os.replace(self.server.log, f"{self.server.log}.{self.failed}")
        self.server.stop("immediate", check=False)
        open(self.server.log, "w", encoding="utf-8").close()
        os.chmod(self.server.log, 0o666)
        self.server.start()

    # -- what docs/damage.md tells people to do ------------------------------------------------

    def copy_with_flipped_byte(self, database):
        """A copy of the base in which a byte of one vector is flipped; the shard's name."""
        connection = self.server.connect()
        query(connection, f"CREATE DATABASE {database} TEMPLATE base STRATEGY file_copy")
        connection.close()
        connection = self.server.connect(database)
        name, path = next((name, path) for name, path in self.files(connection).items()
                          if name.startswith("tsdb_shard"))
        connection.close()
        with open(os.path.join(self.server.data, path), "rb") as file:
            places = self.bytes_of_live_pieces(file.read())
        for place in places:
            self.flip(path, place)
            connection = self.server.connect(database)
            chunks = query(connection, "SELECT count(DISTINCT chunk) FROM tsdb.verify('t', false)")
            query(connection, "SET tsdb.damaged_chunks = nulls")
            lost = query(connection, "SELECT (SELECT count(*) FROM truth) - count(*) "
                         "FROM t WHERE device IS NOT NULL AND ts IS NOT NULL")
            connection.close()
            # The rows of the chunk can be told and kept if no column of their key is hit.
            if int(chunks[0][0]) == 1 and int(lost[0][0]) == 0:
                return name
            self.flip(path, place)
        raise AssertionError("no byte of a vector found")

    def flip(self, path, place):
        self.server.stop()
        with open(os.path.join(self.server.data, path), "r+b") as file:
            file.seek(place)
            byte = file.read(1)
            file.seek(place)
            file.write(bytes([byte[0] ^ 0x55]))
        self.server.start()

    @staticmethod
    def bytes_of_live_pieces(shard):
        """Some places with data of pieces that nobody has deleted."""
        for page in range(0, len(shard), PAGE):
            lower = int.from_bytes(shard[page + 12:page + 14], "little")
            for item in range(page + 24, page + lower, 4):
                pointer = int.from_bytes(shard[item:item + 4], "little")
                offset, flags, length = pointer & 0x7FFF, pointer >> 15 & 3, pointer >> 17
                infomask = int.from_bytes(shard[page + offset + 20:page + offset + 22], "little")
                if flags == 1 and length > 300 and infomask & 0x0800:
                    for part in (2, 3, 5, 7):
                        yield page + offset + length * (part - 1) // part

    def merge_around(self):
        """Compaction rewrites the chunks that have dead rows, but for the damaged one."""
        self.copy_with_flipped_byte("merging")
        connection = self.server.connect("merging")
        wrong = []
        damaged = {fault[3] for fault in query(connection, "SELECT * FROM tsdb.verify('t')")}
        places = "((ctid::text::point)[0]::bigint - 2147483648) / 4"
        before = {row[0] for row in query(connection, "SELECT chunk FROM tsdb.chunk_info('t')")}
        query(connection, "SET tsdb.damaged_chunks = nulls")
        query(connection, "SET enable_indexscan = off; SET enable_bitmapscan = off")
        query(connection, "DELETE FROM t WHERE extract(minute FROM ts)::int % 3 = 0")
        rows = query(connection, f"SELECT count(*) FROM t WHERE {places} NOT IN ({','.join(damaged)})")
        for expected in (1, 0):
            del connection.notices[:]
            query(connection, "SELECT tsdb.compact('t')")
            warned = [text for text in connection.notices if "damaged" in text]
            if len(warned) != expected:
                wrong.append(f"{len(warned)} warnings of a compaction that should say {expected}: {warned}")
        after = {row[0] for row in query(connection, "SELECT chunk FROM tsdb.chunk_info('t')")}
        if len(damaged) != 1 or not damaged <= after:
            wrong.append(f"damaged was {damaged}, and left are {after}")
        if len(before & after) > len(before) / 2:
            wrong.append(f"of {len(before)} chunks with dead rows {len(before & after)} were left")
        now = query(connection, f"SELECT count(*) FROM t WHERE {places} NOT IN ({','.join(damaged)})")
        if now != rows:
            wrong.append(f"{rows} rows of undamaged chunks before, {now} after")
        connection.close()
        self.note_outcome("compaction around a damaged chunk", wrong)

    def follow_docs(self):
        """Run the statements of the page, in order, after a byte of one vector was flipped."""
        name = self.copy_with_flipped_byte("docs")
        connection = self.server.connect("docs")
        query(connection, "ALTER TABLE t RENAME TO metrics")
        rows = int(query(connection, "SELECT count(*) FROM truth")[0][0])
        connection.close()

        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "..", "..", "docs", "damage.md"), encoding="utf-8") as file:
            blocks = re.findall(r"```sql\n(.*?)```", file.read(), re.S)
        connection = self.server.connect("docs")
        wrong = []
        results = []
        for statement in (s.strip() for block in blocks for s in block.split(";") if s.strip()):
            result, error = self.try_query(connection, statement)
            results.append((statement, result))
            if error is not None:
                wrong.append(f"{statement}: {error}")
        verified = [result for statement, result in results
                    if statement.startswith("SELECT * FROM tsdb.verify")]
        if not verified[0]:
            wrong.append("verify did not find the flipped byte")
        if verified[-1]:
            wrong.append(f"verify still finds {verified[-1]}")
        for table in ("metrics", "metrics_saved"):
            found = int(query(connection, f"SELECT count(*) FROM {table}")[0][0])
            if found != rows:
                wrong.append(f"{table} has {found} rows of {rows}")
        connection.close()
        self.note_outcome(f"docs/damage.md, with a byte flipped in {name}", wrong)

    def note_outcome(self, text, wrong):
        if wrong:
            self.failed += 1
            note(text)
            for line in wrong:
                note(f"   {line}")
        else:
            self.passed += 1

    def run(self):
        self.build()
        if self.options.seed is None and not self.options.checksums:
            self.follow_docs()
            self.merge_around()
        seeds = [self.options.seed] if self.options.seed is not None else \
            list(range(self.options.start, self.options.start + self.options.seeds))
        for first in range(0, len(seeds), BATCH):
            batch = seeds[first:first + BATCH]
            connection = self.server.connect()
            oids = {}
            for seed in batch:
                query(connection, f"CREATE DATABASE d{seed} TEMPLATE base STRATEGY file_copy")
                oids[seed] = query(connection, f"SELECT oid FROM pg_database WHERE datname = 'd{seed}'")[0][0]
            connection.close()
            self.server.stop()
            texts = {seed: self.damage(seed, oids[seed]) for seed in batch}
            self.server.start()
            for seed in batch:
                self.check(seed, texts[seed])
            connection = self.server.connect()
            for seed in batch:
                query(connection, f"DROP DATABASE d{seed} WITH (FORCE)")
            connection.close()
        for what, count in sorted(self.tally.items()):
            note(f"   {count:5} {what}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--checksums", action="store_true")
    options = parser.parse_args()
    test = Damage(options)
    try:
        test.run()
    finally:
        test.server.destroy()
        if not test.failed:
            remove_directory(test.directory)
    closing_line(test.passed, test.failed)


if __name__ == "__main__":
    main()
