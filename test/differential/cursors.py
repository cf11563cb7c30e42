"""Cursors and prepared statements: what outlives the statement that made it.

A cursor sees the rows of the moment in which it was opened, whatever its own transaction, other
sessions and compaction do before it is read to its end.
"""

from changes import assignments, delete, delete_one, insert, update, value_for
from model import Step
from queries import one_row, predicate, some_key


def returning(rng):
    return rng.choice(["", "", " RETURNING *"])


def cursor_read(model, table, rng):
    """A cursor that is opened, overtaken by changes, and read to its end."""
    name = model.fresh("cur")
    scroll = rng.choice(["", "", "NO SCROLL ", "SCROLL "])
    sql = f"DECLARE {name} {scroll}CURSOR FOR SELECT {table.name}::text FROM {table.name}"
    if rng.random() < 0.4:
        sql += f" WHERE {predicate(table, rng)}"
    steps = [Step(sql, "count"), Step(f"FETCH {rng.randint(1, 9)} FROM {name}", f"fetch:{name}")]
    steps += rng.choice([update, delete, insert, delete_one])(table, rng)
    if rng.random() < 0.3 and scroll == "SCROLL ":
        steps += [Step(f"FETCH BACKWARD ALL FROM {name}", "count"),
                  Step(f"FETCH ALL FROM {name}", "count"),
                  Step(f"MOVE ABSOLUTE 0 IN {name}", "count"),
                  Step(f"FETCH ALL FROM {name}", "bag")]
    else:
        steps.append(Step(f"FETCH ALL FROM {name}", f"close:{name}"))
    return steps


def cursor_scroll(model, table, rng):
    """A cursor with an order, read forwards, backwards and by position."""
    name = model.fresh("cur")
    what, order = "x::text", "x::text"
    if table.key and table.column(table.key) and rng.random() < 0.5:
        what = order = table.key                    # perhaps by an index, both ways
    where = f" WHERE {predicate(table, rng)}" if rng.random() < 0.4 else ""
    steps = [Step(f"DECLARE {name} SCROLL CURSOR FOR SELECT {what} FROM {table.name} x{where} "
                  f"ORDER BY {order}{rng.choice(['', ' DESC'])}", "count")]
    for _ in range(rng.randint(2, 7)):
        move = rng.choice(["NEXT", "PRIOR", "FIRST", "LAST", f"ABSOLUTE {rng.randint(-20, 40)}",
                           f"RELATIVE {rng.randint(-9, 9)}", f"FORWARD {rng.randint(1, 20)}",
                           f"BACKWARD {rng.randint(1, 20)}", "FORWARD ALL", "BACKWARD ALL"])
        steps.append(Step(f"FETCH {move} FROM {name}", "list"))
        if rng.random() < 0.3:
            steps += rng.choice([update, delete_one, insert])(table, rng)
    steps.append(Step(f"CLOSE {name}"))
    return steps


def cursor_open(model, table, rng):
    """A cursor that stays open; cursor_go_on() comes back to it.  WITH HOLD outlives the commit."""
    name = model.fresh("cur")
    hold = rng.random() < 0.6
    where = f" WHERE {predicate(table, rng)}" if rng.random() < 0.5 else ""
    kind = "hold" if hold else "open"

    def remember(m):
        m.cursors[name] = kind
    return [Step(f"DECLARE {name} CURSOR {'WITH HOLD ' if hold else ''}FOR "
                 f"SELECT {table.name}::text FROM {table.name}{where}", "count", after=remember)]


def cursor_go_on(model, rng):
    """Some more rows of a cursor that was left open, or all of the rest."""
    name = rng.choice(list(model.cursors))
    if rng.random() < 0.5:
        return [Step(f"FETCH {rng.randint(1, 50)} FROM {name}", f"fetch:{name}")]
    return [Step(f"FETCH ALL FROM {name}", f"close:{name}",
                 after=lambda m: m.cursors.pop(name, None)),
            Step(f"CLOSE {name}")]


def cursor_write(model, table, rng):
    """WHERE CURRENT OF, on a row that is determined."""
    name = model.fresh("cur")
    if rng.random() < 0.7 or not table.unique_key or table.children:
        lock = rng.choice(["UPDATE", "UPDATE", "NO KEY UPDATE"])
        sql = (f"DECLARE {name} CURSOR FOR SELECT * FROM {table.name} x "
               f"WHERE {predicate(table, rng)} ORDER BY x::text FOR {lock}")
    else:
        sql = f"DECLARE {name} CURSOR FOR SELECT * FROM {table.name} WHERE {one_row(table, rng)}"
    steps = [Step(sql, "count")]
    for _ in range(rng.randint(1, 3)):
        steps.append(Step(f"FETCH {name}", "bag"))
        steps.append(Step(rng.choice([
            f"UPDATE {table.name} SET {assignments(table, rng)} WHERE CURRENT OF {name}",
            f"DELETE FROM {table.name} WHERE CURRENT OF {name}"]) + returning(rng)))
    steps.append(Step(f"CLOSE {name}"))
    return steps


def prepare(model, table, rng):
    """A prepared statement, run with several values now and again later."""
    if not table.key or not table.column(table.key):
        return []
    name = model.fresh("prep")
    key, kind = table.key, table.column(table.key).type.name
    columns = [c for c in table.writable() if c.name != key]
    insert_row = (f"INSERT INTO {table.name} ({', '.join([key] + [c.name for c in columns])}) "
                  f"VALUES ({', '.join(['$1'] + [value_for(c, rng) for c in columns])})")
    sql = rng.choice([
        f"SELECT * FROM {table.name} WHERE {key} = $1",
        f"SELECT count(*) FROM {table.name} WHERE {key} > $1",
        f"SELECT * FROM {table.name} WHERE {key} IN ($1, $1 + 1, $1 + 7) FOR UPDATE",
        f"SELECT count(*), sum({key}) FROM {table.name} WHERE {key} BETWEEN $1 AND $1 + 500 "
        f"AND {predicate(table, rng)}",
        f"UPDATE {table.name} SET {assignments(table, rng)} WHERE {key} = $1 RETURNING *",
        f"DELETE FROM {table.name} WHERE {key} = $1 RETURNING *",
        f"{insert_row} ON CONFLICT DO NOTHING RETURNING *",
        insert_row,
        f"MERGE INTO {table.name} x USING (SELECT $1 AS id) s ON x.{key} = s.id "
        f"WHEN MATCHED THEN UPDATE SET {assignments(table, rng, alias='x')}"])

    def remember(m):
        m.prepared[name] = True
    return [Step(f"PREPARE {name} ({kind}) AS {sql}", after=remember)] + \
        runs(name, rng, rng.choice([1, 2, 7]))      # the seventh has a generic plan


def runs(name, rng, count):
    return [Step(f"EXECUTE {name} ({some_key(rng)})", "loose") for _ in range(count)]


def execute(model, _table, rng):
    if not model.prepared:
        return []
    return runs(rng.choice(list(model.prepared)), rng, rng.randint(1, 6))
