"""What the generator believes about the schema under test, and how it makes one up.

The model follows the heap side's successes, so that later statements name columns that exist.
It may be wrong after errors; a wrong statement is then an error on both sides, which is a
comparison too.
"""

import copy
import dataclasses

from server import KEY_INDEX
from values import BY_NAME, pick


@dataclasses.dataclass
class Step:
    """One entry of a script.

    how: bag     same result multiset, command tag and SQLSTATE
         list    the same, in order
         count   only the command tag
         fetch:x as count; the rows are added to cursor x's bag
         close:x the statement, then cursor x's bag is compared
         loose   as bag, but two errors of classes 22 and 23 count as equal (which of two faulty
                 rows comes first is not SQL's to say)
         side    runs on the tsdb side only and must succeed
         key     states another key of a table, on the tsdb side only, which may refuse it
         compact compaction of every tsdb table, from a connection of its own
         own     the same from the test's connection (temporary tables too, own transaction)
         verify  tsdb.verify() of every tsdb table must find nothing
         other   runs from a second connection, in a transaction of its own
         again   both sides connect anew
    """
    sql: str
    how: str = "bag"
    data: str = None            # COPY's input
    after: object = None        # changes the model when heap succeeds

    def brief(self):
        return {"sql": self.sql, "how": self.how, "data": self.data}


@dataclasses.dataclass
class Column:
    name: str
    type: object
    notnull: bool = False
    default: bool = False
    generated: bool = False
    identity: bool = False
    unique: bool = False


@dataclasses.dataclass
class Table:
    name: str
    columns: list
    key: str = None             # an integer column that statements select rows by
    unique_key: bool = False
    target: str = None          # columns of a unique key index: for ON CONFLICT, not for foreign keys
    bound: int = 1000           # no key is larger
    partitioned: bool = False
    temporary: bool = False
    view: bool = False
    children: bool = False      # has tables that inherit from it
    indexes: list = dataclasses.field(default_factory=list)
    key_indexes: list = dataclasses.field(default_factory=list)    # of access method tsdb_key
    keyed: bool = False             # has or had such an index: it cannot become a heap table
    heap: bool = False              # perhaps a heap table on both sides: it cannot have such an index
    constraints: list = dataclasses.field(default_factory=list)
    triggers: list = dataclasses.field(default_factory=list)
    parts: dict = dataclasses.field(default_factory=dict)       # attached partitions, by name
    detached: dict = dataclasses.field(default_factory=dict)

    def column(self, name):
        return next((c for c in self.columns if c.name == name), None)

    def writable(self):
        return [c for c in self.columns if not c.generated and not c.identity]

    def copy(self):
        return copy.deepcopy(self, {id(c.type): c.type for c in self.columns})


class Model:
    """Tables by name, the settings in force, open cursors, prepared statements."""

    def __init__(self):
        self.tables = {}
        self.cursors = {}
        self.prepared = {}
        self.names = 0
        self.saved = []         # (savepoint or None, state): the transaction's way back

    def fresh(self, prefix):
        self.names += 1
        return f"{prefix}{self.names}"

    def state(self):
        return ({name: table.copy() for name, table in self.tables.items()}, dict(self.cursors))

    def begin(self):
        self.saved = [(None, self.state())]

    def savepoint(self, name):
        self.saved.append((name, self.state()))

    def rollback_to(self, name):
        while len(self.saved) > 1 and self.saved[-1][0] != name:
            self.saved.pop()
        self.tables, self.cursors = self.saved[-1][1]
        self.saved[-1] = (name, self.state())

    def end(self, committed):
        if self.saved and not committed:
            self.tables = self.saved[0][1][0]
        self.saved = []
        self.cursors = {name: cursor for name, cursor in self.cursors.items() if cursor == "hold"}


    def forget_session(self):
        """A new connection has no cursors, prepared statements and temporary tables."""
        self.cursors, self.prepared = {}, {}
        self.tables = {name: table for name, table in self.tables.items() if not table.temporary}


LOGGING = [
    "GRANT USAGE ON SCHEMA s TO tester",
    "CREATE TABLE audit (op text, moment text, old text, new text) USING heap",
    "GRANT ALL ON audit TO tester",
    """CREATE FUNCTION log_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit VALUES (TG_OP, TG_WHEN,
        CASE WHEN TG_OP <> 'INSERT' THEN OLD::text END,
        CASE WHEN TG_OP <> 'DELETE' THEN NEW::text END);
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$""",
    """CREATE FUNCTION skip_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RETURN CASE WHEN hashtext(OLD::text) % 4 <> 0 THEN OLD END;
    END IF;
    RETURN CASE WHEN hashtext(NEW::text) % 4 <> 0 THEN NEW END;
END $$""",
    """CREATE FUNCTION log_old() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit SELECT TG_OP, 'STATEMENT', r::text, NULL FROM old_rows r;
    RETURN NULL;
END $$""",
    """CREATE FUNCTION log_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit SELECT TG_OP, 'STATEMENT', NULL, r::text FROM new_rows r;
    RETURN NULL;
END $$""",
]


def column_clause(column, rng):
    text = f"{column.name} {column.type.name}"
    if column.default and not column.generated:
        text += f" DEFAULT {column.type.literal(rng)}"
    if column.notnull:
        text += " NOT NULL"
    return text


def create_main(model, rng):
    """Steps that create the table under test, t, with a random shape."""
    columns = []
    key_type = BY_NAME[rng.choice(["int4", "int4", "int8"])]
    has_key = rng.random() < 0.93
    if has_key:
        columns.append(Column("id", key_type))
    if rng.random() < 0.75:
        columns.append(Column("ts", BY_NAME[rng.choice(["timestamptz", "timestamptz", "timestamp",
                                                        "date"])], notnull=rng.random() < 0.5))
    if rng.random() < 0.5:
        columns.append(Column("device", BY_NAME[rng.choice(["text", "int4", "label", "mood"])],
                              notnull=rng.random() < 0.3))
    wide = rng.random() < 0.01
    for number in range(rng.randint(90, 300) if wide else rng.choice([0, 1, 2, 3, 4, 6, 9])):
        columns.append(Column(f"c{number}", pick(rng), notnull=rng.random() < 0.1,
                              default=rng.random() < 0.2))
    if not columns:
        columns.append(Column("c0", pick(rng)))
    rng.shuffle(columns)
    if has_key and rng.random() < 0.15:
        columns.append(Column("gen", BY_NAME["int8"], generated=True))
    if rng.random() < 0.1:
        columns.append(Column("auto", BY_NAME["int8"], identity=True, notnull=True))

    table = Table("t", columns, key="id" if has_key else None)
    clauses = []
    for column in columns:
        if column.generated:
            clauses.append("gen int8 GENERATED ALWAYS AS (id::int8 * 2 + 1) STORED")
        elif column.identity:
            clauses.append("auto int8 GENERATED BY DEFAULT AS IDENTITY")
        else:
            clauses.append(column_clause(column, rng))
    table.partitioned = has_key and rng.random() < 0.1
    if has_key:
        kind = rng.choice(["none", "none", "primary", "primary", "unique", "deferrable", "index",
                           "key index", "key index"])
        if kind == "primary":
            clauses.append("CONSTRAINT t_key PRIMARY KEY (id)")
        elif kind == "unique":
            clauses.append("CONSTRAINT t_key UNIQUE (id)")
        elif kind == "deferrable" and not table.partitioned:
            clauses.append("CONSTRAINT t_key UNIQUE (id) DEFERRABLE INITIALLY "
                           + rng.choice(["DEFERRED", "IMMEDIATE"]))
        table.unique_key = kind in ("primary", "unique")
        if rng.random() < 0.1:
            clauses.append("CONSTRAINT t_check CHECK (id IS NULL OR id > -1000)")
            table.constraints.append("t_check")
        if table.unique_key:
            table.constraints.append("t_key")
    tail = ""
    if table.partitioned:
        tail = " PARTITION BY " + rng.choice(["RANGE", "LIST", "HASH"]) + " (id)"
    elif rng.random() < 0.1:
        tail = " WITH (fillfactor = 50)"
    unlogged = "UNLOGGED " if rng.random() < 0.1 and not table.partitioned else ""
    steps = [Step(f"CREATE {unlogged}TABLE t ({', '.join(clauses)}){tail}")]
    model.tables["t"] = table
    if has_key and kind == "key index" and not table.partitioned:
        steps.append(create_key_index(table, rng))
    if table.partitioned:
        table.parts = partitions(tail, rng.random() < 0.7)
        steps += [Step(f"CREATE TABLE {name} PARTITION OF t {bound}{rng.choice(['', '', ' USING heap'])}")
                  for name, bound in table.parts.items()]
    return steps


def create_key_index(table, rng):
    """A unique index of access method tsdb_key, on the key alone or with another column."""
    names = [table.key]
    fit = [c.name for c in table.columns if c.type.ordered and c.name != table.key]
    if fit and rng.random() < 0.5:
        names.insert(rng.randint(0, 1), rng.choice(fit))
    table.target = ", ".join(names)
    table.unique_key = len(names) == 1
    table.keyed = True
    table.key_indexes.append("t_kx")
    return Step(f"CREATE UNIQUE INDEX t_kx ON t USING {KEY_INDEX} ({table.target})")


def partitions(tail, default):
    """Names and bounds; with no default partition some rows find no place."""
    if "RANGE" in tail:
        bounds = ["FOR VALUES FROM (MINVALUE) TO (50)", "FOR VALUES FROM (50) TO (500)",
                  "DEFAULT" if default else "FOR VALUES FROM (500) TO (20000)"]
    elif "LIST" in tail:
        bounds = ["FOR VALUES IN (1, 2, 3, 5, 8, NULL)", "FOR VALUES IN (4, 6, 9)"]
        bounds += ["DEFAULT"] if default else []
    else:
        bounds = [f"FOR VALUES WITH (MODULUS 3, REMAINDER {n})" for n in range(3)]
    return {f"t_p{n}": bound for n, bound in enumerate(bounds)}


def create_side(model, rng):
    """Steps that create the source of merges and joins, and perhaps parents and children."""
    steps = [Step("CREATE TABLE src (id int4 PRIMARY KEY, n int4, w text)"
                  + rng.choice(["", " USING heap"])),
             Step("INSERT INTO src SELECT g * 3, g % 5, 'w' || g FROM generate_series(1, 40) g")]
    model.tables["src"] = Table("src", [Column("id", BY_NAME["int4"], notnull=True, unique=True),
                                        Column("n", BY_NAME["int4"]), Column("w", BY_NAME["text"])],
                                key="id", unique_key=True)
    table = model.tables["t"]
    if table.unique_key and not table.target and not table.partitioned and rng.random() < 0.25:
        kind = model.tables["t"].column("id").type.name
        action = rng.choice(["", " ON DELETE CASCADE", " ON DELETE SET NULL",
                             " ON DELETE CASCADE ON UPDATE CASCADE", " ON DELETE RESTRICT",
                             " DEFERRABLE INITIALLY DEFERRED"])
        steps.append(Step(f"CREATE TABLE child (id {kind} REFERENCES t (id){action}, v int4)"
                          + rng.choice(["", " USING heap"])))
        model.tables["child"] = Table("child", [Column("id", BY_NAME[kind]),
                                                Column("v", BY_NAME["int4"])], key="id")
    if rng.random() < 0.2:
        action = rng.choice(["", " ON DELETE CASCADE", " ON UPDATE CASCADE", " ON DELETE SET NULL",
                             " NOT VALID", " DEFERRABLE INITIALLY DEFERRED"])
        default = rng.choice(["3", "NULL"])
        steps.append(Step(f"ALTER TABLE t ADD COLUMN ref int4 DEFAULT {default}",
                          after=lambda m: m.tables["t"].columns.append(
                              Column("ref", BY_NAME["int4"], default=True))))
        steps.append(Step(f"ALTER TABLE t ADD CONSTRAINT t_ref FOREIGN KEY (ref) "
                          f"REFERENCES src (id){action}",
                          after=lambda m: m.tables["t"].constraints.append("t_ref")))
    return steps
