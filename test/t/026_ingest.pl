
# tsdb.ingest: what it writes is what INSERT writes, in every form and durability, inside and outside of
# transaction blocks; its errors; many clients; locks and changes of the table while rows wait.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use TsdbNode;
use TsdbClients;

plan skip_all => 'the stand-in has no tsdb.ingest' if tsdb_stand_in();

my $node = tsdb_node('main', allows_streaming => 1);
$node->append_conf('postgresql.conf', "log_error_verbosity = verbose\ntsdb.ingest_flush_interval = 100ms\n"
	  . "tsdb.worker_idle_timeout = 1min");	# on a slow machine too, no database loses its rings, and what they counted, to another
tsdb_start($node);
my $dir = PostgreSQL::Test::Utils::tempdir;

sub sql { return $node->safe_psql('postgres', $_[0]); }

# The SQLSTATE of a statement's error, with the message, or an empty string.
sub error
{
	my ($sql, $on) = @_;
	my ($code, $out, $err) = ($on // $node)->psql('postgres', "\\set VERBOSITY verbose\n$sql");
	return $err =~ /(?:ERROR|FATAL):  (.*)/ ? $1 : $code == 0 ? '' : $err;
}

# Settings of an interval that keeps asynchronous rows waiting, and of one that does not.
sub keep_waiting
{
	sql("ALTER SYSTEM SET tsdb.ingest_flush_interval = '$_[0]'");
	sql('SELECT pg_reload_conf()');
	my $shown = $_[0];
	$node->poll_query_until('postgres', "SELECT current_setting('tsdb.ingest_flush_interval') = '$shown'") or die;
	return;
}

# Differences of m and its twin on heap, both ways.
sub differences
{
	my ($m, $h) = @_;
	return sql("SELECT string_agg(x, E'\\n') FROM ((SELECT 'too much: ' || t::text AS x FROM $m t EXCEPT ALL SELECT 'too much: ' || t::text FROM $h t)
		UNION ALL (SELECT 'missing: ' || t::text FROM $h t EXCEPT ALL SELECT 'missing: ' || t::text FROM $m t)) d");
}

#
# Forms
#

sql(q(
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE m (gone1 int, ts timestamptz NOT NULL, device text DEFAULT 'none', id int8, v float8 DEFAULT 1.5,
	n numeric(10, 2), short varchar(5), gone2 text DEFAULT 'x', d date DEFAULT '2024-02-29', tags jsonb, many int[],
	small int2, flag bool DEFAULT true, c char(4), r float4, b bytea, u uuid, feel mood, p pair, pos positive DEFAULT 1,
	during tstzrange, pt point, i interval, CHECK (id <> -666)) USING tsdb;
ALTER TABLE m DROP COLUMN gone1, DROP COLUMN gone2;
ALTER TABLE m ADD COLUMN late text DEFAULT 'late', ADD COLUMN net inet;
SELECT tsdb.set_key('m', 'ts', '{device}');
CREATE TABLE h (LIKE m INCLUDING ALL) USING heap;
CREATE TABLE wide_source (id int8, t text, compressed text) USING heap;
ALTER TABLE wide_source ALTER t SET STORAGE external;
INSERT INTO wide_source SELECT i, (SELECT string_agg(md5(i || ' ' || j), '') FROM generate_series(1, 100 * i) j), repeat('wide', 1000 * i)
	FROM generate_series(1, 5) i;
CREATE TABLE kept (whole m) USING heap;
INSERT INTO kept SELECT jsonb_populate_record(NULL::m, '{"ts": "2024-01-01 00:00+00", "device": "kept", "id": 4, "many": [[1, 2], [3, null]], "net": "::1", "late": "now"}');
CREATE FUNCTION ingest_one(text, anyelement) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN tsdb.ingest($1::regclass, $2); END $$;
));

my $ts = q(timestamptz '2024-03-31 01:59:59.999999+01');

# pairs: what follows SELECT for tsdb, and the INSERT that says the same
my @forms = (
	[ "tsdb.ingest('m', ROW($ts))", "INSERT INTO h VALUES ($ts)" ],
	[ "tsdb.ingest('m', ROW($ts, 'a', 1, 2.5, 3.456, 'short'))", "INSERT INTO h VALUES ($ts, 'a', 1, 2.5, 3.456, 'short')" ],
	[ "tsdb.ingest('m', ROW('2024-03-31 01:59:59+01', NULL, '7', NULL, '1.239', NULL, '2024-02-03', '{\"a\": 1}', '{1,2}', '5', 't'))",
		"INSERT INTO h VALUES ('2024-03-31 01:59:59+01', NULL, '7', NULL, '1.239', NULL, '2024-02-03', '{\"a\": 1}', '{1,2}', '5', 't')" ],
	[ "tsdb.ingest('m', ROW($ts, 'b'::varchar, 2::int2, '-0'::float8))", "INSERT INTO h VALUES ($ts, 'b', 2, '-0')" ],
	[ "tsdb.ingest('m', ROW($ts, NULL, NULL, 'NaN'::float8, 'NaN'::numeric, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'Infinity'::float4))",
		"INSERT INTO h VALUES ($ts, NULL, NULL, 'NaN', 'NaN', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'Infinity')" ],
	[ "tsdb.ingest('m', ROW(timestamptz 'infinity', 'c', 3, '-Infinity'::float8))", "INSERT INTO h VALUES ('infinity', 'c', 3, '-Infinity')" ],
	[ "tsdb.ingest('m', ROW(timestamptz '-infinity', '', -9223372036854775808, 5e-324::float8, 12345678.99))",
		"INSERT INTO h VALUES ('-infinity', '', -9223372036854775808, 5e-324, 12345678.99)" ],
	[ "tsdb.ingest('m', ROW($ts, 'd', 4, 1, 1, 'x', date '2020-01-01', '{\"a\": [1, null]}'::jsonb, '{1,NULL,3}'::int[], 32767::int2, false,
		'ab'::bpchar, 1e-20::float4, '\\xdeadbeef'::bytea, '00000000-0000-0000-0000-000000000001'::uuid, 'happy'::mood, ROW(1, 'y')::pair,
		7, '[2024-01-01,2024-01-02)'::tstzrange, point(1, 2), interval '1 mon -1 day', 'not late', '10.0.0.1/8'::inet))",
		"INSERT INTO h VALUES ($ts, 'd', 4, 1, 1, 'x', '2020-01-01', '{\"a\": [1, null]}', '{1,NULL,3}', 32767, false,
		'ab', 1e-20, '\\xdeadbeef', '00000000-0000-0000-0000-000000000001', 'happy', ROW(1, 'y'),
		7, '[2024-01-01,2024-01-02)', point(1, 2), '1 mon -1 day', 'not late', '10.0.0.1/8')" ],
	# a row of the table's own type, of which dropped columns are part
	[ "tsdb.ingest('m', whole) FROM kept", "INSERT INTO h SELECT (whole).* FROM kept" ],
	[ "tsdb.ingest('m', jsonb_populate_record(NULL::m, '{\"ts\": \"2024-01-01 00:00+00\", \"p\": {\"a\": 3}}'))",
		"INSERT INTO h SELECT * FROM jsonb_populate_record(NULL::m, '{\"ts\": \"2024-01-01 00:00+00\", \"p\": {\"a\": 3}}')" ],
	# jsonb, json, text, a literal
	[ "tsdb.ingest('m', jsonb '{\"ts\": \"2024-01-01 00:00+00\", \"id\": 5, \"v\": 1e300, \"n\": 1.005, \"tags\": {\"x\": null}, \"many\": [1, 2]}')",
		"INSERT INTO h (ts, id, v, n, tags, many) VALUES ('2024-01-01 00:00+00', 5, 1e300, 1.005, '{\"x\": null}', '{1,2}')" ],
	[ "tsdb.ingest('m', json '{\"flag\": false, \"ts\": \"2024-01-01 00:00+00\", \"device\": null, \"p\": {\"a\": 1, \"b\": \"q\"}, \"feel\": \"sad\"}')",
		"INSERT INTO h (ts, device, flag, p, feel) VALUES ('2024-01-01 00:00+00', NULL, false, ROW(1, 'q'), 'sad')" ],
	[ "tsdb.ingest('m', '{\"ts\": \"2024-01-01 00:00+00\", \"device\": \"\\u00e9 \\\" \\\\ \", \"v\": \"NaN\", \"b\": \"\\\\x00ff\"}')",
		"INSERT INTO h (ts, device, v, b) VALUES ('2024-01-01 00:00+00', E'\\u00e9 \" \\\\ ', 'NaN', '\\x00ff')" ],
	[ "tsdb.ingest('m', '[{\"ts\": \"2024-01-01 00:00+00\", \"id\": 6}, {\"ts\": \"2024-01-02 00:00+00\", \"v\": 2}]'::text)",
		"INSERT INTO h (ts, id, v) VALUES ('2024-01-01 00:00+00', 6, default), ('2024-01-02 00:00+00', default, 2)" ],
	[ "tsdb.ingest('m', '[]')", "INSERT INTO h SELECT * FROM h WHERE false" ],
	# arrays
	[ "tsdb.ingest('m', ARRAY[$ts, $ts], ARRAY['e', NULL], ARRAY[7, 8], ARRAY[0.1, 'NaN']::float8[])",
		"INSERT INTO h VALUES ($ts, 'e', 7, 0.1), ($ts, NULL, 8, 'NaN')" ],
	[ "tsdb.ingest('m', ARRAY[$ts, $ts], NULL::text[], ARRAY[7, 8]::int2[], NULL::float8[], ARRAY[1.239, 2])",
		"INSERT INTO h VALUES ($ts, default, 7, default, 1.239), ($ts, default, 8, default, 2)" ],
	[ "tsdb.ingest('m', '{}'::timestamptz[])", "INSERT INTO h SELECT * FROM h WHERE false" ],
	[ "tsdb.ingest('m', array_agg($ts + i * interval '1 s' ORDER BY i), array_agg('d' || i % 7 ORDER BY i), array_agg(i ORDER BY i), "
		  . "array_agg(i / 3.0::float8 ORDER BY i)) FROM generate_series(1000, 1999) i",
		"INSERT INTO h (ts, device, id, v) SELECT $ts + i * interval '1 s', 'd' || i % 7, i, i / 3.0::float8 FROM generate_series(1000, 1999) i" ],
	# several calls in a statement, values from elsewhere
	[ "sum(tsdb.ingest('m', ROW($ts, 'f', i, i))) FROM generate_series(1, 300) i", "INSERT INTO h SELECT $ts, 'f', i, i FROM generate_series(1, 300) i" ],
	[ "tsdb.ingest('m', ROW($ts, t, id, 1, 1, 'wide')) FROM wide_source", "INSERT INTO h SELECT $ts, t, id, 1, 1, 'wide' FROM wide_source" ],
	[ "tsdb.ingest('m', ROW($ts, compressed, id)) FROM wide_source", "INSERT INTO h SELECT $ts, compressed, id FROM wide_source" ],
	[ "tsdb.ingest('m', ROW($ts, repeat(md5(i::text), 100000), i)) FROM generate_series(1, 2) i",
		"INSERT INTO h SELECT $ts, repeat(md5(i::text), 100000), i FROM generate_series(1, 2) i" ],
	[ "count(tsdb.ingest('m', ROW($ts + i * interval '1 s', 'g' || i % 50, i, i))) FROM generate_series(1, 30000) i",
		"INSERT INTO h SELECT $ts + i * interval '1 s', 'g' || i % 50, i, i FROM generate_series(1, 30000) i" ],
	[ "ingest_one('m', ROW($ts, 'function')::record)", "INSERT INTO h VALUES ($ts, 'function')" ],);

foreach my $way (
	[ 'commit', "SET tsdb.ingest_durability = commit; SELECT %s;" ],
	[ 'async', "SET tsdb.ingest_durability = async; SELECT %s;" ],
	[ 'a transaction block', 'BEGIN; SELECT %s; COMMIT;' ],
	[ 'a subtransaction', 'BEGIN; SAVEPOINT a; SELECT %s; RELEASE a; COMMIT;' ],
	[ 'serializable', "SET default_transaction_isolation = serializable; SELECT %s;" ],)
{
	my ($name, $pattern) = @$way;
	my $before = sql("SELECT rows_pushed, rows_direct FROM tsdb.stat_ingest_tables WHERE relid = 'm'::regclass");
	my @statements;

	foreach my $form (@forms)
	{
		push @statements, sprintf($pattern, $form->[0]);
	}
	# one session each, so that a statement's error does not hide the others'
	my ($code, $out, $err) = $node->psql('postgres', join("\n", @statements), on_error_stop => 0);
	is($err, '', "$name: no form is refused");
	sql('SELECT tsdb.ingest_flush()');
	sql(join ";\n", map { $_->[1] } @forms);
	is(differences('m', 'h'), '', "$name: the rows are those of INSERT");
	is(sql('SELECT count(*) FROM tsdb.dead_letters'), 0, "$name: no dead letters");
	my $after = sql("SELECT rows_pushed, rows_direct FROM tsdb.stat_ingest_tables WHERE relid = 'm'::regclass");
	my ($pushed, $direct) = map { (split /\|/, $after)[$_] - ((split /\|/, $before)[$_] // 0) } 0, 1;
	if ($name =~ /^(commit|async)$/)
	{
		cmp_ok($pushed, '>', 1300, "$name: rows go through the ring");
	}
	else
	{
		is($pushed, 0, "$name: no row goes through the ring");
		cmp_ok($direct, '>', 30000, "$name: the caller writes them");
	}
	sql('TRUNCATE m; TRUNCATE h');
}
ingest_idle($node, 'all forms');

is(sql("SELECT tsdb.ingest('m', ROW($ts)), tsdb.ingest('m', ARRAY[$ts, $ts]), tsdb.ingest('m', '[]')"), '1|2|0', 'it returns the number of rows');
is(sql('SELECT count(*) FROM m'), 3, 'and they are there');
sql('TRUNCATE m');

#
# Errors. Every one of them leaves nothing, also of the rows before.
#

sql(q(
CREATE TABLE heap_table (ts timestamptz) USING heap;
CREATE VIEW a_view AS SELECT * FROM m;
CREATE ROLE writer; CREATE ROLE reader; CREATE ROLE partial;
CREATE TABLE chunked (ts timestamptz) USING tsdb; INSERT INTO chunked SELECT now() FROM generate_series(1, 2000); SELECT tsdb.compact('chunked');
GRANT INSERT ON m TO writer; GRANT SELECT ON m TO reader; GRANT INSERT (ts, device) ON m TO partial;
));
my $good = "tsdb.ingest('m', ROW($ts, 'good', 1)), tsdb.ingest('m', ARRAY[$ts, $ts])";
my %errors = (
	"tsdb.ingest('m', '{\"ts\": \"2024-01-01\", \"nosuch\": 1}')" => qr/^42703: .*nosuch/,
	"tsdb.ingest('m', '{\"ts\": \"2024-01-01\", \"gone1\": 1}')" => qr/^42703: .*gone1/,
	"tsdb.ingest('m', '{\"ts\": \"2024-01-01\", \"........pg.dropped.1........\": 1}')" => qr/^42703: /,
	"tsdb.ingest('m', '{\"ts\": \"2024-01-01\", \"xmin\": 1}')" => qr/^(42703|0A000): /,
	"tsdb.ingest('m', '{\"ts\": ')" => qr/^22P02: /,
	"tsdb.ingest('m', '3')" => qr/^22\w{3}: /,
	"tsdb.ingest('m', '[3]')" => qr/^22\w{3}: /,
	"tsdb.ingest('m', '{\"ts\": \"yesterdy\"}')" => qr/^22007: /,
	"tsdb.ingest('m', '{\"ts\": \"2024-01-01\", \"small\": 40000}')" => qr/^22003: /,
	"tsdb.ingest('m', '{\"ts\": \"2024-01-01\", \"feel\": \"glad\"}')" => qr/^22P02: /,
	"tsdb.ingest('m', ARRAY[$ts, $ts], ARRAY['a'])" => qr/^2202E: /,
	"tsdb.ingest('m', ARRAY[$ts], ARRAY['a', 'b'])" => qr/^2202E: /,
	"tsdb.ingest('m', ROW($ts, 'a', 1, 1, 1, 'too long for it'))" => qr/^22001: /,
	"tsdb.ingest('m', ROW($ts, 'a', 1, 1, 1e9))" => qr/^22003: /,
	"tsdb.ingest('m', ARRAY[$ts, NULL])" => qr/^23502: /,
	"tsdb.ingest('m', ROW(NULL::timestamptz, 'a'))" => qr/^23502: /,
	"tsdb.ingest('m', '{}')" => qr/^23502: /,
	"tsdb.ingest('m', ROW($ts, 'a', -666))" => qr/^23514: .*m_id_check/,
	"tsdb.ingest('m', '{\"ts\": \"2024-01-01\", \"pos\": -1}')" => qr/^23514: /,
	"tsdb.ingest('m', ROW($ts, 'a', now()))" => qr/^42804: /,
	"tsdb.ingest('m', ARRAY[1, 2])" => qr/^42804: /,
	"tsdb.ingest('m', ROW($ts, " . join(', ', ('NULL') x 25) . '))' => qr/^42\w{3}: /,
	"tsdb.ingest('m', " . join(', ', ("ARRAY[$ts]") x 30) . ')' => qr/^42\w{3}: /,
	"tsdb.ingest('m')" => qr/^42\w{3}: /,
	"tsdb.ingest('m', 7)" => qr/^42\w{3}: /,
	"tsdb.ingest('heap_table', ROW($ts))" => qr/^42809: .*heap_table/,
	"tsdb.ingest('a_view', ROW($ts))" => qr/^42809: /,
	"tsdb.ingest('pg_class', ROW($ts))" => qr/^42\w{3}: /,
	"tsdb.ingest('_tsdb.' || (SELECT relname FROM pg_class WHERE relnamespace = '_tsdb'::regnamespace AND relkind = 'r' LIMIT 1), ROW($ts))" => qr/^42\w{3}: /,
	"tsdb.ingest('nosuch', ROW($ts))" => qr/^42P01: /,
	"tsdb.ingest(1::regclass, ROW($ts))" => qr/^42\w{3}: /,
	"tsdb.ingest('m', ROW($ts)), 1 / (SELECT 0)" => qr/^22012: /,
	"tsdb.ingest('m', ROW($ts)) / (i - 300) FROM generate_series(1, 300) i" => qr/^22012: /,);

foreach my $durability ('commit', 'async')
{
	foreach my $call (sort keys %errors)
	{
		my $from = $call =~ s/( FROM generate_series.*)// ? $1 : '';
		like(error("SET tsdb.ingest_durability = $durability; SELECT $good, $call$from;"), $errors{ $call . $from }, "$durability: error of $call");
	}
	foreach my $call (
		[ reader => "tsdb.ingest('m', ROW($ts))" ],
		[ partial => "tsdb.ingest('m', '{\"ts\": \"2024-01-01\", \"id\": 1}')" ],
		[ partial => "tsdb.ingest('m', ROW($ts, 'a', 1))" ],
		[ partial => "tsdb.ingest('m', ARRAY[$ts], ARRAY['a'], ARRAY[1])" ])
	{
		like(error("SET tsdb.ingest_durability = $durability; SET ROLE $call->[0]; SELECT $call->[1]"), qr/^42501: /,
			"$durability: $call->[0] may not");
	}
	like(error("SET tsdb.ingest_durability = $durability; BEGIN READ ONLY; SELECT $good"), qr/^25006: /, 'not in a read-only transaction');
	like(error("SET tsdb.ingest_durability = $durability; SET default_transaction_read_only = on; SELECT $good"), qr/^25006: /, 'nor in a statement');
}
like(error('BEGIN; SELECT tsdb.ingest_flush()'), qr/^25001: /, 'no flush inside of a transaction block');
like(error("SELECT tsdb.ingest_flush('heap_table')"), qr/^42809: |^$/, 'flush of a heap table');
sql('SELECT tsdb.ingest_flush()');
is(sql('SELECT (SELECT count(*) FROM m), (SELECT count(*) FROM tsdb.dead_letters)'), '0|0', 'statements that fail ingest nothing');
ingest_idle($node, 'errors');

# what somebody who may not read may do
sql("SET ROLE writer; SELECT $good; SET tsdb.ingest_durability = async; SELECT $good; SELECT tsdb.ingest_flush('m')");
sql("SET ROLE partial; SELECT tsdb.ingest('m', '{\"ts\": \"2024-01-01\", \"device\": \"partial\"}'), tsdb.ingest('m', ARRAY[$ts], ARRAY['partial'])");
is(sql("SELECT count(*), count(*) FILTER (WHERE device = 'good'), count(*) FILTER (WHERE device = 'partial') FROM m"), '8|2|2', 'INSERT is the privilege that is needed');
sql('TRUNCATE m');

#
# Transactions
#

sub count_m { return sql('SELECT count(*) FROM m'); }

is(sql("BEGIN; SELECT tsdb.ingest('m', ROW($ts)); SELECT count(*) FROM m; ROLLBACK; SELECT count(*) FROM m"), "1\n1\n0",
	'a transaction sees its rows, and takes them back');
sql(qq(
SET tsdb.ingest_durability = async;
BEGIN;
SELECT tsdb.ingest('m', ROW($ts, 'kept', 1));
SAVEPOINT a; SELECT tsdb.ingest('m', ROW($ts, 'lost', 2)); ROLLBACK TO a;
SAVEPOINT b; SELECT tsdb.ingest('m', ARRAY[$ts, $ts], ARRAY['kept', 'kept'], ARRAY[3, 4]); RELEASE b;
COMMIT;
DO \$\$ BEGIN
	PERFORM tsdb.ingest('m', ROW($ts, 'kept', 5));
	BEGIN
		PERFORM tsdb.ingest('m', ROW($ts, 'lost', 6));
		RAISE 'no';
	EXCEPTION WHEN raise_exception THEN
		PERFORM tsdb.ingest('m', ROW($ts, 'kept', 7));
	END;
	COMMIT;
	PERFORM tsdb.ingest('m', ROW($ts, 'lost', 8));
	ROLLBACK;
	PERFORM tsdb.ingest('m', ROW($ts, 'kept', 9));
END \$\$;
SELECT tsdb.ingest_flush();
));
is(sql('SELECT string_agg(device || id, NULL ORDER BY id) FROM m'), 'kept1kept3kept4kept5kept7kept9', 'subtransactions, and transactions of a DO block');
$node->psql('postgres', qq(DO \$\$ BEGIN PERFORM tsdb.ingest('m', ROW($ts, 'lost', 10)); PERFORM 1 / 0; END \$\$));
is(count_m(), 6, 'a DO block that fails');

# DDL in the same statement
is(error("DO \$\$ BEGIN EXECUTE 'CREATE TABLE w (ts timestamptz) USING tsdb'; PERFORM tsdb.ingest('w', ROW($ts)); END \$\$"), '', 'a table that the statement has made');
is(error("DO \$\$ BEGIN PERFORM tsdb.ingest('w', ROW($ts)); EXECUTE 'ALTER TABLE w ADD COLUMN id int DEFAULT 5'; PERFORM tsdb.ingest('w', ROW($ts, 6)); END \$\$"), '', 'one that it alters');
is(sql('SELECT count(*), sum(id) FROM w'), '3|16', 'the rows are there');
is(error("DO \$\$ BEGIN PERFORM tsdb.ingest('w', ROW($ts)); EXECUTE 'DROP TABLE w'; END \$\$"), '', 'one that it drops');

# rows are not gathered without end
is(sql("SELECT sum(tsdb.ingest('m', ROW($ts + i * interval '1 s', 'many' || i % 5, i, i))) FROM generate_series(1, 100000) i"), 100000, 'many rows of one statement');
is(sql("SELECT count(*), sum(id), min(v), max(v) FROM m WHERE device LIKE 'many%'"), '100000|5000050000|1|100000', 'are all there');
$node->psql('postgres', "SELECT sum(tsdb.ingest('m', ROW($ts, 'fails', 1 / (50001 - i)))) FROM generate_series(1, 100000) i");
is(sql("SELECT count(*) FROM m WHERE device = 'fails'"), 0, 'or none of them');
sql("DELETE FROM m WHERE device LIKE 'many%'");

# a statement that has changed something else, or sends a notification, is one transaction with its rows
sql(qq(
CREATE TABLE other (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED) USING heap;
WITH i AS (INSERT INTO other VALUES (1) RETURNING id) SELECT tsdb.ingest('m', ROW($ts, 'kept', id + 10)) FROM i;
SELECT pg_notify('a', 'b'), tsdb.ingest('m', ROW($ts, 'kept', 12));
));
like(error("WITH i AS (INSERT INTO other VALUES (1) RETURNING id) SELECT tsdb.ingest('m', ROW($ts, 'lost', id + 20)) FROM i"), qr/^23505/,
	'a deferred constraint fails at the end');
is(count_m(), 8, 'a statement is one transaction with its rows');

# several statements sent at once are one transaction
my @psql = ('psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('postgres'));
foreach my $durability ('commit', 'async')
{
	IPC::Run::run([ @psql, '-c', "SET tsdb.ingest_durability = $durability", '-c', "SELECT tsdb.ingest('m', ROW($ts, 'lost', 30)); SELECT 1 / 0" ],
		'>', \my $out, '2>', \my $err);
	IPC::Run::run([ @psql, '-c', "SET tsdb.ingest_durability = $durability", '-c', "SELECT tsdb.ingest('m', ROW($ts, 'kept', 31)); SELECT 1; SELECT tsdb.ingest('m', ROW($ts, 'kept', 32))" ],
		'>', \$out, '2>', \$err);
	is($err, '', "$durability: several statements at once");
	sql('SELECT tsdb.ingest_flush()');
	is(sql("SELECT count(*), count(*) FILTER (WHERE device = 'lost') FROM m"), $durability eq 'commit' ? '10|0' : '12|0',
		"$durability: statements sent at once are one transaction");
}

# pipelines
sub pgbench
{
	my ($script, @options) = @_;
	my $file = "$dir/script.sql";
	open my $out, '>', $file or die $!;
	print $out $script;
	close $out;
	IPC::Run::run([ 'pgbench', '-n', '-f', $file, @options, '-d', $node->connstr('postgres') ], '<', '/dev/null', '>', \my $said, '2>', \my $err);
	diag($err) if $err =~ /ERROR/ && "@options" !~ /-d/;
	return ($said =~ /number of transactions actually processed: (\d+)/ ? $1 : 0, $err);
}

sql('TRUNCATE m');
foreach my $durability ('commit', 'async')
{
	my $pipeline = "SET tsdb.ingest_durability = $durability;\n\\startpipeline\n"
	  . join('', map { "SELECT tsdb.ingest('m', ROW($ts, 'p', $_));\n" } 1 .. 20) . "\\endpipeline\n";
	my ($done, $err) = pgbench($pipeline, '-c', 4, '-j', 2, '-t', 10, '-M', 'extended');
	is($done, 40, "$durability: pipelines") or diag($err);
	sql('SELECT tsdb.ingest_flush()');
	is(sql('SELECT count(*), count(DISTINCT id) FROM m'), '800|20', "$durability: rows of pipelines");
	pgbench($pipeline =~ s/\\endpipeline/SELECT 1 \/ 0;\n\\endpipeline/r, '-c', 2, '-t', 5, '-M', 'prepared', '-d');
	sql('SELECT tsdb.ingest_flush()');
	is(count_m(), 800, "$durability: a pipeline that fails leaves nothing");
	sql('TRUNCATE m');
}

#
# Many clients
#

# what was acknowledged is seen by everybody at once
{
	my $writer = $node->background_psql('postgres');
	my $reader = $node->background_psql('postgres');
	my @seen;
	foreach my $id (1 .. 30)
	{
		$writer->query_safe("SELECT tsdb.ingest('m', ROW($ts, 'seen', $id));");
		push @seen, $reader->query_safe("SELECT count(*) FROM m WHERE id = $id;");
	}
	is(join('', @seen), '1' x 30, 'an acknowledged row is visible to others at once');
	$writer->query_safe('SET tsdb.ingest_durability = async;');
	@seen = ();
	foreach my $id (31 .. 40)
	{
		$writer->query_safe("SELECT tsdb.ingest('m', ROW($ts, 'seen', $id));");
		$reader->query_safe($id % 2 ? 'SELECT tsdb.ingest_flush();' : "SELECT tsdb.ingest_flush('m');");
		push @seen, $reader->query_safe("SELECT count(*) FROM m WHERE id = $id;");
	}
	is(join('', @seen), '1' x 10, 'an asynchronous one is after a flush');
	$writer->query_safe("SELECT tsdb.ingest('m', ROW($ts, 'seen', 41));");
	ok($node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM m WHERE id = 41'), 'and without one after the interval');
	$_->quit foreach $writer, $reader;
}

# each id is sent by two of four clients: one of them gets the error, and nobody else
sql('CREATE TABLE q (ts timestamptz, device text, id int8 UNIQUE, v float8) USING tsdb');
foreach my $durability ('commit', 'async')
{
	my @clients = map {
		client_start($node, "unique$_",
			join('', map { "SELECT tsdb.ingest('q', ROW(clock_timestamp(), 'd' || $_ % 9, $_, 1)), $_;\n" } $_ < 3 ? (1 .. 250) : reverse(1 .. 250))
			  =~ s/, (\d+), 1\)/', ' . ($1 + 1000 * ($_ % 2)) . ', 1)'/ger,
			"SET tsdb.ingest_durability = $durability;")
	} 1 .. 4;
	my @said = map { +{ client_finish($_) } } @clients;
	sql('SELECT tsdb.ingest_flush()');
	my $done = 0;
	$done += $_->{rows} foreach @said;
	is(sql('SELECT count(*), count(DISTINCT id) FROM q'), '500|500', "$durability: every id is there once");
	if ($durability eq 'commit')
	{
		my $errors = 0;
		$errors += $_->{errors}{23505} // 0 foreach @said;
		is("$done $errors", '500 500', 'commit: the client with the duplicate gets the error, the other one none');
	}
	else
	{
		is($done, 1000, 'async: no client gets an error');
		is(sql(q(SELECT count(*), count(DISTINCT "row"->>'id'), min(sqlstate), max(sqlstate), min(table_name), bool_and("table" = 'q'::regclass),
				bool_and(message ~ 'duplicate key.*q_id_key' AND detail ~ 'Key [(]id[)]=' AND at > now() - interval '1 h' AND "row" ? 'ts'), min(sent_by)
				FROM tsdb.dead_letters)), '500|500|23505|23505|public.q|t|t|10', 'async: duplicates are in the dead letters')
		  or diag(sql('SELECT * FROM tsdb.dead_letters LIMIT 3'));
	}
	sql('TRUNCATE q');
}

# dead letters are shown to nobody who may not see the row
is(sql('SET ROLE reader; SELECT count(*) FROM tsdb.dead_letters'), 0, 'dead letters are not for everybody')
  if sql("SELECT has_table_privilege('reader', 'tsdb.dead_letters', 'SELECT')") eq 't';
sql('TRUNCATE tsdb.dead_letters; TRUNCATE m');

#
# Locks
#

# waits for a condition on another session
sub wait_for
{
	my ($condition, $what) = @_;
	ok($node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM pg_stat_activity a WHERE $condition)"), $what);
	return;
}

sql('CREATE TABLE l (ts timestamptz, device text, id int8, v float8) USING tsdb');
my $locker = $node->background_psql('postgres');
my $waiter = $node->background_psql('postgres', on_error_stop => 0);
my $waiter_pid = $waiter->query_safe('SELECT pg_backend_pid();');

foreach my $mode ('ACCESS EXCLUSIVE', 'SHARE')
{
	foreach my $durability ('commit', 'async')
	{
		$waiter->{stderr} = '';
		$waiter->query_safe("SET tsdb.ingest_durability = $durability;");
		$locker->query_safe("BEGIN; LOCK l IN $mode MODE;");
		$waiter->query_until(qr/sent/, "\\echo sent\nSELECT tsdb.ingest('l', ROW($ts, 'lock', 1));\n\\echo finished\n");
		wait_for("pid = $waiter_pid AND wait_event_type = 'Lock'", "$mode, $durability: waits visibly");
		sql("SELECT pg_cancel_backend($waiter_pid)");
		$waiter->query_until(qr/finished/, '');
		$waiter->query_until(qr/sent/, "\\echo sent\nSELECT tsdb.ingest('l', ROW($ts, 'lock', 2));\n\\echo finished\n");
		wait_for("pid = $waiter_pid AND wait_event_type = 'Lock'", "$mode, $durability: waits again");
		$locker->query_safe('COMMIT;');
		$waiter->query_until(qr/finished/, '');
	}
}
sql('SELECT tsdb.ingest_flush()');
is(sql('SELECT string_agg(id::text, NULL ORDER BY id) FROM l'), '2222', 'what was cancelled is not there, what waited is');

# the drain meets locks: it hands rows back, or tries again, and waits for nobody
sql('TRUNCATE l');
$locker->query_safe('BEGIN; SELECT count(*) FROM l;');
$waiter->query_until(qr/sent/, "\\echo sent\nALTER TABLE l ADD COLUMN extra int DEFAULT 3;\n\\echo finished\n");
wait_for("pid = $waiter_pid AND wait_event_type = 'Lock'", 'ALTER TABLE waits for a reader');
{
	my @clients = map { client_start($node, "behind$_", client_statements('l', 1000 * $_, 20), 'SET lock_timeout = 0;') } 1 .. 3;
	wait_for("wait_event_type = 'Lock' AND query LIKE '%tsdb.ingest%' AND pid <> $waiter_pid", 'clients wait behind it');
	$locker->query_safe('COMMIT;');
	$waiter->query_until(qr/finished/, '');
	my @said = map { +{ client_finish($_) } } @clients;
	is(join('', map { $_->{stderr} } @said), '', 'clients get through in the end');
	is(client_check($node, 'l', \@said, others => 0), '', 'with all of their rows');
}

# ALTER TABLE and others all the time
sql('TRUNCATE l');
{
	my @clients = map { client_start($node, "ddl$_", client_statements('l', 100000 * $_, 400), $_ % 2 ? '' : 'SET tsdb.ingest_durability = async;') } 1 .. 4;
	my $rounds = 0;
	while (grep { client_running($_) } @clients)
	{
		sql('ALTER TABLE l ALTER COLUMN extra SET DEFAULT ' . ++$rounds);
		sql("BEGIN; LOCK l IN SHARE MODE; SELECT pg_sleep(0.05); COMMIT; SELECT tsdb.compact('l')");
		sql('BEGIN; LOCK l; SELECT pg_sleep(0.02); ROLLBACK; CREATE INDEX ON l (v); VACUUM l');
		sql("DO \$\$ BEGIN EXECUTE (SELECT string_agg(format('DROP INDEX %s', indexrelid::regclass), '; ') FROM pg_index WHERE indrelid = 'l'::regclass); END \$\$");
	}
	my @said = map { +{ client_finish($_) } } @clients;
	sql('SELECT tsdb.ingest_flush()');
	is(join('', map { $_->{stderr} } @said), '', "clients beside $rounds rounds of locks");
	is(client_check($node, 'l', \@said, others => 0), '', 'all of their rows are there once');
}
ingest_idle($node, 'locks');
$_->quit foreach $locker, $waiter;
# deadlocks would have been found by the server
unlike(slurp_file($node->logfile), qr/deadlock detected/, 'no deadlock');

#
# Changes of a table while asynchronous rows wait
#

keep_waiting('1h');
my $letters = q(SELECT coalesce(string_agg(sqlstate || ':' || ("row"->>'id'), ' ' ORDER BY ("row"->>'id')::int), '') FROM tsdb.dead_letters);

# sends three rows into a new table, changes it, flushes; the answer of a query, and the dead letters
sub changed
{
	my ($change, $query, $definition, $rows) = @_;
	$definition //= 'ts timestamptz NOT NULL, device text, id int, v float8';
	$rows //= join ', ', map { "tsdb.ingest('w', ROW($ts, 'd$_', $_, $_ / 2.0))" } 1 .. 3;
	sql("TRUNCATE tsdb.dead_letters; DROP TABLE IF EXISTS w; CREATE TABLE w ($definition) USING tsdb");
	sql("SET tsdb.ingest_durability = async; SELECT $rows");
	my $error = error($change);
	my $waits = sql('SELECT sum(rows_waiting) FROM tsdb.stat_ingest');
	my $flush = error('SELECT tsdb.ingest_flush()');
	my $result = sql($query);
	my $dead = sql($letters);
	return join ', ', grep { $_ ne '' } $error, ($flush ? "flush: $flush" : ''), $result, $dead;
}

is(changed('SELECT 1', 'SELECT sum(id) FROM w'), 6, 'no change');
is(changed('ALTER TABLE w DROP COLUMN v', "SELECT string_agg(device || id, '' ORDER BY id) FROM w"), 'd11d22d33', 'DROP COLUMN');
is(changed('ALTER TABLE w DROP COLUMN device', "SELECT string_agg(w::text, ' ' ORDER BY id) FROM (SELECT id, v FROM w) w"), '(1,0.5) (2,1) (3,1.5)', 'DROP COLUMN in the middle');
is(changed("ALTER TABLE w ADD COLUMN more int DEFAULT 7, ADD COLUMN none text", "SELECT string_agg(id || ' ' || more || (none IS NULL), ' ' ORDER BY id) FROM w"),
	'1 7true 2 7true 3 7true', 'ADD COLUMN');
is(changed('ALTER TABLE w DROP COLUMN v, ADD COLUMN v text DEFAULT \'new\'', "SELECT string_agg(id || v, ' ' ORDER BY id) FROM w"), '1new 2new 3new', 'another column of the same name');
is(changed('ALTER TABLE w ADD COLUMN more int NOT NULL', 'SELECT count(*) FROM w'), '0, 23502:1 23502:2 23502:3', 'ADD COLUMN NOT NULL without a default');
is(changed('ALTER TABLE w ALTER v TYPE numeric(10, 1), ALTER id TYPE bigint', "SELECT string_agg(id || ' ' || v, ' ' ORDER BY id) FROM w"),
	'1 0.5 2 1.0 3 1.5', 'ALTER TYPE');
is(changed('ALTER TABLE w ALTER device TYPE int USING 0', 'SELECT count(*) FROM w'), '0, 42804:1 42804:2 42804:3', 'ALTER TYPE to one that does not take the values');
is(changed('ALTER TABLE w ALTER id TYPE text', "SELECT string_agg(id, '' ORDER BY id) FROM w"), '123', 'ALTER TYPE to text');
is(changed('ALTER TABLE w RENAME id TO number; ALTER TABLE w RENAME TO w2; CREATE SCHEMA IF NOT EXISTS s; ALTER TABLE w2 SET SCHEMA s',
		'SELECT sum(number) FROM s.w2; DROP TABLE s.w2'), 6, 'other names, another schema');
is(changed('ALTER TABLE w ADD CHECK (id <> 2)', 'SELECT sum(id) FROM w'), '4, 23514:2', 'ADD CHECK');
is(changed('ALTER TABLE w ALTER v SET NOT NULL', 'SELECT sum(id) FROM w', undef, "tsdb.ingest('w', ROW($ts, 'a', 1)), tsdb.ingest('w', ROW($ts, 'a', 2, 2))"),
	'2, 23502:1', 'SET NOT NULL');
is(changed('CREATE UNIQUE INDEX ON w (v)', 'SELECT sum(id) FROM w', undef, "tsdb.ingest('w', ROW($ts, 'a', 1, 1)), tsdb.ingest('w', ROW($ts, 'a', 2, 1)), tsdb.ingest('w', ROW($ts, 'a', 3, 3))"),
	'4, 23505:2', 'CREATE UNIQUE INDEX');
is(changed('CREATE UNIQUE INDEX ON w USING tsdb_key (v)', 'SELECT sum(id) FROM w', undef, "tsdb.ingest('w', ROW($ts, 'a', 1, 1)), tsdb.ingest('w', ROW($ts, 'a', 2, 1)), tsdb.ingest('w', ROW($ts, 'a', 3, 3))"),
	'4, 23505:2', 'CREATE UNIQUE INDEX USING tsdb_key');
is(changed('ALTER TABLE w SET UNLOGGED', 'SELECT sum(id) FROM w'), 6, 'SET UNLOGGED');
is(changed('ALTER TABLE w SET ACCESS METHOD heap', 'SELECT sum(id) FROM w'), 6, 'SET ACCESS METHOD');
is(changed('VACUUM FULL w', 'SELECT sum(id) FROM w'), 6, 'VACUUM FULL');
is(changed('ALTER TABLE w ALTER device SET DEFAULT 5, ALTER v SET DEFAULT random()', 'SELECT sum(id) FROM w'), 6, 'SET DEFAULT');
is(changed('ALTER TABLE w ADD COLUMN rnd float8 DEFAULT random()', 'SELECT sum(id), bool_and(rnd BETWEEN 0 AND 1) FROM w'), '6|t', 'ADD COLUMN with a volatile default');
is(changed('ALTER TABLE w ADD COLUMN twice int GENERATED ALWAYS AS (id * 2) STORED', 'SELECT sum(id), sum(twice) FROM w'), '6|12', 'ADD COLUMN that is generated');
is(changed('ALTER TABLE w ADD COLUMN serial int GENERATED ALWAYS AS IDENTITY', 'SELECT sum(id), sum(serial) FROM w'), '6|6', 'ADD COLUMN that is an identity');
is(changed("CREATE TABLE parted (LIKE w) PARTITION BY RANGE (id); ALTER TABLE parted ATTACH PARTITION w FOR VALUES FROM (2) TO (9)", 'SELECT sum(id) FROM parted; ALTER TABLE parted DETACH PARTITION w; DROP TABLE parted'),
	'5, 23514:1', 'ATTACH PARTITION');
is(changed('CREATE TABLE ref (id int PRIMARY KEY); INSERT INTO ref VALUES (1), (2); ALTER TABLE w ADD FOREIGN KEY (id) REFERENCES ref', 'SELECT sum(id) FROM w'),
	'3, 23503:3', 'ADD FOREIGN KEY');
is(changed(q(CREATE TABLE seen (id int); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.seen VALUES (new.id); RETURN new; END $$;
	CREATE TRIGGER note AFTER INSERT ON w FOR EACH ROW EXECUTE FUNCTION note()), 'SELECT (SELECT sum(id) FROM w), (SELECT sum(id) FROM seen)'), '6|6', 'CREATE TRIGGER');
is(changed('CREATE RULE nothing AS ON INSERT TO w DO INSTEAD NOTHING', 'SELECT coalesce(sum(id), 6) FROM w'), 6, 'CREATE RULE');
is(changed('CREATE ROLE passing; GRANT INSERT ON w TO passing; DROP OWNED BY passing; DROP ROLE passing', 'SELECT sum(id) FROM w'), 6, 'DROP ROLE of another');
like(changed('TRUNCATE w', 'SELECT coalesce(sum(id), 0) FROM w'), qr/^[06]$/, 'TRUNCATE');
is(changed('DROP TABLE w', 'SELECT 1'), 1, 'DROP TABLE');
is(changed('ALTER TABLE w ADD COLUMN more int DEFAULT 7; VACUUM FULL w', "SELECT string_agg(id || ' ' || more, ' ' ORDER BY id) FROM w"), '1 7 2 7 3 7', 'ADD COLUMN, and a rewrite');
is(changed('ALTER TABLE w ADD UNIQUE (v) DEFERRABLE INITIALLY DEFERRED', 'SELECT sum(id) FROM w', undef, "tsdb.ingest('w', ROW($ts, 'a', 1, 1)), tsdb.ingest('w', ROW($ts, 'a', 2, 2))"),
	3, 'ADD UNIQUE that is deferred');
is(changed('ALTER TABLE w ADD UNIQUE (v) DEFERRABLE', 'SELECT sum(id) FROM w', undef, "tsdb.ingest('w', ROW($ts, 'a', 1, 1)), tsdb.ingest('w', ROW($ts, 'a', 2, 1)), tsdb.ingest('w', ROW($ts, 'a', 3, 3))"),
	'4, 23505:2', 'ADD UNIQUE that is deferrable, and a duplicate');
is(changed('ALTER TABLE w ALTER id SET NOT NULL, ALTER id ADD GENERATED ALWAYS AS IDENTITY (START 100)', 'SELECT sum(id) FROM w'), 6, 'a column becomes an identity');
is(changed('ALTER TABLE w ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', 'SELECT sum(id) FROM w'), 6, 'row security that comes later does not concern them');
is(changed('BEGIN; DROP TABLE w; ROLLBACK', 'SELECT sum(id) FROM w'), 6, 'DROP TABLE that is rolled back');
is(changed('DROP TABLE w; CREATE TABLE w (ts timestamptz, device text, id int, v float8) USING tsdb', 'SELECT count(*) FROM w'), 0, 'a new table of the same name');
ingest_idle($node, 'changes');
sql('TRUNCATE tsdb.dead_letters');

# tables that the ring does not serve: rows are those that INSERT writes
foreach my $kind (
	[ 'a generated column', 'id int, ts timestamptz, twice int GENERATED ALWAYS AS (id * 2) STORED', '' ],
	[ 'an identity column', 'id int, ts timestamptz, n int GENERATED BY DEFAULT AS IDENTITY', '' ],
	[ 'a serial column', 'id int, ts timestamptz, n serial', '' ],
	[ 'a foreign key', 'id int REFERENCES ref ON DELETE CASCADE, ts timestamptz', '' ],
	[ 'a BEFORE trigger', 'id int, ts timestamptz',
		'CREATE FUNCTION plus() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.id := new.id + 10; RETURN new; END $$; CREATE TRIGGER plus BEFORE INSERT ON x FOR EACH ROW EXECUTE FUNCTION plus()' ],
	[ 'an AFTER STATEMENT trigger', 'id int, ts timestamptz',
		'CREATE FUNCTION once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (100); RETURN NULL; END $$; CREATE TRIGGER once AFTER INSERT ON x FOR EACH STATEMENT EXECUTE FUNCTION once()' ],
	[ 'row security', 'id int, ts timestamptz', 'ALTER TABLE x ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON x TO writer USING (true) WITH CHECK (id <> 2); GRANT INSERT ON x TO writer' ],)
{
	my ($name, $columns, $more) = @$kind;
	sql("DROP TABLE IF EXISTS x, y; CREATE TABLE x ($columns) USING tsdb; CREATE TABLE y (LIKE x INCLUDING ALL EXCLUDING IDENTITY) USING heap; $more");
	my $role = $name eq 'row security' ? 'SET ROLE writer; ' : '';
	foreach my $durability ('commit', 'async')
	{
		my $before = sql("SELECT coalesce(sum(rows_direct), 0) FROM tsdb.stat_ingest_tables WHERE relid = 'x'::regclass");
		is(error("${role}SET tsdb.ingest_durability = $durability; SELECT tsdb.ingest('x', ROW(1, $ts)); SELECT tsdb.ingest('x', '{\"id\": 1}');"), '', "$durability: $name");
		is(sql("SELECT sum(rows_direct) - $before FROM tsdb.stat_ingest_tables WHERE relid = 'x'::regclass"), 2, "$durability: $name: the caller writes the rows");
	}
	my $error = error("${role}SELECT tsdb.ingest('x', ROW(2, $ts)); SELECT tsdb.ingest('x', ROW(3, $ts))");
	my $ids = sql('SELECT string_agg(id::text, NULL ORDER BY id) FROM x');
	my %wanted = ('a foreign key' => qr/^23503: .* 11112$/, 'row security' => qr/^42501: .* 1111$/, 'a BEFORE trigger' => qr/^ 111111111213$/);
	like("$error $ids", $wanted{$name} // qr/^ 111123$/, "$name: errors and rows");
	is(sql('SELECT sum(twice) FROM x'), 18, 'generated values') if $name eq 'a generated column';
	is(sql('SELECT string_agg(n::text, NULL ORDER BY n) FROM x'), '123456', "$name: its values") if $name =~ /identity|serial/;
	is(sql('SELECT count(*) FROM seen WHERE id = 100'), 6, 'the trigger has run for each statement') if $name =~ /STATEMENT/;
}
# the sender whom row security concerns must not be mistaken for one whom it does not
is(sql('SELECT count(*) FROM x WHERE id = 2'), 0, 'row security holds');
sql('DROP TABLE x');

# partitions, temporary and unlogged tables
sql(qq(
CREATE TABLE parted (ts timestamptz, id int) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (10) USING tsdb;
CREATE UNLOGGED TABLE unlogged (ts timestamptz, id int) USING tsdb;
));
is(sql("CREATE TEMP TABLE temporary (ts timestamptz, id int) USING tsdb; SET tsdb.ingest_durability = async;
	SELECT tsdb.ingest('temporary', ROW($ts, 1)); SELECT tsdb.ingest('temporary', ARRAY[$ts, $ts]); SELECT count(*) FROM temporary"), "1\n2\n3", 'a temporary table');
is(error("SET tsdb.ingest_durability = async; SELECT tsdb.ingest('part', ROW($ts, 1)); SELECT tsdb.ingest('unlogged', ROW($ts, 1)); SELECT tsdb.ingest_flush()"), '', 'a partition, an unlogged table');
like(error("SELECT tsdb.ingest('part', ROW($ts, 11))"), qr/^23514: /, 'a row of another partition');
is(sql('SELECT (SELECT count(*) FROM part), (SELECT count(*) FROM unlogged)'), '1|1', 'their rows');
sql('DROP TABLE parted, unlogged');

#
# Databases
#

my $wait = "SET tsdb.ingest_durability = async; SELECT tsdb.ingest('m', ROW($ts, 'waits', i)) FROM generate_series(1, 50) i;";
my $other_m = 'CREATE EXTENSION tsdb; CREATE TABLE m (ts timestamptz, device text, id int8) USING tsdb;';
$node->safe_psql('postgres', 'CREATE DATABASE d');
$node->safe_psql('d', $other_m . $wait);
is($node->safe_psql('d', 'SELECT tsdb.ingest_flush(); SELECT count(*) FROM m'), "\n50", 'another database');
client_drain($node, 'd');
my $started = time;
is(error('CREATE DATABASE e TEMPLATE d'), '', 'CREATE DATABASE TEMPLATE while a drain is connected');
is($node->safe_psql('e', 'SELECT count(*) FROM m'), 50, 'the copy has the rows');
$node->safe_psql('d', $wait);
is(error('DROP DATABASE d'), '', 'DROP DATABASE while rows wait');
$node->safe_psql('e', $wait);
is(error('DROP DATABASE e WITH (FORCE)'), '', 'DROP DATABASE WITH (FORCE) while rows wait');
cmp_ok(time - $started, '<', 60, 'all of these in time');
ingest_idle($node, 'dropped databases');

# as many databases as there may be, and some more: these write without the ring, or take turns
keep_waiting('100ms');
foreach my $n (1 .. 6)
{
	sql("CREATE DATABASE d$n");
	$node->safe_psql("d$n", $other_m . $wait . "SET tsdb.ingest_durability = commit; SELECT tsdb.ingest('m', ROW($ts, 'commit', 0));");
	is($node->safe_psql("d$n", 'SELECT tsdb.ingest_flush(); SELECT count(*) FROM m'), "\n51", "database $n");
}
sql("DROP DATABASE d$_") foreach 1 .. 6;
ingest_idle($node, 'many databases');

# DROP EXTENSION while rows wait
keep_waiting('1h');
$node->safe_psql('postgres', 'CREATE DATABASE d');
$node->safe_psql('d', $other_m . $wait . 'DROP EXTENSION tsdb CASCADE; CREATE EXTENSION tsdb; CREATE TABLE m (ts timestamptz, device text, id int8) USING tsdb;' . $wait);
is($node->safe_psql('d', 'SELECT tsdb.ingest_flush(); SELECT count(*) FROM m'), "\n50", 'DROP EXTENSION');
sql('DROP DATABASE d');
keep_waiting('100ms');

#
# Views and memory
#

sql('TRUNCATE m; SELECT tsdb.ingest_flush()');
my $counts = q(SELECT (SELECT concat_ws('|', sum(rows_pushed), sum(rows_drained), sum(rows_waiting)) FROM tsdb.stat_ingest WHERE datname = 'postgres'),
	(SELECT concat_ws('|', rows_pushed, rows_drained, rows_direct, rows_dead) FROM tsdb.stat_ingest_tables WHERE relid = 'm'::regclass));
my @before = split /\|/, sql($counts);
sql(q(SELECT tsdb.ingest('m', ROW(clock_timestamp(), 'd' || i, i)) FROM generate_series(1, 100) i;
	SELECT tsdb.ingest('m', array_agg(clock_timestamp()), array_agg('d' || i), array_agg(i)) FROM generate_series(1, 100) i;
	SET tsdb.ingest_durability = async; SELECT tsdb.ingest('m', ROW(clock_timestamp(), 'd' || i, i)) FROM generate_series(1, 100) i;
	SELECT tsdb.ingest_flush(); BEGIN; SELECT tsdb.ingest('m', ROW(now(), 'd', 1)); COMMIT;));
my @after = split /\|/, sql($counts);
is(join('|', map { $after[$_] - $before[$_] } 0 .. 6), '300|300|0|300|300|1|0', 'counters of rings and tables agree');
is( sql(q(SELECT bool_and(batch_rows_p50 <= batch_rows_p95 AND batch_rows_p95 <= batch_rows_p99 AND push_us_p50 <= push_us_p99 AND ack_us_p50 <= ack_us_p99),
	max(batch_rows_p99) >= 6, max(ack_us_p50) > 0, bool_and(batches_pushed <= rows_pushed AND rows_drained <= rows_pushed), count(*) > 1
	FROM tsdb.stat_ingest WHERE datname = 'postgres' AND batches_pushed > 0)), 't|t|t|t|t', 'histograms');
is(sql(q(SELECT count(*) > 0, bool_and(used <= blocks), sum(reused) > 0 FROM tsdb.stat_ingest_pool)), 't|t|t', 'the pool');
is(sql(q(SELECT count(*), bool_and(transactions > 0 AND pid IS NOT NULL) FROM tsdb.stat_ingest_workers WHERE datname = 'postgres')), '1|t', 'the worker');
is(sql('SET ROLE reader; SELECT count(*) >= 0 FROM tsdb.stat_ingest'), 't', 'everybody may see the counters');
ingest_idle($node, 'in the end');

#
# A standby
#

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
like(error("SELECT tsdb.ingest('m', ROW($ts))", $standby), qr/^25006: /, 'not on a standby');
sql("SELECT tsdb.ingest('m', ROW($ts, 'standby', i)) FROM generate_series(1, 100) i");
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "SELECT count(*) FROM m WHERE device = 'standby'"), 100, 'rows come to the standby');
is(error('SELECT count(*) FROM tsdb.stat_ingest', $standby), '', 'views of a standby');
$standby->promote;
is($standby->safe_psql('postgres', "SELECT tsdb.ingest('m', ROW($ts, 'promoted')); SET tsdb.ingest_durability = async; SELECT tsdb.ingest('m', ROW($ts, 'promoted'));
	SELECT tsdb.ingest_flush(); SELECT count(*) FROM m WHERE device = 'promoted'"), "1\n1\n\n2", 'a standby that is promoted');
is( $standby->safe_psql('postgres', q(SELECT sum(rows_pushed) FROM tsdb.stat_ingest_tables WHERE relid = 'm'::regclass)), 2, 'has rings');
$standby->stop('fast');

#
# Without a ring
#

foreach my $conf ('tsdb.ingest_memory = 0', "shared_preload_libraries = ''")
{
	$node->stop('fast');
	$node->adjust_conf('postgresql.conf', split / = /, $conf);
	$node->start;
	sql('TRUNCATE m; TRUNCATE h');
	my ($code, $out, $err) = $node->psql('postgres', join("\n", map { "SELECT $_->[0];" } @forms), on_error_stop => 0);
	is($err, '', "$conf: no form is refused");
	sql(join ";\n", map { $_->[1] } @forms);
	is(differences('m', 'h'), '', "$conf: the rows are those of INSERT");
	is(error("SET tsdb.ingest_durability = async; SELECT tsdb.ingest('m', ROW($ts, 'async')); SELECT tsdb.ingest_flush()"), '', "$conf: async");
	is(sql("SELECT count(*) FROM m WHERE device = 'async'"), 1, "$conf: its row");
	my ($rc) = $node->psql('postgres', "SELECT $good, 1 / (SELECT 0)");
	isnt($rc, 0, "$conf: an error");
	is(sql("SELECT count(*) FROM m WHERE device = 'good'"), 0, "$conf: leaves nothing");
}
$started = time;
$node->stop('fast');
cmp_ok(time - $started, '<', 20, 'a fast stop');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');
done_testing();
