"""Rows that come a thousand a statement, each statement committed."""

import itertools
import statistics

from lib.report import number, ratio

ROWS = 1000                     # of a statement
STATEMENTS = 100                # of a round
ROUNDS = 5                      # variants take turns


def rows_of(dataset):
    return min(dataset.rows, ROWS * STATEMENTS)


def literals(dataset):
    """The VALUES of each statement, of the dataset's first rows."""
    with open(dataset.file("text")) as lines:
        rows = ["('" + "', '".join(line.rstrip("\n").split("\t")) + "')"
                for line in itertools.islice(lines, ROWS * STATEMENTS)]
    return [", ".join(rows[first:first + ROWS]) for first in range(0, len(rows), ROWS)]


def prepare(session, dataset):
    """A heap table with all rows to insert, by number of their statement."""
    columns = ", ".join(part.split()[0] for part in dataset.columns.split(", "))
    session.run("drop table if exists public.batch_rows")
    session.run(f"create table public.batch_rows ({dataset.columns}, "
                "arrival bigint generated always as identity)")
    session.run(f"\\copy public.batch_rows ({columns}) from program "
                f"'head -n {ROWS * STATEMENTS} {dataset.file('text')}'")
    session.run("create index on public.batch_rows (((arrival - 1) / 1000))")
    session.run("vacuum (freeze, analyze) public.batch_rows")
    return columns


def insert_all(server, run, dataset, chosen):
    """Medians of the rounds, per row: results[statement kind][variant]."""
    with server.session() as session:
        columns = prepare(session, dataset)
    values = literals(dataset)
    kinds = {
        "INSERT of 1000 VALUES": lambda n: f"insert into {dataset.table} values {values[n]}",
        "INSERT of 1000 selected rows": lambda n:
            f"insert into {dataset.table} select {columns} from public.batch_rows "
            f"where (arrival - 1) / 1000 = {n}",
    }
    results = {}
    for kind, statement in kinds.items():
        rounds = {variant.name: [] for variant in chosen}
        for _ in range(ROUNDS):
            for variant in chosen:
                with server.session(variant.schema) as session:
                    variant.create(session, dataset)
                    session.run("checkpoint")
                    with session.measure() as measure:
                        for n in range(len(values)):
                            session.run(statement(n))
                rounds[variant.name].append(measure)
        results[kind] = {
            name: {"cpu": statistics.median(one.backend for one in measures),
                   "wall": statistics.median(one.wall for one in measures),
                   "wal": statistics.median(one.wal for one in measures)}
            for name, measures in rounds.items()}
        for name, result in results[kind].items():
            run.record(kind="batches", dataset=dataset.label, statement=kind, variant=name,
                       rows=rows_of(dataset), **result)
        print(f"  {dataset.label}: {kind}", flush=True)
    return results


def show_batches(run, dataset, results):
    """The table of all that; rows for the chart."""
    rows, bars, promises = [], [], []
    names = list(next(iter(results.values())))
    baselines = [name for name in names if name.startswith("heap")]
    scale = 1e6 / rows_of(dataset)
    for kind, by_name in results.items():
        for field, title, unit, factor in (("cpu", "backend CPU", "µs a row", scale),
                                           ("wall", "time", "µs a row", scale),
                                           ("wal", "WAL", "bytes a row", scale / 1e6)):
            ratios = {name: ratio(by_name[name][field], by_name.get("tsdb", {}).get(field))
                      for name in baselines}
            rows.append([f"{kind}, {title}, {unit}"]
                        + [number(result[field] * factor) for result in by_name.values()]
                        + [number(value) for value in ratios.values()])
            if field == "cpu":
                bars.append((kind, ratios))
        if "tsdb" in by_name and "heap-noindex" in by_name:
            promises.append((f"{kind}: backend CPU, times heap-noindex's",
                             by_name["tsdb"]["cpu"] / by_name["heap-noindex"]["cpu"]))
    run.say()
    run.say(f"{dataset.label}: a thousand rows a statement, each committed")
    run.say()
    run.table(["batches"] + names + [f"{name}/tsdb" for name in baselines], rows)
    if promises:
        run.say()
        run.table(["promise", "measured", "bound", ""], [
            [title, number(value), number(1.0), "holds" if value <= 1.0 else "MISSED"]
            for title, value in promises])
    return bars
