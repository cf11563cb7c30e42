"""Runs one script on a heap side and a tsdb side and says where they first differ.

A side is a database; in it a schema s is made anew for each script, so that both sides run the
very same text and even the names in their errors agree.
"""

import collections
import dataclasses
import io
import time

import psycopg2
from psycopg2.extensions import (TRANSACTION_STATUS_IDLE, TRANSACTION_STATUS_INERROR,
                                 TRANSACTION_STATUS_INTRANS)

from model import Step
from server import STAND_IN, Raw, with_key_index

LOCK_NOT_AVAILABLE = "55P03"
IN_USE = "55006"
# a cursor that stands on a page of an index keeps VACUUM, and a first compaction, waiting
NOT_NOW = (LOCK_NOT_AVAILABLE, IN_USE, "57014")
NOT_THERE = ("42P01", "3F000")      # a table whose creation failed on both sides
BAD_ROW = ("22", "23")
MEMBERS = """SELECT c.oid::regclass FROM pg_class c JOIN pg_am a ON a.oid = c.relam
WHERE a.amname = 'tsdb' AND c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
AND c.relnamespace = 's'::regnamespace ORDER BY c.relname"""
REORDERED = """SELECT a.attrelid::regclass, a.attname
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_am m ON m.oid = c.relam
JOIN pg_opclass o ON o.opcintype = a.atttypid AND o.opcdefault AND o.opcmethod = 403
WHERE m.amname = 'heap' AND c.relkind = 'r' AND c.relnamespace = 's'::regnamespace
AND a.attnum > 0 AND NOT a.attisdropped AND c.relpersistence <> 't'
AND a.attlen BETWEEN 1 AND 16 ORDER BY md5(a.attname || c.relname || c.relfilenode)"""
OWN = """SELECT c.oid::regclass FROM pg_class c JOIN pg_am a ON a.oid = c.relam
WHERE a.amname = 'tsdb' AND c.relkind IN ('r', 'm')
AND c.relnamespace IN ('s'::regnamespace, pg_my_temp_schema()) ORDER BY c.relname"""


@dataclasses.dataclass
class Outcome:
    """What a statement did: its SQLSTATE (None: success), command tag and rows."""
    state: str = None
    tag: str = None
    rows: list = None
    message: str = ""
    aborted: bool = False

    def __str__(self):
        if self.state:
            return f"ERROR {self.state}: {self.message}"
        return f"{self.tag}, {len(self.rows) if self.rows is not None else 'no'} rows"


class Lost(Exception):
    """The server closed the connection: it crashed."""


class Side:
    """One database and its connections."""

    def __init__(self, server, database, method):
        self.server, self.database, self.method = server, database, method
        self.connection = self.helper = self.admin = None
        self.options = ""
        self.holds = False

    def connect(self):
        options = (f"-c search_path=s,public -c default_table_access_method={self.method} "
                   "-c statement_timeout=30s -c lock_timeout=10s " + self.options)
        self.connection = self.server.connect(self.database, name="test", options=options)
        self.helper = self.server.connect(
            self.database, name="helper",
            options=f"-c search_path=s,public -c default_table_access_method={self.method} "
                    "-c statement_timeout=4s -c lock_timeout=15ms " + self.options)

    def reset(self):
        """A new schema s, and connections without memory."""
        self.close()
        if self.admin is None or self.admin.closed:
            self.admin = self.server.connect(
                self.database, name="admin",
                options="-c search_path=s,public -c lock_timeout=20s "
                        "-c client_min_messages=error")
        with self.admin.cursor() as cursor:
            cursor.execute("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")
            for (gid,) in cursor.fetchall():
                cursor.execute(f"ROLLBACK PREPARED '{gid}'")
            cursor.execute("DROP SCHEMA IF EXISTS s, elsewhere CASCADE; CREATE SCHEMA s")
        self.connect()

    def close(self):
        for connection in (self.connection, self.helper):
            if connection is not None:
                try:
                    connection.close()
                except psycopg2.Error:
                    pass
        self.connection = self.helper = None

    def holds_locks(self):
        """Whether the open transaction has compacted, which nobody does on heap."""
        self.holds = self.holds and \
            self.connection.info.transaction_status != TRANSACTION_STATUS_IDLE
        return self.holds

    def run_key(self, sql):
        """State a table's key.  That may be refused; in a transaction, it must not be felt then."""
        status = self.connection.info.transaction_status
        if status == TRANSACTION_STATUS_INERROR or STAND_IN:
            return None
        inside = status == TRANSACTION_STATUS_INTRANS
        if inside:
            self.run("SAVEPOINT own_key")
        outcome = self.run(sql)
        if inside:
            self.run("ROLLBACK TO own_key" if outcome.state else "RELEASE own_key")
            self.holds = True
        return str(outcome) if outcome.state and outcome.state.startswith("XX") else None

    def run_other(self, sql, tries=1):
        """Execute one statement from the second connection.

        It does not wait for what the first one holds.  A lock that a background worker has for
        a moment is no difference, so a few tries are made.
        """
        for _ in range(tries):
            outcome = self.run(sql, connection=self.helper)
            if outcome.state != LOCK_NOT_AVAILABLE:
                break
        return outcome

    def run(self, sql, data=None, connection=None):
        """Execute one statement; never raises for an SQL error."""
        connection = connection or self.connection
        sql = with_key_index(sql.replace("{side}", self.database), self.method)
        try:
            with connection.cursor() as cursor:
                if data is not None:
                    cursor.copy_expert(sql, io.StringIO(data))
                    rows = None
                elif sql.startswith("COPY "):
                    out = io.StringIO()
                    cursor.copy_expert(sql, out)
                    rows = out.getvalue().split("\n")
                else:
                    cursor.execute(sql)
                    rows = cursor.fetchall() if cursor.description else None
                outcome = Outcome(tag=cursor.statusmessage, rows=rows)
        except psycopg2.Error as error:
            if connection.closed or error.pgcode is None and "server closed" in str(error):
                raise Lost(str(error)) from None
            outcome = Outcome(state=error.pgcode or type(error).__name__,
                              message=str(error).strip().split("\n")[0])
        outcome.aborted = \
            connection.info.transaction_status == TRANSACTION_STATUS_INERROR
        return outcome

    def compact(self, own=None):
        """Compact every tsdb table; returns an error or None.  A lock not granted is no error.

        own: from the first connection; "keep" or "undo" says what becomes of it if that is
        within a transaction.  Temporary tables are among them then only if own is "temporary",
        since PREPARE TRANSACTION would refuse what has touched one.
        """
        if self.method != "tsdb":
            return self.reorder() if not own else None
        connection = self.connection if own else self.helper
        status = connection.info.transaction_status
        inside = own and status == TRANSACTION_STATUS_INTRANS
        if own and status == TRANSACTION_STATUS_INERROR:
            return None
        try:
            with connection.cursor() as cursor:
                if inside:
                    cursor.execute("SHOW transaction_isolation")
                    if cursor.fetchall()[0][0] != "read committed":
                        return None             # refused
                for (name,) in self.members(cursor, own, inside):
                    if inside:
                        cursor.execute("SAVEPOINT own")
                    error = self.compact_one(connection, cursor, name)
                    if error and error.pgcode not in NOT_NOW:
                        return f"compact({name}): {error.pgcode} {error}".strip()
                    if inside and not error and own != "undo":
                        cursor.execute("RELEASE own")
                        self.holds = True
                    elif inside:
                        cursor.execute("ROLLBACK TO own")
        except psycopg2.OperationalError as error:
            if connection.closed:
                raise Lost(str(error)) from None
            return str(error)
        return None

    def members(self, cursor, own, inside):
        """Names of the tables to compact, as the one who does it sees them."""
        if own:
            cursor.execute(MEMBERS if inside and own != "temporary" else OWN)
            return cursor.fetchall()
        with self.admin.cursor() as plain:      # without the settings that make plans costly
            plain.execute(MEMBERS)
            return plain.fetchall()

    def verify(self):
        """What tsdb.verify() finds in the tables, or an error of its; None if all is well."""
        if self.method != "tsdb" or STAND_IN:
            return None
        try:
            with self.admin.cursor() as cursor:
                cursor.execute(MEMBERS)
                for (name,) in cursor.fetchall():
                    cursor.execute("SELECT * FROM tsdb.verify(%s::regclass)", (name,))
                    if found := cursor.fetchall():
                        return f"verify({name}): {len(found)} faults: {found[:4]}"
        except psycopg2.Error as error:
            if self.admin.closed:
                raise Lost(str(error)) from None
            return f"verify: {error.pgcode} {error}".strip()
        return None

    @staticmethod
    def compact_one(connection, cursor, name):
        """Compact one table; the error or None."""
        try:
            cursor.execute("SELECT tsdb.compact(%s::regclass)", (name,))
        except psycopg2.Error as error:
            if connection.closed:
                raise Lost(str(error)) from None
            return error
        return None

    def reorder(self):
        """What stands for compaction when both sides are heap: the rows in another order.

        It shows which statements of the generator have an answer that SQL does not define.
        """
        if self.database == "dh":
            return None
        with self.helper.cursor() as cursor:
            cursor.execute(REORDERED)
            for table, column in dict(cursor.fetchall()).items():
                try:
                    cursor.execute("BEGIN")
                    cursor.execute(f"CREATE INDEX zz ON {table} ({column} DESC)")
                    cursor.execute(f"CLUSTER {table} USING zz")
                    cursor.execute("DROP INDEX zz")
                    cursor.execute("COMMIT")
                except psycopg2.Error:
                    cursor.execute("ROLLBACK")
        return None


@dataclasses.dataclass
class Difference:
    """Where two sides part: the step's number and text, and what each did."""
    number: int
    sql: str
    kind: str
    heap: str
    tsdb: str

    def signature(self):
        return (self.kind, self.sql) if self.kind not in ("lost", "compact", "verify") else (self.kind,)

    def __str__(self):
        return (f"{self.kind} at step {self.number}: {self.sql[:2000]}\n"
                f"  heap: {self.heap}\n  tsdb: {self.tsdb}")


class Pair:
    """Both sides, stepping together."""

    def __init__(self, heap, tsdb):
        self.heap, self.tsdb = heap, tsdb
        self.bags = {}

    def start(self):
        self.bags = {}
        for side in (self.heap, self.tsdb):
            for attempt in range(200):
                try:
                    side.reset()
                    break
                except psycopg2.OperationalError:       # recovering from a crash
                    if attempt == 199:
                        raise
                    time.sleep(0.1)

    def vacuum(self):
        """Clean the catalogs, which nobody else does."""
        for side in (self.heap, self.tsdb):
            side.close()
            if side.admin is not None and not side.admin.closed:
                with side.admin.cursor() as cursor:
                    cursor.execute("VACUUM")

    def step(self, number, step):
        """Run one Step on both sides: (heap's Outcome or None, Difference or None)."""
        try:
            return self.step_or_lost(number, step)
        except Lost as lost:
            return None, Difference(number, step.sql or step.how, "lost", "-", str(lost))

    def step_or_lost(self, number, step):
        if step.how in ("compact", "own"):
            error = self.tsdb.compact(own=step.sql if step.how == "own" else None)
            if error:
                return None, Difference(number, "", "compact", "-", error)
            return None, None
        if step.how == "verify":
            found = self.tsdb.verify()
            return None, Difference(number, "", "verify", "-", found) if found else None
        if step.how == "side":
            if self.tsdb.method == "tsdb":
                tsdb = self.tsdb.run(step.sql)
                if tsdb.state and tsdb.state not in NOT_THERE:
                    return None, Difference(number, step.sql, "side", "-", str(tsdb))
            return None, None
        if step.how == "key":
            error = self.tsdb.run_key(step.sql) if self.tsdb.method == "tsdb" else None
            return None, error and Difference(number, step.sql, "key", "-", error)
        if step.how == "again":
            for side in (self.heap, self.tsdb):
                side.close()
                side.connect()
            return Outcome(tag="again"), None
        if step.how == "other":
            if self.tsdb.holds_locks():
                return None, None
            outcomes = [self.heap.run_other(step.sql)]
            locked = outcomes[0].state == LOCK_NOT_AVAILABLE
            outcomes.append(self.tsdb.run_other(
                step.sql, tries=1 if locked or self.tsdb.method != "tsdb" else 12))
            what = self.differ(step, *outcomes)
            if what and not (step.sql.startswith(("VACUUM", "ANALYZE")) and
                             {outcome.state for outcome in outcomes} & set(NOT_NOW)):
                return None, Difference(number, step.sql, *[
                    part or str(outcome) for part, outcome in zip(what, [None, *outcomes])])
            return None, None
        heap, tsdb = self.heap.run(step.sql, step.data), self.tsdb.run(step.sql, step.data)
        what = self.differ(step, heap, tsdb)
        if what:
            # an open cursor keeps an index in use or not, as its plan is: no use to go on
            kind = "plan" if heap.state != tsdb.state and IN_USE in (heap.state, tsdb.state) \
                else what[0]
            return heap, Difference(number, step.sql, kind, what[1] or str(heap),
                                    what[2] or str(tsdb))
        return heap, None

    def differ(self, step, heap, tsdb):
        """None, or (kind, heap's part, tsdb's part)."""
        if heap.state or tsdb.state:
            if heap.state == tsdb.state:
                return None
            if step.how == "loose" and heap.state and tsdb.state and \
                    heap.state[:2] in BAD_ROW and tsdb.state[:2] in BAD_ROW:
                return None
            return "sqlstate", None, None
        if heap.tag != tsdb.tag:
            return "tag", None, None
        if heap.aborted != tsdb.aborted:
            return "transaction", str(heap.aborted), str(tsdb.aborted)
        if step.how == "count" or heap.rows is None:
            return None
        mode, _, name = step.how.partition(":")
        if mode in ("fetch", "close"):
            ours = self.bags.setdefault(name, ([], []))
            ours[0].extend(heap.rows)
            ours[1].extend(tsdb.rows)
            return multiset(*ours) if mode == "close" else None
        if mode == "list":
            if heap.rows != tsdb.rows:
                at = next((n for n, pair in enumerate(zip(heap.rows, tsdb.rows))
                           if pair[0] != pair[1]), min(len(heap.rows), len(tsdb.rows)))
                return "order", f"{heap.rows[at:at + 2]}"[:600], f"{tsdb.rows[at:at + 2]}"[:600]
            return None
        return multiset(heap.rows, tsdb.rows)


def multiset(heap, tsdb):
    """None if equal, else what is only here and what only there."""
    heap, tsdb = collections.Counter(map(tuple_of, heap)), collections.Counter(map(tuple_of, tsdb))
    if heap == tsdb:
        return None
    return ("rows", f"only here {sum((heap - tsdb).values())}: "
            + str(list((heap - tsdb).items())[:3])[:700],
            f"only here {sum((tsdb - heap).values())}: "
            + str(list((tsdb - heap).items())[:3])[:700])


def tuple_of(row):
    return row if isinstance(row, (tuple, str)) else tuple(row)


def replay(pair, steps):
    """Run a recorded list of steps; the first Difference or None."""
    pair.start()
    for number, step in enumerate(steps):
        _, difference = pair.step(number, step)
        if difference:
            return difference
    return None


def minimise(pair, steps, wanted, revive, seconds=40):
    """The shortest list of steps found in time that still ends in the same Difference."""
    deadline = time.monotonic() + seconds
    size = max(1, len(steps) // 2)
    while size >= 1 and time.monotonic() < deadline:
        at, shrunk = 0, False
        while at < len(steps) - 1 and time.monotonic() < deadline:
            shorter = steps[:at] + steps[min(at + size, len(steps) - 1):]
            found = replay(pair, shorter)
            if found and found.kind == "lost":
                revive()
            if found and found.signature() == wanted.signature():
                steps, shrunk = shorter[:found.number + 1], True
            else:
                at += size
        if not shrunk or size > 1:
            if size == 1:
                break
            size = max(1, size // 2)
    return steps


def as_sql(steps):
    """A script for psql, with the compactions and the moment's data written out."""
    lines = []
    for step in steps:
        if step.how in ("compact", "own"):
            who = "another session" if step.how == "compact" else f"the same session, {step.sql}"
            lines.append(f"SELECT tsdb.compact('t');      -- every table, from {who}")
        elif step.how == "again":
            lines.append("\\c -")
        elif step.how == "verify":
            lines.append("SELECT * FROM tsdb.verify('t');      -- every table")
        elif step.how == "other":
            lines.append(step.sql + ";      -- from another session")
        elif step.data is not None:
            lines.append(step.sql + ";\n" + step.data + "\\.")
        else:
            lines.append(step.sql + ";")
    return "\n".join(lines) + "\n"


__all__ = ["Difference", "Lost", "Outcome", "Pair", "Raw", "Side", "Step", "as_sql", "minimise",
           "replay"]
