"""What a client of the stress test knows must be in the database, and the tables it is about.

Rows of the tables in OWNED belong to one client each, which alone changes them: its State says
exactly what they are, within a transaction too.  The tables in SHARED are everybody's; a State
holds what this client has done to them, and only the sum over all clients says what they are.
"""

import collections
import dataclasses

ACCOUNTS, BALANCE = 120, 1000
COUNTERS, CODES, POOL = 40, 300, 80

SCHEMA = """
CREATE TABLE kind (owner int, kind int, name text, PRIMARY KEY (owner, kind)) USING heap;
CREATE TABLE item (owner int, id int8, ts timestamptz NOT NULL, v int8, tag text, rank int, u int8,
    kind int, PRIMARY KEY (owner, id), CONSTRAINT item_rank UNIQUE (owner, rank)
    DEFERRABLE INITIALLY DEFERRED, UNIQUE (u),
    FOREIGN KEY (owner, kind) REFERENCES kind ON DELETE SET NULL (kind)) USING {am};
CREATE TABLE detail (owner int, item int8, n int, w text, PRIMARY KEY (owner, item, n),
    FOREIGN KEY (owner, item) REFERENCES item ON UPDATE CASCADE ON DELETE CASCADE) USING {am};
CREATE TABLE note (owner int, item int8, n int, FOREIGN KEY (owner, item) REFERENCES item
    ON UPDATE CASCADE ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED) USING heap;
CREATE INDEX item_v ON item (v);
CREATE INDEX item_tag ON item USING hash (tag);
CREATE INDEX note_item ON note (owner, item);
CREATE TABLE account (id int PRIMARY KEY, balance int8, n int8) USING {am};
CREATE TABLE counter (id int PRIMARY KEY, n int8) USING {am};
CREATE TABLE claim (code int PRIMARY KEY, owner int) USING {am};
CREATE TABLE pool (id int PRIMARY KEY, v int8) USING {am};
CREATE TABLE pin (owner int, n int8, pool int REFERENCES pool, PRIMARY KEY (owner, n)) USING {am};
CREATE TABLE queue (token int8 PRIMARY KEY, ts timestamptz) USING {am};
CREATE TABLE marker (owner int, txn int8, PRIMARY KEY (owner, txn)) USING heap;
"""
FILL = f"""
INSERT INTO account SELECT i, {BALANCE}, 0 FROM generate_series(0, {ACCOUNTS - 1}) i;
INSERT INTO pool SELECT i, 0 FROM generate_series(0, {POOL - 1}) i;
"""
TABLES = ["item", "detail", "account", "counter", "claim", "pool", "pin", "queue"]

# How a client's own rows are read, for comparison with its State.
ITEMS = ("SELECT id, extract(epoch FROM ts)::int8, v, tag, rank, u, kind FROM item "
         "WHERE owner = {owner}")
DETAILS = "SELECT item, n, w FROM detail WHERE owner = {owner}"
NOTES = "SELECT item, n FROM note WHERE owner = {owner}"
KINDS = "SELECT kind FROM kind WHERE owner = {owner}"
CLAIMS = "SELECT code FROM claim WHERE owner = {owner}"
PINS = "SELECT n, pool FROM pin WHERE owner = {owner}"


@dataclasses.dataclass
class Item:
    """A row of table item without its key; never changed, only replaced."""
    ts: int
    v: int
    tag: str
    rank: int
    u: int
    kind: int = None

    def row(self, key):
        return (key, self.ts, self.v, self.tag, self.rank, self.u, self.kind)

    def but(self, **changes):
        return dataclasses.replace(self, **changes)


class State:
    """One client's rows, and its part in the shared tables."""

    def __init__(self):
        self.items = {}         # id -> Item
        self.details = {}       # (item, n) -> w
        self.notes = set()      # (item, n)
        self.kinds = set()
        self.claims = set()     # codes
        self.pins = {}          # n -> pool id
        self.balances = collections.Counter()   # account -> sum of what was added
        self.transfers = collections.Counter()  # account -> times it was changed
        self.counters = collections.Counter()
        self.produced = set()   # tokens put into the queue
        self.consumed = collections.Counter()   # tokens taken out

    def copy(self):
        other = State.__new__(State)
        for name, value in vars(self).items():
            setattr(other, name, value.copy())
        return other

    def delete_items(self, keys):
        for key in keys:
            del self.items[key]
        gone = set(keys)
        self.details = {k: w for k, w in self.details.items() if k[0] not in gone}
        self.notes = {k for k in self.notes if k[0] not in gone}

    def move_item(self, old, new):
        self.items[new] = self.items.pop(old)
        self.details = {((new, n) if item == old else (item, n)): w
                        for (item, n), w in self.details.items()}
        self.notes = {((new, n) if item == old else (item, n)) for item, n in self.notes}

    def expected(self):
        """Each query of the own rows, with the sorted rows that it must return."""
        return {
            ITEMS: sorted(item.row(key) for key, item in self.items.items()),
            DETAILS: sorted((*key, w) for key, w in self.details.items()),
            NOTES: sorted(self.notes),
            KINDS: sorted((k,) for k in self.kinds),
            CLAIMS: sorted((c,) for c in self.claims),
            PINS: sorted(self.pins.items()),
        }


def difference(what, found, wanted):
    """None, or what only one of two sorted lists of rows has."""
    if found == wanted:
        return None
    one, two = collections.Counter(found), collections.Counter(wanted)
    return (f"{what}: {len(found)} rows, {len(wanted)} expected; "
            f"only found {str(list((one - two).items())[:4])[:500]}; "
            f"only expected {str(list((two - one).items())[:4])[:500]}")
