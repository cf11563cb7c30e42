"""DELETE of a tenth of the rows, at random, and what becomes of their space."""

from lib.report import number, ratio

ROUNDS_MAX = 12

# The same rows everywhere, whatever the order in which a table has them.
CHOSEN = {
    "cpu": "hashint8(extract(epoch from time)::bigint * 1000003 + tags_id) % 10 = 0",
    "narrow": "hashint8(extract(epoch from ts)::bigint * 1000003 + series_id) % 10 = 0",
}


def measured(session, sql):
    with session.measure() as measure:
        lines, _ = session.run(sql)
    return measure, lines


def settle(session, variant, dataset):
    """VACUUM, and compaction before it, until the size stays the same; CPU, WAL, rounds."""
    cpu, wal, rounds, sizes = 0, 0, 0, []
    while rounds < ROUNDS_MAX and (rounds < 2 or len(set(sizes[-2:])) > 1):
        rounds += 1
        statements = [f"vacuum {dataset.table}"]
        if variant.method == "tsdb":
            statements.insert(0, f"select tsdb.compact('{dataset.table}')")
        for statement in statements:
            measure, _ = measured(session, statement)
            cpu += measure.backend
            wal += measure.wal
        sizes.append(int(session.value(variant.size_sql(dataset))))
    return {"settle_cpu": cpu, "settle_wal": wal, "rounds": rounds, "size_settled": sizes[-1],
            "size_peak": max(sizes)}


def delete_all(server, run, dataset, chosen):
    """Deletes from every variant; its measurements by name."""
    results = {}
    where = CHOSEN[dataset.table]
    for variant in chosen:
        print(f"  {dataset.label}: deleting from {variant.name}", flush=True)
        with server.session(variant.schema) as session:
            result = {"size_before": int(session.value(variant.size_sql(dataset)))}
            session.run("checkpoint")
            measure, _ = measured(session, f"select count(*) from {dataset.table} where {where}")
            result["select_cpu"] = measure.backend
            measure, _ = measured(session, f"delete from {dataset.table} where {where}")
            result["delete_wall"], result["delete_cpu"] = measure.wall, measure.backend
            result["delete_wal"] = measure.wal
            result["size_deleted"] = int(session.value(variant.size_sql(dataset)))
            result.update(settle(session, variant, dataset))
            result["left"] = int(session.value(f"select count(*) from {dataset.table}"))
        results[variant.name] = result
        run.record(kind="delete", dataset=dataset.label, variant=variant.name, **result)
    return results


ROWS = (                        # field, title, unit, scale
    ("select_cpu", "counting the rows, backend CPU", "s", 1),
    ("delete_wall", "DELETE, time", "s", 1),
    ("delete_cpu", "DELETE, backend CPU", "s", 1),
    ("delete_wal", "DELETE, WAL", "MB", 1e-6),
    ("size_before", "size before", "MB", 1e-6),
    ("size_deleted", "size after DELETE", "MB", 1e-6),
    ("size_peak", "largest size after a VACUUM", "MB", 1e-6),
    ("size_settled", "size in the end", "MB", 1e-6),
    ("rounds", "compactions and VACUUMs", "times", 1),
    ("settle_cpu", "these, backend CPU", "s", 1),
    ("settle_wal", "these, WAL", "MB", 1e-6),
)


def show_deletes(run, dataset, results):
    """The table of all that; rows for the chart, and the number of failures."""
    baselines = [name for name in results if name.startswith("heap")]
    run.say()
    run.say(f"{dataset.label}: DELETE of a tenth of the rows")
    run.say()
    rows, bars = [], []
    for field, title, unit, scale in ROWS:
        ratios = {name: ratio(results[name][field], results.get("tsdb", {}).get(field))
                  for name in baselines}
        rows.append([f"{title}, {unit}"]
                    + [number(result[field] * scale) for result in results.values()]
                    + [number(value) for value in ratios.values()])
        if field in ("delete_cpu", "delete_wal", "size_settled"):
            bars.append((title, ratios))
    run.table(["delete"] + list(results) + [f"{name}/tsdb" for name in baselines], rows)

    failures = 0
    if len({result["left"] for result in results.values()}) > 1:
        run.say("FAILED rows left differ: "
                + ", ".join(f"{name} {result['left']}" for name, result in results.items()))
        failures += 1
    tsdb, heap = results.get("tsdb"), results.get("heap-noindex")
    if tsdb and heap:
        run.say()
        run.table(["promise", "measured", "bound", ""], [
            [title, number(value), number(bound), "holds" if value <= bound else "MISSED"]
            for title, value, bound in (
                ("DELETE: backend CPU, times heap-noindex's",
                 tsdb["delete_cpu"] / heap["delete_cpu"], 2.0),
                ("size in the end, times that before",
                 tsdb["size_settled"] / tsdb["size_before"], 1.0))])
    return bars, failures
