"""The tables of the benchmarks, the ways to store them, and the rows to load."""

import subprocess
from pathlib import Path

from lib.server import BUILD

SOURCE = Path(__file__).resolve().parents[1] / "generate.c"
START = 1451606400              # 2016-01-01 UTC, where TSBS starts
INTERVAL = 10                   # seconds between two ticks

GAUGES = ["usage_user", "usage_system", "usage_idle", "usage_nice", "usage_iowait",
          "usage_irq", "usage_softirq", "usage_steal", "usage_guest", "usage_guest_nice"]

TAGS = """create table if not exists public.tags (
    id int primary key, hostname text, region text, datacenter text, rack text,
    os text, arch text, team text, service text, service_version text,
    service_environment text)"""


class Dataset:
    """One table at one scale.

    table    its name
    columns  their definitions
    indexes  the index column lists that people give it on heap
    key      the column list that is unique
    """

    def __init__(self, name, series, hours, decimals, seed):
        self.name, self.series, self.hours = name, series, hours
        self.decimals, self.seed = decimals, seed
        self.rows = series * hours * 3600 // INTERVAL
        self.label = f"{name} {series}x{hours}"
        if name == "narrow":
            self.table = "narrow"
            self.columns = "ts timestamptz not null, series_id int not null, value float8"
            self.indexes = ["(series_id, ts desc)", "(ts desc)"]
            self.key = "(series_id, ts)"
        else:
            self.table = "cpu"
            self.columns = ("time timestamptz not null, tags_id int not null, "
                            + ", ".join(f"{gauge} float8" for gauge in GAUGES))
            self.indexes = ["(tags_id, time desc)", "(time desc)"]
            self.key = "(tags_id, time)"

    def file(self, copy_format):
        """The file of this dataset's rows, generated unless it is there."""
        return generate(self.table, self.series, self.hours, self.decimals, self.seed,
                        copy_format)

    def load_tags(self, session):
        """Fills public.tags with this dataset's hosts."""
        path = generate("tags", self.series, 1, 0, self.seed, "text")
        session.run(TAGS)
        session.run("truncate public.tags")
        session.run(f"\\copy public.tags from '{path}'")
        session.run("vacuum (freeze, analyze) public.tags")


class Variant:
    """One way to store a dataset: access method and indexes, in a schema of its own.

    Tables have the same name in every schema, so the text of a query is the same for
    all variants and search_path chooses.
    """

    def __init__(self, name, method, indexed, table_of=None, settings=(), unique=None):
        self.name, self.method, self.indexed = name, method, indexed
        self.unique = unique                # access method of an index on the key
        self.schema = "on_" + (table_of or name).replace("-", "_")
        self.own_table = table_of is None   # else that variant's is queried
        self.settings = settings            # of sessions that query it

    def create(self, session, dataset):
        session.run(f"create schema if not exists {self.schema}")
        session.run(f"drop table if exists {dataset.table}")
        session.run(f"create table {self.schema}.{dataset.table} ({dataset.columns}) "
                    f"using {self.method}")
        if self.indexed:
            for columns in dataset.indexes:
                session.run(f"create index on {dataset.table} {columns}")
        if self.unique:
            session.run(f"create unique index on {dataset.table} using {self.unique} {dataset.key}")

    def size_sql(self, dataset):
        """A query for all bytes of the table, indexes included."""
        if self.method == "tsdb":
            return (f"select tsdb.table_size('{dataset.table}') "
                    f"+ pg_indexes_size('{dataset.table}')")
        return f"select pg_total_relation_size('{dataset.table}')"


def variants(method):
    """All variants; `method` stands in the place of tsdb (heap to see the noise)."""
    return {variant.name: variant for variant in (
        Variant("heap", "heap", True),
        Variant("heap-noindex", "heap", False),
        Variant("tsdb", method, False),
        Variant("tsdb-index", method, True),
        Variant("tsdb-key", method, False, unique="tsdb_key"),
        Variant("tsdb-uncached", method, False, "tsdb", ("tsdb.enable_cache = off",)))}


def generator():
    """The program bench/generate.c, compiled when it is missing or older."""
    program = BUILD / "generate"
    BUILD.mkdir(parents=True, exist_ok=True)
    if not program.exists() or program.stat().st_mtime < SOURCE.stat().st_mtime:
        subprocess.check_call(["cc", "-std=c11", "-O2", "-o", program, SOURCE])
    return program


def generate(kind, series, hours, decimals, seed, copy_format):
    """Path of a file of generated rows, made by bench/generate.c when missing."""
    program = generator()
    directory = BUILD / "data"
    directory.mkdir(exist_ok=True)
    path = directory / f"{kind}-{series}x{hours}-{decimals}-{seed}.{copy_format}"
    if not path.exists() or path.stat().st_mtime < program.stat().st_mtime:
        part = path.with_suffix(".part")
        with open(part, "wb") as out:
            subprocess.check_call(
                [program, kind, "--series", str(series), "--hours", str(hours),
                 "--interval", str(INTERVAL), "--start", str(START),
                 "--decimals", str(decimals), "--seed", str(seed),
                 "--format", copy_format], stdout=out)
        part.rename(path)
    return path
