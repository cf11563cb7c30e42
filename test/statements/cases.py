"""Reads the case files: what is run, in which session, and where compaction comes in.

A case file is SQL with four kinds of lines of its own:

    === GROUP                 the group that the cases below belong to
    --- TITLE                 a case; what follows is run on each column
    --- *                     what stands above (in the case) is preparation: rows are compacted
                              here in the columns that compact.  Without it, the fixture alone is
                              preparation.
    --- fixture               statements that every case of the file begins with, until the
                              next title

A statement ends with a semicolon at the end of a line (outside $$ quotes). Before it may stand
who runs it: "s2: …" is the second session, "s2&: …" does not wait for its end, and a line "s2."
waits for it. Data of COPY … FROM STDIN follow the statement and end with a line "\\.".

    :am :other                the column's access method, and another one to change to
    :dir :db :tablespace      a directory on the server, the database, a tablespace
"""

import dataclasses
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
SESSION = re.compile(r"(s[1-9])(&?): ")
WAIT = re.compile(r"(s[1-9])\.$")


@dataclasses.dataclass
class Statement:
    """One statement of a case; sql is None when a session is waited for."""
    sql: str
    session: str = "s1"
    background: bool = False
    data: str = None

    def __str__(self):
        who = "" if self.session == "s1" else self.session + ": "
        return who + (self.sql if self.sql else "(waits)")


@dataclasses.dataclass
class Case:
    """One line of the table."""
    group: str
    title: str
    place: str
    setup: list
    test: list


class Reader:
    """Makes Statements of lines."""

    def __init__(self, place):
        self.place, self.statements, self.buffer = place, [], []
        self.quoted = self.copying = False

    def line(self, line):
        if self.copying:
            if line == "\\.":
                self.copying = False
                self.statements[-1].data = "".join(part + "\n" for part in self.buffer)
                self.buffer = []
            else:
                self.buffer.append(line)
            return
        if not self.buffer and (not line.strip() or line.startswith("-- ")):
            return
        wait = WAIT.match(line)
        if wait and not self.buffer:
            self.statements.append(Statement(None, wait[1]))
            return
        self.buffer.append(line)
        if line.count("$$") % 2:
            self.quoted = not self.quoted
        if not self.quoted and line.rstrip().endswith(";"):
            self.finish()

    def finish(self):
        text = "\n".join(self.buffer).strip()[:-1]
        self.buffer = []
        found = SESSION.match(text)
        statement = Statement(text)
        if found:
            statement = Statement(text[found.end():], found[1], bool(found[2]))
        self.statements.append(statement)
        self.copying = bool(re.search(r"\bFROM\s+STDIN\b", statement.sql, re.I))

    def take(self):
        if self.buffer:
            raise SyntaxError(f"{self.place}: a statement does not end: {self.buffer[0]}")
        taken, self.statements = self.statements, []
        return taken


def read(path):
    """The cases of one file."""
    found, fixture, group, title = [], [], None, None
    setup = None
    reader = Reader(path.name)

    def close():
        nonlocal fixture
        if title == "fixture":
            fixture = reader.take()
        elif title is not None:
            test = reader.take()
            found.append(Case(group, title, place, fixture + (setup or []), test))
        elif reader.take():
            raise SyntaxError(f"{path.name}: statements before the first title")

    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("=== "):
            close()
            group, title, fixture = line[4:].strip(), None, []
        elif line == "--- *":
            setup = reader.take()
        elif line.startswith("--- "):
            close()
            title, setup, place = line[4:].strip(), None, f"{path.name}:{number}"
            reader.place = place
        else:
            reader.line(line)
    close()
    return found


def read_all():
    """The cases of all files, in the order of the files' names."""
    found = [case for path in sorted((HERE / "cases").glob("*.sql")) for case in read(path)]
    titles = set()
    for case in found:
        if (case.group, case.title) in titles:
            raise SyntaxError(f"{case.place}: the title appears twice in its group")
        titles.add((case.group, case.title))
    return found
