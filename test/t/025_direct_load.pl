# Loads that go to chunks at once: a crash or an error in the middle leaves nothing of them, VACUUM
# cleans up, a standby follows, prepared transactions decide later, and several load at a time.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = tsdb_node('main', allows_streaming => 1);
$node->append_conf('postgresql.conf', "tsdb.direct_load_rows = 100\ntsdb.shards = 3");
tsdb_start($node);
$node->safe_psql(
	'postgres', qq(
CREATE TABLE source (ts timestamptz NOT NULL, device text, id int, v float8);
INSERT INTO source SELECT timestamptz '2024-01-01' + i * interval '1 s', 'd' || i % 5, i, i / 4.0 FROM generate_series(1, 20000) i;
COPY source TO '$dir/rows';
));
my $load = "COPY m FROM '$dir/rows'";
my $new = 'CREATE TABLE m (LIKE source) USING tsdb';

sub digest
{
	return $node->safe_psql('postgres', 'SELECT count(*), sum(hashtextextended(m::text, 0)::numeric) FROM m');
}

# Empty where all is well.
sub faults
{
	return '' if tsdb_stand_in();
	return $node->safe_psql('postgres', "SELECT * FROM tsdb.verify('m')");
}

$node->safe_psql('postgres', "$new; $load");
my $rows = digest();
$node->stop('immediate');
$node->start;
is(digest(), $rows, 'a load survives an immediate shutdown');

# a crash at every place, of a load that makes the storage and of one that adds to it
foreach my $point (tsdb_stand_in() ? () : qw(load_before_write load_after_chunk load_after_write))
{
	$node->safe_psql('postgres', "DROP TABLE IF EXISTS m; $new; CREATE TABLE loaded (LIKE source)");
	foreach my $before (0, 20000)
	{
		my ($code) = $node->psql('postgres',
			"BEGIN; INSERT INTO loaded SELECT * FROM source; SET tsdb.stop_point = '$point'; $load; COMMIT");
		isnt($code, 0, "$point: the process dies");
		tsdb_wait_up($node);
		is($node->safe_psql('postgres', 'SELECT count(*) FROM m'), $before, "$point: nothing of the load is there");
		is(faults(), '', "$point: nothing is damaged");
		$node->safe_psql('postgres', "VACUUM m; $load; VACUUM m");
		is($node->safe_psql('postgres', 'SELECT count(*) FROM m'), $before + 20000, "$point: the next load is");
		is(faults(), '', "$point: nothing is damaged later on");
	}
	is($node->safe_psql('postgres', 'SELECT count(*) FROM loaded'), 0, "$point: it was one transaction");
	$node->safe_psql('postgres', 'DROP TABLE loaded');
}

# what errors and cancels leave is removed by VACUUM, and its room is used again
$node->safe_psql('postgres', "DROP TABLE m; $new; $load; VACUUM m");
my $size = tsdb_stand_in() ? '0' : "tsdb.table_size('m')";
my $bytes = $node->safe_psql('postgres', "SELECT $size");
$rows = digest();
foreach my $round (1 .. 5)
{
	my ($code) = $node->psql('postgres',
		'SET tsdb.direct_load_memory = 1024; INSERT INTO m SELECT ts, device, id, 1 / (20000 - id) FROM source ORDER BY id');
	isnt($code, 0, 'a load fails at its last row');
	$node->psql('postgres', "SET tsdb.direct_load_memory = 1024; SET statement_timeout = 60; INSERT INTO m SELECT s.* FROM source s, generate_series(1, 20)");
	$node->safe_psql('postgres', "BEGIN; $load; SAVEPOINT a; $load; ROLLBACK TO a; DELETE FROM m WHERE id % 7 = 0; ROLLBACK; VACUUM m");
}
is(digest(), $rows, 'loads that failed leave nothing');
is(faults(), '', 'loads that failed damage nothing');
cmp_ok($node->safe_psql('postgres', "SELECT $size"), '<=', 4 * $bytes + 4e6, 'their room is given back or used again');

# two-phase commit, also of a load that makes the storage; others load meanwhile
$node->safe_psql('postgres', "DROP TABLE m; $new; BEGIN; $load; PREPARE TRANSACTION 'a'");
$node->safe_psql('postgres', $load);
is($node->safe_psql('postgres', q(SELECT chunk_rows FROM tsdb.tables WHERE "table" = 'm'::regclass)),
	20000, 'a load does not wait for another one, nor does it take another way')
  unless tsdb_stand_in();
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*) FROM m'), 20000, 'a prepared load is not yet seen');
tsdb_compact($node, 'm');
$node->safe_psql('postgres', "COMMIT PREPARED 'a'; BEGIN; $load; PREPARE TRANSACTION 'b'");
is($node->safe_psql('postgres', 'SELECT count(*) FROM m'), 40000, 'a prepared load commits');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'b'; VACUUM m");
tsdb_compact($node, 'm');
is($node->safe_psql('postgres', 'SELECT count(*) FROM m'), 40000, 'and is rolled back');
is(faults(), '', 'two-phase commit damages nothing');

# a standby, and many loads at once with compaction and VACUUM between them
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->safe_psql('postgres', 'TRUNCATE m');
my @loaders = map { $node->background_psql('postgres') } 1 .. 3;
foreach my $round (1 .. 4)
{
	$_->query_safe("BEGIN; SET LOCAL tsdb.direct_load_memory = 1024; $load;") foreach @loaders;
	tsdb_compact($node, 'm');
	$node->safe_psql('postgres', 'VACUUM m');
	is(faults(), '', "round $round: nothing is damaged while loads are open");
	$loaders[0]->query_safe('COMMIT;');
	$loaders[1]->query_safe('ROLLBACK;');
	tsdb_compact($node, 'm');
	$node->safe_psql('postgres', "DELETE FROM m WHERE id > 10000; VACUUM m");
	$loaders[2]->query_safe('COMMIT;');
}
$_->quit foreach @loaders;
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT id) FROM m'), '90000|20000', 'all loads that were committed are there');
is(faults(), '', 'nothing is damaged after them');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT count(*), sum(hashtextextended(m::text, 0)::numeric) FROM m'),
	digest(), 'the standby has the same rows');
$standby->promote;
$standby->safe_psql('postgres', $load);
is($standby->safe_psql('postgres', 'SELECT count(*) FROM m'), '110000', 'and loads when it is promoted');

# relations that are made in the loading transaction are not logged with wal_level = minimal
$standby->stop;
$node->append_conf('postgresql.conf', "wal_level = minimal\nmax_wal_senders = 0");
$node->restart;
$node->safe_psql('postgres', "DROP TABLE m; BEGIN; $new; $load; SAVEPOINT a; $load; ROLLBACK TO a; DELETE FROM m WHERE id > 15000; COMMIT");
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*) FROM m'), 15000, 'a load that was not logged survives');
$node->safe_psql('postgres', "BEGIN; TRUNCATE m; $load; COMMIT; $load");
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*) FROM m'), 40000, 'so does one after TRUNCATE');
is(faults(), '', 'nothing is damaged');

$node->stop;
done_testing();
