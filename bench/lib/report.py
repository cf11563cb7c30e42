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
COLOURS = {"heap": "#3b6ea5", "heap-noindex": "#9dbcd9"}


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
