"""A random script, made step by step: the next step may depend on how heap answered the last.

    script = Script(seed)
    while (step := script.next()) is not None:
        ... run it on both sides ...
        script.learn(step, succeeded, failed_transaction)
"""

import random

import changes
import cursors
import ddl
import relations
from model import LOGGING, Model, Step, create_main, create_side
from queries import query
from values import PRELUDE


def settings(**values):
    """All of them in one step."""
    return Step("; ".join(f"SET {name} = {value}" for name, value in values.items()))


class Script:
    """Seed and length decide everything, but for what heap refuses."""

    def __init__(self, seed, length=60):
        self.rng = random.Random(seed)
        self.model = Model()
        self.left = length
        self.inside = False         # a transaction is open
        self.aborted = False        # ... and has failed
        self.two_phase = False
        self.savepoints = []
        self.pending = [Step(";\n".join(PRELUDE + LOGGING))]
        self.pending += create_main(self.model, self.rng)
        self.pending += create_side(self.model, self.rng)
        if self.rng.random() < 0.3:
            self.pending += ddl.key(self.model, self.model.tables["t"], self.rng)
        self.compact_often = self.rng.choice([0.05, 0.15, 0.4])
        self.ending = False

    def next(self):
        """The next Step, or None at the end."""
        while not self.pending:
            if self.left <= 0:
                if self.ending:
                    return None
                self.ending = True
                if self.inside:
                    self.pending.append(self.finish())
                self.pending += self.check_all()
                self.pending += [Step("", "compact")] + self.check_all()
                break
            self.left -= 1
            self.pending = self.choose()
        return self.pending.pop(0)

    def learn(self, step, succeeded, aborted):
        """Tell how heap took the step; aborted: the session is in a failed transaction now."""
        if self.inside and aborted:
            self.aborted = True
        if not succeeded:
            if self.pending and step.how.startswith(("fetch", "count")) and \
                    any("cur" in s.sql for s in self.pending):
                self.pending = []
            if step.how.startswith(("fetch", "close")):
                self.model.cursors.pop(step.how.partition(":")[2], None)
            return
        if step.how == "again":
            self.model.forget_session()
        if step.after:
            step.after(self.model)

    # -- choosing ------------------------------------------------------------------------------

    def choose(self):
        rng = self.rng
        if self.inside:
            if self.aborted and rng.random() < 0.8:
                return [self.recover()]
            if rng.random() < 0.22:
                return self.transaction()
        elif rng.random() < 0.15:
            return [self.begin()]
        if rng.random() < self.compact_often:
            return [Step("", "compact") if rng.random() < 0.85 else
                    Step(rng.choice(["keep", "undo"]), "own")]
        if rng.random() < (0.15 if self.inside else 0.03):
            return self.other()
        if self.model.cursors and rng.random() < 0.2:
            return cursors.cursor_go_on(self.model, rng)
        table = self.table()
        kind = rng.random()
        if kind < 0.70:
            return self.change(table)
        if kind < 0.78:
            return self.cursor(table)
        if kind < 0.83:
            return rng.choice([cursors.prepare, cursors.execute])(self.model, table, rng)
        if kind < 0.87:
            return ddl.setting(self.model, rng)
        if kind < 0.89:
            return changes.child_rows(self.model, rng)
        if kind < 0.90 and not self.inside:
            return self.check_all()
        return self.definition(table)

    def table(self):
        names = [name for name in self.model.tables if name not in ("src", "child")]
        if not names or "t" in names and self.rng.random() < 0.8:
            return self.model.tables["t"]
        return self.model.tables[self.rng.choice(names)]

    def change(self, table):
        kind = self.rng.choices([k for k, _ in changes.KINDS], [w for _, w in changes.KINDS])[0]
        return kind(table, self.rng)

    def cursor(self, table):
        kind = self.rng.choice([cursors.cursor_read, cursors.cursor_write, cursors.cursor_scroll,
                                cursors.cursor_open])
        steps = kind(self.model, table, self.rng)
        if kind is cursors.cursor_open and (self.inside or "WITH HOLD" in steps[0].sql):
            return steps
        if not self.inside and steps:
            steps = [Step("BEGIN"), *steps, Step("COMMIT")]
        if steps and self.rng.random() < 0.5:
            steps.insert(self.rng.randint(2, len(steps) - 1), Step("", "compact"))
        return steps

    def other(self):
        """Somebody else changes rows, or maintains the table, and commits at once."""
        rng = self.rng
        table = self.table()
        if table.temporary:
            return []
        # numbers of an identity column would be used up by tries that find a row locked
        if rng.random() < 0.4 or any(c.identity for c in table.columns):
            # without TRUNCATE, whose lock it would wait five seconds for
            return [Step(rng.choice([f"VACUUM (TRUNCATE off) {table.name}",
                                     f"VACUUM (FREEZE, TRUNCATE off) {table.name}",
                                     f"ANALYZE {table.name}"]), "other")]
        kind = rng.choice([changes.insert, changes.update, changes.update, changes.delete_one,
                           changes.update_key, changes.on_conflict])
        return [Step(step.sql, "other") for step in kind(table, rng)]

    def definition(self, table):
        rng, model = self.rng, self.model
        outside = not self.inside
        if table.view and rng.random() < 0.8:
            table = model.tables.get("t", table)
        return rng.choice([
            lambda: ddl.add_column(model, table, rng),
            lambda: ddl.drop_column(model, table, rng),
            lambda: ddl.alter_type(model, table, rng),
            lambda: ddl.alter_column(model, table, rng),
            lambda: ddl.constraint(model, table, rng),
            lambda: ddl.create_index(model, table, rng, outside),
            lambda: ddl.create_index(model, table, rng, outside),
            lambda: ddl.drop_index(model, table, rng),
            lambda: ddl.maintain(model, table, rng, outside),
            lambda: ddl.maintain(model, table, rng, outside),
            lambda: ddl.truncate(model, table, rng) if rng.random() < 0.5 else [],
            lambda: ddl.trigger(model, table, rng),
            lambda: ddl.key(model, table, rng),
            lambda: ddl.key(model, table, rng),
            lambda: ddl.copy_table(model, table, rng) if rng.random() < 0.4 else [],
            lambda: ddl.drop_table(model, rng),
            lambda: ddl.storage(model, table, rng) if outside else [],
            lambda: relations.partition(model, table, rng),
            lambda: relations.inherit(model, table, rng) if rng.random() < 0.6 else [],
            lambda: relations.view(model, table, rng) if rng.random() < 0.6 else [],
            lambda: relations.drop_view(model, rng),
            lambda: relations.policy(model, table, rng, self.change),
            lambda: relations.column_privilege(model, table, rng),
            lambda: relations.rename(model, table, rng, self.change),
            # heap's own indexes are wrong once this is rolled back: entries that the transaction
            # made for rows in the new file stay, and their places in the old file are used again
            lambda: relations.place(model, table, rng) if outside else [],
            lambda: relations.lock(model, table, rng),
            lambda: relations.refer(model, table, rng) if rng.random() < 0.4 else [],
            lambda: [Step("", "again")] if outside else [],
        ])()

    # -- transactions --------------------------------------------------------------------------

    def begin(self):
        self.inside, self.aborted, self.savepoints = True, False, []
        self.model.begin()
        level = self.rng.choice(["", "", " ISOLATION LEVEL REPEATABLE READ",
                                 " ISOLATION LEVEL SERIALIZABLE"])
        return Step("BEGIN" + level)

    def finish(self, commit=True):
        self.inside = False
        self.model.end(commit and not self.aborted)
        return Step("COMMIT" if commit else "ROLLBACK")

    def recover(self):
        if self.savepoints and self.rng.random() < 0.6:
            return self.rollback_to()
        return self.finish(commit=self.rng.random() < 0.3)

    def rollback_to(self):
        name = self.rng.choice(self.savepoints)
        del self.savepoints[self.savepoints.index(name) + 1:]
        self.aborted = False
        self.model.rollback_to(name)
        return Step(f"ROLLBACK TO {name}")

    def transaction(self):
        kind = self.rng.random()
        if kind < 0.35:
            name = self.model.fresh("sp")
            if not self.aborted:
                self.savepoints.append(name)
                self.model.savepoint(name)
            return [Step(f"SAVEPOINT {name}")]
        if kind < 0.5 and self.savepoints:
            return [self.rollback_to()]
        if kind < 0.55 and self.savepoints and not self.aborted:
            name = self.savepoints.pop()
            return [Step(f"RELEASE {name}")]
        if kind < 0.6 and not self.aborted:
            name = self.model.fresh("{side}_gx")
            self.inside = False
            self.model.end(True)
            return [Step(f"PREPARE TRANSACTION '{name}'"), Step("", "compact"),
                    Step(f"{self.rng.choice(['COMMIT', 'COMMIT', 'ROLLBACK'])} PREPARED '{name}'")]
        return [self.finish(commit=self.rng.random() < 0.7)]

    # -- checks --------------------------------------------------------------------------------

    def check_all(self):
        """Every row of every table, by each way that reads them."""
        steps = [Step("SET session_replication_role = origin")] if not self.inside else []
        steps.append(settings(enable_seqscan="on", enable_indexscan="off",
                              enable_indexonlyscan="off", enable_bitmapscan="off",
                              max_parallel_workers_per_gather=0))
        for name in self.model.tables:
            steps.append(Step(f"SELECT * FROM {name}"))
        steps.append(settings(enable_seqscan="off", enable_indexscan="on",
                              enable_indexonlyscan="on", enable_bitmapscan="on"))
        for table in self.model.tables.values():
            if table.key and table.column(table.key):
                steps.append(Step(f"SELECT * FROM {table.name} WHERE {table.key} > -5000"))
                steps.append(Step(f"SELECT {table.key} FROM {table.name} "
                                  f"WHERE {table.key} > -5000 ORDER BY 1", "list"))
            steps.append(Step(*query(table, self.rng)))
            steps.append(Step(*query(table, self.rng)))
        steps += [Step("SET enable_seqscan = on"), Step("SELECT * FROM audit")]
        if not self.inside:
            steps.append(Step("", "verify"))
        return steps
