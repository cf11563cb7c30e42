
# Recovery to a transaction, a time, a place in the log and the end of a backup, each in the middle
# of compactions: the rows are those of that moment.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

my $node = tsdb_node('primary', has_archiving => 1, allows_streaming => 1);
$node->append_conf('postgresql.conf', 'track_commit_timestamp = on');
tsdb_start($node);
tsdb_fill($node, 'm', 2000);
tsdb_compact($node, 'm');
$node->safe_psql('postgres', 'DELETE FROM m WHERE id % 10 = 0');

# the backup ends in the middle of a compaction; its own WAL is in it
my $session = $node->background_psql('postgres');
$session->query_safe(
	q(INSERT INTO m SELECT '2024-05-01', 'late', i, i FROM generate_series(5001, 6200) i;
	BEGIN; SELECT tsdb.compact('m');));
my $digest_at_backup = tsdb_digest($node, 'm');
$node->backup('base', backup_options => [ '--wal-method=fetch', '-Ft' ]);
my $tar = $node->backup_dir . '/base';
$session->query_safe('COMMIT');
$session->quit;

# Runs a statement as one transaction; returns its id and what was true after it.
my @targets;
sub step
{
	my ($what, $sql) = @_;
	my $xid = $node->safe_psql('postgres', "BEGIN; $sql; SELECT pg_current_xact_id()::xid; COMMIT");
	$xid = (split /\n/, $xid)[-1];
	push @targets,
	  {
		what => $what,
		xid => $xid,
		time => $node->safe_psql('postgres', "SELECT pg_xact_commit_timestamp('$xid')"),
		lsn => $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()'),
		digest => tsdb_digest($node, 'm')
	  };
	select undef, undef, undef, 0.05;
	return;
}

step('a delete', 'DELETE FROM m WHERE id % 7 = 0');
step('an update', q(UPDATE m SET v = 4, note = 'four' WHERE id % 7 = 1));
step('a compaction', q(SELECT tsdb.compact('m')));
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) m');
step('an update of moved rows', q(UPDATE m SET id = id + 100000 WHERE id % 7 = 2));
step('another compaction', q(SELECT tsdb.compact('m')));
step('a truncation', q(TRUNCATE m));
$node->safe_psql('postgres', 'DROP TABLE m; SELECT pg_switch_wal()');
$node->poll_query_until('postgres',
	'SELECT last_archived_wal IS NOT NULL AND failed_count = 0 FROM pg_stat_archiver');

sub recovered
{
	my ($name, $digest, @settings) = @_;
	my $restored = PostgreSQL::Test::Cluster->new($name);
	my $data = $restored->data_dir;

	mkdir $restored->basedir;
	mkdir $data, 0700 or die;
	system_or_bail('tar', 'xf', "$tar/base.tar", '-C', $data);
	append_to_file("$data/postgresql.conf",
		"\nport = " . $restored->port . "\nunix_socket_directories = '" . $restored->host . "'\narchive_mode = off\n"
		  . "recovery_target_action = 'promote'\nrecovery_target_timeline = 'current'\n"
		  . join("\n", @settings) . "\n");
	$restored->enable_restoring($node, 0);
	$restored->start;
	tsdb_wait_up($restored);
	is(tsdb_digest($restored, 'm'), $digest, "$name: the rows of that moment");
	tsdb_compact($restored, 'm');
	is(tsdb_digest($restored, 'm'), $digest, "$name: compacted");
	$restored->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) m');
	is(tsdb_digest($restored, 'm'), $digest, "$name: vacuumed");
	$restored->safe_psql('postgres', 'UPDATE m SET v = v WHERE id % 3 = 0');
	is(tsdb_digest($restored, 'm'), $digest, "$name: updated");
	$restored->stop;
	return;
}

recovered('immediate', $digest_at_backup, "recovery_target = 'immediate'");
recovered('xid_update', $targets[1]{digest}, "recovery_target_xid = '$targets[1]{xid}'");
recovered('xid_compaction', $targets[2]{digest}, "recovery_target_xid = '$targets[2]{xid}'");
recovered('before_compaction', $targets[1]{digest}, "recovery_target_xid = '$targets[2]{xid}'",
	'recovery_target_inclusive = off');
recovered('time', $targets[3]{digest}, "recovery_target_time = '$targets[3]{time}'");
recovered('lsn', $targets[4]{digest}, "recovery_target_lsn = '$targets[4]{lsn}'");
recovered('before_truncation', $targets[4]{digest}, "recovery_target_xid = '$targets[5]{xid}'",
	'recovery_target_inclusive = off');
$node->stop;
done_testing();
