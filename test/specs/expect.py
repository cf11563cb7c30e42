#!/usr/bin/python3
"""Makes expected/*.out of the isolation specs from heap: what heap answers is what tsdb must answer.

    expect.py [SPEC ...]        PG_CONFIG says which server

Compaction is played by test/differential/stand_in.sql, which takes the locks that compaction
takes and moves nothing.  Read the diff before it is committed.  Where heap has no answer, since
the stand-in's row locks are real ones, expected output is tsdb's own (OWN).
"""

import glob
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
os.environ["TSDB_TEST_STAND_IN"] = "1"
sys.path.insert(0, os.path.join(HERE, "..", "differential"))

from server import Server, create_extension, note, pg_config, work_directory     # noqa: E402


OWN = ["compact_vs_skip_locked"]


def main():
    specs = sys.argv[1:] or sorted(
        spec for spec in glob.glob(os.path.join(HERE, "*.spec"))
        if os.path.basename(spec).removesuffix(".spec") not in OWN)
    tester = os.path.join(os.path.dirname(pg_config("pgxs")), "..", "test", "isolation",
                          "isolationtester")
    server = Server(work_directory("expect")).new(settings={"lc_messages": "C"}).start()
    connection = server.connect()
    create_extension(connection)
    connection.close()
    for spec in specs:
        with open(spec, encoding="utf-8") as file:
            done = subprocess.run(
                [tester, f"host={server.socket} user=postgres dbname=postgres "],
                stdin=file, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                check=False, env={**os.environ, "PGDATESTYLE": "Postgres, MDY",
                                  "PGTZ": "PST8PDT",
                                  "PGOPTIONS": "-c intervalstyle=postgres_verbose"})
        name = os.path.basename(spec).removesuffix(".spec")
        out = os.path.join(HERE, "..", "..", "expected", name + ".out")
        with open(out, "w", encoding="utf-8") as file:
            file.write(done.stdout)
        note(f"{name}: {done.stdout.count('starting permutation')} permutations, "
             f"exit {done.returncode}")
    server.destroy()


if __name__ == "__main__":
    main()
