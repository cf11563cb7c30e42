"""Types, and values that are likely to break an encoder of them.

A Type writes SQL.  value(rng) is one literal; series(rng) is an expression over the integer
column i of generate_series, the same in every session, for loading many rows by one statement.
"""

import random


class Type:
    """A column type: its SQL name, how to write values, and what it can be asked for.

    ordered: has a btree operator class, so ORDER BY, min, max, ranges and unique keys work.
    hashed:  has a hash operator class.
    total:   equal values print alike, so that the value may decide a group or a DISTINCT.
    """

    def __init__(self, name, value, series=None, ordered=True, hashed=True, total=True, time=False,
                 needs=None):
        self.name = name
        self.write = value
        self.pattern = series
        self.ordered = ordered
        self.hashed = hashed
        self.total = total
        self.time = time
        self.needs = needs

    def __repr__(self):
        return self.name

    def value(self, rng):
        text = self.write(rng)
        return text if text.startswith(RAW) else quote(text) + "::" + self.name

    def literal(self, rng):
        """value(), without the mark that says "an expression already"."""
        return self.value(rng).removeprefix(RAW)

    def copied(self, rng):
        """A field of COPY's text format; expressions have none and become short values."""
        text = self.write(rng)
        if text.startswith(RAW):
            return None
        return (text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
                .replace("\r", "\\r"))

    def series(self, rng):
        if self.pattern and rng.random() < 0.7:
            return f"({self.pattern(rng)})::{self.name}"
        choices = [self.literal(rng) for _ in range(rng.randint(1, 9))]
        step = rng.choice([1, 1, 3, 7, 50])
        arms = " ".join(f"WHEN {n} THEN {choice}" for n, choice in enumerate(choices))
        return f"(CASE (i / {step}) % {len(choices)} {arms} END)"


RAW = "\x01"

WORDS = ["", "a", "A", "b", "ab", "host-1", "host-2", "eu-west-1", "é", "日本", "x\ty", "o'clock",
         "back\\slash", "new\nline", " ", "  padded  ", "NULL", "\\N", "%s", "{}", "null", "zzzz"]


def quote(text):
    """A literal that means the same whatever standard_conforming_strings says."""
    if "\\" in text:
        return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    return "'" + text.replace("'", "''") + "'"


def word(rng):
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(WORDS)
    if kind < 0.9:
        return "".join(rng.choice("abcdef0123") for _ in range(rng.randint(1, 12)))
    return "w" * rng.randint(100, 1900)


def long_text(rng):
    """More than a page: compressible, or not."""
    salt = rng.randint(0, 99)
    if rng.random() < 0.5:
        return RAW + f"repeat('{salt:02d}', {rng.choice([4500, 9000, 40000])})"
    return (RAW + f"(SELECT string_agg(md5(g || 's{salt}'), '' ORDER BY g) "
            f"FROM generate_series(1, {rng.choice([270, 600])}) g)")


def text(rng):
    return long_text(rng) if rng.random() < 0.02 else word(rng)


def small_int(rng):
    return str(rng.choice([rng.randint(-9, 9), rng.randint(0, 3), rng.choice([-32768, 32767])]))


def int4(rng):
    return str(rng.choice([rng.randint(-20, 20), rng.randint(0, 100000),
                           rng.choice([-2147483648, 2147483647, 0, -1])]))


def int8(rng):
    return str(rng.choice([rng.randint(-20, 20), rng.randint(0, 1 << 40),
                           rng.choice([-(1 << 63), (1 << 63) - 1, 1 << 53, 0, -1])]))


def float_text(specials):
    def write(rng):
        return rng.choice([f"{rng.randint(-1000, 1000) / 10}", f"{rng.randint(0, 5)}",
                           repr(rng.uniform(-1, 1) * 10.0 ** rng.randint(-20, 20)),
                           rng.choice(specials)])
    return write


FLOAT8 = ["NaN", "Infinity", "-Infinity", "-0", "0", "1e308", "5e-324", "2.2250738585072014e-308",
          "0.1", "0.30000000000000004", "9007199254740993"]
FLOAT4 = ["NaN", "Infinity", "-Infinity", "-0", "0", "3.4e38", "1e-45", "0.1", "16777217"]


def numeric(rng):
    return rng.choice([str(rng.randint(-99, 99)), f"{rng.randint(-10**6, 10**6) / 100:.2f}",
                       rng.choice(["NaN", "Infinity", "-Infinity", "0", "0.00", "-0.000", "1e-30",
                                   "1e100", "123456789012345678901234567890.123456789"]),
                       "1." + "0" * rng.randint(0, 30)])


def decimal(rng):
    return f"{rng.randint(-10**6, 10**6) / 100:.2f}"


def day(rng):
    return f"2024-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"


def clock(rng):
    fraction = rng.choice(["", "", ".5", ".123456", ".000001"])
    return f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}{fraction}"


def date(rng):
    return rng.choice([day(rng), day(rng), day(rng),
                       rng.choice(["infinity", "-infinity", "0044-03-15 BC", "5874897-12-31",
                                   "1970-01-01", "2000-01-01"])])


def timestamp(rng):
    kind = rng.random()
    if kind < 0.6:
        return f"2024-01-01 {clock(rng)}"
    if kind < 0.93:
        return f"{day(rng)} {clock(rng)}"
    return rng.choice(["infinity", "-infinity", "0044-03-15 12:00:00 BC", "294276-12-31 23:59:59",
                       "1970-01-01 00:00:00", "2000-01-01 00:00:00"])


def interval(rng):
    return rng.choice([f"{rng.randint(-50, 50)} hours", f"{rng.randint(0, 30)} days",
                       f"{rng.randint(0, 20)} months -3 days 04:05:06.789", "00:00:00",
                       "1 mon", "30 days", "720 hours"])


def hexa(rng, digits):
    return "".join(rng.choice("0123456789abcdef") for _ in range(digits))


def bytea(rng):
    if rng.random() < 0.03:
        return RAW + (f"decode((SELECT string_agg(md5(g || 'b{rng.randint(0, 9)}'), '' ORDER BY g) "
                      "FROM generate_series(1, 600) g), 'hex')")
    return "\\x" + hexa(rng, 2 * rng.choice([0, 1, 4, 4, 16, 33]))


def jsonb(rng):
    return rng.choice(["{}", "[]", "null", "1", '"a"', "true", "[1, 2, [3]]",
                       f'{{"k": {rng.randint(0, 5)}}}',
                       f'{{"device": "host-{rng.randint(0, 9)}", "tags": ["a", "b"], "v": 1.50}}',
                       f'{{"deep": {{"er": [null, {{"x": "{hexa(rng, 20)}"}}]}}}}'])


def array(element, empty=True):
    def write(rng):
        if empty and rng.random() < 0.1:
            return "{}"
        items = []
        for _ in range(rng.randint(1, 5)):
            item = element(rng)
            if item.startswith(RAW) or rng.random() < 0.1:
                items.append("NULL")
            else:
                items.append('"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"')
        return "{" + ",".join(items) + "}"
    return write


def ranges(element):
    def write(rng):
        if rng.random() < 0.1:
            return "empty"
        low, high = sorted((rng.randint(-50, 50), rng.randint(-50, 50)))
        bound = rng.choice(["[)", "[]", "()", "(]"])
        low, high = element(low), element(high)
        if rng.random() < 0.1:
            low = ""
        return f"{bound[0]}{low},{high}{bound[1]}"
    return write


def pair(rng):
    return f"({rng.randint(-9, 9)},{rng.randint(-9, 9)})"


def composite(rng):
    left = rng.choice(["", str(rng.randint(-5, 5))])
    right = rng.choice(["", '""', "abc", '"x y"'])
    return f"({left},{right})"


def counter(rng):
    return rng.choice([f"i * {rng.randint(1, 99)}", f"{rng.randint(-5, 5)}",
                       f"i % {rng.randint(2, 40)}", "abs(hashint4(i)) % 1000",
                       f"CASE WHEN i % {rng.randint(2, 90)} = 0 THEN -1 ELSE i END"])


def small_counter(rng):
    return rng.choice([f"i % {rng.randint(2, 1000)}", f"{rng.randint(-5, 5)}",
                       "hashint4(i) % 30000"])


def floats(rng):
    return rng.choice([f"i * {rng.choice(['0.1', '0.25', '1e-7', '3'])}",
                       f"{rng.randint(-5, 5)}.5", "hashint4(i) / 977.0", "sin(i)",
                       "(hashint4(i) % 1000) / 10.0", f"i % {rng.randint(2, 9)}",
                       "CASE WHEN i % 17 = 0 THEN 'NaN' WHEN i % 19 = 0 THEN '-0' "
                       "WHEN i % 23 = 0 THEN '-Infinity' ELSE i::float8 END"])


def times(kind):
    def write(rng):
        start = "2024-01-01 00:00:00"
        step = rng.choice(["i * 10", "i", "i * 10 + hashint4(i) % 3", "(hashint4(i) % 100000)",
                           "i / 7 * 60", "i * 0.001"])
        return f"{kind} '{start}' + ({step}) * interval '1 second'"
    return write


def labels(rng):
    return rng.choice([f"'host-' || i % {rng.randint(1, 50)}", "md5(i::text)", "i::text",
                       "repeat('x', i % 50)", "chr(97 + i % 26)",
                       "CASE WHEN i % 100 = 7 THEN repeat(md5(i::text), 300) ELSE 'short' END"])


TYPES = [
    Type("int4", int4, counter),
    Type("int8", int8, counter),
    Type("int2", small_int, small_counter),
    Type("float8", float_text(FLOAT8), floats, total=False),
    Type("float4", float_text(FLOAT4), floats, total=False),
    Type("numeric", numeric, floats, total=False),
    Type("numeric(12,2)", decimal, lambda rng: "(hashint4(i) % 100000) / 100.0"),
    Type("text", text, labels),
    Type("varchar(2000)", word, lambda rng: f"'host-' || i % {rng.randint(1, 50)}"),
    Type("char(8)", lambda rng: rng.choice(["", "a", "ab", "abc     ", "é"])),
    Type('"char"', lambda rng: rng.choice(["a", "b", "", "z"]), hashed=True),
    Type("name", lambda rng: rng.choice(["a", "b", "relation", ""])),
    Type("bool", lambda rng: rng.choice(["t", "f"]), lambda rng: f"i % {rng.randint(2, 9)} = 0"),
    Type("timestamptz", timestamp, times("timestamptz"), time=True),
    Type("timestamp", timestamp, times("timestamp"), time=True),
    Type("date", date, lambda rng: "date '2024-01-01' + i % 365", time=True),
    Type("time", clock),
    Type("timetz", lambda rng: clock(rng) + rng.choice(["+00", "+02", "-05:30"])),
    Type("interval", interval, lambda rng: f"i % {rng.randint(2, 99)} * interval '1 hour'",
         total=False),
    Type("uuid", lambda rng: hexa(rng, 32), lambda rng: "md5(i::text)"),
    Type("bytea", bytea, lambda rng: "decode(md5(i::text), 'hex')"),
    Type("jsonb", jsonb, lambda rng: "jsonb_build_object('i', i % 10, 'host', 'h' || i % 3)"),
    Type("json", jsonb, ordered=False, hashed=False),
    Type("inet", lambda rng: f"10.0.{rng.randint(0, 3)}.{rng.randint(0, 9)}"
         + rng.choice(["", "/24", "/8"])),
    Type("macaddr", lambda rng: hexa(rng, 12), hashed=True),
    Type("oid", lambda rng: str(rng.choice([0, 1, 4294967295, rng.randint(0, 99)]))),
    Type("pg_lsn", lambda rng: f"{rng.randint(0, 9)}/{hexa(rng, 4)}"),
    Type("bit(5)", lambda rng: "".join(rng.choice("01") for _ in range(5)), hashed=False),
    Type("varbit", lambda rng: "".join(rng.choice("01") for _ in range(rng.randint(0, 70))),
         hashed=False),
    Type("money", lambda rng: f"{rng.randint(-999, 999)}.{rng.randint(10, 99)}", hashed=False),
    Type("point", pair, ordered=False, hashed=False),
    Type("box", lambda rng: pair(rng) + "," + pair(rng), ordered=False, hashed=False),
    Type("tsvector", lambda rng: rng.choice(["", "a:1 b:2", "fat:3A cat", "x"]), hashed=False),
    Type("xml", lambda rng: rng.choice(["<a/>", "<b x=\"1\">t</b>", ""]), ordered=False,
         hashed=False),
    Type("int4[]", array(int4)),
    Type("text[]", array(word)),
    Type("float8[]", array(float_text(FLOAT8)), total=False),
    Type("numeric[]", array(decimal), total=False),
    Type("timestamptz[]", array(timestamp)),
    Type("int4range", ranges(str)),
    Type("tstzrange", ranges(lambda n: f"2024-01-01 00:{abs(n):02d}:00" if n > 0
                             else f"2023-01-01 00:{50 + n:02d}:00")),
    Type("int4multirange", lambda rng: rng.choice(["{}", "{[1,3)}", "{[1,3),[7,9)}"])),
    Type("mood", lambda rng: rng.choice(["sad", "ok", "happy"]),
         lambda rng: "(ARRAY['sad','ok','happy'])[1 + i % 3]"),
    Type("positive", lambda rng: str(rng.randint(1, 99)), lambda rng: "1 + i % 50"),
    Type("label", lambda rng: rng.choice(["a", "bb", "ccc", "host-1"]),
         lambda rng: f"'d' || i % {rng.randint(1, 20)}"),
    Type("pair", composite, total=False),
    Type("pair[]", lambda rng: rng.choice(['{}', '{"(1,a)"}', '{"(1,a)","(,)",NULL}']),
         hashed=True, total=False),
    Type("positive[]", lambda rng: rng.choice(["{}", "{1,2}", "{7,NULL}"]), hashed=True),
]

# what every schema of a test has, before its first table
PRELUDE = [
    "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')",
    "CREATE DOMAIN positive AS int4 CHECK (VALUE > 0)",
    "CREATE DOMAIN label AS varchar(30) CHECK (length(VALUE) < 20)",
    "CREATE TYPE pair AS (a int4, b text)",
]

BY_NAME = {kind.name: kind for kind in TYPES}
COMMON = [BY_NAME[name] for name in ("int4", "int8", "float8", "text", "timestamptz", "bool",
                                     "numeric", "jsonb", "int2", "float4")]


def pick(rng: random.Random, where=lambda kind: True):
    """A type, the common ones more often."""
    pool = COMMON if rng.random() < 0.5 else TYPES
    fit = [kind for kind in pool if where(kind)]
    return rng.choice(fit or [kind for kind in TYPES if where(kind)])
