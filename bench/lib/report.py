"""What the benchmarks print and keep: text tables, JSON lines, a bar chart."""

import json
import math
import time
from html import escape

from lib.server import BUILD


class Run:
    """The directory of one run and its results.jsonl."""

    def __init__(self, kind):
        stamp = time.strftime("%Y%m%d-%H%M%S")
        self.directory = BUILD / f"{kind}-{stamp}"
        self.directory.mkdir(parents=True)
        self.records = []
        self.text = open(self.directory / "report.txt", "w")

    def record(self, **fields):
        """Keeps one measurement, one JSON object a line."""
        self.records.append(fields)
        with open(self.directory / "results.jsonl", "a") as file:
            file.write(json.dumps(fields) + "\n")

    def say(self, line=""):
        """Prints a line and keeps it in report.txt."""
        print(line, flush=True)
        print(line, file=self.text, flush=True)

    def table(self, header, rows):
        """First column left, all others right; None is shown as a dash."""
        cells = [header] + [["-" if cell is None else str(cell) for cell in row]
                            for row in rows]
        widths = [max(map(len, column)) for column in zip(*cells)]
        for number, row in enumerate(cells):
            self.say("  ".join(cell.rjust(width) if column else cell.ljust(width)
                               for column, (cell, width) in enumerate(zip(row, widths))))
            if number == 0:
                self.say("  ".join("-" * width for width in widths))


def number(value, digits=3):
    """A few significant digits, without exponents."""
    if value is None:
        return None
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def ratio(numerator, denominator):
    """The quotient, or None when a side is missing or zero."""
    return numerator / denominator if numerator and denominator else None


# A bar starts at 1 and grows to the right when tsdb is better, to the left when it is
# worse; one tick is a factor of ten.
ROW, BAR, LEFT, WIDTH, TOP = 22, 7, 230, 560, 70
COLOURS = {"heap": "#3b6ea5", "heap-noindex": "#9dbcd9", "tsdb-uncached": "#c98b3c"}


def chart(path, title, groups):
    """Writes an SVG of ratios.

    groups: list of (heading, rows), row: (label, {baseline: ratio or None}); a ratio
    is baseline divided by tsdb, so that more than 1 means that tsdb is better.
    """
    ratios = [r for _, rows in groups for _, bars in rows for r in bars.values() if r]
    low = math.floor(min([-1.0] + [math.log10(r) for r in ratios]))
    high = math.ceil(max([1.0] + [math.log10(r) for r in ratios]))

    def x(value):
        return LEFT + (math.log10(value) - low) / (high - low) * WIDTH

    height = TOP + sum(ROW * (len(rows) + 2) for _, rows in groups) + 10
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 70}" '
           f'height="{height}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="10" y="22" font-size="15">{escape(title)}</text>']
    for place, (name, colour) in enumerate(COLOURS.items()):
        out.append(f'<rect x="{10 + 130 * place}" y="34" width="12" height="12" '
                   f'fill="{colour}"/><text x="{27 + 130 * place}" y="45">{name}</text>')
    for exponent in range(low, high + 1):
        place = x(10.0 ** exponent)
        colour = "#444" if exponent == 0 else "#ddd"
        out.append(f'<line x1="{place:.1f}" y1="{TOP - 8}" x2="{place:.1f}" '
                   f'y2="{height - 10}" stroke="{colour}"/>'
                   f'<text x="{place:.1f}" y="{TOP - 12}" text-anchor="middle" '
                   f'fill="#666">{10.0 ** exponent:g}×</text>')

    y = TOP
    for heading, rows in groups:
        out.append(f'<text x="10" y="{y + 16}" font-weight="bold">{escape(heading)}</text>')
        y += ROW
        for label, bars in rows:
            out.append(f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">'
                       f'{escape(label)}</text>')
            for place, (name, value) in enumerate(bars.items()):
                if not value:
                    continue
                left, right = sorted((x(1), x(value)))
                top = y + 3 + place * (BAR + 1)
                out.append(f'<rect x="{left:.1f}" y="{top}" width="{right - left:.1f}" '
                           f'height="{BAR}" fill="{COLOURS[name]}"/>'
                           f'<text x="{right + 3:.1f}" y="{top + 7}" font-size="8">'
                           f'{number(value)}</text>')
            y += ROW
        y += ROW
    out.append("</svg>")
    path.write_text("\n".join(out) + "\n")


# Lines in a frame; of what they are is said at the right, in their colours.
LINES = ("#888888", "#3b6ea5", "#c1502e", "#4b8b3b", "#8b5fa8")
FRAME_X, FRAME_Y, FRAME_WIDTH, FRAME_HEIGHT = 70, 50, 620, 340


def lines(path, title, x_title, y_title, series, x_ticks, y_ticks, shades=()):
    """Writes an SVG of lines.

    series: {name: list of (x, y)}; ticks: list of (place, label), the frame goes from the first to the
    last; shades: ranges of x that are to be seen.  Scales are linear: who wants another one maps before.
    """
    (x_low, _), (x_high, _), (y_low, _), (y_high, _) = x_ticks[0], x_ticks[-1], y_ticks[0], y_ticks[-1]

    def x(value):
        return FRAME_X + (min(max(value, x_low), x_high) - x_low) / (x_high - x_low) * FRAME_WIDTH

    def y(value):
        return FRAME_Y + (y_high - min(max(value, y_low), y_high)) / (y_high - y_low) * FRAME_HEIGHT

    bottom, right = FRAME_Y + FRAME_HEIGHT, FRAME_X + FRAME_WIDTH
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{right + 150}" height="{bottom + 50}" '
           'font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="10" y="22" font-size="15">{escape(title)}</text>',
           f'<text x="{FRAME_X}" y="{FRAME_Y - 8}" fill="#666">{escape(y_title)}</text>',
           f'<text x="{right}" y="{bottom + 36}" text-anchor="end" fill="#666">{escape(x_title)}</text>']
    for left, end in shades:
        out.append(f'<rect x="{x(left):.1f}" y="{FRAME_Y}" width="{max(1, x(end) - x(left)):.1f}" '
                   f'height="{FRAME_HEIGHT}" fill="#eee"/>')
    for place, label in x_ticks:
        out.append(f'<line x1="{x(place):.1f}" y1="{FRAME_Y}" x2="{x(place):.1f}" y2="{bottom}" stroke="#ddd"/>'
                   f'<text x="{x(place):.1f}" y="{bottom + 16}" text-anchor="middle" fill="#666">{label}</text>')
    for place, label in y_ticks:
        out.append(f'<line x1="{FRAME_X}" y1="{y(place):.1f}" x2="{right}" y2="{y(place):.1f}" stroke="#ddd"/>'
                   f'<text x="{FRAME_X - 6}" y="{y(place) + 4:.1f}" text-anchor="end" fill="#666">{label}</text>')
    for place, (name, points) in enumerate(series.items()):
        colour = LINES[place % len(LINES)]
        path_points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
        out.append(f'<polyline points="{path_points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
                   f'<text x="{right + 8}" y="{FRAME_Y + 16 + 18 * place}" fill="{colour}">{escape(name)}</text>')
    out.append("</svg>")
    path.write_text("\n".join(out) + "\n")
