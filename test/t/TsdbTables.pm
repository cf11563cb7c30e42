
# TsdbTables - tables of every kind that a tool may meet, and the questions asked of them after
# a tool has had them.
#
#   tsdb_make_tables($node, 'postgres');             compacted, then changed in part
#   my $rows = tsdb_rows($node, 'postgres');         a line per table: count and digest
#   tsdb_exercise($node, 'postgres', 'restored');    compaction, vacuum, changes: all as on heap
#
# The extension must be in the database already.

package TsdbTables;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

our @EXPORT = qw(tsdb_make_tables tsdb_compact_all tsdb_rows tsdb_catalog tsdb_exercise
  tsdb_internals);

# The tables: m (see tsdb_fill, below schema public), a table with stated key, generated, identity, dropped
# and defaulted columns and foreign keys, partitions of both access methods, inheritance, names
# to quote, no time column, unlogged, a materialized view, an empty one, one never compacted.
my $create = q(
CREATE TABLE sensor (id int PRIMARY KEY, name text NOT NULL UNIQUE) USING tsdb;
INSERT INTO sensor SELECT i, 'sensor ' || i FROM generate_series(1, 40) i;
SELECT tsdb.set_key('sensor', NULL, '{name}');

CREATE TABLE reading (
	n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	gone int DEFAULT 5,
	"at" timestamptz NOT NULL,
	stored timestamptz DEFAULT '2024-05-05 00:00+00',
	sensor int REFERENCES sensor ON DELETE CASCADE ON UPDATE CASCADE,
	v numeric(10, 2) CHECK (v > -1000),
	twice numeric GENERATED ALWAYS AS (v * 2) STORED,
	note text COLLATE "C") USING tsdb;
SELECT tsdb.set_key('reading', 'at', '{sensor}');
CREATE INDEX reading_note ON reading (lower(note)) WHERE sensor < 20;
CREATE INDEX reading_at ON reading USING hash ("at");
INSERT INTO reading ("at", sensor, v, note)
	SELECT timestamptz '2024-03-01 00:00+00' + i * interval '30 s', i % 40 + 1, i % 777 / 7.0,
		CASE WHEN i % 11 > 0 THEN 'N' || i END
	FROM generate_series(1, 2600) i;
ALTER TABLE reading DROP COLUMN gone;

CREATE TABLE parted (ts timestamptz NOT NULL, host text, v float8, PRIMARY KEY (host, ts))
	PARTITION BY RANGE (ts);
CREATE TABLE parted_jan PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO ('2024-02-01') USING tsdb;
CREATE TABLE parted_feb PARTITION OF parted FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') USING heap;
CREATE TABLE parted_rest PARTITION OF parted DEFAULT USING tsdb;
INSERT INTO parted SELECT timestamptz '2024-01-01 00:00+00' + i * interval '1 h', 'h' || i % 3, i
	FROM generate_series(1, 2500) i;

CREATE TABLE parent (ts timestamp, v int) USING tsdb;
CREATE TABLE child (extra text) INHERITS (parent) USING tsdb;
INSERT INTO parent SELECT timestamp '2024-01-01' + i * interval '1 s', i FROM generate_series(1, 1500) i;
INSERT INTO child SELECT timestamp '2024-01-01' + i * interval '1 s', -i, 'c' || i % 5
	FROM generate_series(1, 1500) i;

CREATE SCHEMA "Odd ""schema""";
CREATE TABLE "Odd ""schema"""."a table; --" ("the key" text, "Time" timestamptz, "%" float4[]) USING tsdb;
INSERT INTO "Odd ""schema"""."a table; --"
	SELECT E'k\\n' || i % 2, '2024-01-01 00:00+00'::timestamptz + i * interval '1 s', ARRAY[i, NULL, 'NaN']::float4[]
	FROM generate_series(1, 1200) i;

CREATE TABLE plain (a int, b text) USING tsdb;
INSERT INTO plain SELECT i, repeat('x', i % 90) FROM generate_series(1, 1300) i;
CREATE UNLOGGED TABLE unlogged (ts timestamptz, id int PRIMARY KEY) USING tsdb;
INSERT INTO unlogged SELECT '2024-01-01 00:00+00'::timestamptz + i * interval '1 s', i
	FROM generate_series(1, 1100) i;
CREATE TABLE empty (ts timestamptz, v int) USING tsdb;
CREATE MATERIALIZED VIEW daily USING tsdb AS
	SELECT time_bucket('1 h', "at") AS hour, sensor, sum(v) AS total FROM reading GROUP BY 1, 2;
CREATE UNIQUE INDEX ON daily (hour, sensor);
CREATE VIEW latest AS SELECT DISTINCT ON (sensor) * FROM reading ORDER BY sensor, "at" DESC;
COMMENT ON TABLE reading IS 'what sensors said';
CREATE STATISTICS reading_stats ON sensor, note FROM reading;
CREATE TABLE young (ts timestamptz, v int) USING tsdb;
INSERT INTO young SELECT '2024-01-01 00:00+00'::timestamptz + i * interval '1 s', i
	FROM generate_series(1, 500) i;
);

# Changes of chunk rows, so that there are marks of every kind, and rows in the row store.
my $change = q(
UPDATE m SET v = id, note = 'changed' WHERE id % 9 = 0;
DELETE FROM m WHERE id % 10 = 3;
UPDATE reading SET v = v + 1, sensor = sensor % 40 + 1 WHERE n % 8 = 1;
DELETE FROM reading WHERE n % 8 = 2;
UPDATE sensor SET id = 140, name = 'moved' WHERE id = 40;
DELETE FROM sensor WHERE id = 39;
ALTER TABLE reading ADD COLUMN later text DEFAULT 'not then';
UPDATE parted SET ts = ts + interval '31 days 1 min' WHERE v::int % 50 = 7;
DELETE FROM parted WHERE v::int % 50 = 8;
UPDATE parent SET v = v + 10000 WHERE v % 30 = 0;
DELETE FROM "Odd ""schema"""."a table; --" WHERE "%"[1]::int % 3 = 0;
UPDATE plain SET b = NULL WHERE a % 4 = 0;
DELETE FROM unlogged WHERE id % 5 = 0;
REFRESH MATERIALIZED VIEW CONCURRENTLY daily;
BEGIN; DELETE FROM plain; ROLLBACK;
BEGIN; SELECT count(*) FROM (SELECT FROM plain WHERE a % 3 = 0 FOR SHARE) x; COMMIT;
);

sub tsdb_make_tables
{
	my ($node, $db) = @_;

	tsdb_fill($node, 'm', 2500, $db);
	$node->safe_psql($db, $create);
	tsdb_compact_all($node, $db, 'young');
	$node->safe_psql($db, $change);
	tsdb_compact($node, 'parted_rest', $db);
	$node->safe_psql($db, 'UPDATE parted SET v = -v WHERE v::int % 20 = 5');
	return;
}

# The tables and materialized views that users of a database have, as they are quoted.
sub table_names
{
	my ($node, $db, $only) = @_;
	return split /\n/, $node->safe_psql(
		$db, q(
SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
	JOIN pg_am a ON a.oid = relam
WHERE relkind IN ('r', 'm') AND nspname NOT IN ('pg_catalog', 'information_schema', 'tsdb', '_tsdb')
	AND relpersistence <> 't')
		  . ($only ? " AND amname = '$only'" : '') . ' ORDER BY c.oid::regclass::text COLLATE "C"');
}

# Compacts every tsdb table but those named, each in a transaction of its own.
sub tsdb_compact_all
{
	my ($node, $db, @but) = @_;
	my $sql = '';

	foreach my $table (table_names($node, $db, 'tsdb'))
	{
		$sql .= "SELECT tsdb.compact(\$\$$table\$\$);\n" if !grep { $_ eq $table } @but;
	}
	$node->safe_psql($db, $sql);
	return;
}

# Count and digest of each table, by a scan, and by its primary or unique key where it has one.
sub tsdb_rows
{
	my ($node, $db) = @_;
	my $digest = 'count(*), sum(hashtextextended(x::text, 0)::numeric) FROM ONLY';
	my $keys = $node->safe_psql(
		$db, q(SELECT DISTINCT ON (indrelid) indrelid::regclass, quote_ident(attname) FROM pg_index JOIN pg_attribute
			ON attrelid = indrelid AND attnum = indkey[0] WHERE indisunique ORDER BY indrelid, indisprimary DESC));
	my %key = map { my @pair = $_ =~ /^(.*)\|(.*)$/; @pair } split /\n/, $keys;
	my ($scans, $indexes) = ('', '');

	foreach my $table (table_names($node, $db))
	{
		$scans .= "SELECT \$\$$table\$\$, $digest $table x;\n";
		$indexes .= "SELECT \$\$$table\$\$, $digest $table x "
		  . ($key{$table} ? "WHERE $key{$table} IS NOT NULL" : '') . ";\n";
	}
	my @answers = split /^--\n/m, $node->safe_psql(
		$db, "SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;
$scans SELECT '--'; RESET enable_indexscan; RESET enable_bitmapscan; RESET enable_indexonlyscan;
SET enable_seqscan = off; $indexes SELECT '--';") . "\n";
	return $answers[0] eq $answers[1] ? $answers[0] : "scans: $answers[0]\nindexes: $answers[1]";
}

# What a user's catalog says: tables and their access methods, keys, columns, indexes.
sub tsdb_catalog
{
	my ($node, $db) = @_;
	my $tables = tsdb_stand_in() ? 'NULL' : q((SELECT string_agg(concat_ws(' ', "table", time_column, series_columns), ', '
		ORDER BY "table"::text COLLATE "C") FROM tsdb.tables));
	return $node->safe_psql(
		$db, qq(
SELECT c.oid::regclass, amname, relpersistence, obj_description(c.oid, 'pg_class'),
	(SELECT string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
		attgenerated, pg_get_expr(adbin, adrelid)), ', ' ORDER BY attnum)
	 FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
	 WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
	(SELECT string_agg(pg_get_indexdef(indexrelid), ', ' ORDER BY pg_get_indexdef(indexrelid) COLLATE "C")
	 FROM pg_index WHERE indrelid = c.oid AND indisvalid),
	(SELECT string_agg(concat_ws(' ', conname, pg_get_constraintdef(oid)), ', ' ORDER BY conname)
	 FROM pg_constraint WHERE conrelid = c.oid)
FROM pg_class c LEFT JOIN pg_am a ON a.oid = relam JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'm', 'p') AND nspname NOT IN ('pg_catalog', 'information_schema', 'tsdb', '_tsdb')
ORDER BY c.oid::regclass::text COLLATE "C";
SELECT $tables;));
}

# Names of internal relations whose table is not there; none should ever be.
sub tsdb_internals
{
	my ($node, $db) = @_;
	return $node->safe_psql(
		$db, q(
SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_class c
WHERE relnamespace = '_tsdb'::regnamespace AND relkind = 'r'
	AND NOT EXISTS (SELECT FROM pg_class t WHERE c.relname LIKE '%\_' || t.relfilenode
		OR c.relname = 'tsdb_directory_' || t.reltablespace || '_' || t.relfilenode
		OR EXISTS (SELECT FROM pg_class d WHERE d.relnamespace = c.relnamespace
			AND d.relname = 'tsdb_directory_' || t.reltablespace || '_' || t.relfilenode
			AND c.relname ~ ('^tsdb_(marks|moves|shard)_' || d.oid || '(_\d+)?$')))));
}

# What a table is for: all of it works and changes what it should.  The rows are the same at the end,
# but for what %options{keep} says: 0 drops all tables at the end and looks for left-overs.
sub tsdb_exercise
{
	my ($node, $db, $what, %options) = @_;
	my $before = tsdb_rows($node, $db);
	my @tables = table_names($node, $db, 'tsdb');

	tsdb_compact_all($node, $db);
	is(tsdb_rows($node, $db), $before, "$what: compaction changes nothing");
	$node->safe_psql($db, 'VACUUM (INDEX_CLEANUP on)');
	is(tsdb_rows($node, $db), $before, "$what: vacuum changes nothing");

	# the same changes to a table and to a heap copy of it, in chunks and after another compaction
	my $same = $node->safe_psql(
		$db, q(
BEGIN;
CREATE TABLE h (LIKE m INCLUDING ALL) USING heap;
INSERT INTO h SELECT * FROM m;
UPDATE m SET v = 7 WHERE id % 7 = 1;
UPDATE h SET v = 7 WHERE id % 7 = 1;
DELETE FROM m WHERE id % 7 = 2;
DELETE FROM h WHERE id % 7 = 2;
SELECT tsdb.compact('m') \g /dev/null
INSERT INTO m SELECT now(), 'again', i FROM generate_series(1, 100) i ON CONFLICT (id) DO UPDATE SET note = 'again';
INSERT INTO h SELECT now(), 'again', i FROM generate_series(1, 100) i ON CONFLICT (id) DO UPDATE SET note = 'again';
SELECT (SELECT count(*) > 500 FROM m),
	(SELECT count(*) FROM (TABLE m EXCEPT ALL TABLE h) x), (SELECT count(*) FROM (TABLE h EXCEPT ALL TABLE m) x);
ROLLBACK;
));
	is($same, 't|0|0', "$what: changes as on heap");
	is(tsdb_rows($node, $db), $before, "$what: rolled back");

	my ($code, $out, $err) = $node->psql($db, q(INSERT INTO m (ts, id) SELECT ts, id FROM m LIMIT 1));
	like($err, qr/duplicate key value/, "$what: unique indexes know the rows");
	return if $options{keep} // 1;

	foreach my $table (@tables)
	{
		$node->safe_psql($db, "DROP TABLE $table CASCADE")
		  if $node->safe_psql($db, "SELECT to_regclass(\$\$$table\$\$) IS NOT NULL AND (SELECT relkind
			FROM pg_class WHERE oid = to_regclass(\$\$$table\$\$)) = 'r'") eq 't';
	}
	is( $node->safe_psql(
			$db, q(SELECT string_agg(relname, ' ') FROM pg_class
			WHERE relnamespace = '_tsdb'::regnamespace AND relkind IN ('r', 'i'))),
		'',
		"$what: dropped tables leave nothing behind") unless tsdb_stand_in();
	return;
}

1;
