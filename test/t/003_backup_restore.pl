
# A base backup taken while compaction runs, verified, and restored to points in time.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

my $node = tsdb_start(tsdb_node('primary', has_archiving => 1, allows_streaming => 1));
tsdb_fill($node, 'm', 2000);
tsdb_compact($node, 'm');
$node->safe_psql('postgres',
	q(INSERT INTO m (ts, device, id) SELECT now(), 'more', i FROM generate_series(3001, 4500) i));

# the backup begins and ends in the middle of a compaction that is not committed
my $session = $node->background_psql('postgres');
$session->query_safe(q(BEGIN; SELECT tsdb.compact('m');));
$node->backup('base');
$session->query_safe('COMMIT');
$session->quit;
$node->command_ok([ 'pg_verifybackup', $node->backup_dir . '/base' ], 'pg_verifybackup');

my %digest;
$digest{compacted} = tsdb_digest($node, 'm');
$node->safe_psql('postgres', q(SELECT pg_create_restore_point('compacted')));
$node->safe_psql('postgres',
	'DELETE FROM m WHERE id % 4 = 0; UPDATE m SET v = 9 WHERE id % 4 = 1');
$digest{changed} = tsdb_digest($node, 'm');
$node->safe_psql('postgres', q(SELECT pg_create_restore_point('changed')));
tsdb_compact($node, 'm');
$node->safe_psql('postgres', 'VACUUM m');
$digest{vacuumed} = tsdb_digest($node, 'm');
$node->safe_psql('postgres', q(SELECT pg_create_restore_point('vacuumed')));
$node->safe_psql('postgres', 'TRUNCATE m; DROP TABLE m');
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
$node->poll_query_until('postgres',
	'SELECT last_archived_wal IS NOT NULL AND failed_count = 0 FROM pg_stat_archiver');

foreach my $point (qw(compacted changed vacuumed))
{
	my $restored = PostgreSQL::Test::Cluster->new("restored_$point");
	$restored->init_from_backup($node, 'base', has_restoring => 1, standby => 0);
	$restored->append_conf('postgresql.conf',
		"recovery_target_name = '$point'\nrecovery_target_action = 'promote'\n"
		  . "recovery_target_timeline = 'current'\narchive_mode = off\n");
	$restored->start;
	tsdb_wait_up($restored);
	is(tsdb_digest($restored, 'm'), $digest{$point}, "restored to: $point");
	tsdb_compact($restored, 'm');
	is(tsdb_digest($restored, 'm'), $digest{$point}, "restored to: $point, compacted");
	$restored->safe_psql('postgres', 'VACUUM FULL m');
	is(tsdb_digest($restored, 'm'), $digest{$point}, "restored to: $point, rewritten");
	$restored->stop;
}

$node->stop;
done_testing();
