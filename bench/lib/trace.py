"""A day at a dashboard server, from a seed: who asks what, and when.

The table has one row a minute of each of 10,000 series: 1,000 hosts with ten metrics each, so that
series h * 10 + 1 … h * 10 + 10 belong to one host.  How popular a series is follows Zipf's law (exponent 1)
over all of them, in an order that has nothing to do with their numbers.

    dashboards   200, of six to fourteen panels.  A panel shows one column or two of one to eight series.  Six
                 dashboards in ten show one host, which can be chosen, the others one metric of many hosts in each
                 panel; hosts and metrics are drawn by popularity.  A dashboard has one range for all its panels (last
                 hour, six, twelve) and refreshes by itself.
    screens      ten that hang on a wall, each with its dashboard, all the time
    viewers      ten on average: open a dashboard, popular ones more often, for ten to sixty minutes
    analysts     three on average: open a dashboard and do something every ten to forty seconds: page back and
                 forward, zoom, choose another column, another host.  All panels follow, and none refreshes.
    explorers    three on average: the same with a panel of their own, drawn by popularity from all series
    report       on the hour, apart from the four clients: reads every row of the table

Times are microseconds of trace time; who plays it divides them.  Only random() of the generator is used,
which is the same in every version of Python.
"""

import bisect
import heapq
import math
import random
import time
from collections import namedtuple

SERIES = 10000
METRICS = 10                    # of a host
STEP = 60                       # seconds between two rows of a series
COLUMNS = ["value", "load", "errors"]
DEFINITION = "ts timestamptz not null, series_id int not null, " + ", ".join(f"{c} float8" for c in COLUMNS)

SECOND = 1000000
HOUR = 3600 * SECOND
RANGES = [(3600, 60), (6 * 3600, 30), (12 * 3600, 10)]          # seconds, weight
BUCKETS = {3600: 60, 6 * 3600: 300, 24 * 3600: 900}
REFRESH = [(30, 50), (60, 35), (300, 15)]
SIZES = [(1, 35), (2, 25), (4, 25), (8, 15)]
SHOWN = [(["value"], 55), (["load"], 20), (["errors"], 10), (["value", "load"], 15)]
ACTIONS = [("back", 40), ("forward", 18), ("zoom in", 14), ("zoom out", 10), ("column", 6), ("host", 6), ("home", 6)]
MOMENTUM = 0.7                  # with which who pages goes on in the same direction
DASHBOARDS, SCREENS, VIEWERS, ANALYSTS, EXPLORERS = 200, 10, 10, 3, 3

Event = namedtuple("Event", "due kind sql")     # microseconds since the trace began, who asks, a statement

REPORT = """SELECT series_id, date_trunc('day', ts) AS day, count(*), avg(value) AS value, max(load) AS load,
    count(*) FILTER (WHERE errors > 95) AS bad FROM metrics GROUP BY 1, 2"""


class Draw:
    """Choices of one generator."""

    def __init__(self, seed):
        self.random = random.Random(seed).random

    def below(self, n):
        return int(self.random() * n)

    def between(self, low, high):
        return low + self.random() * (high - low)

    def one(self, weighted):
        left = self.random() * sum(weight for _, weight in weighted)
        for value, weight in weighted:
            left -= weight
            if left < 0:
                return value
        return weighted[-1][0]

    def wait(self, mean):
        return -mean * math.log(1 - self.random())


class Popularity:
    """Zipf's law over 0 … n - 1, whose ranks are shuffled."""

    def __init__(self, draw, n):
        self.draw = draw
        self.order = list(range(n))
        for i in range(n - 1, 0, -1):
            j = draw.below(i + 1)
            self.order[i], self.order[j] = self.order[j], self.order[i]
        self.sums, total = [], 0.0
        for rank in range(n):
            total += 1 / (rank + 1)
            self.sums.append(total)

    def one(self):
        return self.order[bisect.bisect_left(self.sums, self.draw.random() * self.sums[-1])]


class Panel:
    """One to eight series of a host (host: a place among the dashboard's choice), or of one metric of many."""

    def __init__(self, draw, popular, of_host):
        anchor, size = popular.one(), draw.one(SIZES)
        self.of_host, self.metrics = of_host, [(anchor + i) % METRICS for i in range(size)]
        self.series = [(anchor + i * METRICS) % SERIES for i in range(size)]
        self.columns = draw.one(SHOWN)
        self.aggregate = draw.one([("avg", 65), ("max", 35)])


class Dashboard:
    def __init__(self, draw, popular, panels):
        self.host = popular.one() // METRICS
        self.by_host = draw.random() < 0.6      # shows one host, which can be chosen; else the fleet
        self.panels = [Panel(draw, popular, self.by_host) for _ in range(panels)]
        self.span, self.refresh = draw.one(RANGES), draw.one(REFRESH)


class View:
    """A dashboard as somebody sees it: moved, zoomed, with another column or host."""

    def __init__(self, dashboard):
        self.dashboard = dashboard
        self.go_home()
        self.again = None               # what was done last, if it is of the kind that is done again

    def go_home(self):
        self.span = self.dashboard.span     # seconds
        self.end = None                 # None: now
        self.columns = None             # None: each panel's own
        self.host = self.dashboard.host

    def act(self, draw, popular, now, first):
        """Does one thing, of which it returns the name; now and first are seconds, of the trace and of the data."""
        action = self.again if self.again and draw.random() < MOMENTUM else draw.one(ACTIONS)
        end = now if self.end is None else self.end
        if action == "forward" and self.end is None:
            action = "back"             # there is nothing further on
        if action == "host" and not self.dashboard.by_host:
            action = "column"
        if action in ("back", "zoom out") and end - 2 * self.span < first:
            action = "home"             # there are no data
        self.again = action if action in ("back", "forward") else None
        if action == "back":
            self.end = end - self.span
        elif action == "forward":
            self.end = None if end + self.span >= now else end + self.span
        elif action == "zoom in":
            self.span = max(900, self.span // 2)
            self.end = end - self.span // 2
        elif action == "zoom out":
            self.span = min(24 * 3600, self.span * 2)
        elif action == "column":
            self.columns = [draw.one([(column, 1) for column in COLUMNS])]
        elif action == "host":
            self.host = (self.host + 1) % (SERIES // METRICS) if draw.random() < 0.3 else popular.one() // METRICS
        else:
            self.go_home()
        return action

    def queries(self, now, epoch):
        """One statement a panel, as Grafana writes them: bounds to the millisecond, buckets that fit the range."""
        end = now if self.end is None else self.end
        start = end - self.span
        bucket = next((b for span, b in sorted(BUCKETS.items()) if self.span <= span), 900)
        for panel in self.dashboard.panels:
            series = [self.host * METRICS + one + 1 for one in panel.metrics] if panel.of_host else [one + 1 for one in panel.series]
            wanted = f"series_id = {series[0]}" if len(series) == 1 else f"series_id IN ({', '.join(map(str, series))})"
            columns = self.columns or panel.columns
            aggregates = ", ".join(f"{panel.aggregate}({column}) AS {column}" for column in columns)
            yield (f"SELECT time_bucket('{bucket}s', ts) AS time, series_id, {aggregates} FROM metrics "
                   f"WHERE ts >= {literal(epoch + start)} AND ts < {literal(epoch + end)} AND {wanted} "
                   "GROUP BY 1, 2 ORDER BY 1, 2")


def literal(unix):
    seconds, thousandths = divmod(round(unix * 1000), 1000)
    return time.strftime(f"'%Y-%m-%dT%H:%M:%S.{thousandths:03}Z'", time.gmtime(seconds))


class Trace:
    """hours of a trace that begins when `history` hours of data have passed; epoch is the data's first second."""

    def __init__(self, seed, epoch, history, hours):
        self.draw = Draw(seed)
        self.epoch, self.begin, self.length = epoch, history * 3600, hours * HOUR
        self.popular = Popularity(self.draw, SERIES)
        favourite = Popularity(self.draw, DASHBOARDS)
        self.dashboards = [Dashboard(self.draw, self.popular, 6 + self.draw.below(9)) for _ in range(DASHBOARDS)]
        self.favourite = favourite
        self.events, self.queue, self.number = [], [], 0
        for screen in range(SCREENS):
            view = View(self.dashboards[favourite.order[screen]])
            self.later(self.draw.between(0, view.dashboard.refresh) * SECOND,
                       lambda at, view=view: self.refresh(at, "screen", view, math.inf))
        for people, mean, arrive in ((VIEWERS, 35 * 60, self.viewer), (ANALYSTS, 15 * 25, self.analyst),
                                     (EXPLORERS, 15 * 25, self.explorer)):
            # Some are there already; others come at a rate that keeps their number.
            for _ in range(people):
                self.later(self.draw.between(0, 60) * SECOND, arrive)
            at = 60 * SECOND
            while (at := at + self.draw.wait(mean / people * SECOND)) < self.length:
                self.later(at, arrive)
        while self.queue:
            at, _, what = heapq.heappop(self.queue)
            if at < self.length:
                what(at)
        self.reports = [Event(hour * HOUR, "report", " ".join(REPORT.split())) for hour in range(hours)]

    def later(self, at, what):
        self.number += 1
        heapq.heappush(self.queue, (int(at), self.number, what))

    def ask(self, at, kind, view):
        for sql in view.queries(self.begin + at // 1000 / 1000, self.epoch):
            self.events.append(Event(at, kind, sql))

    def refresh(self, at, kind, view, until):
        self.ask(at, kind, view)
        if at + view.dashboard.refresh * SECOND < until:
            self.later(at + view.dashboard.refresh * SECOND, lambda at: self.refresh(at, "refresh", view, until))

    def viewer(self, at):
        self.refresh(at, "open", View(self.dashboards[self.favourite.one()]), at + self.draw.between(600, 3600) * SECOND)

    def analyst(self, at):
        self.acts(at, "open", View(self.dashboards[self.favourite.one()]), 5 + self.draw.below(21))

    def explorer(self, at):
        self.acts(at, "explore", View(Dashboard(self.draw, self.popular, 1)), 5 + self.draw.below(21))

    def acts(self, at, kind, view, left):
        self.ask(at, kind, view)
        if left > 0:
            at += int(self.draw.between(10, 40) * SECOND)
            self.later(at, lambda at: self.acts(at, view.act(self.draw, self.popular, self.begin + at / SECOND, 0), view, left - 1))
