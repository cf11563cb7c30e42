"""One client of the stress test: random transactions, and the State that they must lead to."""

import collections
import random
import time

import psycopg2

import own
import shared
from model import State, difference

RETRY = {"40001": "serialization failures", "40P01": "deadlocks", "55P03": "locks not available"}
LEVELS = ["READ COMMITTED"] * 6 + ["REPEATABLE READ"] * 3 + ["SERIALIZABLE"] * 2
WAYS = ["enable_seqscan", "enable_indexscan", "enable_bitmapscan", "enable_indexonlyscan"]
PARALLEL = ("SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; "
            "SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL min_parallel_index_scan_size = 0")
OPERATIONS = own.OPERATIONS + shared.OPERATIONS


class Wrong(Exception):
    """The database is not what it must be."""


class Lost(Exception):
    """The connection is gone; nobody knows what became of the transaction."""


def lost(connection, error):
    """Whether an error only says that somebody was killed."""
    return (connection is None or connection.closed or error.pgcode is None
            or error.pgcode.startswith(("57P", "08")))


class Client:
    """Owner number, its committed State, and the tally of what happened."""

    def __init__(self, server, number, seed, only=None):
        self.address = {"host": server.socket, "port": server.port, "user": "postgres"}
        self.number = number
        self.rng = random.Random(f"{seed} {number}")
        self.operations = [(operation, weight) for operation, weight in OPERATIONS
                           if not only or operation.__name__ in only]
        self.state = State()        # committed
        self.now = None             # as this transaction sees it
        self.level = self.connection = self.cursor = None
        self.txn = self.sequence = self.affected = 0
        self.touched_shared = False
        self.trail = []             # statements of the transaction
        self.tally = collections.Counter()
        self.wrong = []

    # -- statements ----------------------------------------------------------------------------

    def run(self, sql, args=None):
        """Execute; rows if there are any."""
        self.trail.append(sql if args is None else f"{sql} <- {str(args)[:200]}")
        self.cursor.execute(sql, args)
        return self.cursor.fetchall() if self.cursor.description else None

    def expect(self, what, found, wanted):
        found = sorted(found, key=str)
        wanted = sorted(wanted, key=str)
        complaint = difference(what, found, wanted)
        if complaint:
            raise Wrong(complaint)
        self.tally["comparisons"] += 1

    def count(self, what, wanted):
        if self.cursor.rowcount != wanted:
            raise Wrong(f"{what}: {self.cursor.rowcount} rows, {wanted} expected")
        self.tally["comparisons"] += 1

    def attempt(self, sql, args, states):
        """Execute in a subtransaction; None, or which of the SQLSTATEs it failed with.

        The number of rows is left in affected.
        """
        self.run("SAVEPOINT attempt")
        try:
            self.run(sql, args)
            self.affected = self.cursor.rowcount
        except psycopg2.Error as error:
            if error.pgcode not in states:
                raise
            self.run("ROLLBACK TO attempt")
            return error.pgcode
        self.run("RELEASE attempt")
        return None

    def fresh(self):
        """A number that this client never used before."""
        self.sequence += 1
        return self.sequence

    # -- transactions --------------------------------------------------------------------------

    def connect(self, halt=None):
        deadline = time.monotonic() + 120
        while True:
            try:
                self.connection = psycopg2.connect(
                    dbname="postgres", application_name=f"client{self.number}",
                    options="-c statement_timeout=90s -c client_min_messages=error", **self.address)
                self.connection.autocommit = True
                self.cursor = self.connection.cursor()
                return
            except psycopg2.Error:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def transaction(self):
        """One transaction, to its end; raises Lost if that is not known."""
        self.txn += 1
        self.level = self.rng.choice(LEVELS)
        self.now, self.trail, self.touched_shared = self.state.copy(), [], False
        try:
            self.run(f"BEGIN ISOLATION LEVEL {self.level}")
            self.run("INSERT INTO marker VALUES (%s, %s)", (self.number, self.txn))
            if self.rng.random() < 0.4:
                self.run(f"SET LOCAL {self.rng.choice(WAYS)} = off")
            if self.rng.random() < 0.04:
                self.run(PARALLEL)
            self.operate(self.rng.choice([1, 1, 2, 3, 6]))
            self.finish()
        except psycopg2.Error as error:
            if lost(self.connection, error):
                raise Lost("before the commit") from None
            self.failed(error)

    def operate(self, count):
        names = [operation for operation, _ in self.operations]
        weights = [weight for _, weight in self.operations]
        saved = None
        for _ in range(count):
            if saved is not None and self.rng.random() < 0.35:
                self.run("ROLLBACK TO s")
                self.now = saved.copy()
                self.tally["savepoints rolled back"] += 1
            elif self.rng.random() < 0.25:
                self.run("SAVEPOINT s")
                saved = self.now.copy()
            operation = self.rng.choices(names, weights)[0]
            self.touched_shared |= operation.__module__ == "shared"
            operation(self)
            self.tally[f"operation {operation.__name__}"] += 1

    def finish(self):
        kind = self.rng.random()
        if kind < 0.08:
            self.run("ROLLBACK")
            self.tally["rolled back"] += 1
            return
        if kind < 0.13:
            self.two_phase(self.rng.random() < 0.75)
            return
        try:
            self.run("COMMIT")
        except psycopg2.Error as error:
            if lost(self.connection, error):
                raise Lost("in the commit") from None
            raise
        self.committed()

    def committed(self):
        self.state = self.now
        self.tally["committed"] += 1
        self.tally[f"committed {self.level}"] += 1

    def two_phase(self, commit):
        gid = f"{self.number} {self.txn}"
        try:
            self.run(f"PREPARE TRANSACTION '{gid}'")
            if self.rng.random() < 0.5:
                time.sleep(self.rng.uniform(0, 0.1))    # time for a compaction
            if commit:
                self.run(f"COMMIT PREPARED '{gid}'")
            else:
                self.run(f"ROLLBACK PREPARED '{gid}'")
        except psycopg2.Error as error:
            if lost(self.connection, error):
                raise Lost("in two phases") from None
            raise
        self.tally["two-phase"] += 1
        if commit:
            self.committed()
        else:
            self.tally["rolled back"] += 1

    def failed(self, error):
        """An error that a retry cures is counted; any other one is wrong."""
        self.cursor.execute("ROLLBACK")
        name = RETRY.get(error.pgcode)
        if name is None:
            raise Wrong(f"{error.pgcode} {str(error).strip()}")
        if error.pgcode == "40001" and self.level == "READ COMMITTED":
            raise Wrong(f"at READ COMMITTED: {str(error).strip()}")
        self.tally[f"{name} {self.level}"] += 1
        if error.pgcode != "40P01" and not self.touched_shared:
            # nobody else has touched these rows
            self.tally[f"{name} without a rival {self.level}: {str(error).splitlines()[0]}"] += 1

    def settle(self, where):
        """After a crash: find out whether the transaction is there, and look at every row."""
        self.connect()
        gid = f"{self.number} {self.txn}"
        if self.run("SELECT 1 FROM pg_prepared_xacts WHERE gid = %s", (gid,)):
            self.run(f"COMMIT PREPARED '{gid}'")
        if self.run("SELECT 1 FROM marker WHERE owner = %s AND txn = %s", (self.number, self.txn)):
            if where == "before the commit":
                raise Wrong("a transaction is there that was never committed")
            self.committed()
        self.tally["connections lost " + where] += 1
        self.now = self.state
        self.look()

    def look(self):
        """Every own row, as the transaction sees it now."""
        for sql, wanted in self.now.expected().items():
            self.expect(sql.split(" FROM ")[1], self.run(sql.format(owner=self.number)), wanted)

    # -- life ----------------------------------------------------------------------------------

    def live(self, halt):
        """Transactions until halt is set; what is wrong is kept, and stops a client soon."""
        self.connect()
        pending = None              # in which phase the connection was lost
        while (not halt.is_set() or pending) and len(self.wrong) < 3:
            try:
                if pending:
                    self.settle(pending)
                    pending = None
                else:
                    self.transaction()
            except Lost as error:
                pending = str(error)
            except Wrong as error:
                self.wrong.append(f"client {self.number}, transaction {self.txn}, {self.level}: "
                                  f"{error}\n      " + "\n      ".join(self.trail[-12:]))
                try:
                    self.cursor.execute("ROLLBACK")
                except psycopg2.Error:
                    pass
                pending = None
            except psycopg2.Error as error:
                if not lost(self.connection, error):
                    self.wrong.append(f"client {self.number}: {error.pgcode} {error}")
                pending = pending or "before the commit"
                time.sleep(0.05)
        self.connection.close()
        return self.state, self.tally, self.wrong
