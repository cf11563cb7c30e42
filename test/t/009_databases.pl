
# What copies, moves and drops whole databases, and the extension in them.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;
use TsdbTables;

plan skip_all => 'the stand-in is no extension' if tsdb_stand_in();

my $node = tsdb_start(tsdb_node('main', allows_streaming => 1));
my %place = map { $_ => PostgreSQL::Test::Utils::tempdir } qw(one two);

$node->safe_psql('postgres', "CREATE TABLESPACE $_ LOCATION '$place{$_}'") foreach sort keys %place;
$node->safe_psql('postgres', 'CREATE DATABASE d');
$node->safe_psql('d', 'CREATE EXTENSION tsdb; CREATE EXTENSION amcheck');
tsdb_make_tables($node, 'd');

# some of it in a tablespace of its own, chunks and indexes too
$node->safe_psql('d', 'ALTER TABLE m SET TABLESPACE one; ALTER INDEX m_pkey SET TABLESPACE one');
my $rows = tsdb_rows($node, 'd');
my $catalog = tsdb_catalog($node, 'd');
my $spaces = q(SELECT DISTINCT spcname FROM pg_class c LEFT JOIN pg_tablespace t ON t.oid = reltablespace
	WHERE relnamespace IN ('_tsdb'::regnamespace, 'public'::regnamespace) AND relkind IN ('r', 'i')
	ORDER BY 1);

# copies by both strategies have chunks of their own
foreach my $strategy (qw(wal_log file_copy))
{
	$node->safe_psql('postgres', "CREATE DATABASE copy TEMPLATE d STRATEGY $strategy");
	is(tsdb_rows($node, 'copy'), $rows, "$strategy: rows");
	is(tsdb_catalog($node, 'copy'), $catalog, "$strategy: definitions");
	$node->stop('immediate');
	$node->start;
	is(tsdb_rows($node, 'copy') =~ s/^unlogged\|.*\n//mr,
		$rows =~ s/^unlogged\|.*\n//mr, "$strategy: rows after a crash");
	tsdb_exercise($node, 'copy', $strategy, keep => 0);
	$node->safe_psql('postgres', 'DROP DATABASE copy');
	$node->safe_psql('d', q(INSERT INTO unlogged SELECT '2024-01-01 00:00+00'::timestamptz + i * interval '1 s', i
		FROM generate_series(1, 1100) i WHERE i % 5 > 0));
	tsdb_compact($node, 'unlogged', 'd');
	is(tsdb_rows($node, 'd'), $rows, "$strategy: the template does not notice");
}

# the database's own tablespace; a copy may have another one
$node->safe_psql('postgres', 'ALTER DATABASE d SET TABLESPACE two');
is(tsdb_rows($node, 'd'), $rows, 'ALTER DATABASE SET TABLESPACE: rows');
is(tsdb_catalog($node, 'd'), $catalog, 'ALTER DATABASE SET TABLESPACE: definitions');
my ($code, $out, $err) = $node->psql('postgres', 'ALTER DATABASE d SET TABLESPACE one');
like($err, qr/some relations of database "d" are already in tablespace "one"/,
	'a tablespace with tables of the database is refused');
foreach my $strategy (qw(wal_log file_copy))
{
	$node->safe_psql('postgres', "CREATE DATABASE copy TEMPLATE d STRATEGY $strategy TABLESPACE pg_default");
	is(tsdb_rows($node, 'copy'), $rows, "$strategy, another tablespace: rows");
	tsdb_exercise($node, 'copy', "$strategy, another tablespace");
	$node->safe_psql('postgres', 'DROP DATABASE copy');
}

# all tables of a tablespace, and what lies behind them
$node->safe_psql('d', 'ALTER TABLE ALL IN TABLESPACE one SET TABLESPACE two;
	ALTER INDEX ALL IN TABLESPACE one SET TABLESPACE two');
is(tsdb_rows($node, 'd'), $rows, 'ALTER TABLE ALL: rows');
is($node->safe_psql('d', $spaces), '', 'ALTER TABLE ALL: everything is in the default tablespace');
$node->safe_psql('d', 'ALTER TABLE ALL IN TABLESPACE two SET TABLESPACE one;
	ALTER INDEX ALL IN TABLESPACE two SET TABLESPACE one;
	ALTER MATERIALIZED VIEW ALL IN TABLESPACE two SET TABLESPACE one');
is(tsdb_rows($node, 'd'), $rows, 'ALTER TABLE ALL, back: rows');
is($node->safe_psql('d', $spaces), 'one', 'ALTER TABLE ALL, back: everything is there');
tsdb_exercise($node, 'd', 'ALTER TABLE ALL');
$node->stop('immediate');
$node->start;
is(tsdb_rows($node, 'd') =~ s/^unlogged\|.*\n//mr,
	$rows =~ s/^unlogged\|.*\n//mr, 'ALTER TABLE ALL: rows after a crash');

# DROP EXTENSION takes everything along, also what lies behind it; and it can come back
($code, $out, $err) = $node->psql('d', 'DROP EXTENSION tsdb');
like($err, qr/because other objects depend on it/, 'DROP EXTENSION is refused while there are tables');
unlike($err, qr/_tsdb\./, '... and speaks of tables, not of what is behind them');
$node->safe_psql('d', 'BEGIN; DROP EXTENSION tsdb CASCADE; ROLLBACK');
is(tsdb_rows($node, 'd') =~ s/^unlogged\|.*\n//mr,
	$rows =~ s/^unlogged\|.*\n//mr, 'DROP EXTENSION rolled back: rows');
foreach my $cycle (1 .. 3)
{
	$node->safe_psql('d', 'DROP EXTENSION tsdb CASCADE');
	is($node->safe_psql('d', q(SELECT relname FROM pg_class WHERE relname ~ '^tsdb_')),
		'', "cycle $cycle: nothing is left");
	$node->safe_psql('d', q(CREATE EXTENSION tsdb));
	tsdb_fill($node, "n$cycle", 1200, 'd');
	my $digest = tsdb_digest($node, "n$cycle", 'd');
	tsdb_compact($node, "n$cycle", 'd');
	is(tsdb_digest($node, "n$cycle", 'd'), $digest, "cycle $cycle: a new table works");
}

# in one transaction, and in sessions that have seen the former extension
my $session = $node->background_psql('d');
$session->query_safe('SELECT count(*) FROM n3');
$node->safe_psql(
	'd', q(BEGIN; DROP EXTENSION tsdb CASCADE; CREATE EXTENSION tsdb;
	CREATE TABLE o (ts timestamptz, v int) USING tsdb;
	INSERT INTO o SELECT now(), i FROM generate_series(1, 1500) i;
	SELECT tsdb.compact('o'); COMMIT));
is($session->query_safe('SELECT count(*), sum(v) FROM o'),
	'1500|1125750', 'a session that knew the former extension reads');
is( $session->query_safe(
		q(DELETE FROM o WHERE v % 2 = 0; SELECT tsdb.compact('o') \g /dev/null
	SELECT count(*) FROM o)),
	'750', '... and writes');
$session->quit;

# it waits for a compaction that is making the first chunk of a table, and takes what that made
my $compacting = $node->background_psql('d');
my $dropping = $node->background_psql('d', on_error_stop => 0);
$node->safe_psql('d', 'CREATE TABLE p (ts timestamptz, v int) USING tsdb;
	INSERT INTO p SELECT now(), i FROM generate_series(1, 1500) i');
$compacting->query_safe(q(BEGIN; SELECT tsdb.compact('p')));
$dropping->query_until(qr/dropping/, "\\echo dropping\nDROP EXTENSION tsdb CASCADE;\n");
$node->poll_query_until('d', q(SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)));
$compacting->query_safe('COMMIT');
$compacting->quit;
$dropping->query('SELECT 1');
$dropping->quit;
is($node->safe_psql('d', q(SELECT relname FROM pg_class WHERE relname ~ '^(tsdb_|p$)')),
	'', 'DROP EXTENSION while a first chunk is being made');

# nothing is left in the tablespaces once the databases are gone
$node->safe_psql('postgres', 'DROP DATABASE d');
$node->safe_psql('postgres', 'DROP TABLESPACE one');
$node->safe_psql('postgres', 'DROP TABLESPACE two');
pass('tablespaces are empty at the end');
$node->stop;
done_testing();
