"""The table of docs/statements.md, made of the columns' outcomes."""

import fnmatch
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "statements.md"
BEGIN, END = "<!-- made by test/suites/statements -->", "<!-- end -->"
COLUMNS = {"rows": "row store", "chunks": "chunks", "between": "compaction in between"}
# Statements whose rows come in an order: of their own, or that of a plan.
ORDERED = re.compile(r"(SELECT|WITH|TABLE|VALUES|COPY)\b.*\bORDER\s+BY\b|FETCH|EXPLAIN|SHOW", re.I | re.S)
UNKNOWN = "no reason known"
REFUSALS = ("0A000", "42501", "55000")


class Known:
    """The known differences, each with its reason; an entry that nothing needs is an error."""

    def __init__(self):
        self.entries = []
        for line in (HERE / "known_differences").read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("#"):
                pattern, columns, reason = (part.strip() for part in line.split(" | "))
                self.entries.append((pattern, columns.split(), reason))
        self.used = set()

    def reason(self, case, column):
        for number, (pattern, columns, reason) in enumerate(self.entries):
            if column in columns and fnmatch.fnmatchcase(f"{case.group}: {case.title}", pattern):
                self.used.add(number)
                return reason
        return None

    def unused(self):
        return [entry[0] for number, entry in enumerate(self.entries) if number not in self.used]


class Cell:
    """One case on one column, compared with heap."""

    def __init__(self, case, column, heap, side):
        self.case, self.column = case, column
        self.details, self.refusal, self.faults = [], None, list(side[2])
        self.faults += [f"on heap: {fault}" for fault in heap[2]]
        if not self.faults:
            self.compare(heap, side)

    def compare(self, heap, side):
        for statement, ours, theirs in zip(self.case.test, heap[0], side[0]):
            if ours is None or theirs is None:
                continue
            if theirs.error and not ours.error and theirs.error.get("SQLSTATE") in REFUSALS:
                self.refusal = theirs.error
                self.details.append((str(statement), None, theirs.lines(True)))
                return              # what follows is a consequence
            ordered = bool(ORDERED.match(statement.sql or ""))
            if ours.lines(ordered) != theirs.lines(ordered):
                self.details.append((str(statement), *parts(ours.lines(ordered),
                                                            theirs.lines(ordered))))
        for title in heap[1]:
            if heap[1][title] != side[1].get(title):
                self.details.append((f"afterwards, {title}",
                                     *parts(heap[1][title], side[1].get(title, []))))

    @property
    def word(self):
        if self.faults:
            return "FAULT"
        if self.refusal:
            return "refused"
        return "differs" if self.details else "same"


def parts(ours, theirs):
    """What is only in one of two lists of lines, or all of both if only the order differs."""
    mine = [line for line in ours if line not in theirs]
    other = [line for line in theirs if line not in ours]
    return (mine, other) if mine or other else (ours, theirs)


def escape(text):
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def heap_answer(outcomes):
    """What heap answers: the errors of a case that is about errors."""
    states = []
    for outcome in outcomes:
        if outcome is not None and outcome.error and outcome.error["SQLSTATE"] not in states:
            states.append(outcome.error["SQLSTATE"])
    return "error " + ", ".join(states) if states else "works"


def note(cells, known):
    """Reason and hint of a line of the table."""
    found = []
    for cell in cells:
        text = known.reason(cell.case, cell.column) if cell.word == "differs" else None
        if cell.word == "refused":
            error = cell.refusal
            hint = error.get("HINT") or known.reason(cell.case, cell.column)
            text = f"{error['SQLSTATE']}: {error['ERROR']}. {hint}" if hint else None
        if cell.word != "same" and (text or UNKNOWN) not in found:
            found.append(text or UNKNOWN)
    return " ".join(found)


def detail_lines(cells):
    """What a line's cells that are not the same answered."""
    shown = {}
    for cell in cells:
        if cell.word == "differs":
            key = tuple((what, tuple(ours or ()), tuple(theirs)) for what, ours, theirs in cell.details)
            shown.setdefault(key, []).append(COLUMNS[cell.column])
    lines = []
    for details, columns in shown.items():
        lines += [f"*{cells[0].case.group}: {cells[0].case.title}* ({', '.join(columns)})", "", "```"]
        for what, ours, theirs in details:
            lines.append(what)
            lines += [f"    heap: {line}" for line in ours[:12]]
            lines += [f"    tsdb: {line}" for line in theirs[:12]]
        lines += ["```", ""]
    return lines


def make(results, known):
    """The page's generated part; results are (case, heap's answer, cells)."""
    count = {"same": 0, "differs": 0, "refused": 0, "FAULT": 0}
    lines, groups, details, refusals = [], {}, [], []
    for case, answer, cells in results:
        for cell in cells:
            count[cell.word] += 1
        groups.setdefault(case.group, []).append((case, answer, cells))
        if any(cell.word == "refused" for cell in cells):
            refusals.append(f"| {case.group} | {escape(case.title)} | {escape(note(cells, known))} |")
        details += detail_lines(cells)
    lines += [f"{len(results)} statements in {len(groups)} groups, each in three states of a tsdb table: "
              f"{count['same']} same, {count['differs']} differ, {count['refused']} refused.", ""]
    lines += ["## Refused", "", "| group | statement | SQLSTATE, message and hint |", "| --- | --- | --- |"]
    lines += refusals + [""]
    for group, members in groups.items():
        lines += [f"## {group}", "", "| statement | heap | tsdb, row store | tsdb, chunks | tsdb, compaction in between | reason and hint |",
                  "| --- | --- | --- | --- | --- | --- |"]
        for case, answer, cells in members:
            words = " | ".join(cell.word for cell in cells)
            lines.append(f"| {escape(case.title)} | {answer} | {words} | {escape(note(cells, known))} |")
        lines.append("")
    if details:
        lines += ["## What exactly differs", "", *details]
    return "\n".join(lines)


def read_page():
    """The page's text before, in and after the generated part."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN + "\n")
    made, _, tail = rest.partition(END)
    return head, made, tail


def write_page(made):
    head, _, tail = read_page()
    PAGE.write_text(f"{head}{BEGIN}\n{made}{END}{tail}", encoding="utf-8")
