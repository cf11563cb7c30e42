#!/usr/bin/env python3
"""Runs every statement on heap and on tsdb tables, and compares.

    run.py                      all cases; fails where docs/statements.md says something else
    run.py --write              writes docs/statements.md
    run.py --only PATTERN       cases whose "group: title" or file contains it; prints differences
    run.py --keep               leaves the server running

Four columns, each a database of one private server: heap; tsdb with rows in the row store;
tsdb with rows compacted before the statement; tsdb with compaction by another session before and
between all statements. Compared are rows, command tags, notices, errors with all their fields,
and what is left: rows, catalog entries. In every column amcheck looks at the btrees, an index
gives the rows that the table gives, and compaction and VACUUM afterwards change no row.
"""

import argparse
import os
import pathlib
import shutil
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "differential"))
# pylint: disable=wrong-import-position
from server import Server, account, closing_line, note, query, remove_directory, work_directory
import cases
import side as sides
import table

SETTINGS = {"restart_after_crash": "on", "allow_in_place_tablespaces": "on", "tsdb.workers": "0",
            "max_connections": "60", "shared_buffers": "96MB", "full_page_writes": "off",
            "synchronous_commit": "off", "wal_level": "logical", "jit": "off", "log_min_messages": "error"}
METHODS = {"heap": ("heap", ""), "rows": ("tsdb", ""), "chunks": ("tsdb", "before"),
           "between": ("tsdb", "between")}
EXTENSIONS = ("tsdb", "amcheck", "btree_gist", "btree_gin", "bloom", "pg_trgm", "pageinspect", "lo", "tablefunc",
              "pgstattuple")


def prepare(server):
    """The columns' databases, and what they share."""
    admin = server.connect()
    for role in sides.ROLES:
        query(admin, f"CREATE ROLE {role}")
    for name, (method, compacts) in METHODS.items():
        query(admin, f"CREATE DATABASE {name}")
        query(admin, f"CREATE TABLESPACE space_{name} LOCATION ''")
        query(admin, f"GRANT CREATE ON TABLESPACE space_{name} TO PUBLIC")
        connection = server.connect(name)
        for extension in EXTENSIONS:
            query(connection, f"CREATE EXTENSION {extension}")
        query(connection, "CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler")
        connection.close()
        files = os.path.join(server.directory, "files", name)
        os.makedirs(files)
        if account():
            os.chown(files, *account())
        column = sides.Side(server, name, method, compacts)
        column.start()
        yield name, column
    admin.close()


def run_column(column, wanted, results):
    for case in wanted:
        began = time.monotonic()
        try:
            results[case.place] = column.run(case)
        except Exception as error:      # pylint: disable=broad-except
            results[case.place] = [], {}, [f"the suite failed: {error!r}"]
        column.times[case.place] = time.monotonic() - began


def run_all(columns, wanted, results):
    """Each column in a thread of its own: the server does the work."""
    threads = [threading.Thread(target=run_column, args=(column, wanted, results[name]))
               for name, column in columns.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def processor_seconds(server):
    """CPU time of all sessions that have ended."""
    with open(f"/proc/{server.postmaster()}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def report(case, cells, known):
    """Prints what is not the same; how many of the cells are wrong."""
    wrong = 0
    for cell in cells:
        if cell.faults:
            reason = "; ".join(cell.faults)
        elif table.note([cell], known) == table.UNKNOWN:
            reason = table.UNKNOWN if cell.word == "differs" else f"refused without a hint: {cell.refusal}"
        else:
            continue
        wrong += 1
        note(f"{case.place} {case.group}: {case.title} [{cell.column}]: {reason[:1500]}")
        for what, ours, theirs in cell.details:
            note(f"    {what[:300]}")
            for line in (ours or [])[:4]:
                note(f"        heap: {line[:400]}")
            for line in theirs[:4]:
                note(f"        tsdb: {line[:400]}")
    return wrong


def check_page(made, write):
    """Whether docs/statements.md is the table of this run."""
    if write:
        table.write_page(made)
        return True
    old = table.read_page()[1]
    if old == made:
        return True
    old, made = old.splitlines(), made.splitlines()
    note("docs/statements.md does not show this run (run.py --write):")
    for line in [f"    - {line}" for line in old if line not in made][:20] + \
            [f"    + {line}" for line in made if line not in old][:20]:
        note(line[:600])
    return False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--times", action="store_true", help="prints the slowest cases")
    options = parser.parse_args()

    wanted = [case for case in cases.read_all()
              if options.only in f"{case.group}: {case.title}" or options.only in case.place]
    directory = work_directory("statements")
    server = Server(directory).new(settings=SETTINGS).start()
    results = {name: {} for name in METHODS}
    began = time.monotonic()
    try:
        columns = dict(prepare(server))
        run_all(columns, wanted, results)
    finally:
        if options.times:
            note(f"{processor_seconds(server):.0f} CPU seconds of the server")
        if options.keep:
            note(f"psql -h {server.socket} -U postgres   # in {directory}")
        else:
            if server.run("pg_ctl", "status", "-D", server.data, check=False).returncode == 0:
                server.stop("immediate", check=False)
    note(f"{len(wanted)} statements in {time.monotonic() - began:.0f} s")

    if options.times:
        for name, column in columns.items():
            slowest = sorted(column.times.items(), key=lambda item: -item[1])[:12]
            note(f"{name}: {sum(column.times.values()):.1f} s: " + ", ".join(f"{place} {seconds:.2f}" for place, seconds in slowest))

    known = table.Known()
    lines, passed, failed = [], 0, 0
    for case in wanted:
        heap = results["heap"][case.place]
        cells = [table.Cell(case, name, heap, results[name][case.place]) for name in METHODS if name != "heap"]
        wrong = report(case, cells, known)
        passed, failed = passed + len(cells) - wrong, failed + wrong
        lines.append((case, table.heap_answer(heap[0]), cells))
    made = table.make(lines, known)
    if not options.only:
        for pattern in known.unused():
            note(f"known_differences has a reason that nothing needs: {pattern}")
            failed += 1
        good = check_page(made, options.write and not failed)
        passed, failed = passed + good, failed + (not good)
    if "TRAP" in server.crash_report() or "terminated by signal" in server.crash_report():
        note(server.crash_report())
    if not options.keep:
        server.destroy()
        shutil.rmtree(os.path.join(directory, "files"), ignore_errors=True)
        if not failed:
            remove_directory(directory)
    closing_line(passed, failed)


if __name__ == "__main__":
    main()
