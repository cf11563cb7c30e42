
# PostgreSQL's maintenance programs walk over every relation of a database, those behind tsdb
# tables too, while clients change compressed rows.  Each change is made to a heap table as well,
# and both must be equal in the end.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use IPC::Run qw(start finish);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;
use TsdbTables;

my $node = tsdb_start(tsdb_node('main', allows_streaming => 1, extra => ['--data-checksums']));
my $rounds = $ENV{TEST_LONG} ? 20 : 1;
my $bin = $node->config_data('--bindir');

tsdb_make_tables($node, 'postgres');
$node->safe_psql('postgres', 'CREATE TABLE h (LIKE m INCLUDING ALL) USING heap; INSERT INTO h SELECT * FROM m');

my $script = $node->basedir . '/change.sql';
append_to_file($script, q(
\set id random(1, 2500)
\set way random(1, 10)
BEGIN;
SELECT pg_advisory_xact_lock(:id);
\if :way < 3
	DELETE FROM m WHERE id = :id;
	DELETE FROM h WHERE id = :id;
\elif :way < 6
	INSERT INTO m VALUES ('2024-06-01', 'again', :id, :way) ON CONFLICT (id) DO UPDATE SET v = excluded.v, note = 'again';
	INSERT INTO h VALUES ('2024-06-01', 'again', :id, :way) ON CONFLICT (id) DO UPDATE SET v = excluded.v, note = 'again';
\else
	UPDATE m SET v = :way, note = NULL WHERE id = :id;
	UPDATE h SET v = :way, note = NULL WHERE id = :id;
\endif
COMMIT;
));

sub same
{
	my ($what) = @_;
	is( $node->safe_psql('postgres', q(SELECT (SELECT count(*) > 0 FROM m),
		(SELECT count(*) FROM (TABLE m EXCEPT ALL TABLE h) x), (SELECT count(*) FROM (TABLE h EXCEPT ALL TABLE m) x))),
		't|0|0',
		"$what: rows as on heap");
	my $digest = tsdb_digest($node, 'm');
	unlike($digest, qr/index/, "$what: index and scan agree");
	return;
}

# Runs a program over and over while clients change rows and compaction moves them.
sub under_load
{
	my ($what, @commands) = @_;
	my ($out, $failed) = ('', 0);
	my $seconds = 3 * $rounds;
	my $load = start(
		[ "$bin/pgbench", '-n', '-c', 3, '-T', $seconds, '-f', $script, $node->connstr('postgres') ],
		'>', \$out, '2>', \$out);
	my $end = time + $seconds;
	my $runs = 0;

	while (time < $end)
	{
		tsdb_compact($node, 'm') if $runs % 2 == 0;
		foreach my $command (@commands)
		{
			my ($stdout, $stderr) = run_command([ @$command, '-d', $node->connstr('postgres') ]);
			next if $stderr !~ /error|panic|fatal/i;
			diag("@$command: $stderr");
			$failed++;
		}
		$runs++;
	}
	ok(finish($load), "$what: clients go on") or diag($out);
	is($failed, 0, "$what: without error, $runs times");
	note($out);
	same($what);
	return;
}

my $files = q(SELECT oid, relfilenode FROM pg_class WHERE relname ~ '^tsdb_(shard|marks)' ORDER BY 1);

# The checks of amcheck that a table of heap passes, on indexes of tables and on those behind them.
sub amcheck
{
	my ($what) = @_;
	$node->safe_psql('postgres', 'CREATE EXTENSION IF NOT EXISTS amcheck');
	$node->command_checks_all(
		[
			'pg_amcheck', '--heapallindexed', '--parent-check', '--rootdescend',
			'-d', 'postgres'
		],
		0, [qr/^$/], [qr/^$/], "$what: pg_amcheck has nothing to say");
	is( $node->safe_psql(
			'postgres', q(SELECT count(*) > 30, min(bt_index_parent_check(i.indexrelid, true, true)::text)
			FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
			WHERE c.relkind = 'i' AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')
			AND t.relnamespace IN ('public'::regnamespace, '_tsdb'::regnamespace))),
		't|',
		"$what: nor have its functions");
	return;
}

under_load('reindexdb', [ 'reindexdb', '-q' ]);
under_load('reindexdb --concurrently', [ 'reindexdb', '-q', '--concurrently' ]);
amcheck('after reindexdb');
my $before = $node->safe_psql('postgres', $files);
under_load('vacuumdb --full', [ 'vacuumdb', '-q', '--full' ]);
is($node->safe_psql('postgres', $files),
	$before, 'VACUUM FULL passes over what lies behind tables')
  unless tsdb_stand_in();
under_load('the rest',
	[ 'vacuumdb', '-q', '--freeze' ],
	[ 'vacuumdb', '-q', '--analyze-in-stages' ],
	[ 'vacuumdb', '-q', '-j', '2', '--analyze', '--force-index-cleanup' ],
	[ 'clusterdb', '-q' ]);

# What REINDEX CONCURRENTLY left behind fails, when a row is locked, after the row's mark is in the
# other index.  The mark stays, and must be known to who had seen that there was none.
unless (tsdb_stand_in())
{
	$node->psql('postgres', q(
		CREATE TABLE left_behind (id int) USING tsdb;
		INSERT INTO left_behind SELECT generate_series(1, 9);
		SELECT tsdb.compact('left_behind');
		BEGIN;
		SELECT * FROM left_behind WHERE id = 1 FOR UPDATE;
		PREPARE TRANSACTION 'in the way';
		SELECT relname AS marks FROM pg_class WHERE relname ~ '^tsdb_marks_[0-9]+$' ORDER BY oid DESC LIMIT 1 \gset
		SET statement_timeout = '1s';
		REINDEX TABLE CONCURRENTLY _tsdb.:marks;
		SET statement_timeout = 0;
		COMMIT PREPARED 'in the way';
		SET allow_system_table_mods = on;
		UPDATE pg_index SET indisready = true WHERE NOT indisready;
		CHECKPOINT;), on_error_stop => 0);
	my $file = $node->data_dir . '/' .
	  $node->safe_psql('postgres', 'SELECT pg_relation_filepath(indexrelid) FROM pg_index WHERE NOT indisvalid');
	my ($code, $out, $err) = $node->psql('postgres', qq(
		SELECT count(*) FROM left_behind WHERE ctid = ANY (ARRAY(SELECT ctid FROM left_behind));
		\\! mv $file $file.away
		SELECT id FROM left_behind WHERE id = 2 FOR UPDATE;
		\\! mv $file.away $file
		SELECT id FROM left_behind WHERE id = 2 FOR UPDATE;
		SELECT fault FROM tsdb.verify('left_behind');), on_error_stop => 0);
	like($err, qr/could not open file/, 'a row is locked, and an index fails');
	is($out, "9\n2", '... the row has one mark when it is locked again');
	$node->safe_psql('postgres', 'DROP TABLE left_behind');
}

# A session that has not loaded the library comes by internal relations.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\ntsdb.workers = 2");
$node->restart;
under_load('VACUUM FULL without the library', [ 'psql', '-qXAt', '-c', 'VACUUM FULL' ]);
isnt($node->safe_psql('postgres', $files), $before, '... rewrites what lies behind tables too')
  unless tsdb_stand_in();
amcheck('at last');
$node->stop;
command_ok([ 'pg_checksums', '--check', '-D', $node->data_dir ], 'pg_checksums');
done_testing();
