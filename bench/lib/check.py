"""Are two query results the same?

Results are CSV files with a header line.  Rows are compared as multisets, since not
all queries say ORDER BY.  Fields must be equal to the byte, except in columns called
mean_... or sum_...: there PostgreSQL itself promises no order of additions, and a
relative difference of 1e-9 is allowed.
"""

import csv
import math

TOLERANCE = 1e-9


def difference(path, expected_path):
    """None when equal, or a sentence about the first difference."""
    header, rows = _read(path)
    expected_header, expected = _read(expected_path)
    if header != expected_header:
        return f"columns {header} instead of {expected_header}"
    if len(rows) != len(expected):
        return f"{len(rows)} rows instead of {len(expected)}"

    tolerant = [name.startswith(("mean_", "sum_")) for name in header]
    # Exact columns first, so that last digits do not decide the order.
    order = sorted(range(len(header)), key=lambda column: tolerant[column])

    def key(row):
        return [row[column] for column in order]

    for row, expected_row in zip(sorted(rows, key=key), sorted(expected, key=key)):
        for column, (value, wanted) in enumerate(zip(row, expected_row)):
            if value != wanted and not (tolerant[column] and _close(value, wanted)):
                return f"{header[column]} is {value} instead of {wanted} in row {row}"
    return None


def _close(value, wanted):
    try:
        return math.isclose(float(value), float(wanted), rel_tol=TOLERANCE)
    except ValueError:
        return False


def _read(path):
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    return rows[0], rows[1:]
