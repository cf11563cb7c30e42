"""What a client does to rows that it alone changes: each operation knows its result."""

import datetime
import io

from model import DETAILS, ITEMS, Item

MAX_ITEMS = 900
COLUMNS = "owner, id, ts, v, tag, rank, u, kind"


def tag(rng):
    kind = rng.random()
    if kind < 0.9:
        return f"host-{rng.randint(0, 30)}"
    if kind < 0.97:
        return "w" * rng.randint(0, 500)
    return "".join(f"{rng.getrandbits(64):016x}" for _ in range(rng.randint(100, 300)))


def new_items(c, count):
    """Rows with keys that are not there; some keys were there before."""
    made = {}
    for _ in range(count):
        key = c.rng.randint(1, 5000)
        if key in c.now.items or key in made:
            continue
        made[key] = Item(1700000000 + c.rng.randint(0, 10 ** 6), c.rng.randint(-50, 50),
                         tag(c.rng), c.fresh() * 10, c.fresh() * 1000 + c.number,
                         c.rng.choice([None, *list(c.now.kinds)[:3]]))
    return made


def values(c, items):
    """VALUES rows for all columns, with what goes with them."""
    text = ", ".join(["(%s, %s, to_timestamp(%s), %s::int8, %s, %s::int, %s::int8, %s::int)"] * len(items))
    args = [part for key, i in items.items()
            for part in (c.number, key, i.ts, i.v, i.tag, i.rank, i.u, i.kind)]
    return text, args


def some(c, limit=8):
    keys = list(c.now.items)
    return c.rng.sample(keys, min(len(keys), c.rng.randint(1, limit)))


def insert(c):
    if len(c.now.items) > MAX_ITEMS:
        return delete_range(c)
    made = new_items(c, c.rng.choice([1, 1, 1, 5, 40]))
    if not made:
        return None
    text, args = values(c, made)
    rows = c.run(f"INSERT INTO item ({COLUMNS}) VALUES {text} RETURNING id, v", args)
    c.expect("INSERT RETURNING", rows, [(key, i.v) for key, i in made.items()])
    c.now.items.update(made)
    return None


def copy(c):
    if len(c.now.items) > MAX_ITEMS:
        return delete_range(c)
    made = new_items(c, c.rng.choice([10, 100, 250]))
    lines = ["\t".join("\\N" if part is None else str(part) for part in (
        c.number, key, utc(i.ts), i.v, i.tag, i.rank, i.u, i.kind)) + "\n"
        for key, i in made.items()]
    c.trail.append(f"COPY of {len(lines)} rows")
    c.cursor.copy_expert(f"COPY item ({COLUMNS}) FROM STDIN", io.StringIO("".join(lines)))
    c.count("COPY", len(made))
    c.now.items.update(made)
    return None


def utc(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()


def upsert(c):
    """Half of the keys are there."""
    made = new_items(c, 3)
    both = dict(made)
    for key in some(c, 3) if c.now.items else []:
        both[key] = Item(1700000000, c.rng.randint(1, 9), "upsert", c.fresh() * 10,
                         c.fresh() * 1000 + c.number)
    if not both:
        return
    text, args = values(c, both)
    head = f"INSERT INTO item ({COLUMNS}) VALUES {text} ON CONFLICT (owner, id) DO "
    if c.rng.random() < 0.4:
        rows = c.run(head + "NOTHING RETURNING id", args)
        c.expect("DO NOTHING", rows, [(key,) for key in made])
    else:
        rows = c.run(head + "UPDATE SET v = item.v + excluded.v, tag = 'again' RETURNING id, v", args)
        for key in both:
            if key not in made:
                old = c.now.items[key]
                c.now.items[key] = old.but(v=old.v + both[key].v, tag="again")
        c.expect("DO UPDATE", rows, [(key, (made.get(key) or c.now.items[key]).v) for key in both])
    c.now.items.update(made)


def update(c):
    keys = some(c)
    if not keys:
        return
    delta = c.rng.randint(1, 9)
    new_tag = tag(c.rng)
    rows = c.run("UPDATE item SET v = v + %s, tag = %s WHERE owner = %s AND id = ANY (%s) "
                 "RETURNING id, v", (delta, new_tag, c.number, keys))
    for key in keys:
        old = c.now.items[key]
        c.now.items[key] = old.but(v=old.v + delta, tag=new_tag)
    c.expect("UPDATE", rows, [(key, c.now.items[key].v) for key in keys])


def update_where(c):
    """By value, not by key."""
    rest = c.rng.randint(0, 12)
    fit = [key for key, i in c.now.items.items() if i.v % 13 == rest]
    c.run("UPDATE item SET v = v + 13 WHERE owner = %s AND ((v %% 13) + 13) %% 13 = %s",
          (c.number, rest))
    c.count("UPDATE by value", len(fit))
    for key in fit:
        c.now.items[key] = c.now.items[key].but(v=c.now.items[key].v + 13)


def update_from(c):
    keys = some(c)
    if not keys:
        return
    text = ", ".join(["(%s::int8, %s)"] * len(keys))
    args = [part for key in keys for part in (key, key % 7)]
    c.run(f"UPDATE item SET v = item.v - s.d FROM (VALUES {text}) s (k, d) "
          "WHERE item.id = s.k AND item.owner = %s", [*args, c.number])
    c.count("UPDATE FROM", len(keys))
    for key in keys:
        c.now.items[key] = c.now.items[key].but(v=c.now.items[key].v - key % 7)


def move_key(c):
    """A new key, which details and notes follow."""
    if not c.now.items:
        return
    old = c.rng.choice(list(c.now.items))
    new = c.rng.randint(1, 6000)
    if new in c.now.items:
        return
    c.run("UPDATE item SET id = %s WHERE owner = %s AND id = %s", (new, c.number, old))
    c.count("key move", 1)
    c.now.move_item(old, new)


def swap_ranks(c):
    """A unique constraint that only holds at the end of the statement."""
    keys = some(c, 6)
    if len(keys) < 2:
        return
    ranks = [c.now.items[key].rank for key in keys]
    turned = ranks[1:] + ranks[:1]
    arms = " ".join(f"WHEN {key} THEN {rank}" for key, rank in zip(keys, turned))
    c.run(f"UPDATE item SET rank = CASE id {arms} END WHERE owner = %s AND id = ANY (%s)",
          (c.number, keys))
    c.count("ranks turned", len(keys))
    for key, rank in zip(keys, turned):
        c.now.items[key] = c.now.items[key].but(rank=rank)


def delete(c):
    keys = some(c, 5)
    rows = c.run("DELETE FROM item WHERE owner = %s AND id = ANY (%s) RETURNING id, v, tag",
                 (c.number, keys))
    c.expect("DELETE", rows, [(key, c.now.items[key].v, c.now.items[key].tag) for key in keys])
    c.now.delete_items(keys)


def delete_range(c):
    low = c.rng.randint(1, 5000)
    high = low + c.rng.choice([100, 500, 2000])
    gone = [key for key in c.now.items if low <= key < high]
    c.run("DELETE FROM item WHERE owner = %s AND id >= %s AND id < %s", (c.number, low, high))
    c.count("DELETE of a range", len(gone))
    c.now.delete_items(gone)


def merge(c):
    made = new_items(c, 2)
    both = {**made, **{key: c.now.items[key] for key in some(c, 4)}} if c.now.items else made
    if not both:
        return
    text, args = values(c, both)
    c.run(f"MERGE INTO item i USING (VALUES {text}) s ({COLUMNS}) ON i.owner = s.owner AND "
          "i.id = s.id WHEN MATCHED AND s.id %% 4 = 0 THEN DELETE "
          "WHEN MATCHED THEN UPDATE SET v = i.v + 1 "
          f"WHEN NOT MATCHED THEN INSERT ({COLUMNS}) VALUES (s.owner, s.id, s.ts, s.v, s.tag, "
          "s.rank, s.u, s.kind)", args)
    c.count("MERGE", len(both))
    old = [key for key in both if key not in made]
    c.now.delete_items([key for key in old if key % 4 == 0])
    for key in old:
        if key % 4:
            c.now.items[key] = c.now.items[key].but(v=c.now.items[key].v + 1)
    c.now.items.update(made)


def lock(c):
    """Nobody else locks these rows: none is skipped, and nobody is waited for."""
    keys = some(c, 20)
    strength = c.rng.choice(["UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"])
    wait = c.rng.choice(["", " NOWAIT", " SKIP LOCKED"])
    rows = c.run(f"SELECT id, v FROM item WHERE owner = %s AND id = ANY (%s) FOR {strength}{wait}",
                 (c.number, keys))
    c.expect(f"FOR {strength}{wait}", rows, [(key, c.now.items[key].v) for key in keys])


def cursor(c):
    """WHERE CURRENT OF, while compaction goes on between the fetches."""
    name = f"c{c.fresh()}"
    mode = c.rng.choice(["", " FOR UPDATE", " FOR NO KEY UPDATE"])
    order = " ORDER BY id" if mode else ""
    c.run(f"DECLARE {name} CURSOR FOR SELECT id, v FROM item WHERE owner = %s AND id < %s{order}{mode}",
          (c.number, c.rng.randint(1, 5000)))
    for _ in range(c.rng.randint(1, 6)):
        rows = c.run(f"FETCH {name}")
        if not rows:
            break
        key, v = rows[0]
        if v != c.now.items[key].v:
            raise_wrong(c, f"cursor: {key} has v {v}, not {c.now.items[key].v}")
        if c.rng.random() < 0.3:
            c.run(f"DELETE FROM item WHERE CURRENT OF {name}")
            c.count("DELETE WHERE CURRENT OF", 1)
            c.now.delete_items([key])
        else:
            c.run(f"UPDATE item SET v = v + 1 WHERE CURRENT OF {name}")
            c.count("UPDATE WHERE CURRENT OF", 1)
            c.now.items[key] = c.now.items[key].but(v=v + 1)
    c.run(f"CLOSE {name}")


def raise_wrong(c, text):
    c.expect(text, [1], [])


def details(c):
    """Children of own items, in a tsdb table and in a heap table."""
    keys = some(c, 4)
    for key in keys:
        n, w = c.rng.randint(1, 9), tag(c.rng)
        if c.rng.random() < 0.5:
            c.run("INSERT INTO detail VALUES (%s, %s, %s, %s) ON CONFLICT (owner, item, n) "
                  "DO UPDATE SET w = excluded.w", (c.number, key, n, w))
            c.now.details[key, n] = w
        elif (key, n) in c.now.details:
            c.run("DELETE FROM detail WHERE owner = %s AND item = %s AND n = %s", (c.number, key, n))
            c.count("DELETE of a detail", 1)
            del c.now.details[key, n]
        else:
            number = c.fresh()
            c.run("INSERT INTO note VALUES (%s, %s, %s)", (c.number, key, number))
            c.now.notes.add((key, number))


def orphan(c):
    """A child without a parent is refused, also when the parent was here a moment ago."""
    key = c.rng.randint(1, 6000)
    if c.now.items and c.rng.random() < 0.5:
        key = c.rng.choice(list(c.now.items))
        c.run("DELETE FROM item WHERE owner = %s AND id = %s", (c.number, key))
        c.count("DELETE of a parent", 1)
        c.now.delete_items([key])
    if key not in c.now.items:
        failed = c.attempt("INSERT INTO detail VALUES (%s, %s, 99, 'orphan')", (c.number, key),
                           ["23503"])
        c.expect("a child without a parent", [failed], ["23503"])


def duplicate(c):
    """A second row with a key is refused, wherever the first one is stored."""
    if not c.now.items:
        return
    key = c.rng.choice(list(c.now.items))
    which = c.rng.random() < 0.5
    failed = c.attempt(
        "INSERT INTO item (owner, id, ts, rank, u) VALUES (%s, %s, now(), %s, %s)",
        (c.number, key if which else 10 ** 7, c.fresh() * 10,
         c.fresh() * 1000 + c.number if which else c.now.items[key].u), ["23505"])
    c.expect("a duplicate key", [failed], ["23505"])


def kinds(c):
    """Parents in a heap table; those that go leave NULL behind."""
    if c.now.kinds and c.rng.random() < 0.4:
        kind = c.rng.choice(sorted(c.now.kinds))
        c.run("DELETE FROM kind WHERE owner = %s AND kind = %s", (c.number, kind))
        c.now.kinds.discard(kind)
        for key, i in list(c.now.items.items()):
            if i.kind == kind:
                c.now.items[key] = i.but(kind=None)
        return
    kind = c.rng.randint(1, 8)
    c.run("INSERT INTO kind VALUES (%s, %s, 'k') ON CONFLICT DO NOTHING", (c.number, kind))
    c.now.kinds.add(kind)
    for key in some(c, 5):
        c.run("UPDATE item SET kind = %s WHERE owner = %s AND id = %s", (kind, c.number, key))
        c.count("UPDATE of a foreign key", 1)
        c.now.items[key] = c.now.items[key].but(kind=kind)


def look(c):
    c.look()


def look_partly(c):
    """Some rows by key, by value, and their number."""
    low, high = sorted((c.rng.randint(1, 5000), c.rng.randint(1, 5000)))
    rows = c.run(ITEMS.format(owner=c.number) + " AND id BETWEEN %s AND %s", (low, high))
    c.expect("items of a range", rows, [i.row(k) for k, i in c.now.items.items() if low <= k <= high])
    v = c.rng.randint(-50, 50)
    rows = c.run("SELECT id FROM item WHERE v = %s AND owner = %s", (v, c.number))
    c.expect("items of a value", rows, [(k,) for k, i in c.now.items.items() if i.v == v])
    rows = c.run("SELECT count(*), coalesce(sum(v), 0)::int8 FROM item WHERE owner = %s", (c.number,))
    c.expect("count and sum", rows, [(len(c.now.items), sum(i.v for i in c.now.items.values()))])
    rows = c.run(DETAILS.format(owner=c.number) + " AND item < %s", (low,))
    c.expect("details of a range", rows, [(*k, w) for k, w in c.now.details.items() if k[0] < low])
    rows = c.run("SELECT i.id, d.n FROM item i JOIN detail d ON d.owner = i.owner AND d.item = i.id "
                 "WHERE i.owner = %s", (c.number,))
    c.expect("join", rows, list(c.now.details))


OPERATIONS = [(insert, 14), (copy, 3), (upsert, 8), (update, 14), (update_where, 3), (update_from, 4),
              (move_key, 5), (swap_ranks, 4), (delete, 6), (delete_range, 1), (merge, 5), (lock, 6),
              (cursor, 3), (details, 8), (orphan, 2), (duplicate, 3), (kinds, 3), (look, 2),
              (look_partly, 5)]
