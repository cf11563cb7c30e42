
# pg_dump and pg_restore carry a table with its access method, and none of what lies behind it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

my $node = tsdb_start(tsdb_node('main'));
my $dir = PostgreSQL::Test::Utils::tempdir;

tsdb_fill($node, 'm', 2500);
$node->safe_psql(
	'postgres', q(
CREATE TABLE parted (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO ('2024-01-02') USING tsdb;
CREATE TABLE parted_2 PARTITION OF parted DEFAULT USING tsdb;
INSERT INTO parted SELECT timestamptz '2024-01-01' + i * interval '1 min', i
	FROM generate_series(1, 3000) i;
CREATE MATERIALIZED VIEW mv USING tsdb AS SELECT device, count(*) AS n FROM m GROUP BY device;
ALTER TABLE m ADD COLUMN gone int DEFAULT 1;
ALTER TABLE m DROP COLUMN gone;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
CREATE TABLE empty (v int) USING tsdb;
));
tsdb_compact($node, $_) foreach qw(m parted_1 mv);
$node->safe_psql('postgres', 'DELETE FROM m WHERE id % 6 = 0; REFRESH MATERIALIZED VIEW mv');

my $digest = tsdb_digest($node, 'm');
my $count = q(SELECT (SELECT sum(v) FROM parted), (SELECT sum(n) FROM mv),
	(SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class c JOIN pg_am a ON a.oid = relam
	 WHERE amname = 'tsdb'));
my $wanted = $node->safe_psql('postgres', $count);

sub restored
{
	my ($database, $what) = @_;
	my $query = 'SELECT count(*), sum(hashtextextended(x::text, 0)::numeric) FROM m x';
	is($node->safe_psql($database, $query), $digest, "$what: rows equal");
	is($node->safe_psql($database, $count), $wanted, "$what: tables and access methods equal");
	is($node->safe_psql($database, q(SELECT tsdb.compact('m') IS NOT NULL)), 't',
		"$what: compacts");
	is($node->safe_psql($database, $query), $digest, "$what: rows equal, compacted");
	return;
}

SKIP:
{
	skip 'the stand-in is no extension', 1 if tsdb_stand_in();

	# plain SQL
	$node->command_ok(
		[ 'pg_dump', '-d', $node->connstr('postgres'), '-f', "$dir/plain.sql" ], 'pg_dump');
	my $plain = slurp_file("$dir/plain.sql");
	like($plain, qr/default_table_access_method = tsdb/, 'the dump names the access method');
	unlike($plain, qr/_tsdb\./, 'the dump knows nothing of internal relations');
	$node->safe_psql('postgres', 'CREATE DATABASE plain');
	$node->command_ok(
		[
			'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('plain'), '-f',
			"$dir/plain.sql"
		],
		'restore of a plain dump');
	restored('plain', 'plain');

	# custom and directory format, in parallel
	$node->command_ok(
		[ 'pg_dump', '-Fd', '-j', '2', '-d', $node->connstr('postgres'), '-f', "$dir/d" ],
		'pg_dump -Fd -j');
	$node->safe_psql('postgres', 'CREATE DATABASE par');
	$node->command_ok([ 'pg_restore', '-j', '2', '-d', $node->connstr('par'), "$dir/d" ],
		'pg_restore -j');
	restored('par', 'parallel');

	# data only, as INSERT statements, into tables that exist
	$node->safe_psql('par', 'TRUNCATE m, parted');
	$node->command_ok(
		[ 'pg_restore', '--data-only', '-t', 'm', '-t', 'parted_1', '-t', 'parted_2', '-d',
			$node->connstr('par'), "$dir/d" ],
		'pg_restore --data-only');
	restored('par', 'data only');

	# the dump of the dump is the dump
	$node->command_ok(
		[ 'pg_dump', '-d', $node->connstr('plain'), '--schema-only', '-f', "$dir/again.sql" ],
		'pg_dump of what was restored');
	$node->command_ok(
		[ 'pg_dump', '-d', $node->connstr('postgres'), '--schema-only', '-f', "$dir/first.sql" ],
		'pg_dump --schema-only');
	my @schemas = map { slurp_file("$dir/$_.sql") =~ s/^\\(un)?restrict .*$//mgr } qw(again first);
	is($schemas[0], $schemas[1], 'schemas are equal');

	# the restored database can drop the extension with its tables
	$node->safe_psql('plain', 'DROP EXTENSION tsdb CASCADE');
	is($node->safe_psql('plain', q(SELECT count(*) FROM pg_class WHERE relname = 'm')),
		'0', 'DROP EXTENSION CASCADE drops the tables');
}

$node->stop;
done_testing();
