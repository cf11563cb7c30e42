
# Every form of dump and restore gives back the same rows and definitions, into a server that
# loads the library at its start and into one that does not.

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

my $node = tsdb_start(tsdb_node('main'));
my $target = tsdb_node('target', preload => 0);
my $dir = PostgreSQL::Test::Utils::tempdir;

$target->start;
tsdb_make_tables($node, 'postgres');

# a partitioned table that states a key and has no partition: its labels need the library
$node->safe_psql('postgres',
	q(CREATE TABLE keyed (ts timestamptz, a text, b text) PARTITION BY LIST (b)
		WITH (tsdb.time = 'ts', tsdb.series = 'a')));
my $rows = tsdb_rows($node, 'postgres');
my $catalog = tsdb_catalog($node, 'postgres');
my $labels = q(SELECT attrelid::regclass, attname, label FROM pg_seclabel JOIN pg_attribute
	ON attrelid = objoid AND attnum = objsubid WHERE provider = 'tsdb'
	ORDER BY attrelid::regclass::text COLLATE "C", attnum);
my $wanted_labels = $node->safe_psql('postgres', $labels);
my $databases = 0;

sub dump_to
{
	my ($file, @options) = @_;
	command_ok(
		[ 'pg_dump', '-d', $node->connstr('postgres'), '-f', "$dir/$file", @options ],
		"pg_dump @options");
	return "$dir/$file";
}

# Makes a database and restores into it, by pg_restore or psql; returns its name.
sub restore
{
	my ($files, @options) = @_;
	my $db = 'db' . ++$databases;

	$target->safe_psql('postgres', "CREATE DATABASE $db");
	return restore_into($db, $files, @options);
}

sub restore_into
{
	my ($db, $files, @options) = @_;

	foreach my $file (ref $files ? @$files : ($files))
	{
		my @command =
		  $file =~ /\.sql$/
		  ? ('psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', $file)
		  : ('pg_restore', '--exit-on-error', @options, $file);
		command_ok([ @command, '-d', $target->connstr($db) ], "restore into $db: @options");
	}
	return $db;
}

sub same
{
	my ($db, $what) = @_;
	is(tsdb_rows($target, $db), $rows, "$what: rows");
	is(tsdb_catalog($target, $db), $catalog, "$what: definitions");
	is($target->safe_psql($db, $labels), $wanted_labels, "$what: labels");
	return;
}

# custom format, also into what is there already
my $custom = dump_to('custom', '-Fc');
my $db = restore($custom);
same($db, 'custom');
tsdb_compact_all($target, $db);
$target->safe_psql($db, 'DROP TABLE parted');	# whose primary key --clean cannot drop
restore_into($db, $custom, '--clean', '--if-exists', '--single-transaction');
same($db, 'custom, --clean --if-exists over chunks');
is($target->safe_psql($db, q(SELECT count(*) FROM pg_class WHERE relnamespace = '_tsdb'::regnamespace)),
	'0', '--clean drops what was behind the tables');
same(restore($custom, '-j', '4'), 'custom, -j 4');

# sections one by one, each in sessions of its own
$db = restore($custom, '--section=pre-data');
restore_into($db, $custom, '--section=data', '--disable-triggers');
restore_into($db, $custom, '--section=post-data');
same($db, 'sections');

# directory format, parallel, while compaction, vacuum and DML that changes nothing go on
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
my $snapshot = $session->query_safe('SELECT pg_export_snapshot()');
$node->safe_psql('postgres', 'DELETE FROM m WHERE id % 2 = 0; UPDATE plain SET a = a + 1');
tsdb_compact_all($node, 'postgres');
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on)');
my $directory = dump_to('directory', '-Fd', '-j', '4', "--snapshot=$snapshot");
$session->query_safe('COMMIT');
$session->quit;
$db = restore($directory, '-j', '4');
same($db, 'directory, an older snapshot');
tsdb_exercise($target, $db, 'directory');

# data only, over the compacted tables of an existing database
$target->safe_psql($db,
	'TRUNCATE m, sensor, reading, parted, parent, child, "Odd ""schema"""."a table; --", plain, unlogged, young'
);
restore_into($db, $directory, '--data-only', '--disable-triggers', '-j', '4');
same($db, 'data only');

# schema only, then data as rows of INSERT
my @insert = ('--data-only', '--rows-per-insert=100', '--disable-triggers');
restore_into('postgres', dump_to('schema.sql', '--schema-only'));
$rows = tsdb_rows($node, 'postgres');
restore_into('postgres', dump_to('inserts.sql', @insert));
$target->safe_psql('postgres', 'REFRESH MATERIALIZED VIEW daily');
same('postgres', 'schema only, then inserts');
restore_into('postgres',
	dump_to('again.sql', '-t', 'm', '--data-only', '--inserts', '--on-conflict-do-nothing'));
same('postgres', 'inserts that are there already');

# plain, --create; tar; through the roots of partitions
same(restore(dump_to('plain.sql')), 'plain');
same(restore(dump_to('tar', '-Ft', '--load-via-partition-root')), 'tar, by the root');

# without access methods everything is heap
$catalog =~ s/\|tsdb\|/|heap|/g;
$catalog =~ s/\n[^\n]*\z/\n/;
$db = restore(dump_to('heap', '-Fc'), '--no-table-access-method');
is(tsdb_rows($target, $db), $rows, '--no-table-access-method: rows');
is(tsdb_catalog($target, $db), $catalog, '--no-table-access-method: definitions');

$node->command_ok([ 'pg_dumpall', '-f', "$dir/all.sql", '-d', $node->connstr('postgres') ],
	'pg_dumpall');
unlike(slurp_file("$dir/all.sql"), qr/tsdb_internal|_tsdb\./, 'no internal relation in it');

$node->stop;
$target->stop;
done_testing();
