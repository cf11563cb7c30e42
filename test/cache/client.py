"""One client of the stress of the working set: questions, open cursors, changes, failures.

Every table is there twice, t0_heap and t0_tsdb, and whoever changes one changes both in one transaction,
one client at a time.  So every snapshot sees the same rows in both, and a reader at REPEATABLE READ that has
locked both before it takes its snapshot must get the same answers.
"""

import collections
import random
import threading
import time

import psycopg2

import reads
from server import Raw

TABLES = ("t0", "t1", "t2")
ROWS_MAX = 15000

# What may happen to anybody: cancelled, timeout, terminated, deadlock, no lock, conflict with recovery, a table
# that was made anew while its name was looked up
PASSING = {"57014", "57P01", "40P01", "55P03", "40001", "42P01", "25P02"}

WAYS = {**reads.WAYS, "by index": {"enable_seqscan": "off", "tsdb.enable_scan": "off", "tsdb.enable_seek": "off"}}

# Of a numeric, all values have one scale: of equal values with several, any may stand for a group.
COLUMN_TYPES = [("n", "int8"), ("n", "int4"), ("r", "float8"), ("r", "float4"), ("host", "varchar(60)"), ("host", "text"),
                ("device", "int4"), ("device", "int2"), ("price", "numeric(14, 4)"), ("price", "numeric(10, 2)")]


class Wrong(Exception):
    """tsdb's answer is not heap's."""


def lost(error):
    return error.pgcode is None or error.pgcode.startswith(("57P", "08"))


class Client(threading.Thread):
    """Does random things until halt is set; counts them, and keeps what was wrong."""

    def __init__(self, server, number, seed, halt, only_reads=False, kills=True):
        super().__init__(daemon=True)
        self.server, self.number, self.halt, self.only_reads = server, number, halt, only_reads
        self.rng = random.Random(f"{seed} {number}")
        self.tally, self.wrong = collections.Counter(), []
        self.connection = self.cursor = None
        self.trail = []
        steps = [(self.compare, 40), (self.cursors, 15), (self.fail, 8), (self.time_out, 6), (self.look, 3)]
        if not only_reads:
            steps += [(self.change, 14), (self.define, 5), (self.maintain, 10)]
            if kills:
                steps += [(self.kill, 3)]
        self.steps, self.weights = zip(*steps)

    # -- statements ----------------------------------------------------------------------------

    def connect(self):
        self.connection = psycopg2.connect(host=self.server.socket, port=self.server.port, user="postgres", dbname="postgres",
                                           application_name=f"cache {self.number}",
                                           options="-c lock_timeout=3s -c statement_timeout=120s -c client_min_messages=error")
        self.connection.autocommit = True
        Raw.register(self.connection)
        self.cursor = self.connection.cursor()

    def sql(self, text):
        self.trail.append(text)
        self.cursor.execute(text)
        return self.cursor.fetchall() if self.cursor.description else None

    def attempt(self, text):
        """Rows as a sorted list, or an SQLSTATE; the transaction goes on in either case."""
        self.sql("SAVEPOINT attempt")
        try:
            rows = sorted(self.sql(text), key=str)
        except psycopg2.Error as error:
            if lost(error) or error.pgcode in PASSING:
                raise
            self.sql("ROLLBACK TO attempt")
            return error.pgcode
        self.sql("RELEASE attempt")
        return rows

    def same(self, table, question, settings):
        wanted = self.attempt(question.replace("{t}", f"{table}_heap"))
        for name, value in settings.items():
            self.sql(f"SET LOCAL {name} = {value}")
        got = self.attempt(question.replace("{t}", f"{table}_tsdb"))
        for name in settings:
            self.sql(f"RESET {name}")
        self.check(question, got, wanted)

    def check(self, question, got, wanted):
        self.tally["answers compared"] += 1
        if got != wanted:
            raise Wrong(f"{question}\n  heap: {str(wanted)[:400]}\n  tsdb: {str(got)[:400]}")

    def begin(self, table):
        """A snapshot that sees the same in both tables: it is taken when nobody can replace them."""
        self.sql("BEGIN ISOLATION LEVEL REPEATABLE READ")
        self.sql(f"LOCK TABLE {table}_heap, {table}_tsdb IN ACCESS SHARE MODE")

    def both(self, table, text):
        for kind in ("heap", "tsdb"):
            self.sql(text.replace("{t}", f"{table}_{kind}"))

    # -- what it does --------------------------------------------------------------------------

    def run(self):
        while not self.halt.is_set():
            self.trail = []
            try:
                if self.connection is None:
                    self.connect()
                step = self.rng.choices(self.steps, self.weights)[0]
                step(self.rng.choice(TABLES))
                self.tally[step.__name__] += 1
                if self.connection.info.transaction_status != 0:
                    self.sql(self.rng.choice(["COMMIT", "ROLLBACK"]))
            except Wrong as wrong:
                self.wrong.append(f"client {self.number}: {wrong}\n  " + "\n  ".join(line[:300] for line in self.trail[-12:]))
                self.hang_up()
            except psycopg2.Error as error:
                if lost(error) or self.connection.closed:
                    self.tally["lost connections"] += 1
                    self.hang_up()
                    time.sleep(0.1)
                elif error.pgcode in PASSING:
                    self.tally[f"failed with {error.pgcode}"] += 1
                    self.leave()
                else:
                    self.wrong.append(f"client {self.number}: {error.pgcode} {error}\n  " + "\n  ".join(self.trail[-12:]))
                    self.hang_up()
        self.hang_up()

    def hang_up(self):
        try:
            if self.connection is not None:
                self.connection.close()
        except psycopg2.Error:
            pass
        self.connection = None

    def leave(self):
        try:
            self.sql("ROLLBACK")
        except psycopg2.Error:
            self.hang_up()

    def compare(self, table):
        self.begin(table)
        for _ in range(self.rng.choice([1, 3, 6])):
            question = reads.question(self.rng)
            self.same(table, question, self.rng.choice(list(WAYS.values())))

    def cursors(self, table):
        """Cursors that stay open while other things happen, and are then read to their end, or not."""
        self.begin(table)
        opened = []
        for number in range(self.rng.choice([1, 2, 5])):
            question = reads.question(self.rng)
            hold = not self.only_reads and self.rng.random() < 0.15
            self.sql("SAVEPOINT cursor")
            try:
                wanted = self.attempt(question.replace("{t}", f"{table}_heap"))
                self.sql(f"DECLARE c{number} CURSOR {'WITH HOLD' if hold else ''} FOR {question.replace('{t}', f'{table}_tsdb')}")
                got = self.sql(f"FETCH {self.rng.choice([1, 5, 400])} FROM c{number}")
            except psycopg2.Error as error:
                if lost(error) or error.pgcode in PASSING:
                    raise
                self.sql("ROLLBACK TO cursor")
                continue
            opened.append((number, question, got, wanted))
            if self.rng.random() < 0.4:
                self.same(table, reads.question(self.rng), {})
            if self.rng.random() < 0.3:
                self.halfway(table)
            if self.rng.random() < 0.3:
                time.sleep(self.rng.uniform(0, 0.2))
            if self.rng.random() < 0.15:
                self.sql("ROLLBACK TO cursor")      # and with it the cursor
                opened.pop()
        for number, question, got, wanted in opened:
            if self.rng.random() < 0.7:
                got += self.sql(f"FETCH ALL FROM c{number}")
                self.check(f"cursor: {question}", sorted(got, key=str), wanted)
        if not self.only_reads and self.rng.random() < 0.8:
            self.sql("COMMIT")
            self.sql("CLOSE ALL")

    def halfway(self, table):
        """A scan that fails in its middle, in a subtransaction."""
        self.sql("SAVEPOINT halfway")
        try:
            self.sql(f"SELECT sum(1 / (n - {self.rng.randrange(-900, 3000)})), max(host), sum(price / (device - 2)) "
                     f"FROM {table}_tsdb")
            self.sql("RELEASE halfway")
        except psycopg2.Error as error:
            if error.pgcode != "22012":
                raise
            self.sql("ROLLBACK TO halfway")

    def fail(self, table):
        if self.rng.random() < 0.5:
            self.sql("BEGIN")
            self.halfway(table)
            self.same_rows(table)
        else:
            self.sql(f"""DO $$ BEGIN FOR i IN 1 .. 15 LOOP BEGIN
                PERFORM 10 / (n - i * 60), v, host FROM {table}_tsdb WHERE device % 2 = i % 2;
                EXCEPTION WHEN division_by_zero OR numeric_value_out_of_range THEN NULL; END; END LOOP; END $$""")

    def same_rows(self, table):
        """All rows of both, in one statement and so by one snapshot."""
        self.sql(f"LOCK TABLE {table}_heap, {table}_tsdb IN ACCESS SHARE MODE")
        rows = self.sql(f"SELECT (SELECT (count(*), sum(hashtextextended(x::text, 0)::numeric))::text FROM {table}_heap x), "
                        f"(SELECT (count(*), sum(hashtextextended(x::text, 0)::numeric))::text FROM {table}_tsdb x)")
        self.check(f"all rows of {table}", rows[0][1], rows[0][0])

    def time_out(self, table):
        self.sql("BEGIN")
        self.sql(f"SET LOCAL statement_timeout = '{self.rng.choice([1, 2, 5, 20])}ms'")
        self.sql(f"SELECT sum(hashtextextended(a::text, 0)::numeric) FROM {table}_tsdb a JOIN {table}_tsdb b USING (device, n)")

    def look(self, _table):
        """At what the views say of it, while it changes."""
        for name in ("tsdb.stat_cache", "tsdb.cache_contents"):
            if self.sql(f"SELECT to_regclass('{name}')")[0][0]:
                self.sql(f"SELECT * FROM {name}")

    def change(self, table):
        """Both tables in one transaction, which is rolled back as often as not."""
        self.sql("BEGIN")
        self.sql(f"LOCK TABLE {table}_heap IN SHARE ROW EXCLUSIVE MODE")
        for _ in range(self.rng.choice([1, 2, 4])):
            self.sql("SAVEPOINT change")
            text = reads.change(self.rng)
            if text != "COMPACT":
                self.both(table, text)
            if self.rng.random() < 0.4:
                self.same(table, reads.question(self.rng), {})
            if self.rng.random() < 0.3:
                self.halfway(table)
            if self.rng.random() < 0.3:
                self.sql("ROLLBACK TO change")
        if int(self.sql(f"SELECT count(*) FROM {table}_heap")[0][0]) > ROWS_MAX:
            self.both(table, "DELETE FROM {t}")
            self.fill(table)
        self.same_rows(table)
        self.sql(self.rng.choice(["COMMIT", "COMMIT", "ROLLBACK"]))

    def fill(self, table):
        numbers = {"devices": self.rng.choice([1, 3, 10, 200]), "odd": self.rng.choice([5, 11, 97]),
                   "step": self.rng.choice(["10 s", "1 min", "7 min"])}
        self.both(table, reads.FILL.format(first=1, last=self.rng.choice([900, 2500, 6000]), **numbers))

    def create(self, table):
        columns = ("ts timestamptz, local timestamp, tick int8, device int2, host text, n int4, big int8, v float8, r float4, "
                   "day date, ok bool, price numeric(10, 2), late int")
        self.sql(f"CREATE TABLE {table}_heap ({columns})")
        self.sql(f"CREATE TABLE {table}_tsdb ({columns}) USING tsdb")
        self.both(table, "CREATE INDEX ON {t} (device, ts)")
        if self.rng.random() < 0.7:
            self.sql(f"SELECT tsdb.set_key('{table}_tsdb', 'ts', '{{device}}')")
        self.fill(table)

    def define(self, table):
        """Definitions and contents replaced, in one transaction that nobody sees the middle of."""
        self.sql("BEGIN")
        self.sql(f"LOCK TABLE {table}_heap, {table}_tsdb IN ACCESS EXCLUSIVE MODE")
        what = self.rng.randrange(6)
        extra = self.sql(f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}_heap'::regclass AND attname LIKE 'extra%' "
                         "AND NOT attisdropped")
        if what == 0:
            self.both(table, "TRUNCATE {t}")
            self.fill(table)
        elif what == 1:
            self.both(table, "DROP TABLE {t}")
            self.create(table)
        elif what == 2 and extra:
            self.both(table, f"ALTER TABLE {{t}} DROP COLUMN {extra[0][0]}")
        elif what in (2, 3):
            default = self.rng.choice(["7", "'seven'", "1.5", "(random() * 0)::int"])
            kind = "text" if "'" in default else "numeric"
            self.both(table, f"ALTER TABLE {{t}} ADD COLUMN extra{self.rng.randrange(10 ** 9)} {kind} DEFAULT {default}")
        else:
            column, kind = self.rng.choice(COLUMN_TYPES)
            self.sql("SAVEPOINT type")
            try:
                self.both(table, f"ALTER TABLE {{t}} ALTER {column} TYPE {kind}")
            except psycopg2.Error as error:
                if error.pgcode not in ("22003", "22001"):      # a value that does not fit
                    raise
                self.sql("ROLLBACK TO type")
        self.same(table, reads.question(self.rng), {})
        self.same_rows(table)
        self.sql(self.rng.choice(["COMMIT", "COMMIT", "ROLLBACK"]))

    def maintain(self, table):
        self.sql(self.rng.choice([f"SELECT tsdb.compact('{table}_tsdb')"] * 5
                                 + [f"VACUUM {table}_tsdb", f"VACUUM FULL {table}_tsdb", f"ANALYZE {table}_tsdb",
                                    f"CLUSTER {table}_tsdb USING {table}_tsdb_device_ts_idx"]))
        for call, likely in (("tsdb.cache_reset()", 0.05), (f"tsdb.prewarm('{table}_tsdb')", 0.1)):
            if self.rng.random() < likely and self.sql(f"SELECT FROM pg_proc WHERE proname = '{call[5:call.index('(')]}'"):
                self.sql(f"SELECT {call}")

    def kill(self, _table):
        how = self.rng.choice(["pg_terminate_backend", "pg_cancel_backend"])
        self.sql(f"SELECT {how}(pid) FROM (SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'cache%' "
                 "OR backend_type LIKE 'tsdb%' ORDER BY random() LIMIT 1) x")
