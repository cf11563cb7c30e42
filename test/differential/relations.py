"""Statements about how tables stand to each other, and to roles: partitions, children, views,
policies, names, places, locks.
"""

from model import Column, Step, Table
from queries import key_predicate, predicate, query
from values import BY_NAME, pick


def partition(model, table, rng):
    """Detach a partition, which goes on as a table of its own, or attach one again."""
    if not table.partitioned:
        return []
    name = rng.choice([*table.parts, *table.detached])
    if name in table.parts:
        bound = table.parts[name]
        leaf = table.copy()
        leaf.name, leaf.partitioned, leaf.parts, leaf.detached = name, False, {}, {}
        leaf.indexes, leaf.constraints, leaf.triggers = [], [], []
        leaf.heap = True

        def detach(m):
            parent = m.tables[table.name]
            parent.parts.pop(name)
            parent.detached[name] = bound
            m.tables[name] = leaf
        return [Step(f"ALTER TABLE {table.name} DETACH PARTITION {name}"
                     + rng.choice(["", "", " CONCURRENTLY"]), after=detach)]

    def attach(m):
        parent = m.tables[table.name]
        parent.parts[name] = parent.detached.pop(name)
    return [Step(f"ALTER TABLE {table.name} ATTACH PARTITION {name} {table.detached[name]}",
                 "loose", after=attach)]


def inherit(model, table, rng):
    """A child whose rows are its parent's too; later let go, or taken back."""
    kids = [name for name in model.tables if name.startswith("kid")]
    if kids and rng.random() < 0.5:
        return [Step(f"ALTER TABLE {rng.choice(kids)} {rng.choice(['', 'NO '])}INHERIT t")]
    if table.partitioned or table.temporary or table.view or table.children:
        return []
    name = model.fresh("kid")
    extra = Column(model.fresh("x"), pick(rng))
    kid = Table(name, [Column(c.name, c.type, c.notnull, c.default, c.generated)
                       for c in table.columns] + [extra], key=table.key, bound=table.bound)

    method = rng.choice(["", "", " USING heap"])
    kid.heap = bool(method)

    def remember(m):
        m.tables[name] = kid
        m.tables[table.name].children = True
    return [Step(f"CREATE TABLE {name} ({extra.name} {extra.type.name}) INHERITS ({table.name})"
                 f"{method}", after=remember)]


def view(model, table, rng):
    """A view that can be written through."""
    if table.view or table.temporary:
        return []
    name = model.fresh("v")
    made = Table(name, [Column(c.name, c.type, generated=c.generated or c.identity)
                        for c in table.columns], key=table.key, bound=table.bound, view=True)

    def remember(m):
        m.tables[name] = made
    barrier = rng.choice(["", " WITH (security_barrier)"])
    check = rng.choice(["", " WITH CHECK OPTION"])
    return [Step(f"CREATE VIEW {name}{barrier} AS SELECT * FROM {table.name} "
                 f"WHERE {predicate(table, rng)}{check}", after=remember)]


def drop_view(model, rng):
    fit = [name for name, table in model.tables.items() if table.view or name.startswith("kid")]
    if not fit:
        return []
    name = rng.choice(fit)
    kind = "VIEW" if model.tables[name].view else "TABLE"
    return [Step(f"DROP {kind} {name} CASCADE", after=lambda m: m.tables.pop(name, None))]


def policy(model, table, rng, change):
    """Row-level security, seen by a role that it binds; change(table) makes its statements."""
    if not table.key or not table.column(table.key) or table.temporary:
        return []
    name = model.fresh("pol")
    using = f"({key_predicate(table, rng)})"
    check = rng.choice(["", f" WITH CHECK ({table.key} % {rng.randint(2, 9)} <> 1)"])
    kind = rng.choice(["", " AS PERMISSIVE", " AS RESTRICTIVE"])
    steps = [Step("GRANT ALL ON ALL TABLES IN SCHEMA s TO tester"),
             Step("GRANT ALL ON ALL SEQUENCES IN SCHEMA s TO tester")]
    if not table.view:
        steps += [Step(f"ALTER TABLE {table.name} ENABLE ROW LEVEL SECURITY"),
                  Step(f"CREATE POLICY {name} ON {table.name}{kind} USING {using}{check}"),
                  Step(f"CREATE POLICY {name}b ON {table.name} USING (true)")]
    steps.append(Step("SET ROLE tester"))
    for _ in range(rng.randint(1, 5)):
        steps += change(table)
    steps += [Step(*query(table, rng)), Step("RESET ROLE")]
    if not table.view:
        steps += [Step(f"ALTER TABLE {table.name} DISABLE ROW LEVEL SECURITY"),
                  Step(f"DROP POLICY {name} ON {table.name}"),
                  Step(f"DROP POLICY {name}b ON {table.name}")]
    return steps


def column_privilege(_model, table, rng):
    """A role that may see some columns only."""
    if table.temporary or len(table.columns) < 2:
        return []
    seen = rng.sample(table.columns, rng.randint(1, len(table.columns) - 1))
    names = ", ".join(c.name for c in seen)
    return [Step(f"REVOKE ALL ON {table.name} FROM tester"),
            Step(f"GRANT SELECT ({names}), UPDATE ({names}) ON {table.name} TO tester"),
            Step("SET ROLE tester"),
            Step(f"SELECT {names} FROM {table.name}"),
            Step(f"SELECT count(*) FROM {table.name}"),
            Step(f"SELECT * FROM {table.name}"),
            Step(f"UPDATE {table.name} SET {seen[0].name} = {seen[0].name}"
                 if not (seen[0].generated or seen[0].identity) else f"TABLE {table.name}"),
            Step("RESET ROLE")]


def rename(model, table, rng, change):
    """A table under another name, or in another schema, and back."""
    if table.view:
        return []
    other = table.copy()
    other.name = model.fresh("renamed")
    there, back = rng.choice([
        (f"RENAME TO {other.name}", f"ALTER TABLE {other.name} RENAME TO {table.name}"),
        ("SET SCHEMA elsewhere", f"ALTER TABLE elsewhere.{table.name} SET SCHEMA s")])
    if "SCHEMA" in there:
        other.name = f"elsewhere.{table.name}"
    steps = [Step("CREATE SCHEMA IF NOT EXISTS elsewhere")] if "SCHEMA" in there else []
    steps.append(Step(f"ALTER TABLE {table.name} {there}"))
    if "SCHEMA" not in there:       # expressions name their columns by table
        steps += change(other)
    steps += [Step("", "compact"), Step(f"SELECT * FROM {other.name}"), Step(back)]
    return steps


def place(_model, table, rng):
    """Another tablespace."""
    if table.view or table.temporary:
        return []
    where = rng.choice(["elsewhere", "elsewhere", "pg_default"])
    if table.indexes and rng.random() < 0.2:
        return [Step(f"ALTER INDEX {rng.choice(table.indexes)} SET TABLESPACE {where}")]
    return [Step(f"ALTER TABLE {table.name} SET TABLESPACE {where}")]


def lock(_model, table, rng):
    """A lock of the table, or when its constraints are checked."""
    return [rng.choice([
        Step(f"LOCK TABLE {table.name} IN {rng.choice(['ACCESS SHARE', 'ROW EXCLUSIVE', 'SHARE', 'SHARE ROW EXCLUSIVE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE'])} MODE"),
        Step("SET CONSTRAINTS ALL DEFERRED"), Step("SET CONSTRAINTS ALL IMMEDIATE"),
        Step("SET CONSTRAINTS ALL DEFERRED")])]


def refer(model, table, rng):
    """A foreign key of a table to itself, or to another one."""
    if not table.key or table.view:
        return []
    name = model.fresh("con")
    column = Column(model.fresh("x"), BY_NAME["int4"])
    action = rng.choice(["", " ON DELETE CASCADE", " ON DELETE SET NULL", " ON UPDATE CASCADE",
                         " DEFERRABLE INITIALLY DEFERRED"])
    target = rng.choice([name for name in (table.name, "src", "t")
                         if name in model.tables and not model.tables[name].target])
    key = model.tables[target].key
    return [Step(f"ALTER TABLE {table.name} ADD COLUMN {column.name} int4",
                 after=lambda m: m.tables[table.name].columns.append(column)),
            Step(f"UPDATE {table.name} SET {column.name} = {table.key} "
                 f"WHERE {key_predicate(table, rng)}", "loose"),
            Step(f"ALTER TABLE {table.name} ADD CONSTRAINT {name} FOREIGN KEY ({column.name}) "
                 f"REFERENCES {target} ({key}){action} NOT VALID",
                 after=lambda m: m.tables[table.name].constraints.append(name)),
            Step(f"ALTER TABLE {table.name} VALIDATE CONSTRAINT {name}")]
