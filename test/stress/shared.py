"""What clients do to rows that are everybody's: only the sum of it all can be foretold."""

from model import ACCOUNTS, BALANCE, CODES, COUNTERS, POOL


def transfer(c):
    """Money from one account to another: in two statements, or computed by the client."""
    one, two = c.rng.sample(range(ACCOUNTS), 2)
    amount = c.rng.randint(1, 50)
    way = c.rng.random()
    if way < 0.4:
        for account, d in ((one, -amount), (two, amount)):
            c.run("UPDATE account SET balance = balance + %s, n = n + 1 WHERE id = %s", (d, account))
            c.count("transfer", 1)
    elif way < 0.6:
        c.run("UPDATE account SET n = n + 1, balance = balance + CASE id WHEN %s THEN %s ELSE %s END "
              "WHERE id IN (%s, %s)", (one, -amount, amount, one, two))
        c.count("transfer in one statement", 2)
    else:
        # what was read under a lock, or at these levels at all, cannot have changed since
        lock = " FOR UPDATE" if c.level == "READ COMMITTED" or way < 0.8 else ""
        lock = " FOR NO KEY UPDATE" if lock and way > 0.9 else lock
        rows = dict(c.run("SELECT id, balance FROM account WHERE id IN (%s, %s) ORDER BY id" + lock,
                          (one, two)))
        c.expect("accounts", list(rows), [one, two])
        for account, d in ((one, -amount), (two, amount)):
            c.run("UPDATE account SET balance = %s, n = n + 1 WHERE id = %s",
                  (rows[account] + d, account))
            c.count("transfer computed", 1)
    c.now.balances.update({one: -amount, two: amount})
    c.now.transfers.update([one, two])


def audit(c):
    """Every snapshot shows the same sum of money."""
    for _ in range(1 if c.level == "READ COMMITTED" else 2):
        rows = c.run("SELECT count(*), sum(balance)::int8 FROM account")
        c.expect("sum of the accounts", rows, [(ACCOUNTS, ACCOUNTS * BALANCE)])
    one = c.rng.randrange(ACCOUNTS)
    rows = c.run("SELECT count(*) FROM account WHERE id = %s", (one,))
    c.expect("one account", rows, [(1,)])


def count_up(c):
    """Counters that are made by whoever comes first."""
    numbers = c.rng.sample(range(COUNTERS), c.rng.choice([1, 1, 3]))
    for number in sorted(numbers):
        c.run("INSERT INTO counter VALUES (%s, 1) ON CONFLICT (id) DO UPDATE SET n = counter.n + 1",
              (number,))
        c.count("upsert of a counter", 1)
    c.now.counters.update(numbers)


def claim(c):
    """A code is one client's at a time: taken, moved, given back."""
    if c.now.claims and c.rng.random() < 0.4:
        code = c.rng.choice(sorted(c.now.claims))
        if c.rng.random() < 0.6:
            c.run("DELETE FROM claim WHERE code = %s AND owner = %s", (code, c.number))
            c.count("claim given back", 1)
            c.now.claims.discard(code)
            return
        other = c.rng.randrange(CODES)
        if other == code:
            return
        failed = c.attempt("UPDATE claim SET code = %s WHERE code = %s", (other, code), ["23505"])
        if not failed:
            c.expect("claim moved", [c.affected], [1])
            c.expect("a code that is taken", [other in c.now.claims], [False])
            c.now.claims.discard(code)
            c.now.claims.add(other)
        return
    code = c.rng.randrange(CODES)
    if c.rng.random() < 0.5:
        failed = c.attempt("INSERT INTO claim VALUES (%s, %s)", (code, c.number), ["23505"])
        taken = not failed
    else:
        taken = bool(c.run("INSERT INTO claim VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING code",
                           (code, c.number)))
    if taken:
        c.expect("a code that is taken", [code in c.now.claims], [False])
        c.now.claims.add(code)


def pin(c):
    """A reference to a shared parent, which others would like to delete."""
    if c.now.pins and c.rng.random() < 0.45:
        n = c.rng.choice(sorted(c.now.pins))
        c.run("DELETE FROM pin WHERE owner = %s AND n = %s", (c.number, n))
        c.count("DELETE of a pin", 1)
        del c.now.pins[n]
        return
    n, parent = c.fresh(), c.rng.randrange(POOL)
    failed = c.attempt("INSERT INTO pin VALUES (%s, %s, %s)", (c.number, n, parent), ["23503"])
    if not failed:
        c.now.pins[n] = parent
    elif parent in c.now.pins.values():
        c.expect(f"pool {parent}, which is pinned", ["missing"], [])


def parent(c):
    """Change, delete or bring back a shared parent."""
    number = c.rng.randrange(POOL)
    way = c.rng.random()
    if way < 0.45:
        c.run("UPDATE pool SET v = v + 1 WHERE id = %s", (number,))
    elif way < 0.7:
        failed = c.attempt(*c.rng.choice([
            ("DELETE FROM pool WHERE id = %s", (number,)),
            ("UPDATE pool SET id = id + %s WHERE id = %s", (POOL, number))]), ["23503", "23505"])
        if not failed and c.affected == 1 and number in c.now.pins.values():
            c.expect(f"pool {number}, which is pinned", ["deleted"], [])
    else:
        c.run("INSERT INTO pool VALUES (%s, 0) ON CONFLICT DO NOTHING", (number,))
    if c.level == "READ COMMITTED":
        rows = c.run("SELECT count(*) FROM pin p JOIN pool ON pool.id = p.pool WHERE p.owner = %s",
                     (c.number,))
        c.expect("pins with a parent", rows, [(len(c.now.pins),)])


def produce(c):
    tokens = [c.fresh() * 1000 + c.number for _ in range(c.rng.choice([1, 3, 20]))]
    c.run("INSERT INTO queue SELECT unnest(%s::int8[]), now()", (tokens,))
    c.count("INSERT into the queue", len(tokens))
    c.now.produced.update(tokens)


def consume(c):
    """Take what nobody else is taking."""
    if c.rng.random() < 0.5:
        rows = c.run("DELETE FROM queue WHERE token = ANY (ARRAY(SELECT token FROM queue "
                     "ORDER BY ts LIMIT %s FOR UPDATE SKIP LOCKED)) RETURNING token",
                     (c.rng.randint(1, 15),))
        taken = [token for (token,) in rows]
    else:
        rows = c.run("SELECT token FROM queue WHERE token %% 7 = %s LIMIT 5 FOR UPDATE SKIP LOCKED",
                     (c.rng.randint(0, 6),))
        taken = [token for (token,) in rows]
        if taken:
            c.run("DELETE FROM queue WHERE token = ANY (%s)", (taken,))
            c.count("DELETE of locked tokens", len(taken))
    c.now.consumed.update(taken)


OPERATIONS = [(transfer, 6), (audit, 3), (count_up, 4), (claim, 5), (pin, 4), (parent, 3),
              (produce, 3), (consume, 4)]
