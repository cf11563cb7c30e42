"""Statements that change tables, maintain them, or change how the session runs."""

from model import Column, Step, Table
from queries import literal, predicate
from server import KEY_INDEX
from values import BY_NAME, pick


def add_column(model, table, rng):
    kind = pick(rng)
    column = Column(model.fresh("x"), kind, default=rng.random() < 0.6)
    text = f"{column.name} {kind.name}"
    if column.default:
        text += f" DEFAULT {kind.literal(rng)}"
        column.notnull = rng.random() < 0.3
    elif rng.random() < 0.1:
        column.notnull = True
    text += " NOT NULL" if column.notnull else ""
    if table.key and rng.random() < 0.05:
        column.generated, column.type, column.notnull = True, BY_NAME["int8"], False
        text = f"{column.name} int8 GENERATED ALWAYS AS ({table.key} % 7) STORED"
    return [Step(f"ALTER TABLE {table.name} ADD COLUMN {text}",
                 after=lambda m: m.tables[table.name].columns.append(column))]


def drop_column(model, table, rng):
    if len(table.columns) < 2:
        return []
    column = rng.choice(table.columns)
    if column.name == table.key and rng.random() < 0.8:
        return []

    def forget(m):
        t = m.tables[table.name]
        t.columns = [c for c in t.columns if c.name != column.name]
        if t.key == column.name:
            t.key, t.unique_key = None, False
    return [Step(f"ALTER TABLE {table.name} DROP COLUMN {column.name}"
                 + rng.choice(["", " CASCADE"]), after=forget)]


CASTS = {"int4": ["int8", "text", "float8", "numeric", "int2"], "int8": ["int4", "text", "numeric"],
         "int2": ["int4", "int8", "text"], "float4": ["float8", "text"], "float8": ["float4", "text"],
         "text": ["varchar(2000)", "bytea", "char(8)", "text[]"], "timestamptz": ["timestamp", "date", "text"],
         "timestamp": ["timestamptz", "date"], "date": ["timestamp", "timestamptz"],
         "numeric(12,2)": ["numeric", "text"], "numeric": ["float8", "text"],
         "varchar(2000)": ["text"], "jsonb": ["json", "text"], "bool": ["int4", "text"],
         "positive": ["int4", "int8"], "mood": ["text"], "label": ["text"]}


def alter_type(_model, table, rng):
    fit = [c for c in table.columns if c.type.name in CASTS and not c.generated and not c.identity
           and c.name not in (table.key, "ref")]
    if not fit:
        return []
    column = rng.choice(fit)
    kind = BY_NAME[rng.choice(CASTS[column.type.name])]
    using = {"text[]": f"ARRAY[{column.name}]", "bytea": f"convert_to({column.name}, 'UTF8')"}
    expression = using.get(kind.name, f"{column.name}::{kind.name}")

    def retype(m):
        m.tables[table.name].column(column.name).type = kind
    return [Step(f"ALTER TABLE {table.name} ALTER COLUMN {column.name} TYPE {kind.name} "
                 f"USING {expression}", "loose", after=retype)]


def alter_column(model, table, rng):
    column = rng.choice(table.columns)
    new = model.fresh("r")

    def rename(m):
        m.tables[table.name].column(column.name).name = new
    options = [
        Step(f"ALTER TABLE {table.name} ALTER COLUMN {column.name} SET DEFAULT "
             f"{literal(column, rng)}"),
        Step(f"ALTER TABLE {table.name} ALTER COLUMN {column.name} DROP DEFAULT"),
        Step(f"ALTER TABLE {table.name} ALTER COLUMN {column.name} SET NOT NULL"),
        Step(f"ALTER TABLE {table.name} ALTER COLUMN {column.name} DROP NOT NULL"),
        Step(f"ALTER TABLE {table.name} ALTER COLUMN {column.name} SET STORAGE EXTERNAL"),
        Step(f"ALTER TABLE {table.name} ALTER COLUMN {column.name} SET STATISTICS 10"),
    ]
    if column.name not in (table.key, "ref"):
        options.append(Step(f"ALTER TABLE {table.name} RENAME COLUMN {column.name} TO {new}",
                            after=rename))
    return [rng.choice(options)]


def constraint(model, table, rng):
    if table.constraints and rng.random() < 0.3:
        name = rng.choice(table.constraints)

        def forget(m):
            t = m.tables[table.name]
            t.constraints = [c for c in t.constraints if c != name]
            if name == "t_key":
                t.unique_key = False
        return [Step(f"ALTER TABLE {table.name} DROP CONSTRAINT {name}", after=forget)]
    name = model.fresh("con")
    column = rng.choice(table.columns)

    def remember(m):
        m.tables[table.name].constraints.append(name)
    options = [
        Step(f"ALTER TABLE {table.name} ADD CONSTRAINT {name} CHECK "
             f"({column.name} IS NULL OR {column.name}::text <> 'impossible') NOT VALID",
             after=remember),
        Step(f"ALTER TABLE {table.name} ADD CONSTRAINT {name} UNIQUE "
             f"{rng.choice(['', 'NULLS NOT DISTINCT '])}({column.name})", after=remember),
    ]
    spans = [c for c in table.columns if c.type.name in ("int4range", "tstzrange", "box")]
    if spans:
        options.append(Step(f"ALTER TABLE {table.name} ADD CONSTRAINT {name} EXCLUDE USING gist "
                            f"({rng.choice(spans).name} WITH &&)", after=remember))
    if table.key:
        limit = rng.choice([0, 100, 10 ** 9])
        options.append(Step(f"ALTER TABLE {table.name} ADD CONSTRAINT {name} CHECK "
                            f"({table.key} < {limit})" + rng.choice(["", " NOT VALID"]),
                            after=remember))
        options.append(Step(f"ALTER TABLE {table.name} ADD CONSTRAINT {name} UNIQUE ({table.key})"
                            + rng.choice(["", " DEFERRABLE INITIALLY DEFERRED"]), after=remember))
        options.append(Step(f"ALTER TABLE {table.name} ADD CONSTRAINT {name} EXCLUDE USING btree "
                            f"({table.key} WITH =) WHERE ({table.key} > 50)", after=remember))
    steps = [rng.choice(options)]
    if "NOT VALID" in steps[0].sql:
        steps.append(Step(f"ALTER TABLE {table.name} VALIDATE CONSTRAINT {name}"))
    return steps


def create_index(model, table, rng, outside):
    name = model.fresh("ix")
    ordered = [c for c in table.columns if c.type.ordered and not c.type.name.endswith("[]")]
    hashed = [c for c in table.columns if c.type.hashed]
    kind = rng.choice(["btree", "btree", "btree", "hash", "gin", "gist", "expression", "partial",
                       "include", "spgist", "unique", "key index"])
    where = ""
    if kind in ("btree", "partial", "include", "unique") and ordered:
        chosen = rng.sample(ordered, min(len(ordered), rng.choice([1, 1, 2])))
        keys = ", ".join(c.name + rng.choice(["", "", " DESC"]) for c in chosen)
        body = f"({keys})"
        if kind == "include":
            body += f" INCLUDE ({rng.choice(table.columns).name})"
        if kind == "partial":
            where = f" WHERE {predicate(table, rng)}"
    elif kind == "key index" and ordered and not table.partitioned and not table.heap:
        chosen = rng.sample(ordered, min(len(ordered), rng.choice([1, 1, 2])))
        body = f"USING {KEY_INDEX} ({', '.join(c.name for c in chosen)})"
    elif kind == "hash" and hashed:
        body = f"USING hash ({rng.choice(hashed).name})"
    elif kind == "gin":
        fit = [c for c in table.columns if c.type.name in ("jsonb", "int4[]", "text[]", "tsvector")]
        if not fit:
            return []
        body = f"USING gin ({rng.choice(fit).name})"
    elif kind in ("gist", "spgist"):
        fit = [c for c in table.columns if c.type.name in ("point", "box", "int4range", "tstzrange")]
        if not fit:
            return []
        body = f"USING {kind} ({rng.choice(fit).name})"
    elif kind == "expression":
        column = rng.choice(table.columns)
        body = f"(md5({column.name}::text))" if column.type.name in ("int4", "int8", "text") else \
            f"(({column.name} IS NULL))"
    else:
        return []
    unique = "UNIQUE " if kind == "unique" or kind == "key index" and rng.random() < 0.7 else ""
    if table.key and table.column(table.key) and rng.random() < 0.12:   # keys that are likely unique
        unique, kind = "UNIQUE ", "unique"
        body, where = rng.choice([
            (f"(({table.key} * 2))", ""), (f"({table.key}) NULLS NOT DISTINCT", ""),
            (f"({table.key})", f" WHERE {table.key} % 3 = 0"),
            (f"({table.key} DESC) INCLUDE ({rng.choice(table.columns).name})", "")])
    concurrently = "CONCURRENTLY " if outside and rng.random() < 0.3 and not table.partitioned else ""

    def remember(m):
        to = m.tables[table.name]
        to.keyed = to.keyed or kind == "key index"
        (to.key_indexes if kind == "key index" else to.indexes).append(name)
    return [Step(f"CREATE {unique}INDEX {concurrently}{name} ON {table.name} {body}{where}",
                 after=remember)]


def drop_index(_model, table, rng):
    if not table.indexes + table.key_indexes:
        return []
    name = rng.choice(table.indexes + table.key_indexes)

    def forget(m):
        t = m.tables[table.name]
        t.indexes = [i for i in t.indexes if i != name]
        t.key_indexes = [i for i in t.key_indexes if i != name]
        if name == "t_kx":
            t.unique_key, t.target = False, None
    return [Step(f"DROP INDEX {name}", after=forget)]


def maintain(_model, table, rng, outside):
    options = [f"ANALYZE {table.name}", f"REINDEX TABLE {table.name}"]
    if outside:
        options += [f"VACUUM {table.name}"] * 4 + [
            f"VACUUM (FREEZE) {table.name}", f"VACUUM FULL {table.name}",
            f"VACUUM (ANALYZE, INDEX_CLEANUP {rng.choice(['on', 'off', 'auto'])}) {table.name}",
            f"REINDEX TABLE CONCURRENTLY {table.name}"]
    if table.indexes and not table.partitioned:
        options.append(f"CLUSTER {table.name} USING {rng.choice(table.indexes)}")
    return [Step(rng.choice(options))]


def truncate(model, table, rng):
    return [Step(f"TRUNCATE {table.name}" + rng.choice(["", " CASCADE", " RESTART IDENTITY"]))]


def trigger(model, table, rng):
    if table.triggers and rng.random() < 0.5:
        name = rng.choice(table.triggers)

        def forget(m):
            t = m.tables[table.name]
            t.triggers = [x for x in t.triggers if x != name]
        return [Step(f"DROP TRIGGER {name} ON {table.name}", after=forget)]
    name = model.fresh("trg")
    event = rng.choice(["INSERT OR UPDATE OR DELETE", "UPDATE", "DELETE", "INSERT"])
    moment = rng.choice(["BEFORE", "AFTER", "AFTER"])
    function = "skip_row" if moment == "BEFORE" and rng.random() < 0.4 else "log_row"
    sql = (f"CREATE TRIGGER {name} {moment} {event} ON {table.name} FOR EACH ROW "
           f"EXECUTE FUNCTION {function}()")
    kind = rng.random()
    if kind < 0.2:              # looks at its row when the transaction ends
        sql = (f"CREATE CONSTRAINT TRIGGER {name} AFTER {event} ON {table.name} DEFERRABLE "
               "INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_row()")
    elif kind < 0.5:
        event = rng.choice(["INSERT", "UPDATE", "DELETE"])
        which = "new" if event == "INSERT" else "old"
        sql = (f"CREATE TRIGGER {name} AFTER {event} ON {table.name} REFERENCING "
               f"{which.upper()} TABLE AS {which}_rows FOR EACH STATEMENT "
               f"EXECUTE FUNCTION log_{which}()")

    def remember(m):
        m.tables[table.name].triggers.append(name)
    return [Step(sql, after=remember)]


def copy_table(model, table, rng):
    """CREATE TABLE AS, LIKE, a materialized view, a temporary table."""
    name = model.fresh("n")
    kind = rng.choice(["as", "like", "view", "temporary"])
    columns = [Column(c.name, c.type) for c in table.columns]
    made = Table(name, columns, key=table.key, bound=table.bound)

    def remember(m):
        m.tables[name] = made
    if kind == "as":
        return [Step(f"CREATE TABLE {name} AS SELECT * FROM {table.name} "
                     f"WHERE {predicate(table, rng)}", after=remember)]
    if kind == "like":
        like = table.copy()
        like.name, like.indexes, like.constraints, like.triggers = name, [], [], []
        like.key_indexes, like.heap = [], False
        like.partitioned = like.children = False
        like.parts, like.detached = {}, {}

        def remember_like(m):
            m.tables[name] = like
        return [Step(f"CREATE TABLE {name} (LIKE {table.name} INCLUDING ALL)", after=remember_like),
                Step(f"INSERT INTO {name} SELECT * FROM {table.name}"
                     if not any(c.generated for c in table.columns) else f"SELECT * FROM {name}",
                     "loose")]
    if kind == "view":
        return [Step(f"CREATE MATERIALIZED VIEW {name} AS SELECT * FROM {table.name}"),
                Step(f"SELECT * FROM {name}"),
                Step(f"REFRESH MATERIALIZED VIEW {name}"),
                Step(f"SELECT * FROM {name}"),
                Step(f"DROP MATERIALIZED VIEW {name}")]
    made.temporary = True
    end = rng.choice(["", " ON COMMIT DELETE ROWS", " ON COMMIT PRESERVE ROWS"])
    return [Step(f"CREATE TEMP TABLE {name}{end} AS SELECT * FROM {table.name}", after=remember),
            Step("temporary", "own"), Step(f"SELECT * FROM {name}")]


def drop_table(model, rng):
    fit = [name for name in model.tables if name.startswith("n")]
    if not fit:
        return []
    name = rng.choice(fit)
    return [Step(f"DROP TABLE {name}", after=lambda m: m.tables.pop(name, None))]


def storage(_model, table, rng):
    """Changes that rewrite the table or give it new storage; the access method goes both ways."""
    if table.partitioned or table.temporary or table.view:
        return []
    options = [Step(f"ALTER TABLE {table.name} SET UNLOGGED"),
               Step(f"ALTER TABLE {table.name} SET LOGGED"),
               Step(f"ALTER TABLE {table.name} SET (fillfactor = {rng.randint(10, 100)})")]
    methods = [[Step(f"ALTER TABLE {table.name} SET ACCESS METHOD heap", "side")],
               [Step(f"ALTER TABLE {table.name} SET ACCESS METHOD tsdb", "side")] * 3]
    if table.keyed or rng.random() < 0.6:
        return [rng.choice(options)]
    chosen = rng.choice(methods)
    table.heap = table.heap or "heap" in chosen[0].sql
    return chosen


def key(_model, table, rng):
    """Another order of the rows in chunks to come: which column is time, which ones name a series."""
    if table.view or table.temporary or table.heap:
        return []
    fit = [c.name for c in table.columns if c.type.ordered]
    times = [c.name for c in table.columns if c.type.time or c.type.name in ("int8", "int4", "int2")]
    series = rng.sample(fit, min(len(fit), rng.choice([0, 1, 1, 2, 3])))
    times = [name for name in times if name not in series]
    options = [f"tsdb.series = '{', '.join(series)}'"]
    if times and rng.random() < 0.7:
        options.append(f"tsdb.time = '{rng.choice(times)}'")
    return [Step(f"ALTER TABLE {table.name} SET ({', '.join(options)})", "key")]


SWITCHES = ["enable_seqscan", "enable_indexscan", "enable_bitmapscan", "enable_indexonlyscan",
            "enable_tidscan", "enable_hashjoin", "enable_mergejoin", "enable_nestloop",
            "enable_hashagg", "enable_sort", "enable_material"]
PARALLEL = [("parallel_setup_cost", "0", "1000"), ("parallel_tuple_cost", "0", "0.1"),
            ("min_parallel_table_scan_size", "0", "'8MB'"),
            ("min_parallel_index_scan_size", "0", "'512kB'"),
            ("max_parallel_workers_per_gather", "2", "0"),
            ("force_parallel_mode", "on", "off")]


def setting(_model, rng):
    kind = rng.random()
    if kind < 0.5:
        return [Step(f"SET {rng.choice(SWITCHES)} = {rng.choice(['on', 'off'])}")]
    if kind < 0.65:
        on = rng.random() < 0.5
        return [Step(f"SET {name} = {yes if on else no}") for name, yes, no in PARALLEL
                if name != "force_parallel_mode" or rng.random() < 0.3]
    if kind < 0.8:
        return [Step("RESET ALL"), Step("SET statement_timeout = '30s'"),
                Step("SET lock_timeout = '10s'")]
    name, values = rng.choice([("work_mem", ["'64kB'", "'4MB'"]),
                               ("plan_cache_mode", ["force_generic_plan", "auto",
                                                    "force_custom_plan"]),
                               ("synchronous_commit", ["on", "off"]),
                               ("session_replication_role", ["origin", "origin", "replica"]),
                               ("default_transaction_isolation", ["'read committed'",
                                                                  "'repeatable read'",
                                                                  "serializable"]),
                               ("cursor_tuple_fraction", ["1.0", "0.01"])])
    return [Step(f"SET {name} = {rng.choice(values)}")]
