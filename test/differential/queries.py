"""SELECT statements whose answer SQL defines: no LIMIT without a total order, no float sums.

Each function takes (table, rng) and returns (sql, how) or None when the table does not fit.
"""


def literal(column, rng):
    return column.type.literal(rng)


def predicate(table, rng, depth=0):
    """A condition that cannot fail, whichever order rows and conditions are looked at."""
    kind = rng.random()
    if depth < 2 and kind < 0.25:
        glue = rng.choice([" AND ", " OR ", " AND "])
        return "(" + predicate(table, rng, depth + 1) + glue + predicate(table, rng, depth + 1) + ")"
    if table.key and table.column(table.key) and kind < 0.75:
        return key_predicate(table, rng)
    column = rng.choice(table.columns)
    if rng.random() < 0.2:
        return f"{column.name} IS {rng.choice(['', 'NOT '])}NULL"
    if column.type.ordered and rng.random() < 0.6:
        operator = rng.choice(["<", "<=", "=", ">=", ">", "<>"])
        return f"{column.name} {operator} {literal(column, rng)}"
    if column.type.ordered and rng.random() < 0.5:
        low, high = literal(column, rng), literal(column, rng)
        return f"{column.name} BETWEEN {low} AND {high}"
    if column.type.hashed and column.type.ordered:
        items = ", ".join(literal(column, rng) for _ in range(rng.randint(1, 4)))
        return f"{column.name} {rng.choice(['', 'NOT '])}IN ({items})"
    return f"{column.name}::text LIKE '%{rng.choice('a1e0')}%'"


def some_key(rng):
    return rng.choice([rng.randint(1, 30), rng.randint(1, 200), rng.randint(1, 3000)])


def key_predicate(table, rng):
    key, number = table.key, some_key(rng)
    return rng.choice([
        f"{key} = {number}", f"{key} = {number}", f"{key} = {number}",
        f"{key} IN ({', '.join(str(some_key(rng)) for _ in range(rng.randint(1, 6)))})",
        f"{key} BETWEEN {number} AND {number + rng.choice([3, 40, 900])}",
        f"{key} % {rng.randint(2, 40)} = {rng.randint(0, 2)}",
        f"{key} < {number}", f"{key} > {number}", f"{key} IS NULL"])


def one_row(table, rng):
    """A condition for at most one row, if the key is unique."""
    return f"{table.key} = {some_key(rng)}" if table.key else predicate(table, rng)


def column_list(table, rng):
    if rng.random() < 0.4:
        return "*"
    chosen = rng.sample(table.columns, rng.randint(1, len(table.columns)))
    return ", ".join(column.name for column in chosen)


def plain(table, rng):
    where = f" WHERE {predicate(table, rng)}" if rng.random() < 0.8 else ""
    return f"SELECT {column_list(table, rng)} FROM {table.name}{where}", "bag"


def whole_rows(table, rng):
    return f"SELECT {table.name}, tableoid::regclass FROM {table.name}", "bag"


def totals(table, rng):
    items = ["count(*)"]
    for column in table.columns[:12]:
        items.append(f"count({column.name})")
        kind = column.type
        if kind.name in ("int2", "int4", "int8", "numeric(12,2)"):
            items.append(f"sum({column.name}), avg({column.name}::numeric)")
        if kind.total and kind.name in ("int2", "int4", "int8", "text", "timestamptz", "timestamp",
                                        "date", "numeric(12,2)", "time", "oid", "inet", "mood"):
            items.append(f"min({column.name}), max({column.name})")
        if kind.name in ("float4", "float8"):       # + 0: which zero is the smaller is left open
            items.append(f"min({column.name}) + 0, max({column.name}) + 0")
        if kind.name == "bool":
            items.append(f"bool_and({column.name}), bool_or({column.name})")
    where = f" WHERE {predicate(table, rng)}" if rng.random() < 0.5 else ""
    return f"SELECT {', '.join(items)} FROM {table.name}{where}", "bag"


def groups(table, rng):
    fit = [c for c in table.columns if c.type.total and c.type.ordered]
    if not fit:
        return None
    column = rng.choice(fit)
    key = column.name
    if column.type.name in ("timestamptz", "timestamp"):
        key = rng.choice([f"date_trunc('hour', {key})", key, f"date_trunc('day', {key})"])
    number = f", sum({table.key})" if table.key else ""
    where = f" WHERE {predicate(table, rng)}" if rng.random() < 0.4 else ""
    having = " HAVING count(*) > 1" if rng.random() < 0.2 else ""
    return f"SELECT {key}, count(*){number} FROM {table.name}{where} GROUP BY 1{having}", "bag"


def first_rows(table, rng):
    fit = [c for c in table.columns if c.type.total and c.type.ordered]
    if not fit:
        return None
    chosen = rng.sample(fit, min(len(fit), rng.randint(1, 2)))
    names = ", ".join(column.name for column in chosen)
    order = ", ".join(column.name + rng.choice(["", " DESC", " NULLS FIRST", " DESC NULLS LAST"])
                      for column in chosen)
    where = f" WHERE {predicate(table, rng)}" if rng.random() < 0.5 else ""
    offset = f" OFFSET {rng.randint(1, 50)}" if rng.random() < 0.3 else ""
    return (f"SELECT {names} FROM {table.name}{where} ORDER BY {order} "
            f"LIMIT {rng.choice([1, 5, 100])}{offset}"), "list"


def distinct(table, rng):
    fit = [c for c in table.columns if c.type.total and c.type.ordered]
    if not fit:
        return None
    column = rng.choice(fit).name
    if rng.random() < 0.5:
        return f"SELECT DISTINCT {column} FROM {table.name}", "bag"
    return (f"SELECT DISTINCT ON ({column}) {column}, t0::text FROM {table.name} t0 "
            f"ORDER BY {column}, t0::text"), "bag"


def window(table, rng):
    fit = [c for c in table.columns if c.type.total and c.type.ordered]
    if not fit:
        return None
    column = rng.choice(fit).name
    return (f"SELECT {column}, row_number() OVER w, lag(t0::text) OVER w FROM {table.name} t0 "
            f"WINDOW w AS (PARTITION BY {column} ORDER BY t0::text)"), "bag"


def join(table, rng):
    if not table.key:
        return None
    key = table.key
    return rng.choice([
        f"SELECT a.{key}, s.w FROM {table.name} a JOIN src s ON a.{key} = s.id",
        f"SELECT count(*) FROM {table.name} a JOIN {table.name} b USING ({key}) "
        f"WHERE a.{key} < 3000",
        f"SELECT s.id, a.* FROM src s LEFT JOIN {table.name} a ON a.{key} = s.id "
        f"AND {predicate_of('a', key, rng)}",
        f"SELECT * FROM src s WHERE EXISTS (SELECT 1 FROM {table.name} a WHERE a.{key} = s.id)",
        f"SELECT * FROM src s WHERE id NOT IN (SELECT {key} FROM {table.name} "
        f"WHERE {key} IS NOT NULL)",
        f"SELECT s.id, l.r FROM src s, LATERAL (SELECT a::text r FROM {table.name} a "
        f"WHERE a.{key} >= s.id ORDER BY a.{key}, a::text LIMIT 1) l",
    ]), "bag"


def predicate_of(alias, key, rng):
    return f"{alias}.{key} % {rng.randint(1, 5)} = 0"


def by_tid(table, rng):
    if table.partitioned or table.children:     # a ctid is one table's
        return (f"SELECT a.*, a.xmin IS NULL FROM {table.name} a JOIN {table.name} b "
                "ON a.ctid = b.ctid AND a.tableoid = b.tableoid"), "bag"
    return rng.choice([
        f"SELECT a.* FROM {table.name} a WHERE ctid = (SELECT ctid FROM {table.name} b "
        f"WHERE {predicate(table, rng)} ORDER BY b::text LIMIT 1)",
        f"SELECT a.* FROM {table.name} a WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table.name} "
        f"WHERE {predicate(table, rng)}))",
        f"SELECT a.*, a.xmin IS NULL, a.cmax IS NULL FROM {table.name} a "
        f"JOIN {table.name} b ON a.ctid = b.ctid AND a.tableoid = b.tableoid",
        f"SELECT count(DISTINCT (tableoid, ctid)) FROM {table.name}",
    ]), "bag"


def sample(table, rng):
    method = rng.choice(["BERNOULLI", "SYSTEM"])
    return f"SELECT * FROM {table.name} TABLESAMPLE {method} (100)", "bag"


def locking(table, rng):
    strength = rng.choice(["UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"])
    wait = rng.choice(["", " NOWAIT", " SKIP LOCKED"])
    return f"SELECT * FROM {table.name} WHERE {predicate(table, rng)} FOR {strength}{wait}", "bag"


def bits(table, rng):
    fit = [c for c in table.columns if c.type.name in ("float8", "float4")]
    if not fit:
        return None
    column = rng.choice(fit)
    return f"SELECT {column.type.name}send({column.name}) FROM {table.name}", "bag"


def nested(table, rng):
    return rng.choice([
        f"WITH x AS MATERIALIZED (SELECT * FROM {table.name}) SELECT count(*) FROM x "
        f"WHERE {predicate(table, rng)}",
        f"SELECT * FROM {table.name} WHERE {predicate(table, rng)} UNION ALL "
        f"SELECT * FROM {table.name} WHERE {predicate(table, rng)}",
        f"SELECT (SELECT count(*) FROM {table.name}), (SELECT count(*) FROM {table.name} "
        f"WHERE {predicate(table, rng)})",
    ]), "bag"


KINDS = [(plain, 10), (whole_rows, 2), (totals, 6), (groups, 6), (first_rows, 6), (distinct, 2),
         (window, 1), (join, 4), (by_tid, 4), (sample, 1), (locking, 4), (bits, 1), (nested, 2)]


def query(table, rng):
    """A random SELECT of one of the kinds above: (sql, how)."""
    while True:
        kind = rng.choices([k for k, _ in KINDS], [w for _, w in KINDS])[0]
        made = kind(table, rng)
        if made:
            return made
