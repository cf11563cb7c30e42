"""A private PostgreSQL server, sessions on it, and what a session costs it.

A server never touches one that already runs: it has a data directory of its own
under build/bench/, listens on a unix socket in a temporary directory only, and is
stopped and removed when the program ends.  PostgreSQL refuses to run as root, so
root starts it as the user `postgres`.

A session is one psql process, so that a backend can be watched through /proc while
it works.  Queries are timed by a client of our own (bench/client.c), for binary results.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLIENT = Path(__file__).resolve().parents[1] / "client.c"
BUILD = Path(__file__).resolve().parents[2] / "build" / "bench"

SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "200",
    "shared_buffers": "'1GB'",
    "work_mem": "'64MB'",
    "maintenance_work_mem": "'256MB'",
    "effective_cache_size": "'4GB'",
    "random_page_cost": "1.1",
    # Checkpoints, autovacuum and compaction happen when the benchmark says so.
    "max_wal_size": "'16GB'",
    "checkpoint_timeout": "'1h'",
    "autovacuum": "off",
    # One process per query, no compilation: the cost of the access path alone.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "timezone": "'UTC'",
    "log_min_messages": "warning",
}


class SqlError(Exception):
    """A statement failed; `sqlstate` says how."""

    def __init__(self, sqlstate, message):
        super().__init__(f"{sqlstate}: {message}")
        self.sqlstate = sqlstate


def pg_config(option):
    program = os.environ.get("PG_CONFIG", "pg_config")
    return subprocess.check_output([program, option], text=True).strip()


class Server:
    """A running server, as a context: `with Server() as server: ...`."""

    def __init__(self, settings=None, preload=None, keep=False):
        self.bindir = Path(pg_config("--bindir"))
        self.keep = keep
        self.settings = dict(SETTINGS, **(settings or {}))
        if preload:
            self.settings["shared_preload_libraries"] = f"'{preload}'"
            self.settings.setdefault("tsdb.workers", "0")
        self.owner = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            self.owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def __enter__(self):
        # A terminated program, too, stops its server.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        BUILD.mkdir(parents=True, exist_ok=True)
        self.data = BUILD / f"server-{os.getpid()}"
        self.data.mkdir(mode=0o700)
        self.socket = Path(tempfile.mkdtemp(prefix="tsdb-bench-"))
        if self.owner:
            for path in (self.data, self.socket):
                os.chown(path, self.owner["user"], self.owner["group"])
        self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust",
                  "-E", "UTF8", "--locale=C", "--no-sync")
        with open(self.data / "postgresql.conf", "a") as conf:
            for name, value in self.settings.items():
                conf.write(f"{name} = {value}\n")
            conf.write(f"unix_socket_directories = '{self.socket}'\n")
        try:
            self._run("pg_ctl", "start", "-w", "-D", self.data, "-l", self.data / "log")
        except subprocess.CalledProcessError:
            print((self.data / "log").read_text())
            self._remove()
            raise
        self.pid = int((self.data / "postmaster.pid").read_text().split()[0])
        return self

    def __exit__(self, *exc):
        self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", self.data)
        if self.keep:
            print(f"kept: {self.data}")
            shutil.rmtree(self.socket, ignore_errors=True)
        else:
            self._remove()

    def restart(self, settings):
        """A clean stop and a start, with other settings on top of those that there are."""
        with open(self.data / "postgresql.conf", "a") as conf:
            for name, value in settings.items():
                conf.write(f"{name} = {value}\n")
        self._run("pg_ctl", "restart", "-w", "-m", "fast", "-D", self.data, "-l", self.data / "log")
        self.pid = int((self.data / "postmaster.pid").read_text().split()[0])

    def _remove(self):
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.socket, ignore_errors=True)

    def _run(self, program, *args):
        """Runs a server program as the server's owner, silent unless it fails.

        The output goes to a file: a pipe would be inherited by the postmaster and
        never reach its end.
        """
        with tempfile.TemporaryFile("w+") as out:
            result = subprocess.run([self.bindir / program, *map(str, args)], cwd="/",
                                    stdout=out, stderr=subprocess.STDOUT, **self.owner)
            if result.returncode != 0:
                out.seek(0)
                print(out.read())
                result.check_returncode()

    def connection(self):
        """Environment of a libpq program that is to connect to this server."""
        return dict(os.environ, PGHOST=str(self.socket), PGUSER="postgres",
                    PGDATABASE="postgres", PGPORT="5432", PGOPTIONS="")

    def session(self, schema="public"):
        return Session(self, schema)

    def client(self, schema, csv):
        return Client(self, schema, csv)


class Session:
    """One psql, one backend.  `schema` is where its unqualified names live."""

    def __init__(self, server, schema):
        self.server = server
        self.psql = subprocess.Popen(
            [server.bindir / "psql", "-X", "-q", "-A", "-t", "-F", "\t"],
            env=server.connection(), text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.run("set client_min_messages = warning")
        self.pid = int(self.value("select pg_backend_pid()"))
        self.run(f"set search_path = {schema}, public")
        self._send("\\timing on")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.psql.stdin.close()
        self.psql.wait()

    def _send(self, line):
        self.psql.stdin.write(line + "\n")
        self.psql.stdin.flush()

    def run(self, sql):
        """Runs one statement (or psql command); its output lines and milliseconds.

        The time is psql's own, from sending the statement to having its whole
        result, without printing it.
        """
        command = sql.lstrip().startswith("\\")
        self._send(sql if command else sql.rstrip().rstrip(";") + "\n;")
        self._send("\\echo __done__ :ERROR :SQLSTATE")
        lines, elapsed = [], None
        for line in self.psql.stdout:
            line = line.rstrip("\n")
            if line.startswith("__done__"):
                _, error, sqlstate = line.split()
                if error == "true":
                    raise SqlError(sqlstate, "\n".join(lines))
                return lines, elapsed
            timing = re.match(r"Time: ([0-9.]+) ms", line)
            if timing:
                elapsed = float(timing[1])
            else:
                lines.append(line)
        raise SqlError("08006", "psql ended: " + "\n".join(lines))

    def value(self, sql):
        """The first field of the first row."""
        lines, _ = self.run(sql)
        return lines[0].split("\t")[0]

    def measure(self):
        return Measure(self)


def build_client():
    """bench/client.c as a program, compiled when it is missing or older."""
    program = BUILD / "client"
    if not program.exists() or program.stat().st_mtime < CLIENT.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        libdir = pg_config("--libdir")
        subprocess.check_call(["cc", "-std=gnu11", "-O2", "-I", pg_config("--includedir"),
                               "-o", program, CLIENT, "-L", libdir, f"-Wl,-rpath,{libdir}",
                               "-lpq"])
    return program


class Client:
    """One client.c, one backend, that takes binary results as drivers do.

    csv is the file that results are written to when they are to be compared.
    """

    def __init__(self, server, schema, csv):
        self.server = server
        self.process = subprocess.Popen(
            [build_client(), csv], env=server.connection(), text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid = int(self.process.stdout.readline().split()[1])
        self.query_timed(f"set search_path = {schema}, public")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        self.process.wait()

    def _request(self, verb, sql):
        self.process.stdin.write(f"{verb} {' '.join(sql.split())}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split(maxsplit=2)
        if not answer:
            raise SqlError("08006", "the client ended")
        if answer[0] != "done":
            raise SqlError(answer[1], answer[2].strip())
        return float(answer[1])

    def query_to_file(self, sql):
        """Runs a query and writes its result as CSV with a header line."""
        return self._request("text", sql)

    def query_timed(self, sql):
        """Runs a query and fetches its whole binary result; milliseconds."""
        return self._request("time", sql)

    def measure(self):
        return Measure(self)


class Measure:
    """What happened between enter and exit.

    wall     seconds by the clock
    backend  CPU seconds (user and system) of the session's backend
    server   CPU seconds of the whole server, parallel workers and background
             processes included
    wal      bytes of WAL that anybody wrote; 0 of a client, which only reads
    """

    def __init__(self, session):
        self.session = session

    def __enter__(self):
        self.wal = -self._wal()
        self.server = -server_cpu(self.session.server.pid)
        self.backend = -process_cpu(self.session.pid)
        self.wall = -time.perf_counter()
        return self

    def __exit__(self, *exc):
        self.wall += time.perf_counter()
        self.backend += process_cpu(self.session.pid)
        self.server += server_cpu(self.session.server.pid)
        self.wal += self._wal()

    def _wal(self):
        if isinstance(self.session, Client):
            return 0
        return int(self.session.value("select pg_current_wal_insert_lsn() - '0/0'"))


TICK = os.sysconf("SC_CLK_TCK")


def process_cpu(pid):
    """CPU seconds that a process has used, to the nanosecond where the kernel can."""
    try:
        used = int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        if used > 0:
            return used / 1e9
    except OSError:
        pass
    user, system, _, _ = _stat_times(pid)
    return user + system


def server_cpu(postmaster):
    """CPU seconds of postmaster, its children, and those children that have ended."""
    user, system, ended_user, ended_system = _stat_times(postmaster)
    total = user + system + ended_user + ended_system
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text()
    for pid in children.split():
        try:
            total += process_cpu(int(pid))
        except OSError:
            pass                # it ended meanwhile and is counted by its parent
    return total


def _stat_times(pid):
    """user, system, and the same of children that were waited for; seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(field) / TICK for field in fields[11:15]]
