
# pg_upgrade, which carries the files of tables over to a new cluster by copy or by link, and with
# them the relations behind tsdb tables.

use strict;
use warnings;

use File::Path qw(make_path);
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;
use TsdbTables;

plan skip_all => 'the stand-in is no extension' if tsdb_stand_in();

my $old = tsdb_node('old');
$old->append_conf('postgresql.conf', 'wal_level = logical');
tsdb_start($old);
tsdb_make_tables($old, 'postgres');
$old->safe_psql('postgres', q(CREATE DATABASE other));
$old->safe_psql('other', 'CREATE EXTENSION tsdb');
tsdb_fill($old, 'm', 1500, 'other');
tsdb_compact($old, 'm', 'other');

# transaction ids and multixacts must go along with the files; two sessions lock the same rows
my @sessions = map { $old->background_psql('postgres') } (1, 2);
$_->query_safe('BEGIN; SELECT FROM m WHERE id % 10 = 4 FOR SHARE; SELECT FROM young WHERE v < 9 FOR SHARE')
  foreach @sessions;
$_->query_safe('COMMIT') foreach @sessions;
$_->quit foreach @sessions;
$old->safe_psql('postgres',
	q(DO $$ BEGIN FOR i IN 1..3000 LOOP PERFORM txid_current(); COMMIT; END LOOP; END $$));
my $horizons = q(
	SELECT n.nspname, c.relname, c.relfilenode, c.relfrozenxid, c.relminmxid, c.reltablespace, c.relrewrite <> 0
	FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
	WHERE nspname IN ('public', '_tsdb') AND relkind IN ('r', 'm') ORDER BY 1, 2);
my %wanted = (
	rows => tsdb_rows($old, 'postgres'),
	catalog => tsdb_catalog($old, 'postgres'),
	horizons => $old->safe_psql('postgres', $horizons),
	other => tsdb_rows($old, 'other'));
$old->stop;

foreach my $mode ('copy', 'link')
{
	# the new server need not load the library at its start
	my $new = tsdb_node("new_$mode", preload => $mode eq 'copy');
	$new->append_conf('postgresql.conf', 'wal_level = logical');
	my @command = (
		'pg_upgrade', '--no-sync', '-j', '2',
		'-d', $old->data_dir, '-D', $new->data_dir,
		'-b', $old->config_data('--bindir'), '-B', $new->config_data('--bindir'),
		'-s', $new->host, '-p', $old->port, '-P', $new->port,
		$mode eq 'link' ? '--link' : ());
	my $dir = $new->basedir . '/upgrade';

	make_path($dir);
	chdir $dir or die;
	command_ok([ @command, '--check' ], "pg_upgrade, $mode --check");
	ok(run_log(\@command), "pg_upgrade, $mode") or do
	{
		foreach my $log (glob($new->data_dir . '/pg_upgrade_output.d/*/log/*'))
		{
			diag("$log\n" . substr(slurp_file($log), -2000));
		}
		BAIL_OUT('no cluster to look at');
	};
	$new->start;
	is(tsdb_rows($new, 'postgres'), $wanted{rows}, "$mode: rows");
	is(tsdb_rows($new, 'other'), $wanted{other}, "$mode: rows of another database");
	is(tsdb_catalog($new, 'postgres'), $wanted{catalog}, "$mode: definitions");
	is($new->safe_psql('postgres', $horizons), $wanted{horizons},
		"$mode: files, horizons and kinds of internal relations");
	is(tsdb_internals($new, 'postgres'), '', "$mode: every internal relation has a table");

	# compaction after it stays out of logical decoding, as before
	$new->safe_psql('postgres',
		q(SELECT pg_create_logical_replication_slot('s', 'test_decoding')));
	tsdb_exercise($new, 'postgres', $mode);
	is( $new->safe_psql('postgres',
			q(SELECT count(*) FROM pg_logical_slot_get_changes('s', NULL, NULL) WHERE data ~ '_tsdb|tsdb_')),
		'0', "$mode: changes of internal relations are not decoded");
	$new->safe_psql('postgres', q(SELECT pg_drop_replication_slot('s')));

	$new->safe_psql('postgres', 'VACUUM FREEZE');
	cmp_ok(
		$new->safe_psql('postgres',
			'SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()'),
		'<', 1000, "$mode: the horizon of the database advances");
	is(tsdb_rows($new, 'postgres'), $wanted{rows}, "$mode: rows, frozen");
	$new->stop('immediate');
	$new->start;
	is(tsdb_rows($new, 'postgres'),
		$wanted{rows} =~ s/^unlogged\|.*$/unlogged|0|/mr, "$mode: rows, after a crash");
	tsdb_exercise($new, 'postgres', "$mode, at last", keep => 0);
	$new->safe_psql('postgres', 'DROP EXTENSION tsdb CASCADE');
	$new->stop;
}

done_testing();
