
# A crash at every place that is worth one: the rows are those of the committed transactions,
# and the work that was interrupted can be done again.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

my $node = tsdb_start(tsdb_node('main'));

tsdb_fill($node, 'm', 3000);
my $before = tsdb_digest($node, 'm');

# immediate shutdown, before and after compaction
$node->stop('immediate');
$node->start;
is(tsdb_digest($node, 'm'), $before, 'rows of the row store survive an immediate shutdown');
tsdb_compact($node, 'm');
is(tsdb_digest($node, 'm'), $before, 'compaction changes nothing');
$node->stop('immediate');
$node->start;
is(tsdb_digest($node, 'm'), $before, 'chunks survive an immediate shutdown');

# a transaction that is open when the postmaster dies leaves nothing
my $session = $node->background_psql('postgres');
$session->query_safe(
	q(BEGIN;
	DELETE FROM m WHERE id % 3 = 0;
	UPDATE m SET v = 1 WHERE id % 3 = 1;
	INSERT INTO m SELECT now(), 'x', i, i FROM generate_series(10001, 12000) i;
	SELECT tsdb.compact('m');));
$node->safe_psql('postgres', 'CHECKPOINT');
tsdb_kill9($node);
$node->start;
eval { $session->quit };
is(tsdb_digest($node, 'm'), $before, 'an open transaction leaves nothing after kill -9');

# changes of compacted rows survive, and so do their roll-backs
$node->safe_psql(
	'postgres',
	q(DELETE FROM m WHERE id BETWEEN 100 AND 199;
	UPDATE m SET v = -1, note = 'changed' WHERE id BETWEEN 200 AND 299;
	BEGIN; UPDATE m SET v = -2; ROLLBACK;
	BEGIN; SAVEPOINT a; DELETE FROM m; ROLLBACK TO a;
	UPDATE m SET v = -3 WHERE id = 300; COMMIT;));
$before = tsdb_digest($node, 'm');
$node->stop('immediate');
$node->start;
is(tsdb_digest($node, 'm'), $before, 'changes of compacted rows survive');

# a prepared transaction survives and decides later
$node->safe_psql('postgres',
	q(BEGIN; DELETE FROM m WHERE id BETWEEN 400 AND 499; PREPARE TRANSACTION 'p';));
$node->stop('immediate');
$node->start;
is(tsdb_digest($node, 'm'), $before, 'a prepared transaction is not yet seen');
tsdb_compact($node, 'm');
$node->safe_psql('postgres', q(COMMIT PREPARED 'p'));
is($node->safe_psql('postgres', 'SELECT count(*) FROM m WHERE id BETWEEN 400 AND 499'),
	'0', 'a prepared transaction commits after a crash');
$before = tsdb_digest($node, 'm');

# every stop point; each statement has work to do that leads there
my %reach = (
	compact_after_mark => "SELECT tsdb.compact('m')",
	compact_after_write => "SELECT tsdb.compact('m')",
	compact_after_index => "SELECT tsdb.compact('m')",
	compact_before_commit => "SELECT tsdb.compact('m')",
	mark_after_stub => 'UPDATE m SET v = v WHERE id = 1500',
	mark_after_tombstone => 'DELETE FROM m WHERE id = 1500',
	vacuum_after_index => 'VACUUM (INDEX_CLEANUP on) m',
	vacuum_after_directory => 'VACUUM (INDEX_CLEANUP on) m',);

foreach my $point (tsdb_stand_in() ? () : sort keys %reach)
{
	# compacted rows of which some are dead, dead chunks, and rows to compact
	$node->safe_psql('postgres', 'UPDATE m SET v = v WHERE id % 2 = 0');
	tsdb_compact($node, 'm');
	$node->safe_psql('postgres', 'UPDATE m SET v = v WHERE id % 5 = 0 AND id <> 1500');
	my ($code, $out, $err) =
	  $node->psql('postgres', "SET tsdb.stop_point = '$point'; $reach{$point}");
	isnt($code, 0, "$point: the process dies");
	tsdb_wait_up($node);
	is(tsdb_digest($node, 'm'), $before, "$point: the rows are there");
	tsdb_compact($node, 'm');
	is(tsdb_digest($node, 'm'), $before, "$point: compaction goes on");
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) m');
	is(tsdb_digest($node, 'm'), $before, "$point: vacuum goes on");
}

# giving space back: marks and their index, chunks that move within their shard
my %give_back = (
	truncate_after_marks => 'VACUUM s',
	shrink_after_copy => "SELECT tsdb.compact('s')",
	shrink_after_directory => "SELECT tsdb.compact('s')",);

foreach my $point (tsdb_stand_in() ? () : sort keys %give_back)
{
	$node->safe_psql('postgres', 'DROP TABLE IF EXISTS s');
	tsdb_fill($node, 's', 6000);
	$node->safe_psql('postgres',
		'UPDATE s SET note = (SELECT string_agg(md5((id * 9 + j)::text), NULL) FROM generate_series(1, 4) j)');
	tsdb_compact($node, 's');
	$node->safe_psql('postgres', 'VACUUM s');
	$node->safe_psql('postgres', 'UPDATE s SET v = v WHERE id % 2 = 0; DELETE FROM s WHERE id % 5 > 1');
	my $rows = tsdb_digest($node, 's');
	tsdb_compact($node, 's');
	$node->safe_psql('postgres', 'VACUUM s') if $point =~ /^shrink/;
	my ($code, $out, $err) =
	  $node->psql('postgres', "SET tsdb.stop_point = '$point'; $give_back{$point}");
	isnt($code, 0, "$point: the process dies");
	tsdb_wait_up($node);
	is(tsdb_digest($node, 's'), $rows, "$point: the rows are there");
	$node->safe_psql('postgres',
		'BEGIN; UPDATE s SET v = 0 WHERE id < 1000; DELETE FROM s WHERE id > 5000; ROLLBACK');
	is(tsdb_digest($node, 's'), $rows, "$point: marks can be made");
	foreach (1 .. 2)
	{
		tsdb_compact($node, 's');
		$node->safe_psql('postgres', 'VACUUM s');
	}
	is(tsdb_digest($node, 's'), $rows, "$point: compaction and vacuum go on");

	# what the crash has left in the shards is gone: a copy takes no less, with the maps that
	# a shard has once pieces of it were deleted
	my $bytes = $node->safe_psql('postgres', "SELECT tsdb.table_size('s')");
	$node->safe_psql('postgres', 'CREATE TABLE copy (LIKE s) USING tsdb; INSERT INTO copy TABLE s');
	foreach (1 .. 2)
	{
		tsdb_compact($node, 'copy');
		$node->safe_psql('postgres', 'VACUUM (FREEZE) copy');
	}
	my $fresh = $node->safe_psql('postgres', "SELECT tsdb.table_size('copy')");
	cmp_ok($bytes, '<', 1.5 * $fresh, "$point: nothing is left over");
	$node->safe_psql('postgres', 'DROP TABLE copy');
}

# truncation and a new table under the same name
$node->safe_psql('postgres', 'BEGIN; TRUNCATE m; ROLLBACK');
$node->stop('immediate');
$node->start;
is(tsdb_digest($node, 'm'), $before, 'a truncation rolled back leaves the rows');
$node->safe_psql('postgres', 'TRUNCATE m');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*) FROM m'), '0', 'a truncated table is empty');

# an unlogged table is empty after a crash, and works
$node->safe_psql(
	'postgres',
	q(CREATE UNLOGGED TABLE u (ts timestamptz, id int PRIMARY KEY) USING tsdb;
	INSERT INTO u SELECT now(), i FROM generate_series(1, 2000) i;));
tsdb_compact($node, 'u');
is($node->safe_psql('postgres', 'SELECT count(*) FROM u'), '2000', 'unlogged rows');
$node->restart;
is($node->safe_psql('postgres', 'SELECT count(*) FROM u'), '2000',
	'unlogged rows survive a clean restart');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*) FROM u'), '0',
	'an unlogged table is empty after a crash');
$node->safe_psql('postgres', 'INSERT INTO u SELECT now(), i FROM generate_series(1, 2000) i');
tsdb_compact($node, 'u');
is($node->safe_psql('postgres', 'SELECT count(*), max(id) FROM u'),
	'2000|2000', 'an unlogged table works after a crash');

$node->stop;
done_testing();
