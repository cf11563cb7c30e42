"""The twenty-four questions, as plain SQL that any PostgreSQL table answers.

Each function takes a random stream and a dataset and returns one query: like TSBS,
each draw asks about other hosts and another time window.  A result column called
mean_... or sum_... may differ in its last digits with the order of additions; all
others must be equal to the byte (see check.py).
"""

from datetime import datetime, timedelta, timezone

from lib.data import GAUGES, START


def window(random, dataset, hours):
    """A random time window inside the data, as SQL conditions' two bounds."""
    hours = min(hours, dataset.hours)
    offset = random.randrange((dataset.hours - hours) * 3600 + 1)
    start = datetime.fromtimestamp(START + offset, timezone.utc)
    return start.isoformat(" "), (start + timedelta(hours=hours)).isoformat(" ")


def hosts(random, dataset, count):
    """A condition for `count` random hosts, by name through the tags table."""
    chosen = random.sample(range(dataset.series), min(count, dataset.series))
    names = ", ".join(f"'host_{number}'" for number in chosen)
    return f"tags_id in (select id from tags where hostname in ({names}))"


# devops: the fifteen of TSBS, in the form that TSBS has for PostgreSQL.

def groupby(unit, metrics, host_count, hours):
    """max of some gauges of some hosts, by minute or hour."""
    def make(random, dataset):
        start, end = window(random, dataset, hours)
        columns = ", ".join(f"max({gauge}) as max_{gauge}" for gauge in GAUGES[:metrics])
        return f"""
            select date_trunc('{unit}', time) as bucket, {columns}
            from cpu
            where {hosts(random, dataset, host_count)}
              and time >= '{start}' and time < '{end}'
            group by bucket order by bucket"""
    return make


def double_groupby(metrics):
    """avg of some gauges of all hosts, by hour and host, over twelve hours."""
    def make(random, dataset):
        start, end = window(random, dataset, 12)
        averages = ", ".join(f"avg({gauge}) as mean_{gauge}" for gauge in GAUGES[:metrics])
        means = ", ".join(f"mean_{gauge}" for gauge in GAUGES[:metrics])
        return f"""
            with cpu_avg as (
                select date_trunc('hour', time) as hour, tags_id, {averages}
                from cpu
                where time >= '{start}' and time < '{end}'
                group by hour, tags_id)
            select hour, tags.hostname, {means}
            from cpu_avg join tags on cpu_avg.tags_id = tags.id
            order by hour, tags.hostname"""
    return make


def high_cpu(host_count):
    """All rows above a threshold in twelve hours, of some hosts or of all."""
    def make(random, dataset):
        start, end = window(random, dataset, 12)
        chosen = f"and {hosts(random, dataset, host_count)}" if host_count else ""
        return f"""
            select * from cpu
            where usage_user > 90.0 and time >= '{start}' and time < '{end}' {chosen}"""
    return make


def lastpoint(random, dataset):
    """The newest row of every host."""
    return """
        select distinct on (t.hostname) * from tags t
        inner join lateral (select * from cpu c where c.tags_id = t.id
                            order by time desc limit 1) as b on true
        order by t.hostname, b.time desc"""


def groupby_orderby_limit(random, dataset):
    """The last five minutes before a point in time, all hosts."""
    _, end = window(random, dataset, 1)
    return f"""
        select date_trunc('minute', time) as minute, max(usage_user)
        from cpu where time < '{end}'
        group by minute order by minute desc limit 5"""


DEVOPS = {
    "single-groupby-1-1-1": groupby("minute", 1, 1, 1),
    "single-groupby-1-1-12": groupby("minute", 1, 1, 12),
    "single-groupby-1-8-1": groupby("minute", 1, 8, 1),
    "single-groupby-5-1-1": groupby("minute", 5, 1, 1),
    "single-groupby-5-1-12": groupby("minute", 5, 1, 12),
    "single-groupby-5-8-1": groupby("minute", 5, 8, 1),
    "cpu-max-all-1": groupby("hour", 10, 1, 8),
    "cpu-max-all-8": groupby("hour", 10, 8, 8),
    "double-groupby-1": double_groupby(1),
    "double-groupby-5": double_groupby(5),
    "double-groupby-all": double_groupby(10),
    "high-cpu-1": high_cpu(1),
    "high-cpu-all": high_cpu(0),
    "lastpoint": lastpoint,
    "groupby-orderby-limit": groupby_orderby_limit,
}


# narrow: what is asked of (ts, series_id, value).

def whole_table(columns):
    def make(random, dataset):
        return f"select {columns} from narrow"
    return make


def hourly_average(random, dataset):
    return """
        select date_bin('1 hour', ts, '2016-01-01 00:00:00+00') as hour,
               avg(value) as mean_value
        from narrow group by hour order by hour"""


def series_hourly_average(random, dataset):
    return """
        select series_id, date_bin('1 hour', ts, '2016-01-01 00:00:00+00') as hour,
               avg(value) as mean_value
        from narrow group by series_id, hour"""


def value_filter(random, dataset):
    threshold = random.randrange(9500, 9900) / 100
    return f"select count(*), min(ts), max(ts) from narrow where value > {threshold}"


def one_series_one_hour(random, dataset):
    start, end = window(random, dataset, 1)
    return f"""
        select ts, value from narrow
        where series_id = {random.randrange(dataset.series) + 1}
          and ts >= '{start}' and ts < '{end}'
        order by ts"""


def latest_per_series(random, dataset):
    return """
        select distinct on (series_id) series_id, ts, value
        from narrow order by series_id, ts desc"""


def one_series_all_time(random, dataset):
    return f"""
        select count(*), min(value), max(value), avg(value) as mean_value
        from narrow where series_id = {random.randrange(dataset.series) + 1}"""


NARROW = {
    "sum": whole_table("sum(value) as sum_value"),
    "count": whole_table("count(*)"),
    "min-max": whole_table("min(value), max(value)"),
    "hourly-average": hourly_average,
    "series-hourly-average": series_hourly_average,
    "value-filter": value_filter,
    "one-series-one-hour": one_series_one_hour,
    "latest-per-series": latest_per_series,
    "one-series-all-time": one_series_all_time,
}


def of(dataset):
    """The queries that are asked of a dataset: name to function."""
    return NARROW if dataset.table == "narrow" else DEVOPS
