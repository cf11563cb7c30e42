"""Private PostgreSQL servers for the test programs of this repository.

A Server is a data directory of its own under a work directory, reached by a unix socket
only, never a server that somebody else started.  When the caller is root the server runs
as the account named by TSDB_TEST_USER (default: postgres), because PostgreSQL refuses root.

Every value is fetched as the text that the server printed: comparing Python objects would
call NaN different from itself and -0 equal to 0.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import psycopg2
import psycopg2.extensions as ext

# Set, heap takes the place of tsdb: a failure is then one of the test itself.
STAND_IN = os.environ.get("TSDB_TEST_STAND_IN")

QUICK = {
    "listen_addresses": "''",
    "fsync": "off",
    "autovacuum": "off",
    "max_connections": "40",
    "shared_buffers": "64MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "lc_messages": "C",
    "log_min_messages": "warning",
    "log_line_prefix": "'%m [%p] %q%a '",
    "max_prepared_transactions": "10",
    "max_worker_processes": "16",
}


def account():
    """The account that servers run as: (uid, gid), or None when that is the caller."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(os.environ.get("TSDB_TEST_USER", "postgres"))
    return entry.pw_uid, entry.pw_gid


def work_directory(name):
    """A new empty directory that the servers' account can enter, under BUILD_DIR if that can be."""
    base = os.environ.get("BUILD_DIR")
    if base:
        base = os.path.abspath(base)
        os.makedirs(base, exist_ok=True)
        if not enterable(base):
            base = None
    path = tempfile.mkdtemp(prefix=f"tsdb-{name}-", dir=base)
    if account():
        os.chown(path, *account())
    os.chmod(path, 0o755)
    return path


def memory_directory(name, gigabytes=4):
    """A new directory for data that no test reads after the server's end, or None.

    It is in memory, if there is that much to spare: making and removing thousands of files
    takes a third of the time of a server that does nothing but DDL.
    """
    base = "/dev/shm"
    try:
        room = os.statvfs(base)
        with open("/proc/meminfo", encoding="ascii") as file:
            spare = next(int(line.split()[1]) * 1024 for line in file
                         if line.startswith("MemAvailable:"))
        if min(spare // 2, room.f_bavail * room.f_frsize) < gigabytes << 30:
            return None
        path = tempfile.mkdtemp(prefix=f"tsdb-{name}-", dir=base)
    except (OSError, StopIteration):
        return None
    if account():
        os.chown(path, *account())
    return path


def remove_directory(path):
    """Remove what work_directory() made."""
    shutil.rmtree(path, ignore_errors=True)


def enterable(path):
    """Whether the servers' account may pass every directory on the way to path."""
    if not account():
        return True
    return subprocess.run(["test", "-x", path], check=False, user=account()[0],
                          group=account()[1], extra_groups=[]).returncode == 0


def pg_config(key):
    """One line of pg_config's output, by its option name (bindir, sharedir, ...)."""
    tool = os.environ.get("PG_CONFIG", "pg_config")
    return subprocess.check_output([tool, "--" + key], text=True).strip()


class Raw:
    """Registers type casters that hand every value over as the server's text."""

    caster = None

    @classmethod
    def register(cls, connection):
        if cls.caster is None:
            cls.caster = ext.new_type(tuple(ext.string_types), "RAW", lambda value, _cursor: value)
        ext.register_type(cls.caster, connection)


class Server:
    """One private server.  Use start() after new(); destroy() removes every trace."""

    def __init__(self, directory, name="main", data=None):
        """directory has the log, and the data too unless they have a directory of their own."""
        self.bin = pg_config("bindir")
        self.name = name
        self.directory = directory
        self.own = data
        self.data = os.path.join(data or directory, name)
        self.log = os.path.join(directory, name + ".log")
        # a socket's path may have no more than 107 bytes, so it gets a short directory of its own
        self.socket = tempfile.mkdtemp(prefix="tsdb-s-", dir="/tmp")
        if account():
            os.chown(self.socket, *account())
        self.port = 5432
        self.program = None             # what pg_ctl is to start instead of postgres

    def run(self, *command, check=True, **options):
        """Run one of the server's programs as the servers' account; returns CompletedProcess."""
        command = [os.path.join(self.bin, command[0]), *command[1:]]
        if account():
            options.update(user=account()[0], group=account()[1], extra_groups=[])
        env = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        done = subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=env, cwd="/", **options)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}")
        return done

    def new(self, preload="tsdb", settings=None):
        """initdb and configure; preload is the value of shared_preload_libraries."""
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "--no-sync",
                 "-E", "UTF8", "--locale=C.UTF-8")
        self.configure(QUICK)
        self.configure({"unix_socket_directories": f"'{self.socket}'", "port": self.port})
        if preload and not STAND_IN:
            self.configure({"shared_preload_libraries": f"'{preload}'"})
        self.configure(settings or {})
        return self

    def configure(self, settings):
        """Append settings to postgresql.conf; they take effect at the next start or reload."""
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="utf-8") as conf:
            conf.writelines(f"{key} = {value}\n" for key, value in settings.items())

    def start(self, check=True):
        # pg_ctl's own output is dropped: a server it started would hold a pipe open for ever
        command = [os.path.join(self.bin, "pg_ctl"), "start", "-w", "-t", "120", "-D", self.data,
                   "-l", self.log, *(["-p", self.program] if self.program else [])]
        options = {}
        if account():
            options.update(user=account()[0], group=account()[1], extra_groups=[])
        done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, cwd="/", **options)
        if check and done.returncode:
            raise RuntimeError(f"{self.name} does not start\n{self.log_tail(30)}")
        return self

    def stop(self, mode="fast", check=True):
        return self.run("pg_ctl", "stop", "-w", "-t", "120", "-D", self.data, "-m", mode,
                        check=check)

    def reload(self):
        self.run("pg_ctl", "reload", "-D", self.data)

    def postmaster(self):
        """The postmaster's process id, or None."""
        try:
            with open(os.path.join(self.data, "postmaster.pid"), encoding="ascii") as file:
                return int(file.readline())
        except (OSError, ValueError):
            return None

    def kill_postmaster(self):
        """kill -9 of the postmaster, then wait until its children have gone as well."""
        pid = self.postmaster()
        if pid:
            children = child_processes(pid)
            os.kill(pid, signal.SIGKILL)
            wait_gone([pid, *children])
            # a zombie that nobody reaps yet still makes the lock file look alive
            for _ in range(100):
                if not os.path.exists(f"/proc/{pid}"):
                    return
                time.sleep(0.05)
            os.unlink(os.path.join(self.data, "postmaster.pid"))

    def connect(self, dbname="postgres", name="test", autocommit=True, **options):
        connection = psycopg2.connect(host=self.socket, port=self.port, user="postgres",
                                      dbname=dbname, application_name=name, **options)
        connection.autocommit = autocommit
        Raw.register(connection)
        return connection

    def log_tail(self, lines=40):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-lines:])
        except OSError:
            return "(no log)"

    def crash_report(self):
        """The last assertion or signal in the log, with the frames of our library."""
        lines = self.log_tail(3000).splitlines(keepends=True)
        starts = [n for n, line in enumerate(lines) if "TRAP:" in line or "PANIC:" in line
                  or "was terminated by signal" in line]
        if not starts:
            return self.log_tail(10)
        first = next((n for n in reversed(starts) if "TRAP:" in lines[n]), starts[-1])
        return "".join(lines[first:first + 30])

    def destroy(self):
        if self.postmaster():
            self.stop("immediate", check=False)
        shutil.rmtree(self.own or self.data, ignore_errors=True)
        shutil.rmtree(self.socket, ignore_errors=True)


def child_processes(pid):
    """Process ids of pid's direct children, read from /proc."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found.append(int(entry))
    return found


def wait_gone(pids, seconds=60):
    """Wait until none of the processes is left; a zombie counts as gone."""
    deadline = time.monotonic() + seconds
    for pid in pids:
        while time.monotonic() < deadline:
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                    if file.read().rpartition(")")[2].split()[0] == "Z":
                        break
            except OSError:
                break
            time.sleep(0.02)
        else:
            raise RuntimeError(f"process {pid} does not end")


# An index of access method tsdb_key on the side of tsdb, a btree on the side of heap.
KEY_INDEX = "/* tsdb_key */ btree"


def with_key_index(sql, method):
    """A statement as it is for one side."""
    return sql.replace(KEY_INDEX, "tsdb_key") if method == "tsdb" else sql


def query(connection, sql, args=None):
    """Rows of one statement, as lists of text."""
    with connection.cursor() as cursor:
        cursor.execute(sql, args)
        return cursor.fetchall() if cursor.description else []


def create_extension(connection):
    """CREATE EXTENSION tsdb, or what stands in for it."""
    if STAND_IN:
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "stand_in.sql"), encoding="utf-8") as file:
            query(connection, file.read())
    else:
        query(connection, "CREATE EXTENSION tsdb")


def note(text):
    """A line of progress for the person who waits."""
    print(text, flush=True)


def closing_line(passed, failed):
    """The line that `make test` reads, and the exit status that goes with it."""
    note(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
