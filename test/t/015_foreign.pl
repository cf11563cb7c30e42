
# postgres_fdw and dblink over tsdb tables, and COPY in every format: the same statements against a
# heap table must give the same answers and leave the same rows.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

my $node = tsdb_start(tsdb_node('main'));
my ($code, $out, $err) = $node->psql('postgres', 'CREATE EXTENSION postgres_fdw; CREATE EXTENSION dblink');
plan skip_all => "contrib is not installed: $err" if $code != 0;

my ($host, $port) = ($node->host, $node->port);
$node->safe_psql(
	'postgres', qq(
CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw
	OPTIONS (host '$host', port '$port', dbname 'postgres', fetch_size '77', use_remote_estimate 'true');
CREATE USER MAPPING FOR CURRENT_USER SERVER loop;
SET client_min_messages = error;
));
foreach my $am (qw(heap tsdb))
{
	$node->safe_psql(
		'postgres', qq(
CREATE TABLE r_$am (ts timestamptz NOT NULL, id int PRIMARY KEY, device text, v float8, n numeric,
	tags jsonb, raw bytea, list int[], twice float8 GENERATED ALWAYS AS (v * 2) STORED) USING $am;
CREATE TABLE d_$am (device text PRIMARY KEY, place text) USING $am;
INSERT INTO d_$am SELECT 'd' || i, 'place ' || i % 3 FROM generate_series(0, 9) i;
INSERT INTO r_$am (ts, id, device, v, n, tags, raw, list)
	SELECT timestamptz '2024-01-01 00:00+00' + i * interval '1 min', i, 'd' || i % 10,
		CASE WHEN i % 40 = 0 THEN 'NaN' WHEN i % 41 = 0 THEN '-Infinity' ELSE i / 8.0 END, i / 3.0,
		CASE WHEN i % 5 > 0 THEN jsonb_build_object('a', i % 4, 'b', E'tab\\t"quote"') END,
		decode(md5(i::text), 'hex'), ARRAY[i, NULL, -i]
	FROM generate_series(1, 3000) i;
CREATE FOREIGN TABLE f_$am (ts timestamptz NOT NULL, id int NOT NULL, device text, v float8, n numeric,
	tags jsonb, raw bytea, list int[], twice float8 GENERATED ALWAYS AS (v * 2) STORED)
	SERVER loop OPTIONS (table_name 'r_$am', batch_size '100');
CREATE FOREIGN TABLE g_$am (ts timestamptz NOT NULL, id int NOT NULL, device text, v float8, n numeric,
	tags jsonb, raw bytea, list int[]) SERVER loop OPTIONS (table_name 'r_$am', batch_size '100');
CREATE FOREIGN TABLE fd_$am (device text, place text) SERVER loop OPTIONS (table_name 'd_$am');
));
}
tsdb_compact($node, $_) foreach qw(r_tsdb d_tsdb);
$node->safe_psql('postgres', "DELETE FROM r_$_ WHERE id % 11 = 0") foreach qw(heap tsdb);

# Runs a statement with %s for the access method; answers must be equal, and plans say what they should.
sub both
{
	my ($what, $sql, $plan) = @_;
	my @answers = map {
		my ($c, $o, $e) = $node->psql('postgres', $sql =~ s/AM\b/$_/gr);
		$e =~ s/[frg]_(heap|tsdb)/table/g;
		join("\n", sort split /\n/, $o) . "\n$e";
	} qw(heap tsdb);
	is($answers[1], $answers[0], $what);
	like($node->safe_psql('postgres', 'EXPLAIN (VERBOSE, COSTS off) ' . $sql =~ s/AM\b/tsdb/gr),
		$plan, "$what: plan")
	  if $plan;
	is( $node->safe_psql('postgres', 'SELECT count(*), count(v), sum(n), sum(hashtextextended(x::text, 0)::numeric) FROM r_tsdb x'),
		$node->safe_psql('postgres', 'SELECT count(*), count(v), sum(n), sum(hashtextextended(x::text, 0)::numeric) FROM r_heap x'),
		"$what: rows")
	  if $sql !~ /^SELECT/;
	return;
}

foreach my $round ('compacted', 'compacted again')
{
	both("$round, SELECT", 'SELECT * FROM f_AM WHERE device = $$d3$$ AND v > 20 ORDER BY id');
	both("$round, join push-down",
		'SELECT f.id, d.place FROM f_AM f JOIN fd_AM d USING (device) WHERE f.v < 100 ORDER BY 1',
		qr/Relations: \(public.f_tsdb f\) INNER JOIN/);
	both("$round, aggregate push-down",
		'SELECT device, count(*), sum(n), min(ts) FROM f_AM GROUP BY device ORDER BY device COLLATE "C"',
		qr/Relations: Aggregate/);
	both("$round, LIMIT, FOR UPDATE", 'SELECT id, twice FROM f_AM ORDER BY ts DESC, id LIMIT 5 FOR UPDATE');
	both("$round, direct update",
		"UPDATE g_AM SET v = v + 1, device = 'd7' WHERE id % 13 = 4", qr/Foreign Update on public.g_tsdb/);
	both("$round, update by ctid",
		'UPDATE f_AM SET n = n + length(current_setting($$application_name$$)) + random()::int * 0 WHERE id % 17 = 3 AND random() >= 0 RETURNING id, n',
		qr/Remote SQL: UPDATE .* WHERE ctid = /);
	both("$round, update from a join",
		"UPDATE f_AM f SET n = -1 FROM fd_AM d WHERE f.device = d.device AND d.place = 'place 1' AND f.id % 9 = 2");
	both("$round, direct delete", 'DELETE FROM g_AM WHERE id % 19 = 5 RETURNING id, tags, list',
		qr/Foreign Delete on public.g_tsdb/);
	both("$round, delete by ctid", 'DELETE FROM f_AM WHERE id % 23 = 5 AND random() >= 0',
		qr/Remote SQL: DELETE .* WHERE ctid = /);
	both("$round, batch insert",
		"INSERT INTO f_AM (ts, id, device, v, n) SELECT '2024-02-01 00:00+00', 100000 + coalesce((SELECT max(id) FROM f_AM), 0) + i, 'd1', i, i
		FROM generate_series(1, 450) i", qr/Batch Size: 100/);
	both("$round, ON CONFLICT DO NOTHING",
		"INSERT INTO f_AM (ts, id, device) SELECT '2024-02-01 00:00+00', i, 'd2' FROM generate_series(1, 30) i ON CONFLICT DO NOTHING");
	both("$round, duplicate", "INSERT INTO f_AM (ts, id) SELECT ts, id FROM f_AM WHERE id = 1");
	both("$round, roll-back", 'BEGIN; SAVEPOINT a; DELETE FROM f_AM; ROLLBACK TO a; UPDATE f_AM SET n = 3 WHERE id = 2; COMMIT');
	both("$round, TRUNCATE rolled back", 'BEGIN; TRUNCATE f_AM; SELECT count(*) FROM f_AM; ROLLBACK');
	both("$round, dblink",
		"SELECT * FROM dblink('host=$host port=$port dbname=postgres', 'SELECT id, v, tags FROM r_AM ORDER BY id LIMIT 50') AS t(id int, v float8, tags jsonb)");
	both("$round, dblink_exec",
		"DO \$\$ BEGIN PERFORM dblink_exec('host=$host port=$port dbname=postgres', 'UPDATE r_AM SET n = 9 WHERE id % 29 = 1'); END \$\$");
	tsdb_compact($node, 'r_tsdb');
}

# ANALYZE of a foreign table samples and counts the chunks' rows
$node->safe_psql('postgres', 'ANALYZE f_tsdb; ANALYZE f_heap');
is( $node->safe_psql('postgres', q(SELECT reltuples FROM pg_class WHERE relname = 'f_tsdb')),
	$node->safe_psql('postgres', q(SELECT count(*) FROM r_tsdb)),
	'ANALYZE of a foreign table');
my $stats = q(SELECT attname, null_frac, n_distinct, histogram_bounds IS NULL FROM pg_stats WHERE tablename = 'f_AM' ORDER BY 1);
is( $node->safe_psql('postgres', $stats =~ s/AM/tsdb/r),
	$node->safe_psql('postgres', $stats =~ s/AM/heap/r),
	'... gives the statistics of heap');
$node->safe_psql('postgres', 'CREATE SCHEMA imported; IMPORT FOREIGN SCHEMA public FROM SERVER loop INTO imported');
is($node->safe_psql('postgres', 'SELECT count(*) FROM imported.r_tsdb'),
	$node->safe_psql('postgres', 'SELECT count(*) FROM r_tsdb'), 'IMPORT FOREIGN SCHEMA');
is( $node->safe_psql('postgres', q(SELECT count(*) FROM pg_class WHERE relnamespace = 'imported'::regnamespace AND relname LIKE 'tsdb%')),
	'0', '... knows nothing of internal relations');

# COPY both ways in every format
my $dir = PostgreSQL::Test::Utils::tempdir;
my $columns = 'ts, id, device, v, n, tags, raw, list';
my $all = q(SELECT count(*), sum(hashtextextended(x::text, 0)::numeric) FROM %s x);
foreach my $format (
	'FORMAT text',
	q(FORMAT text, DELIMITER '|', NULL '', HEADER true),
	'FORMAT csv',
	q(FORMAT csv, HEADER, QUOTE '''', ESCAPE '/', DELIMITER ';', FORCE_QUOTE *),
	'FORMAT binary')
{
	my @files = map { "$dir/$_" } qw(tsdb heap);
	my $from = $format =~ s/, FORCE_QUOTE.*//r;
	my $sorted = "SELECT $columns FROM r_%s ORDER BY id";
	$node->safe_psql('postgres',
			sprintf("COPY ($sorted) TO '%s' WITH ($format);", 'tsdb', $files[0])
		  . sprintf("COPY ($sorted) TO '%s' WITH ($format)", 'heap', $files[1]));
	ok(slurp_file($files[0]) eq slurp_file($files[1]), "COPY TO, $format: the bytes of heap");
	$node->safe_psql(
		'postgres', qq(
DROP TABLE IF EXISTS c;
BEGIN;
CREATE TABLE c (LIKE r_tsdb INCLUDING ALL) USING tsdb;
COPY c ($columns) FROM '$files[0]' WITH ($from);
COMMIT;
SELECT tsdb.compact('c');
TRUNCATE c;
COPY r_tsdb ($columns) TO '$dir/table' WITH ($format);
COPY c ($columns) FROM '$dir/table' WITH ($from);
));
	my $wanted = $node->safe_psql('postgres', sprintf($all, 'r_heap'));
	is($node->safe_psql('postgres', sprintf($all, 'c')), $wanted, "COPY FROM, $format");
	tsdb_compact($node, 'c');
	is($node->safe_psql('postgres', sprintf($all, 'c')), $wanted, "COPY FROM, $format, compacted");
	my ($code, $out, $err) = $node->psql('postgres', "COPY c ($columns) FROM '$files[0]' WITH ($from)");
	like($err, qr/duplicate key value/, "COPY FROM, $format: duplicates are refused");
	is($node->safe_psql('postgres', sprintf($all, 'c')), $wanted, '... and leave nothing');
}

# COPY FREEZE, WHERE, by psql's \copy and into partitions
$node->safe_psql(
	'postgres', qq(
COPY r_tsdb ($columns) TO '$dir/rows';
BEGIN; TRUNCATE c; COPY c ($columns) FROM '$dir/rows' WITH (FREEZE); COMMIT;
));
is($node->safe_psql('postgres', sprintf($all, 'c')), $node->safe_psql('postgres', sprintf($all, 'r_heap')), 'COPY FREEZE');
tsdb_compact($node, 'c');
is($node->safe_psql('postgres', sprintf($all, 'c')),
	$node->safe_psql('postgres', sprintf($all, 'r_heap')), 'COPY FREEZE, compacted');
$node->safe_psql(
	'postgres', qq(
TRUNCATE c;
\\copy c ($columns) from '$dir/rows' where id % 2 = 0
));
is( $node->safe_psql('postgres', sprintf($all, 'c')),
	$node->safe_psql('postgres', sprintf($all, 'r_heap') . ' WHERE id % 2 = 0'),
	'\copy with WHERE');
$node->stop;
done_testing();
