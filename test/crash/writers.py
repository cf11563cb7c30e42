"""Writers that remember, outside the database, what the database has promised them.

Each writer owns its rows, so its own list of acknowledged transactions says exactly what must be
there.  Every transaction writes one row into table log and changes several rows of table events;
a transaction whose COMMIT was sent but not answered may be there or not, whole.
"""

import random
import threading
import time

import psycopg2

SCHEMA = [
    """CREATE TABLE events (ts timestamptz NOT NULL, writer int4 NOT NULL, txn int8 NOT NULL,
    n int4 NOT NULL, v float8, note text, PRIMARY KEY (writer, txn, n)) USING tsdb""",
    "CREATE TABLE log (ts timestamptz NOT NULL, writer int4, txn int8, what text) USING tsdb",
]


def lost(error):
    """Whether an error only says that a crash elsewhere ended the session (57P01 to 57P03)."""
    return error.pgcode is None or error.pgcode.startswith("57P")


class Writer(threading.Thread):
    """Runs transactions until told to stop; reconnects after each crash."""

    def __init__(self, server, number, seed):
        super().__init__(daemon=True)
        self.server, self.number = server, number
        self.rng = random.Random(seed)
        self.next = 1
        self.acknowledged = {}      # txn -> (kind, target txn, number of rows, value)
        self.doubtful = {}
        self.live = []              # txns whose rows should be there
        self.halt = threading.Event()
        self.errors = []

    def run(self):
        connection = None
        while not self.halt.is_set():
            try:
                if connection is None or connection.closed:
                    connection = self.server.connect(name=f"writer{self.number}", autocommit=False)
                self.transaction(connection)
                time.sleep(self.rng.uniform(0, 0.01))
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                connection = None
                time.sleep(0.03)
            except psycopg2.Error as error:
                if not lost(error):
                    self.errors.append(f"{error.pgcode} {error}".strip())
                    if len(self.errors) > 5:
                        return
                try:
                    connection.rollback()
                except psycopg2.Error:
                    connection = None
        if connection is not None and not connection.closed:
            connection.close()

    def transaction(self, connection):
        """One transaction: insert new rows, or update or delete all rows of an earlier one."""
        txn, self.next = self.next, self.next + 1
        kind = self.rng.choices(["insert", "update", "delete", "abort"], [6, 2, 1, 0.5])[0]
        if kind in ("update", "delete") and not self.live:
            kind = "insert"
        count = self.rng.choice([1, 2, 7, 30])
        value = self.rng.choice([float(txn), self.rng.random()])
        target = txn if kind in ("insert", "abort") else self.rng.choice(self.live)
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO log VALUES (clock_timestamp(), %s, %s, %s)",
                           (self.number, txn, kind))
            if kind in ("insert", "abort"):
                cursor.execute("INSERT INTO events SELECT clock_timestamp(), %s, %s, n, %s, "
                               "CASE n WHEN 3 THEN repeat('wide', 900) ELSE 'w' || n END "
                               "FROM generate_series(1, %s) n", (self.number, txn, value, count))
            elif kind == "update":
                cursor.execute("UPDATE events SET v = %s WHERE writer = %s AND txn = %s",
                               (value, self.number, target))
                count = cursor.rowcount
            else:
                cursor.execute("DELETE FROM events WHERE writer = %s AND txn = %s",
                               (self.number, target))
                count = cursor.rowcount
            if kind in ("update", "delete") and count == 0:
                self.errors.append(f"txn {txn}: {kind} of txn {target} found no row")
        if kind == "abort":
            connection.rollback()
            return
        entry = (kind, target, count, value)
        self.doubtful[txn] = entry
        connection.commit()
        del self.doubtful[txn]
        self.acknowledged[txn] = entry
        if kind == "insert":
            self.live.append(txn)
        elif kind == "delete":
            self.live.remove(target)

    # -- verification --------------------------------------------------------------------------

    def verify(self, logged, rows):
        """Compare with what the tables hold.  logged: txns in log, with repetitions; rows:
        (txn, n, v as text) of events.  Returns complaints; settles what was in doubt."""
        wrong = []
        seen = set()
        for txn in logged:
            if txn in seen:
                wrong.append(f"writer {self.number}: txn {txn} is doubled in log")
            seen.add(txn)
        for txn in self.acknowledged:
            if txn not in seen:
                wrong.append(f"writer {self.number}: acknowledged txn {txn} is lost")
        for txn in seen:
            if txn not in self.acknowledged and txn not in self.doubtful:
                wrong.append(f"writer {self.number}: txn {txn} was never committed")
        for txn in list(self.doubtful):
            entry = self.doubtful.pop(txn)
            if txn in seen:
                self.acknowledged[txn] = entry
        wanted = {}
        for txn in sorted(self.acknowledged):
            kind, target, count, value = self.acknowledged[txn]
            if kind == "insert":
                wanted[txn] = (count, value)
            elif kind == "update":
                if target in wanted:
                    wanted[target] = (wanted[target][0], value)
            else:
                wanted.pop(target, None)
        self.live = list(wanted)
        found = {}
        for txn, n, v in rows:
            found.setdefault(txn, []).append((n, v))
        for txn, (count, value) in wanted.items():
            got = sorted(found.pop(txn, []))
            if [n for n, _ in got] != list(range(1, count + 1)):
                wrong.append(f"writer {self.number}: txn {txn} has rows {[n for n, _ in got]} "
                             f"of {count}")
            elif any(v != value for _, v in got):
                wrong.append(f"writer {self.number}: txn {txn} has values "
                             f"{sorted({v for _, v in got})}, not {value}")
        for txn in found:
            wrong.append(f"writer {self.number}: {len(found[txn])} rows of txn {txn}, "
                         "which is not there or deleted")
        return wrong


class Compactor(threading.Thread):
    """Compacts and vacuums in a loop, so that every crash finds some of it half done."""

    def __init__(self, server, seed):
        super().__init__(daemon=True)
        self.server = server
        self.rng = random.Random(seed)
        self.halt = threading.Event()
        self.errors = []

    def run(self):
        connection = None
        while not self.halt.is_set():
            try:
                if connection is None or connection.closed:
                    connection = self.server.connect(name="compactor")
                with connection.cursor() as cursor:
                    table = self.rng.choice(["events", "log"])
                    if self.rng.random() < 0.15:
                        cursor.execute(f"VACUUM {table}")
                    else:
                        cursor.execute("SELECT tsdb.compact(%s::regclass)", (table,))
                time.sleep(self.rng.uniform(0, 0.05))
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                connection = None
                time.sleep(0.03)
            except psycopg2.Error as error:
                if not lost(error):
                    self.errors.append(f"compactor: {error.pgcode} {error}".strip())
                    time.sleep(0.2)
        if connection is not None and not connection.closed:
            connection.close()
