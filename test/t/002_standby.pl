
# A streaming standby reads row store and chunks, keeps or cancels old snapshots as heap does,
# and takes over.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

my $primary = tsdb_start(tsdb_node('primary', allows_streaming => 1));
tsdb_fill($primary, 'm', 3000);
$primary->safe_psql('postgres', 'CREATE UNIQUE INDEX m_key ON m USING tsdb_key (id)');
tsdb_compact($primary, 'm');
$primary->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf',
	"hot_standby_feedback = on\nmax_standby_streaming_delay = 60s\n");
$standby->start;

sub same
{
	my ($what) = @_;
	$primary->wait_for_catchup($standby);
	my $wanted = tsdb_digest($primary, 'm');
	is(tsdb_digest($standby, 'm'), $wanted, "standby equal: $what");
	my $all = $primary->safe_psql('postgres', 'SELECT count(*), sum(id) FROM m');
	is( $standby->safe_psql('postgres',
			'SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; '
			  . 'SELECT count(*), sum(m.id) FROM generate_series(-10, 9000) i JOIN m ON m.id = i'),
		$all, "key index of the standby: $what");
	return;
}

same('chunks of the base backup');
$primary->safe_psql('postgres',
	q(INSERT INTO m SELECT timestamptz '2025-01-01', 'new', i, i FROM generate_series(5001, 6500) i));
same('rows of the row store');
tsdb_compact($primary, 'm');
same('rows that a compaction moved');

# that a deletion came to nothing, a reader of the standby notes on its copy of the tuple; the move comes after
# (on a page with room, which compaction does not prune before, noting the same)
$primary->safe_psql('postgres', 'VACUUM m');
$primary->safe_psql('postgres',
	q(INSERT INTO m SELECT timestamptz '2025-02-01', 'kept', i, i FROM generate_series(7001, 7050) i));
$primary->safe_psql('postgres', 'BEGIN; DELETE FROM m WHERE id > 7000; ROLLBACK');
$primary->safe_psql('postgres', 'SELECT pg_switch_wal()');
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT count(*) FROM m WHERE id > 7000'), '50', 'kept rows on the standby');
tsdb_compact($primary, 'm');
same('moved after a deletion was rolled back');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM m WHERE id > 7000'), '50', 'kept rows are there once');
$primary->safe_psql('postgres',
	'DELETE FROM m WHERE id % 10 = 0; UPDATE m SET v = v + 1 WHERE id % 10 = 1');
same('compacted rows changed');
tsdb_compact($primary, 'm');
$primary->safe_psql('postgres', 'VACUUM m');
same('compacted again, vacuumed');
$primary->safe_psql('postgres',
	q(ALTER TABLE m ADD COLUMN extra int DEFAULT 7; CREATE INDEX ON m (v);));
same('column added, index built');

# space that VACUUM gives back is given back there, too, below a session that has read it before
my $bytes = q(SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relnamespace = '_tsdb'::regnamespace);
my $keeper = $standby->background_psql('postgres');
$primary->safe_psql('postgres', 'UPDATE m SET v = v - 1 WHERE id % 2 = 1; DELETE FROM m WHERE id % 3 = 0');
$primary->wait_for_catchup($standby);
my $sum = 'SELECT count(*), sum(id), sum(v) FILTER (WHERE id % 7 = 0) FROM m';
$keeper->query_safe($sum);
unless (tsdb_stand_in())
{
	foreach (1 .. 2)
	{
		tsdb_compact($primary, 'm');
		$primary->safe_psql('postgres', 'VACUUM m');
	}
	same('space given back');
	is( $standby->safe_psql('postgres', $bytes),
		$primary->safe_psql('postgres', $bytes), 'the same relations are cut');
}
$primary->safe_psql('postgres', 'DELETE FROM m WHERE id % 7 = 1');
$primary->wait_for_catchup($standby);
is($keeper->query_safe($sum), $primary->safe_psql('postgres', $sum), 'and an old session goes on');
$keeper->quit;

# a snapshot of the standby outlives changes, compaction and vacuum
my $reader = $standby->background_psql('postgres');
my $query = 'SELECT count(*), sum(id) FROM m';
my $old = $reader->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; $query");
$primary->poll_query_until('postgres',
	'SELECT backend_xmin IS NOT NULL FROM pg_stat_replication');
$primary->safe_psql('postgres', 'DELETE FROM m WHERE id % 2 = 0');
tsdb_compact($primary, 'm');
# cutting the table, which earlier dead rows may allow by now, would wait for the reader's lock on it
$primary->safe_psql('postgres', 'VACUUM (TRUNCATE off) m');
tsdb_compact($primary, 'm');
$primary->wait_for_catchup($standby);
is($reader->query_safe($query), $old, 'an old snapshot of the standby sees its rows');
$reader->query_safe('COMMIT');
$reader->quit;
same('after the old snapshot');

# without feedback the old snapshot is cancelled: never a wrong answer
$standby->append_conf('postgresql.conf',
	"hot_standby_feedback = off\nmax_standby_streaming_delay = 0\n");
$standby->reload;
$reader = $standby->background_psql('postgres', on_error_stop => 0);
$old = $reader->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; $query");
$primary->safe_psql('postgres', 'DELETE FROM m WHERE id % 3 = 0; VACUUM m');
tsdb_compact($primary, 'm');
$primary->safe_psql('postgres', 'VACUUM m');
$primary->wait_for_catchup($standby);
my $answer = eval { $reader->query($query) } // '';
ok($answer eq $old || $answer eq '', 'an old snapshot answers rightly or is cancelled');
eval { $reader->quit };

# writing is refused on the standby, compaction too
my ($code, $out, $err) = $standby->psql('postgres', 'DELETE FROM m WHERE id = 1');
like($err, qr/read-only transaction/, 'the standby refuses DELETE');
($code, $out, $err) = $standby->psql('postgres', q(SELECT tsdb.compact('m')));
like($err, qr/recovery|read-only/, 'the standby refuses compaction');
($code, $out, $err) =
  $standby->psql('postgres', 'SELECT count(*) > 0 FROM m TABLESAMPLE SYSTEM (100)');
is($out, 't', 'the standby samples');

# promotion: the new primary has the rows and works on
$primary->safe_psql('postgres',
	q(INSERT INTO m (ts, device, id) SELECT now(), 'last', i FROM generate_series(8001, 8100) i));
$primary->wait_for_catchup($standby);
my $last = tsdb_digest($primary, 'm');
$primary->stop('immediate');
$standby->promote;
is(tsdb_digest($standby, 'm'), $last, 'the promoted standby has every row');
tsdb_compact($standby, 'm');
is(tsdb_digest($standby, 'm'), $last, 'the promoted standby compacts');
is( $standby->safe_psql('postgres',
		q(WITH w AS (INSERT INTO m (ts, device, id) SELECT ts, device, id FROM m ON CONFLICT (id) DO NOTHING RETURNING 1)
		SELECT count(*) FROM w)),
	'0', 'the promoted standby knows all keys');
$standby->safe_psql('postgres',
	'UPDATE m SET v = 0 WHERE id < 100; DELETE FROM m WHERE id > 8050; VACUUM m');
is( $standby->safe_psql('postgres',
		'SELECT count(*), (SELECT count(*) FROM m WHERE id > 8050) FROM m WHERE v = 0'),
	$standby->safe_psql('postgres', 'SELECT count(*), 0 FROM m WHERE v = 0'),
	'the promoted standby changes compacted rows');

$standby->stop;
done_testing();
