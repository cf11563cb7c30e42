"""One column of the table: a database whose tables are heap, or tsdb with compaction or not."""

import dataclasses
import io
import re
import threading

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE

import state

TABLES = """SELECT c.oid::regclass, c.relkind FROM pg_class c JOIN pg_am a ON a.oid = c.relam
WHERE a.amname = 'tsdb' AND c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND c.relnamespace::regnamespace::text IN ('s', 's2')
ORDER BY c.relname"""
OWN_TEMPORARY = """SELECT c.oid::regclass FROM pg_class c JOIN pg_am a ON a.oid = c.relam
WHERE a.amname = 'tsdb' AND c.relkind = 'r' AND c.relnamespace = pg_my_temp_schema()
ORDER BY c.relname"""
BUSY = ("55P03", "42P01")       # locked, or gone meanwhile
SCHEMAS = ("s", "s2")
ROLES = ("alice", "bob", "carol")


class Lost(Exception):
    """The server closed a connection: it crashed."""


@dataclasses.dataclass
class Outcome:
    """What a statement answered."""
    error: dict = None
    tag: str = None
    columns: list = None
    rows: list = None
    notices: list = None

    def lines(self, ordered):
        """As text, without the order of rows where the statement asks for none."""
        found = list(self.notices or []) if ordered else sorted(self.notices or [])
        if self.error:
            return found + [f"{key}: {value}" for key, value in self.error.items() if value]
        if self.rows is not None:
            rows = ["(" + ", ".join("null" if v is None else str(v) for v in row) + ")"
                    if isinstance(row, tuple) else row for row in self.rows]
            found.append("columns: " + ", ".join(self.columns or []))
            found += rows if ordered else sorted(rows)
        return found + [self.tag or ""]


class Session(threading.Thread):
    """A connection that runs one statement at a time, in the background if need be."""

    def __init__(self, connection):
        super().__init__(daemon=True)
        self.connection = connection
        self.work, self.done = threading.Semaphore(0), threading.Semaphore(0)
        self.statement = self.outcome = None
        self.busy = False
        self.start()

    def run(self):
        while True:
            self.work.acquire()
            if self.statement is None:
                return
            try:
                self.outcome = execute(self.connection, *self.statement)
            except Lost as lost:
                self.outcome = lost
            self.done.release()

    def begin(self, sql, data=None):
        self.statement, self.busy = (sql, data), True
        self.work.release()

    def end(self, seconds=240):
        if not self.done.acquire(timeout=seconds):
            raise Lost("a statement does not end")
        self.busy = False
        if isinstance(self.outcome, Lost):
            raise self.outcome
        return self.outcome

    def close(self):
        if self.busy:
            self.connection.cancel()
            self.done.acquire(timeout=10)
        self.statement = None
        self.work.release()
        self.connection.close()


def fields(error):
    """What an error says, without the numbers of processes and transactions."""
    diag = error.diag
    detail = re.sub(r"\b([Pp]rocess|transaction) \d+", r"\1 N", diag.message_detail or "")
    return {"SQLSTATE": error.pgcode, "ERROR": diag.message_primary, "DETAIL": detail,
            "HINT": diag.message_hint, "SCHEMA": diag.schema_name, "TABLE": diag.table_name,
            "COLUMN": diag.column_name, "CONSTRAINT": diag.constraint_name}


def execute(connection, sql, data=None):
    """Run one statement; never raises for an SQL error."""
    connection.notices.clear()
    try:
        with connection.cursor() as cursor:
            if data is not None:
                cursor.copy_expert(sql, io.StringIO(data))
                outcome = Outcome(tag=cursor.statusmessage)
            elif re.match(r"COPY .*TO STDOUT", sql, re.S):
                out = io.BytesIO()
                cursor.copy_expert(sql, out)
                binary = b"PGCOPY" in out.getvalue()
                lines = [out.getvalue().hex()] if binary else out.getvalue().decode().splitlines()
                outcome = Outcome(tag=cursor.statusmessage, rows=lines)
            else:
                cursor.execute(sql)
                outcome = Outcome(tag=cursor.statusmessage)
                if cursor.description:
                    outcome.columns = [column.name for column in cursor.description]
                    outcome.rows = [tuple(row) for row in cursor.fetchall()]
    except psycopg2.Error as error:
        if connection.closed or error.pgcode is None and "server closed" in str(error):
            raise Lost(str(error)) from None
        outcome = Outcome(error=fields(error) if error.pgcode else {"ERROR": str(error)})
    outcome.notices = [notice.strip() for notice in connection.notices]
    return outcome


class Side:
    """A column: its database, sessions and helpers."""

    def __init__(self, server, name, method, compacts):
        self.server, self.name, self.method, self.compacts = server, name, method, compacts
        self.sessions = {}
        self.helper = None
        self.faults = []
        self.times = {}
        self.words = {":am": method, ":other": "heap2" if method == "heap" else "heap",
                      ":dir": f"{server.directory}/files/{name}", ":db": name,
                      ":tablespace": f"space_{name}"}

    def options(self):
        return (f"-c search_path=s,public -c default_table_access_method={self.method} "
                "-c statement_timeout=180s -c lock_timeout=120s -c max_parallel_workers_per_gather=0 "
                "-c client_min_messages=notice -c deadlock_timeout=120s")

    def start(self):
        self.helper = self.server.connect(self.name, name="helper", options=self.options())
        execute(self.helper, "SET lock_timeout = '60s'")

    def session(self, name):
        if name not in self.sessions:
            self.sessions[name] = Session(
                self.server.connect(self.name, name=name, options=self.options()))
        return self.sessions[name]

    def close(self):
        for session in self.sessions.values():
            session.close()
        self.sessions = {}

    # ---- text that differs by column ----

    def fill(self, text):
        for word, value in self.words.items():
            text = text.replace(word, value) if text else text
        return text

    def mask(self, lines):
        def plain(line):
            for word in (":dir", ":tablespace"):
                line = line.replace(self.words[word], word)
            line = re.sub(rf"\b{self.name}\b", ":db", line)
            return line
        return [plain(line) for line in lines]

    # ---- compaction and cleaning ----

    def ask(self, sql):
        """Rows of a statement of the suite's own; an error is a fault of the case."""
        outcome = execute(self.helper, sql)
        if outcome.error:
            self.faults.append(f"{sql[:200]}: {outcome.error}")
        return outcome.rows or []

    def compact(self):
        """Compact what can be compacted now, by another session as a worker would."""
        if self.method != "tsdb":
            return
        for table, kind in self.ask(TABLES):
            # a materialized view cannot be locked by a statement
            lock = "SET LOCAL lock_timeout = '20ms'" if kind == "m" else \
                f"LOCK TABLE ONLY {table} IN SHARE UPDATE EXCLUSIVE MODE NOWAIT"
            outcome = execute(self.helper, "BEGIN; " + lock)
            if not outcome.error:
                outcome = execute(self.helper, f"SELECT tsdb.compact('{table}')")
            if outcome.error and outcome.error.get("SQLSTATE") not in BUSY:
                self.faults.append(f"compaction of {table}: {outcome.error}")
            execute(self.helper, "COMMIT")
        session = self.sessions.get("s1")
        if session and not session.busy and \
                session.connection.info.transaction_status == TRANSACTION_STATUS_IDLE:
            for (table,) in execute(session.connection, OWN_TEMPORARY).rows or []:
                execute(session.connection, f"SELECT tsdb.compact('{table}')")

    def clean(self):
        self.close()
        execute(self.helper, "ROLLBACK")
        for (gid,) in self.ask("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"):
            self.faults.append(f"prepared transaction {gid} is left")
            self.ask(f"ROLLBACK PREPARED '{gid}'")
        self.ask("SET client_min_messages = error; DROP SCHEMA IF EXISTS s, s2 CASCADE; "
                 "CREATE SCHEMA s; RESET client_min_messages; "
                 f"GRANT ALL ON SCHEMA s TO {', '.join(ROLES)}")

    # ---- a case ----

    def run(self, case):
        """The outcomes of a case's statements, the state it left, and the column's own faults."""
        self.faults = []
        try:
            self.clean()
            for statement in case.setup:
                outcome = self.step(statement)
                if outcome is not None and outcome.error:
                    self.faults.append(f"setup: {statement}: {outcome.error}")
            if self.compacts:
                self.compact()
            outcomes = []
            for number, statement in enumerate(case.test):
                if self.compacts == "between" and number > 0:
                    self.compact()
                outcomes.append(self.step(statement))
            self.close()
            left = state.read(self)
            state.settle(self)
            return outcomes, left, self.faults
        except Lost as lost:
            self.close()
            self.faults.append(f"lost: {lost}")
            self.revive()
            return [], {}, self.faults

    def step(self, statement):
        session = self.session(statement.session)
        if statement.sql is None:
            return session.end()
        if session.busy:
            raise Lost(f"session {statement.session} is busy")
        session.begin(self.fill(statement.sql), self.fill(statement.data))
        if not statement.background:
            return session.end()
        self.wait_until_blocked(session)
        return None

    def wait_until_blocked(self, session):
        """A statement in the background waits for another session, or has ended."""
        pid = session.connection.info.backend_pid
        for _ in range(3000):
            if session.done.acquire(timeout=0.005):
                session.done.release()
                return
            if execute(self.helper, f"SELECT pg_blocking_pids({pid}) <> '{{}}'").rows == [("t",)]:
                return
        raise Lost("a statement in the background neither waits nor ends")

    def revive(self):
        """After a crash: until the server answers again."""
        for _ in range(300):
            try:
                self.start()
                self.clean()
                return
            except (psycopg2.Error, Lost):
                threading.Event().wait(0.1)
        raise RuntimeError("the server does not come back")
