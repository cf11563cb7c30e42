#!/usr/bin/python3
"""Runs every combination that the comments of the specs stand for, on heap and on tsdb.

    all.py [--minutes N] [--only WORD] [SPEC ...]

What heap answers is what tsdb has to answer: no expected output is kept.  Environment: PG_CONFIG,
BUILD_DIR.  A permutation with two answers is printed with their difference.  See expect.py.
"""

import argparse
import difflib
import random
import re
import sys
import threading
import time

import expect
from server import closing_line, note

PORTION = 40        # permutations that one run of the tester gets


def portions(text):
    """The spec as several: each with some of the permutations."""
    lines = text.splitlines()
    head = "\n".join(line for line in lines if not line.startswith("permutation ")) + "\n"
    wanted = list(dict.fromkeys(line for line in lines if line.startswith("permutation ")))
    random.Random(1).shuffle(wanted)
    for first in range(0, len(wanted), PORTION):
        yield head + "\n".join(wanted[first:first + PORTION]) + "\n"


def answers(output):
    """By permutation, what was printed."""
    found = re.split(r"^starting permutation: (.*)\n", output, flags=re.M)
    return dict(zip(found[1::2], found[2::2]))


def compare(name, servers, text):
    """Run on both servers at a time; returns how many permutations agree and how many do not."""
    outputs = {}

    def one(kind):
        outputs[kind], _ = expect.run(servers[kind], text)

    threads = [threading.Thread(target=one, args=(kind,)) for kind in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    heap, tsdb = (answers(outputs[kind]) for kind in ("heap", "tsdb"))
    bad = 0
    for permutation in re.findall("^permutation (.*)", text, flags=re.M):
        # annotations of steps are not printed
        permutation = re.sub(r"\([^)]*\)", "", permutation)
        if permutation in heap and heap[permutation] == tsdb.get(permutation):
            continue
        bad += 1
        note(f"{name}: permutation {permutation}")
        note("".join(difflib.unified_diff(
            heap.get(permutation, "not run\n").splitlines(True),
            tsdb.get(permutation, "not run\n").splitlines(True), "heap", "tsdb", n=40)))
    return text.count("\npermutation ") - bad, bad


def compare_spec(spec, servers, only, end):
    """All of one spec, until the end; returns how many permutations agree and how many do not."""
    name = expect.spec_name(spec)
    with open(spec, encoding="utf-8") as file:
        text = expect.expand(file.read(), everything=True)
    text = "\n".join(line for line in text.splitlines() if not line.startswith("permutation ")
                     or re.search(only, line)) + "\n"
    started = time.time()
    good = bad = 0
    for portion in portions(text):
        if end and time.time() > end:
            note("out of time")
            break
        agree, differ = compare(name, servers, portion)
        good += agree
        bad += differ
    note(f"{name}: {good} permutations agree, {bad} do not, {time.time() - started:.0f} s")
    return good, bad


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--minutes", type=float, default=0, help="stop after this time")
    parser.add_argument("--only", default="", help="regular expression of permutations to run")
    parser.add_argument("specs", nargs="*")
    options = parser.parse_args()
    end = time.time() + options.minutes * 60 if options.minutes else None

    servers = {}
    good = bad = 0
    try:
        servers["heap"] = expect.start_server()
        servers["tsdb"] = expect.start_server(stand_in=False)
        for spec in options.specs or expect.all_specs():
            if expect.spec_name(spec) in expect.OWN:
                continue
            agree, differ = compare_spec(spec, servers, options.only, end)
            good += agree
            bad += differ
    finally:
        for one in servers.values():
            expect.stop_server(one)
    closing_line(good, bad)


if __name__ == "__main__":
    main()
