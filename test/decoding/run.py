#!/usr/bin/env python3
"""What logical decoding sends of tsdb tables is what it sends of heap tables.

    run.py [--tests "NAME ..."] [--self]

The same scripts run on two servers with wal_level = logical: on one, tables are heap tables;
on the other they are tsdb tables, and all of them are compacted between any two statements
(../pgsuites/compact_between_statements.c). There are three kinds of scripts:

    decoding    PostgreSQL's own tests of test_decoding: what psql prints is compared
    changes     regression tests of DML, each followed by a look at a slot of test_decoding
                that has been there from the start: what is decoded is compared; every other
                table has the replica identity FULL
    json        the same changes as the output plugin wal2json shows them, if the server has it
    isolation   PostgreSQL's isolation tests of test_decoding

A scan meets rows in another order on tsdb, so one statement's changes may come in another:
decoded lines next to each other that say the same of the same table are compared sorted.
What else may differ stands in known_differences.

--self runs heap twice, to see what varies by itself.

Environment: PG_CONFIG; PGSUITES_SOURCE, an unpacked PostgreSQL 15 source tree; BUILD_DIR,
where everything is written; TEST_LONG=1 for more tests. Closes with a line "N passed, N
failed".
"""
import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PGSUITES = HERE.parent / "pgsuites"
SOURCE = Path(os.environ["PGSUITES_SOURCE"])
WORK = Path(os.environ.get("BUILD_DIR", HERE.parent.parent / "build/suites/decoding"))
PG_CONFIG = os.environ.get("PG_CONFIG", "pg_config")

DECODING = ("ddl xact rewrite toast permissions decoding_in_xact decoding_into_rel binary prepared "
            "replorigin time messages spill slot truncate stream twophase twophase_stream")
# Tests that others need come first. Left out are tests that change no table's rows and those
# that look at files of the server.
CHANGES = ("test_setup create_index insert insert_conflict update delete merge returning with "
           "triggers updatable_views rules transactions inherit truncate copy copy2 rowsecurity "
           "prepared_xacts fast_default replica_identity publication")
if os.environ.get("TEST_LONG") == "1":
    CHANGES += (" foreign_key subselect join_hash arrays strings numeric jsonb rowtypes domain "
                "generated identity partition_join alter_table temp plpgsql")
ISOLATION = ("mxact delayed_startup ondisk_startup concurrent_ddl_dml oldest_xmin "
             "snapshot_transfer subxact_without_top concurrent_stream twophase_snapshot "
             "catalog_change_snapshot skip_snapshot_restore")

SETTINGS = """
listen_addresses = ''
unix_socket_permissions = 0700
fsync = off
jit = off
autovacuum = off
wal_level = logical
max_replication_slots = 10
logical_decoding_work_mem = 64kB
max_prepared_transactions = 10
max_wal_size = 2GB
log_min_messages = warning
log_line_prefix = '%m [%p] %q%a '
shared_preload_libraries = 'tsdb'
tsdb.workers = 0
"""
JSON_OF_SLOT = ("SELECT data FROM pg_logical_slot_get_changes('json', NULL, NULL, "
                "'format-version', '2')")
CHANGES_OF_SLOT = ("SELECT data FROM pg_logical_slot_get_changes('changes', NULL, NULL, "
                   "'include-xids', '0', 'skip-empty-xacts', '1')")
# Of two tables one sends whole old rows.
IDENTITIES = """
CREATE SCHEMA decoding;
CREATE FUNCTION decoding.set_identity() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE
    made record;
BEGIN
    FOR made IN SELECT * FROM pg_catalog.pg_event_trigger_ddl_commands()
                 WHERE object_type = 'table' AND pg_catalog.hashtext(object_identity) % 2 = 0
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY FULL',
                                  made.objid::pg_catalog.regclass);
    END LOOP;
END $$;
GRANT USAGE ON SCHEMA decoding TO PUBLIC;
CREATE EVENT TRIGGER set_identity ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')
    EXECUTE FUNCTION decoding.set_identity();
"""
# What a server's log must not contain.
FAULT = re.compile(r"TRAP:|PANIC:|was terminated by signal|exited with exit code [2-9]"
                   r"|reference leak|not owned by resource owner|write past chunk end"
                   r"|compact_between_statements (?:ERROR|FATAL): "
                   r"(?!.*lock timeout|.*does not exist|.*\"spec.session\")")


def pg_config(what):
    return Path(subprocess.check_output([PG_CONFIG, "--" + what], text=True).strip())


BINDIR = pg_config("bindir")
HAS_JSON = (pg_config("pkglibdir") / "wal2json.so").exists()
# the suites' own psql, if it is there: others may not read a script to its end
PSQL = (SOURCE / "src/bin/psql/psql" if os.access(SOURCE / "src/bin/psql/psql", os.X_OK)
        else BINDIR / "psql")
PGXS = pg_config("pgxs").parent.parent


def compile_module(name, source, *flags):
    """A shared library in WORK/modules."""
    path = WORK / "modules" / (name + ".so")
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.check_call([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-w",
                           "-fno-strict-aliasing", "-fwrapv", "-D_GNU_SOURCE", "-o", path, source,
                           *flags])
    return path


class Mode:
    """A server, and the results of the scripts that ran on it."""

    def __init__(self, name, sockets, preload=None):
        self.name = name
        self.data = WORK / "data" / name
        self.log = WORK / "data" / (name + ".log")
        self.socket = sockets / name
        self.results = WORK / name
        self.preload = preload

    def start(self):
        for path in (self.data, self.results, self.socket):
            shutil.rmtree(path, ignore_errors=True)
        self.log.unlink(missing_ok=True)
        self.socket.mkdir(parents=True)
        self.results.mkdir(parents=True)
        self.data.parent.mkdir(parents=True, exist_ok=True)
        subprocess.check_call([BINDIR / "initdb", "-D", self.data, "-U", "postgres", "--no-sync",
                               "--auth=trust", "--locale=C", "--encoding=UTF8"],
                              stdout=subprocess.DEVNULL)
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.write(SETTINGS)
        self.control("start")
        self.psql("template1", "CREATE EXTENSION tsdb")
        if self.preload:
            with open(self.data / "postgresql.conf", "a") as conf:
                conf.write("default_table_access_method = tsdb\n")
            self.control("restart")

    def control(self, action):
        subprocess.check_call([BINDIR / "pg_ctl", "-D", self.data, "-l", self.log, "-w", "-m",
                               "fast", "-o", f"-k {self.socket}", action],
                              stdout=subprocess.DEVNULL)

    def environment(self, database):
        env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        env.update(LC_ALL="C", PGHOST=str(self.socket), PGUSER="postgres", PGDATABASE=database,
                   PGTZ="PST8PDT", PGDATESTYLE="Postgres, MDY",
                   PG_ABS_SRCDIR=str(SOURCE / "src/test/regress"), PG_ABS_BUILDDIR=str(self.results),
                   PG_LIBDIR=str(WORK / "modules"), PG_DLSUFFIX=".so")
        return env

    def psql(self, database, command):
        return subprocess.check_output([BINDIR / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c",
                                        command], text=True,
                                       env=dict(self.environment(database),
                                                PGOPTIONS="-c client_min_messages=error"))

    def create_database(self, name):
        self.psql("postgres", f"CREATE DATABASE {name} TEMPLATE template1")
        for setting in ("lc_messages = 'C'", "bytea_output = 'hex'",
                        "timezone_abbreviations = 'Default'"):
            self.psql("postgres", f"ALTER DATABASE {name} SET {setting}")

    def run_script(self, database, script, result):
        """As pg_regress runs it; the result is what psql prints."""
        env = self.environment(database)
        if self.preload:
            env["LD_PRELOAD"] = str(self.preload)
        (self.results / "results").mkdir(exist_ok=True)
        (self.results / "testtablespace").mkdir(exist_ok=True)
        with open(script) as source, open(result, "w") as out:
            try:
                subprocess.run([PSQL, "-X", "-a", "-q", "-v", "HIDE_TABLEAM=on", "-v",
                                "HIDE_TOAST_COMPRESSION=on"], stdin=source, stdout=out,
                               stderr=subprocess.STDOUT, env=env, timeout=300)
            except subprocess.TimeoutExpired:
                out.write("\nstopped, out of time\n")

    def run_decoding(self, tests):
        self.create_database("contrib_regression")
        for test in tests:
            self.run_script("contrib_regression",
                            SOURCE / f"contrib/test_decoding/sql/{test}.sql",
                            self.results / f"decoding.{test}")
            # what a test has left would be in the way of the next
            self.psql("contrib_regression",
                      "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")

    def run_changes(self, tests):
        self.create_database("regression")
        self.psql("regression", "SELECT pg_create_logical_replication_slot('changes', "
                                "'test_decoding')")
        if HAS_JSON:
            self.psql("regression", "SELECT pg_create_logical_replication_slot('json', 'wal2json')")
        self.psql("regression", IDENTITIES)
        for test in tests:
            self.run_script("regression", SOURCE / f"src/test/regress/sql/{test}.sql",
                            self.results / f"printed.{test}")
            (self.results / f"changes.{test}").write_text(self.psql("regression", CHANGES_OF_SLOT))
            if HAS_JSON:
                (self.results / f"json.{test}").write_text(self.psql("regression", JSON_OF_SLOT))
        self.psql("regression",
                  "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")

    def run_isolation(self, tests):
        self.create_database("isolation_regression")
        schedule = self.results / "schedule"
        schedule.write_text("".join(f"test: {test}\n" for test in tests))
        env = self.environment("isolation_regression")
        if self.preload:
            env["LD_PRELOAD"] = str(self.preload)
        out = self.results / "isolation"
        out.mkdir()
        subprocess.run([PGXS / "test/isolation/pg_isolation_regress", f"--host={self.socket}",
                        "--port=5432", "--user=postgres", "--use-existing",
                        "--dbname=isolation_regression", f"--bindir={BINDIR}",
                        f"--inputdir={SOURCE / 'contrib/test_decoding'}", f"--outputdir={out}",
                        f"--schedule={schedule}"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, cwd=out)
        for test in tests:
            result = out / "results" / f"{test}.out"
            if result.exists():
                shutil.copy(result, self.results / f"isolation.{test}")

    def faults(self):
        with open(self.log) as log:
            return [line for line in log if FAULT.search(line)]


CHANGE = re.compile(r"^\s*(table \S+: (?:INSERT|UPDATE|DELETE):|"
                    r'\{"action":"[IUD]","schema":"[^"]*","table":"[^"]*")')
BEGIN = ("BEGIN", '{"action":"B"}')
COMMIT = ("COMMIT", '{"action":"C"}')


def in_one_order(lines):
    """The lines, with each run of changes of one kind to one table sorted."""
    kind = None
    group = []
    for line in lines:
        match = CHANGE.match(line)
        if match and match.group(1) == kind:
            group.append(line)
            continue
        yield from sorted(group)
        kind = match.group(1) if match else None
        group = [line]
    yield from sorted(group)


def in_sorted_transactions(lines):
    """The lines, with what stands between BEGIN and COMMIT sorted."""
    inside = None
    for line in lines:
        if inside is None:
            inside = [] if line.strip() in BEGIN else None
            yield line
        elif line.strip() in COMMIT:
            yield from sorted(inside)
            yield line
            inside = None
        else:
            inside.append(line)
    yield from inside or []


def without_empty_transactions(lines):
    """The lines without transactions that change nothing, and without lines about lines."""
    kept = []
    for line in lines:
        if re.match(r"^(-+|\(\d+ rows?\))$", line):
            continue
        if line.strip() in COMMIT and kept and kept[-1].strip() in BEGIN:
            kept.pop()
        else:
            kept.append(line)
    return kept


def known_differences():
    """{result: [function from lines to lines]}"""
    known = {}
    for line in (HERE / "known_differences").read_text().splitlines():
        match = re.match(r"^([^#\s]\S*) (.*\S)  # ", line)
        if match:
            known.setdefault(match.group(1), []).append(directive(match.group(2)))
        elif line.strip() and not line.startswith("#"):
            sys.exit(f"known_differences: not understood: {line}")
    return known


def directive(text):
    match = re.match(r"^/(.*)/ => (\S+)$", text)
    if match:
        pattern = re.compile(match.group(1))
        return lambda lines: [pattern.sub(match.group(2), line) for line in lines]
    return {"transactions": in_sorted_transactions, "empty": without_empty_transactions}[text]


def read(path, directives):
    if not path.exists():
        return ["no result"]
    lines = [line.rstrip() for line in path.read_text(errors="replace").splitlines()]
    for function in directives:
        lines = list(function(lines))
    return list(in_one_order(lines))


def compare(left, right, names):
    known = known_differences()
    passed = failed = 0
    for name in names:
        directives = known.get(name, []) + known.get(name.split(".")[0] + ".*", [])
        a, b = (read(mode.results / name, directives) for mode in (left, right))
        if a == b and a != ["no result"]:
            passed += 1
            continue
        failed += 1
        diff = list(difflib.unified_diff(a, b, left.name, right.name, lineterm="", n=2))
        (WORK / f"{name}.diff").write_text("\n".join(diff) + "\n")
        print(f"{name}: differs, {len(diff)} lines in {WORK / name}.diff")
        for line in diff[:20]:
            print("    " + line[:200])
    return passed, failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tests")
    parser.add_argument("--self", action="store_true")
    options = parser.parse_args()
    wanted = options.tests.split() if options.tests else None

    def chosen(kind, names):
        return [name for name in names.split()
                if not wanted or f"{kind}.{name}" in wanted or kind in wanted]

    WORK.mkdir(parents=True, exist_ok=True)
    for diff in WORK.glob("*.diff"):
        diff.unlink()
    include = pg_config("includedir-server")
    compile_module("regress", SOURCE / "src/test/regress/regress.c", f"-I{include}")
    compile_module("refint", SOURCE / "contrib/spi/refint.c", f"-I{include}")
    compile_module("autoinc", SOURCE / "contrib/spi/autoinc.c", f"-I{include}")
    preload = compile_module("compact_between_statements", PGSUITES / "compact_between_statements.c",
                             f"-I{pg_config('includedir')}",
                             f"-I{pg_config('includedir') / 'postgresql'}", "-ldl")
    sockets = Path(tempfile.mkdtemp(prefix="decoding."))
    modes = [Mode("heap", sockets),
             Mode("again", sockets) if options.self else Mode("tsdb", sockets, preload)]
    names = ([f"decoding.{n}" for n in chosen("decoding", DECODING)] +
             [f"changes.{n}" for n in chosen("changes", CHANGES)] +
             [f"json.{n}" for n in chosen("changes", CHANGES) if HAS_JSON] +
             [f"isolation.{n}" for n in chosen("isolation", ISOLATION)])
    passed = failed = 0
    try:
        for mode in modes:
            mode.start()
            try:
                for kind, list_, run in (("decoding", DECODING, mode.run_decoding),
                                         ("changes", CHANGES, mode.run_changes),
                                         ("isolation", ISOLATION, mode.run_isolation)):
                    if chosen(kind, list_):
                        run(chosen(kind, list_))
            finally:
                mode.control("stop")
            faults = mode.faults()
            passed, failed = (passed, failed + 1) if faults else (passed + 1, failed)
            for line in faults[:10]:
                print(f"log of {mode.name}: {line.rstrip()}")
        counts = compare(*modes, names)
    finally:
        shutil.rmtree(sockets, ignore_errors=True)
    passed += counts[0]
    failed += counts[1]
    if not HAS_JSON:
        print("the server has no wal2json (Debian: postgresql-15-wal2json): not tested")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
