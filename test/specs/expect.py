#!/usr/bin/python3
"""Makes expected/*.out of the isolation specs from heap: what heap answers is what tsdb must answer.

    expect.py [SPEC ...]            PG_CONFIG says which server
    expect.py --expand [SPEC ...]   only writes permutations (below)
    expect.py --check               do the specs have the permutations that they ask for?

Compaction is played by test/differential/stand_in.sql, which takes the locks that compaction
takes and moves nothing.  Read the diff before it is committed.  Where heap has no answer, since
the stand-in's row locks are real ones, expected output is tsdb's own (OWN).

Permutations at every point: in a spec, a comment "#: STEPS" stands for permutations, which this
program writes below it, up to the next empty line or comment. In STEPS

    {a b|c|}        is each of these in turn: a b, c, nothing;
    @               is a point: each permutation has one of the moves at one of the points.
                    The moves are named before by "#: @ = compact3|merge3 vacuum3".

Of all combinations so many are written that every two choices meet in one of them (say, every
isolation level with every point, and every point with every move).
all.py runs all combinations.
"""

import glob
import itertools
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "differential"))

import server as servers                                                          # noqa: E402
from server import (Server, create_extension, note, pg_config, remove_directory,    # noqa: E402
                    work_directory)

POINT = "@"
OWN = ["compact_vs_skip_locked"]


def spec_name(path):
    return os.path.basename(path).removesuffix(".spec")


def all_specs():
    return sorted(glob.glob(os.path.join(HERE, "*.spec")))


def combinations(pattern, moves):
    """Every (choices made, steps) of a pattern; the point and the move are choices, too."""
    parts = [part for part in re.split(r"(\{[^{}]*\})", pattern) if part.strip()]
    groups = [part[1:-1].split("|") if part[0] == "{" else [part] for part in parts]
    for chosen in itertools.product(*(range(len(group)) for group in groups)):
        steps = " ".join(group[number] for group, number in zip(groups, chosen)).split()
        points = [number for number, step in enumerate(steps) if step == POINT]
        if not points:
            yield chosen, steps
        for (which, point), (number, move) in itertools.product(enumerate(points),
                                                                enumerate(moves)):
            if points:
                yield (*chosen, which, number), [
                    word for position, step in enumerate(steps)
                    for word in (move if position == point else [] if step == POINT else [step])]


def pairs(choices):
    """Every two of the choices, each with its place."""
    return set(itertools.combinations(enumerate(choices), 2)) | {tuple(enumerate(choices))[:1]}


def few(found):
    """So few of the combinations that every two choices still meet."""
    missing = set().union(*(pairs(choices) for choices, _ in found))
    left = list(found)
    chosen = []
    while missing:
        best = max(left, key=lambda one: len(pairs(one[0]) & missing))
        left.remove(best)
        chosen.append(best)
        missing -= pairs(best[0])
    return sorted(chosen)


def expand(text, everything=False):
    """A spec's text with the permutations that its comments stand for."""
    moves = []
    lines = []
    expanding = False
    for line in text.splitlines():
        if expanding and line.startswith("permutation "):
            continue
        expanding = line.startswith("#: ")
        lines.append(line)
        if line.startswith("#: @ ="):
            moves = [move.split() for move in line.partition("=")[2].split("|")]
        elif expanding:
            found = list(combinations(line[3:], moves))
            seen = ("permutation " + " ".join(steps)
                    for _, steps in (found if everything else few(found)))
            lines += dict.fromkeys(seen)
    return "\n".join(lines) + "\n"


def expand_file(spec, only_check):
    """Write a spec's permutations, or check them; returns whether they had been right."""
    with open(spec, encoding="utf-8") as file:
        old = file.read()
    new = expand(old)
    if new != old and not only_check:
        with open(spec, "w", encoding="utf-8") as file:
            file.write(new)
    return new == old


def start_server(stand_in=True):
    """A server on which the specs can run: of heap, or of tsdb."""
    servers.STAND_IN = stand_in
    kind = "heap" if stand_in else "tsdb"
    server = Server(work_directory(kind)).new(settings={"lc_messages": "C"}).start()
    connection = server.connect()
    create_extension(connection)
    connection.close()
    return server


def stop_server(server):
    server.destroy()
    remove_directory(server.directory)


def run(server, text):
    """Run the text of a spec; returns its output and the tester's exit code."""
    tester = os.path.join(os.path.dirname(pg_config("pgxs")), "..", "test", "isolation",
                          "isolationtester")
    done = subprocess.run(
        [tester, f"host={server.socket} user=postgres dbname=postgres "], input=text,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env={"PG_TEST_TIMEOUT_DEFAULT": "20", **os.environ, "PGDATESTYLE": "Postgres, MDY", "PGTZ": "PST8PDT",
             "PGOPTIONS": "-c intervalstyle=postgres_verbose"})
    return done.stdout, done.returncode


def main():
    options = [arg for arg in sys.argv[1:] if arg.startswith("--")]
    specs = [arg for arg in sys.argv[1:] if not arg.startswith("--")]
    specs = specs or all_specs()
    stale = [spec for spec in specs if not expand_file(spec, "--check" in options)]
    if "--check" in options:
        for spec in stale:
            note(f"{spec}: permutations are not what its comments ask for: expect.py --expand")
        sys.exit(1 if stale else 0)
    if "--expand" in options:
        return
    server = start_server()
    try:
        for spec in specs:
            if spec_name(spec) in OWN:
                continue
            with open(spec, encoding="utf-8") as file:
                output, code = run(server, file.read())
            name = spec_name(spec)
            with open(os.path.join(HERE, "..", "..", "expected", name + ".out"), "w",
                      encoding="utf-8") as file:
                file.write(output)
            note(f"{name}: {output.count('starting permutation')} permutations, exit {code}")
    finally:
        stop_server(server)


if __name__ == "__main__":
    main()
