"""Statements that change rows: INSERT, COPY, UPDATE, DELETE, MERGE, and loops over them.

Where SQL leaves the outcome to the order of rows (several faulty rows, a unique key shifted over
itself) the statement is written so that every order gives the same, or is marked "loose".
"""

from model import Step
from queries import key_predicate, one_row, predicate, query, some_key


def row_values(table, rng, key=None):
    """Column names and literals of one row; now and then a column is left out."""
    names, values = [], []
    for column in table.writable():
        if column.name == table.key:
            names.append(column.name)
            values.append(str(key if key is not None else some_key(rng)))
            continue
        if rng.random() < 0.05:
            continue
        names.append(column.name)
        values.append(value_for(column, rng))
    return names, values


def value_for(column, rng):
    if column.name == "ref":
        return rng.choice(["3", "6", "9", "12", "NULL", "NULL", "4"])
    if rng.random() < 0.12 and not (column.notnull and rng.random() < 0.9):
        return "NULL"
    if column.default and rng.random() < 0.2:
        return "DEFAULT"
    return column.type.literal(rng)


def returning(table, rng):
    if rng.random() < 0.7:
        return ""
    return rng.choice([" RETURNING *", f" RETURNING {rng.choice(table.columns).name}",
                       f" RETURNING {table.name}::text, tableoid::regclass"])


def columns_and_rows(table, rng, count):
    """A VALUES list in which each row gives the same columns; keys ascend, so few collide."""
    columns = [c for c in table.writable() if rng.random() < 0.95] or table.writable()
    if not columns:
        return None
    start = rng.choice([some_key(rng), table.bound + 1])
    rows = []
    for number in range(count):
        row = [str(start + number) if c.name == table.key else value_for(c, rng) for c in columns]
        rows.append("(" + ", ".join(row) + ")")
    table.bound = max(table.bound, start + count, 3000)
    return ", ".join(c.name for c in columns), ", ".join(rows)


def insert(table, rng):
    count = rng.choice([1, 1, 1, 2, 5, 40])
    made = columns_and_rows(table, rng, count)
    if not made:
        return [Step(f"INSERT INTO {table.name} DEFAULT VALUES{returning(table, rng)}")]
    return [Step(f"INSERT INTO {table.name} ({made[0]}) VALUES {made[1]}{returning(table, rng)}")]


def insert_many(table, rng):
    """Enough rows for chunks of their own."""
    columns = table.writable()
    if not columns:
        return []
    count = rng.choice([10, 100, 300, 300, 1100, 2600] if len(columns) < 30 else [10, 100])
    start = rng.choice([0, 0, table.bound])
    expressions = []
    for column in columns:
        if column.name == table.key:
            expressions.append(f"i + {start}")
        elif column.name == "ref":
            expressions.append("3 * (1 + i % 10)")
        else:
            text = column.type.series(rng)
            if not column.notnull and rng.random() < 0.4:
                text = f"CASE WHEN i % {rng.randint(2, 30)} = 0 THEN NULL ELSE {text} END"
            expressions.append(text)
    table.bound = max(table.bound, start + count)
    conflict = " ON CONFLICT DO NOTHING" if rng.random() < 0.7 else ""
    order = rng.choice(["i", "i", "i", "hashint4(i)"])
    return [Step(f"INSERT INTO {table.name} ({', '.join(c.name for c in columns)}) "
                 f"SELECT {', '.join(expressions)} FROM generate_series(1, {count}) i "
                 f"ORDER BY {order}{conflict}")]


def insert_select(table, rng):
    """From the table itself, shifted beyond every key."""
    if not table.key or table.bound > 10 ** 8:
        return []
    if any(c.identity for c in table.columns):      # numbers would follow the rows' order
        return []
    names = [c.name for c in table.writable()]
    shift = table.bound + 1
    items = [f"{table.key} + {shift}" if n == table.key else n for n in names]
    table.bound += shift
    return [Step(f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {', '.join(items)} "
                 f"FROM {table.name} WHERE {predicate(table, rng)} AND {table.key} < {shift} "
                 f"AND {table.key} % {rng.randint(1, 9)} = 0{returning(table, rng)}", "loose")]


def copy_in(table, rng):
    columns = [c for c in table.writable() if rng.random() < 0.95]
    if not columns:
        return []
    start = rng.choice([some_key(rng), table.bound + 1])
    lines = []
    count = rng.choice([1, 7, 60, 400])
    for number in range(count):
        fields = []
        for column in columns:
            text = str(start + number) if column.name == table.key else column.type.copied(rng)
            if column.name == "ref":
                text = rng.choice(["3", "\\N"])
            if text is None or (rng.random() < 0.1 and not column.notnull):
                text = "\\N"
            fields.append(text)
        lines.append("\t".join(fields) + "\n")
    table.bound = max(table.bound, start + count)
    return [Step(f"COPY {table.name} ({', '.join(c.name for c in columns)}) FROM STDIN",
                 data="".join(lines))]


def copy_out(table, rng):
    source = table.name
    if table.partitioned or rng.random() < 0.4:
        source = f"(SELECT * FROM {table.name} WHERE {predicate(table, rng)})"
    return [Step(f"COPY {source} TO STDOUT" + rng.choice(["", " (FORMAT csv)"]))]


def on_conflict(table, rng):
    count = rng.choice([1, 3, 10])
    made = columns_and_rows(table, rng, count)
    if not made or not table.key:
        return []
    unique = table.unique_key or table.target
    target = f"({table.target or table.key})" if rng.random() < (0.8 if unique else 0.1) else ""
    if rng.random() < 0.4 or not target:
        action = f"{target} DO NOTHING"
    else:
        action = f"{target} DO UPDATE SET {assignments(table, rng, excluded=True)}"
        if rng.random() < 0.3:
            action += f" WHERE {table.name}.{table.key} % 2 = 0"
    return [Step(f"INSERT INTO {table.name} ({made[0]}) VALUES {made[1]} ON CONFLICT {action}"
                 f"{returning(table, rng)}")]


def assignments(table, rng, excluded=False, alias=None):
    """SET a = ..., of one or a few columns, never of the key."""
    columns = [c for c in table.writable() if c.name != table.key]
    if not columns:
        return f"{table.key} = {table.name if not alias else alias}.{table.key}"
    chosen = rng.sample(columns, min(len(columns), rng.choice([1, 1, 2, 3])))
    parts = []
    for column in chosen:
        same = [c for c in table.columns if c.type is column.type and c is not column]
        if excluded and rng.random() < 0.5:
            value = f"excluded.{column.name}"
        elif same and rng.random() < 0.2:
            value = f"{alias or table.name}.{rng.choice(same).name}"
        else:
            value = value_for(column, rng)
        parts.append(f"{column.name} = {value}")
    return ", ".join(parts)


def update(table, rng):
    where = rng.choice([one_row, one_row, predicate])(table, rng)
    return [Step(f"UPDATE {table.name} SET {assignments(table, rng)} WHERE {where}"
                 f"{returning(table, rng)}", "loose")]


def update_all(table, rng):
    return [Step(f"UPDATE {table.name} SET {assignments(table, rng)}", "loose")]


def update_key(table, rng):
    """Move one key, or shift many beyond every key there is."""
    if not table.key:
        return []
    if rng.random() < 0.6 or table.bound > 10 ** 8:
        return [Step(f"UPDATE {table.name} SET {table.key} = {some_key(rng)} "
                     f"WHERE {one_row(table, rng)}{returning(table, rng)}", "loose")]
    shift = table.bound + 1
    table.bound += shift
    return [Step(f"UPDATE {table.name} SET {table.key} = {table.key} + {shift} "
                 f"WHERE {predicate(table, rng)} AND {table.key} < {shift}"
                 f"{returning(table, rng)}", "loose")]


def update_from(table, rng):
    if not table.key or not table.column(table.key):
        return []
    return [Step(f"UPDATE {table.name} SET {assignments(table, rng)} FROM src s "
                 f"WHERE {table.name}.{table.key} = s.id AND s.n < {rng.randint(1, 5)}"
                 + rng.choice(["", f" RETURNING {table.name}.*, s.w"]), "loose")]


def delete(table, rng):
    return [Step(f"DELETE FROM {table.name} WHERE {predicate(table, rng)}{returning(table, rng)}",
                 "loose")]


def delete_one(table, rng):
    return [Step(f"DELETE FROM {table.name} WHERE {one_row(table, rng)}{returning(table, rng)}",
                 "loose")]


def delete_using(table, rng):
    if not table.key:
        return []
    return [Step(f"DELETE FROM {table.name} USING src s WHERE {table.name}.{table.key} = s.id "
                 f"AND s.n = {rng.randint(0, 4)}", "loose")]


def data_modifying_cte(table, rng):
    return [Step(rng.choice([
        f"WITH d AS (DELETE FROM {table.name} WHERE {predicate(table, rng)} RETURNING *) "
        "SELECT * FROM d",
        f"WITH u AS (UPDATE {table.name} SET {assignments(table, rng)} "
        f"WHERE {predicate(table, rng)} RETURNING *) SELECT (SELECT count(*) FROM u), "
        f"(SELECT count(*) FROM {table.name})",
    ]), "loose")]


def merge(table, rng):
    if not table.key:
        return []
    names = [c for c in table.writable() if c.name != table.key]
    insert_columns = ", ".join([table.key] + [c.name for c in names])
    insert_values = ", ".join(["s.id"] + [value_for(c, rng) for c in names])
    matched = rng.choice([
        f"UPDATE SET {assignments(table, rng, alias='x')}", "DELETE", "DO NOTHING",
        f"UPDATE SET {assignments(table, rng, alias='x')}"])
    condition = rng.choice(["", f" AND s.n > {rng.randint(0, 4)}", f" AND x.{table.key} % 2 = 0"])
    source = rng.choice(["src", f"(SELECT * FROM src WHERE id < {rng.randint(5, 120)})"])
    sql = (f"MERGE INTO {table.name} x USING {source} s ON x.{table.key} = s.id "
           f"WHEN MATCHED{condition} THEN {matched}")
    if rng.random() < 0.3:
        sql += " WHEN MATCHED THEN DELETE" if condition else ""
    if rng.random() < 0.6 and not any(c.identity for c in table.columns):
        sql += f" WHEN NOT MATCHED THEN INSERT ({insert_columns}) VALUES ({insert_values})"
    return [Step(sql, "loose")]


def child_rows(model, rng):
    """Statements on the tables that refer to t, or that t refers to."""
    options = [f"DELETE FROM src WHERE id = {3 * rng.randint(1, 40)}",
               f"UPDATE src SET id = id + 100000 WHERE id = {3 * rng.randint(1, 40)}",
               f"UPDATE src SET w = w || 'x' WHERE n = {rng.randint(0, 4)}",
               f"INSERT INTO src VALUES ({3 * rng.randint(1, 40)}, 1, 'new') "
               "ON CONFLICT (id) DO UPDATE SET w = excluded.w"]
    if "child" in model.tables:
        options += [f"INSERT INTO child VALUES ({some_key(rng)}, {rng.randint(0, 99)})",
                    f"INSERT INTO child SELECT id, 1 FROM t WHERE id % {rng.randint(2, 9)} = 0",
                    f"UPDATE child SET id = {some_key(rng)} WHERE id = {some_key(rng)}",
                    "DELETE FROM child WHERE v = 1", "SELECT * FROM child"] * 2
    return [Step(rng.choice(options), "loose")]


def loop(table, rng):
    """A loop in a procedure, whose subtransaction may fail as a whole."""
    if not table.key or not table.column(table.key):
        return []
    body = rng.choice([
        f"UPDATE {table.name} SET {assignments(table, rng)} WHERE {table.key} = r.k",
        f"DELETE FROM {table.name} WHERE {table.key} = r.k",
        f"UPDATE {table.name} SET {assignments(table, rng)} WHERE CURRENT OF c"])
    head = f"SELECT {table.key} AS k FROM {table.name} WHERE {key_predicate(table, rng)}"
    if "CURRENT" in body:
        loops = (f"OPEN c FOR {head} FOR UPDATE; LOOP FETCH c INTO r; EXIT WHEN NOT FOUND; {body}; "
                 "END LOOP; CLOSE c;")
    else:
        loops = f"FOR r IN {head} LOOP {body}; END LOOP;"
    fail = rng.choice(["", "", "RAISE division_by_zero; "])
    return [Step(f"DO $$ DECLARE r record; c refcursor; BEGIN BEGIN {loops} {fail}"
                 "EXCEPTION WHEN OTHERS THEN NULL; END; END $$", "loose")]


def copy_where(table, rng):
    """COPY with a condition, or of quoted text."""
    if not table.key or not table.column(table.key):
        return []
    start = some_key(rng)
    lines = "".join(f'"{start + n}"\n' for n in range(rng.choice([3, 50])))
    return [Step(f"COPY {table.name} ({table.key}) FROM STDIN (FORMAT csv) "
                 f"WHERE {table.key} % {rng.randint(1, 3)} = 0", data=lines)]


def select(table, rng):
    sql, how = query(table, rng)
    return [Step(sql, how)]


KINDS = [(select, 30), (insert, 10), (insert_many, 5), (insert_select, 2), (copy_in, 3),
         (copy_out, 1), (on_conflict, 6), (update, 12), (update_all, 1), (update_key, 3),
         (update_from, 3), (delete, 4), (delete_one, 6), (delete_using, 1),
         (data_modifying_cte, 2), (merge, 4), (loop, 2), (copy_where, 1)]
