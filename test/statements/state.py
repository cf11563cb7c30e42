"""What a case leaves behind: rows, catalog entries, and whether indexes agree with their tables."""

IN_SCHEMAS = "IN ('s', 's2')"

# Each query gives lines of text; what belongs to the access method itself is left out.
CATALOG = {
    "relations": f"""SELECT format('%s %s kind %s, persistence %s, options %s, identity %s, partition %s, rules %s, triggers %s, security %s %s, owner %s, grants %s, tablespace %s, method %s',
        n.nspname, c.relname, c.relkind, c.relpersistence, c.reloptions, c.relreplident, c.relispartition, c.relhasrules,
        c.relhastriggers, c.relrowsecurity, c.relforcerowsecurity, c.relowner::regrole, c.relacl, t.spcname,
        CASE WHEN a.amtype = 'i' THEN a.amname WHEN a.amname = ':am' THEN 'the default' ELSE 'another' END)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am a ON a.oid = c.relam AND c.relkind IN ('r', 'm', 'i')
        LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace
        WHERE n.nspname {IN_SCHEMAS}""",
    "columns": f"""SELECT format('%s.%s %s, not null %s, identity %s, generated %s, default %s, storage %s, compression %s, statistics %s, options %s, grants %s, inherited %s, local %s, missing %s',
        c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
        pg_get_expr(d.adbin, d.adrelid), a.attstorage, a.attcompression, a.attstattarget,
        (SELECT array_agg(o) FROM unnest(a.attoptions) o WHERE o NOT LIKE 'pg\_attver=%'), a.attacl, a.attinhcount, a.attislocal,
        a.atthasmissing)
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace::regnamespace::text {IN_SCHEMAS} AND c.relkind IN ('r', 'm', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped""",
    "constraints": f"""SELECT format('%s on %s: %s, valid %s, local %s, inherited %s', conname, conrelid::regclass, pg_get_constraintdef(oid), convalidated, conislocal, coninhcount)
        FROM pg_constraint WHERE connamespace::regnamespace::text {IN_SCHEMAS}""",
    "indexes": f"""SELECT format('%s, valid %s, ready %s, clustered %s, identity %s', pg_get_indexdef(indexrelid), indisvalid, indisready, indisclustered, indisreplident)
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace::regnamespace::text {IN_SCHEMAS}""",
    "triggers": f"""SELECT format('%s, enabled %s', pg_get_triggerdef(t.oid), tgenabled)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT tgisinternal AND c.relnamespace::regnamespace::text {IN_SCHEMAS}""",
    "policies": f"""SELECT p::text FROM pg_policies p WHERE schemaname {IN_SCHEMAS}""",
    "inheritance": f"""SELECT format('%s from %s', inhrelid::regclass, inhparent::regclass)
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relnamespace::regnamespace::text {IN_SCHEMAS}""",
    "comments": f"""SELECT format('%s %s: %s', objoid::regclass, objsubid, description)
        FROM pg_description d JOIN pg_class c ON c.oid = d.objoid WHERE classoid = 'pg_class'::regclass AND c.relnamespace::regnamespace::text {IN_SCHEMAS}""",
    "sequences": "SELECT format('%s.%s at %s', schemaname, sequencename, last_value) FROM pg_sequences WHERE schemaname IN ('s', 's2')",
    "statistics": f"""SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext WHERE stxnamespace::regnamespace::text {IN_SCHEMAS}""",
}

TABLES = f"""SELECT c.oid::regclass FROM pg_class c
WHERE c.relkind IN ('r', 'm') AND c.relnamespace::regnamespace::text {IN_SCHEMAS} AND (c.relkind = 'r' OR c.relispopulated)
ORDER BY c.relname"""

BTREES = f"""SELECT i.indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
WHERE a.amname = 'btree' AND c.relkind = 'i' AND i.indisvalid AND c.relnamespace::regnamespace::text {IN_SCHEMAS} ORDER BY c.relname"""

# Every index that can give all rows of its table, with a column to order by.
WHOLE = f"""SELECT i.indrelid::regclass, i.indexrelid::regclass, quote_ident(t.attname),
    coalesce(pg_get_expr(i.indpred, i.indrelid), 'true')
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam JOIN pg_class r ON r.oid = i.indrelid
JOIN pg_attribute t ON t.attrelid = i.indrelid AND t.attnum = i.indkey[0]
WHERE a.amname = 'btree' AND c.relkind = 'i' AND i.indisvalid AND t.attnum > 0 AND c.relnamespace::regnamespace::text {IN_SCHEMAS}
AND (r.relkind = 'r' OR r.relispopulated) ORDER BY c.relname"""


def rows(side):
    """The rows of every table of its own, as sorted text."""
    found = {}
    for (table,) in side.ask(TABLES):
        found[f"rows of {table}"] = sorted(row[0] for row in side.ask(f"SELECT the_row::text FROM ONLY {table} the_row"))
    return found


def check_indexes(side):
    """amcheck's opinion of every btree, and the rows that each gives by itself."""
    for (index,) in side.ask(BTREES):
        side.ask(f"SELECT bt_index_parent_check('{index}', true)")
    for table, index, column, condition in side.ask(WHOLE):
        count = f"SELECT count(*), sum(hashtextextended(the_row::text, 0)) FROM (SELECT the_row FROM ONLY {table} the_row WHERE {condition} ORDER BY {column}) the_rows"
        side.ask("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
        by_index = side.ask(count)
        side.ask("SET enable_seqscan = on; SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_sort = on")
        by_table = side.ask(count)
        side.ask("RESET enable_indexscan; RESET enable_indexonlyscan; RESET enable_bitmapscan")
        if by_index != by_table:
            side.faults.append(f"index {index} and table {table} differ: {by_index}, {by_table}")


def read(side):
    """All of it, as {title: lines}."""
    found = {title: sorted(row[0] for row in side.ask(side.fill(sql))) for title, sql in CATALOG.items()}
    found.update(rows(side))
    check_indexes(side)
    return {title: side.mask(lines) for title, lines in found.items()}


def settle(side):
    """Compaction and VACUUM change nothing of the rows."""
    before = rows(side)
    side.compact()
    after = rows(side)
    if after != before:
        side.faults.append("compaction afterwards changed rows: " + difference(before, after))
    for (table,) in side.ask(TABLES):
        side.ask(f"VACUUM {table}")
    after = rows(side)
    if after != before:
        side.faults.append("VACUUM afterwards changed rows: " + difference(before, after))
    check_indexes(side)


def difference(before, after):
    """The first lines that are not in both."""
    for title in sorted({*before, *after}):
        lost = [line for line in before.get(title, []) if line not in after.get(title, [])]
        new = [line for line in after.get(title, []) if line not in before.get(title, [])]
        if lost or new or len(before.get(title, [])) != len(after.get(title, [])):
            return f"{title}: lost {lost[:3]}, new {new[:3]}"
    return "nothing"
