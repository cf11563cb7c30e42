"""Plays a trace of queries through several connections, and says what was measured."""

import struct
import subprocess
import time
from collections import Counter, namedtuple
from pathlib import Path

from lib.server import BUILD, pg_config, server_cpu

SOURCE = Path(__file__).resolve().parents[1] / "dashboard_client.c"
TOUCH = struct.Struct("=IHcxQ")

# due, started: microseconds of trace time; late, took: of ours; touches: list of (vector, how)
Asked = namedtuple("Asked", "due kind started late took rows digest touches")


def build():
    """The program that plays, compiled when it is missing or older."""
    program = BUILD / "dashboard_client"
    if not program.exists() or program.stat().st_mtime < SOURCE.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        libraries = pg_config("--libdir")
        subprocess.check_call(["cc", "-std=gnu11", "-O2", "-I", pg_config("--includedir"), "-o", program, SOURCE,
                               "-L", libraries, f"-Wl,-rpath,{libraries}", "-lpq"])
    return program


class Played:
    """What came of it: `asked` in the order in which the queries began, `reports` apart, and CPU seconds."""

    def __init__(self, asked, reports, cpu, server_cpu_, wall):
        self.asked, self.reports, self.cpu, self.server_cpu, self.wall = asked, reports, cpu, server_cpu_, wall


def play(server, directory, events, reports, clients, speed, traced):
    """Plays events by clients in turn, as a pool of connections does, and reports by one more."""
    begin = events[0].due
    parts = [events[i::clients] for i in range(clients)] + ([reports] if reports else [])
    start = time.time() + 1
    cpu, wall = -server_cpu(server.pid), -time.perf_counter()
    running = []
    for number, part in enumerate(parts):
        files = [directory / f"{name}-{number}" for name in ("trace", "took", "touches")]
        files[0].write_text("".join(f"{event.due - begin}\t{event.kind}\t{event.sql}\n" for event in part))
        touches = [files[2]] if traced and number < clients else []
        environment = dict(server.connection(), PGAPPNAME="report" if number == clients else f"dashboard {number}")
        running.append((part, files, subprocess.Popen(
            [build(), *files[:2], f"{start:.6f}", str(speed), *touches], env=environment)))
    for _, _, process in running:
        if process.wait() != 0:
            raise SystemExit("a client failed")
    cpu, wall = cpu + server_cpu(server.pid), wall + time.perf_counter()

    played, backends = [], 0.0
    for part, files, _ in running:
        mine = read(part, files, begin, speed)
        if part is not reports:
            backends += float(files[1].read_text().splitlines()[-1].split()[2])
        played.append(mine)
        for file in files:
            file.unlink(missing_ok=True)
    asked = sorted((one for mine in played[:clients] for one in mine), key=lambda one: one.started)
    return Played(asked, played[clients] if reports else [], backends, cpu, wall)


def read(part, files, begin, speed):
    touches = {}
    if files[2].exists():
        for query, column, how, generation in TOUCH.iter_unpack(files[2].read_bytes()):
            touches.setdefault(query, []).append(((generation, column), how.decode()))
    asked = []
    for line in files[1].read_text().splitlines()[:-1]:
        number, late, took, rows, digest = line.split("\t")
        event = part[int(number)]
        asked.append(Asked(event.due - begin, event.kind, event.due - begin + float(late) * speed, float(late),
                           float(took), int(rows), digest, touches.get(int(number), [])))
    return asked


def percentile(values, share):
    """The smallest value that a share of all values is not above."""
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else None


class Hits:
    """Look-ups of vectors by how they ended, of all queries, and of each vector's first."""

    def __init__(self):
        self.all, self.first = Counter(), Counter()

    def add(self, how, first):
        self.all[how] += 1
        if first:
            self.first[how] += 1

    @staticmethod
    def share(counts, hows):
        """Percent of look-ups that ended in one of hows."""
        total = sum(counts.values())
        return 100 * sum(counts[how] for how in hows) / total if total else None


def hits(asked, begin, end, during=()):
    """Look-ups of queries that were due from begin to end, of these only such as began in one of the ranges `during`."""
    found, seen = Hits(), set()
    for one in asked:
        counts = begin <= one.due < end and (not during or any(a <= one.started < b for a, b in during))
        for vector, how in one.touches:
            first = vector not in seen
            seen.add(vector)
            if counts:
                found.add(how, first)
    return found
