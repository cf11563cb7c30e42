
# Prepared transactions hold their changes and locks of compressed rows over restarts, crashes,
# compaction, VACUUM and promotion, until they are decided.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

my $node = tsdb_node('main', allows_streaming => 1);
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 20');
tsdb_start($node);
tsdb_fill($node, 'm', 3000);
tsdb_compact($node, 'm');
$node->safe_psql('postgres', 'DELETE FROM m WHERE id % 100 = 0');
$node->safe_psql('postgres', 'CREATE TABLE h (LIKE m INCLUDING ALL) USING heap; INSERT INTO h SELECT * FROM m');
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;

# The same statements on m and on its heap copy, in one prepared transaction.
sub prepare
{
	my ($server, $name, $sql) = @_;
	my $both = $sql . ';' . ($sql =~ s/\bm\b/h/gr);
	$server->safe_psql('postgres', "BEGIN; $both; PREPARE TRANSACTION '$name'");
	return;
}

sub same
{
	my ($server, $what) = @_;
	is( $server->safe_psql('postgres',
			'SELECT (SELECT count(*) > 0 FROM m), (SELECT count(*) FROM (TABLE m EXCEPT ALL TABLE h) x),
			(SELECT count(*) FROM (TABLE h EXCEPT ALL TABLE m) x)'),
		't|0|0',
		"$what: as on heap");
	unlike(tsdb_digest($server, 'm'), qr/index/, "$what: scan and index agree");
	return;
}

# Statements that must wait for, or do not mind, what is prepared; the same on both tables.
sub held
{
	my ($server, $what) = @_;
	my %expected = (
		'DELETE FROM %s WHERE id = 11' => 'lock timeout',
		'UPDATE %s SET v = 0 WHERE id = 21' => 'lock timeout',
		'SELECT id FROM %s WHERE id = 31 FOR UPDATE NOWAIT' => 'could not obtain lock',
		'SELECT id FROM %s WHERE id = 31 FOR SHARE NOWAIT' => '',
		'SELECT id FROM %s WHERE id = 41 FOR SHARE NOWAIT' => 'could not obtain lock',
		'SELECT id FROM %s WHERE id = 41 FOR KEY SHARE NOWAIT' => '',
		q(INSERT INTO %s (ts, id) VALUES ('2024-01-01', 11)) => 'lock timeout',
		q(INSERT INTO %s (ts, id) VALUES ('2024-01-01', 90001)) => 'lock timeout',
		q(INSERT INTO %s (ts, id) VALUES ('2024-01-01', 51)) => 'duplicate key',
		'SELECT count(*) FROM (SELECT id FROM %s WHERE id IN (11, 21, 31, 41, 51) FOR UPDATE SKIP LOCKED) x' => '');
	foreach my $statement (sort keys %expected)
	{
		my @answers;
		foreach my $table (qw(h m))
		{
			my ($code, $out, $err) = $server->psql('postgres',
				"SET lock_timeout = 100; BEGIN; " . sprintf($statement, $table) . '; ROLLBACK;');
			$err =~ s/_pkey|"h"|"m"|psql:.*?ERROR: *|in relation.*//g;
			push @answers, $out . ($err =~ /(lock timeout|could not obtain lock|duplicate key|.+)/ ? $1 : '');
		}
		is($answers[1], $answers[0], "$what: $statement");
		like($answers[1], qr/$expected{$statement}/, "$what: ... with the answer expected");
	}
	return;
}

prepare($node, 'delete', 'DELETE FROM m WHERE id IN (11, 12, 13)');
prepare($node, 'update', q(UPDATE m SET v = -1, note = 'prepared' WHERE id BETWEEN 21 AND 23));
prepare($node, 'share', 'SELECT id FROM m WHERE id BETWEEN 31 AND 33 FOR SHARE');
prepare($node, 'nokey', 'SELECT id FROM m WHERE id BETWEEN 41 AND 43 FOR NO KEY UPDATE');
prepare($node, 'insert', q(INSERT INTO m SELECT '2024-07-01', 'new', i, i FROM generate_series(90001, 90009) i));
prepare($node, 'key', 'UPDATE m SET id = id + 80000 WHERE id BETWEEN 61 AND 63');
prepare($node, 'many', q(DELETE FROM m WHERE id BETWEEN 1000 AND 1400; UPDATE m SET v = 5 WHERE id BETWEEN 1401 AND 1500;
	SAVEPOINT s; DELETE FROM m WHERE id BETWEEN 1600 AND 1700; ROLLBACK TO s; UPDATE m SET v = 6 WHERE id BETWEEN 1600 AND 1610));
held($node, 'prepared');
same($node, 'prepared');

# over a restart and a crash, with compaction and vacuum
$node->restart;
held($node, 'after a restart');
$node->safe_psql('postgres', 'UPDATE m SET v = 3 WHERE id BETWEEN 2000 AND 2400; UPDATE h SET v = 3 WHERE id BETWEEN 2000 AND 2400');
tsdb_compact($node, 'm');
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) m');
held($node, 'after compaction');
$node->stop('immediate');
$node->start;
held($node, 'after a crash');
same($node, 'after a crash');

$node->safe_psql('postgres', qq(COMMIT PREPARED 'delete'; ROLLBACK PREPARED 'share'; COMMIT PREPARED 'insert'));
same($node, 'some decided');
is($node->safe_psql('postgres', 'SELECT count(*) FROM m WHERE id IN (11, 12, 13) OR id > 90000'),
	'9', 'what is committed is seen');
tsdb_compact($node, 'm');
same($node, 'some decided, compacted');
$node->safe_psql('postgres', q(ROLLBACK PREPARED 'update'));
same($node, 'one rolled back');

# a prepared compaction: rows are seen once, before and after; and a dropped table's storage goes
$node->safe_psql(
	'postgres', q(INSERT INTO m SELECT '2024-08-01', 'more', i, i FROM generate_series(91001, 92500) i;
	INSERT INTO h SELECT '2024-08-01', 'more', i, i FROM generate_series(91001, 92500) i;
	CREATE TABLE gone (ts timestamptz, v int) USING tsdb;
	INSERT INTO gone SELECT now(), i FROM generate_series(1, 1500) i;));
tsdb_compact($node, 'gone');
$node->safe_psql('postgres', q(BEGIN; DROP TABLE gone; PREPARE TRANSACTION 'drop'));
foreach my $end (qw(ROLLBACK COMMIT))
{
	my ($code, $out, $err) = $node->psql('postgres', q(BEGIN; SELECT tsdb.compact('m'); PREPARE TRANSACTION 'compaction'));
	is($code, 0, 'a compaction can be prepared') or diag($err);
	same($node, 'compaction prepared');
	$node->stop('immediate');
	$node->start;
	same($node, 'compaction prepared, after a crash');
	$node->safe_psql('postgres', "$end PREPARED 'compaction'");
	same($node, "compaction prepared, $end");
}
$node->safe_psql('postgres', q(ROLLBACK PREPARED 'drop'));
is($node->safe_psql('postgres', 'SELECT count(*), sum(v) FROM gone'), '1500|1125750', 'a drop was rolled back');
$node->safe_psql('postgres', q(BEGIN; DROP TABLE gone; PREPARE TRANSACTION 'drop'));
$node->restart;

# the standby takes over with what is prepared
$node->wait_for_catchup($standby);
same($standby, 'standby');
$node->stop('immediate');
$standby->promote;
same($standby, 'promoted');
tsdb_compact($standby, 'm');
same($standby, 'promoted, compacted');
my ($code, $out, $err) = $standby->psql('postgres', 'SET lock_timeout = 100; DELETE FROM m WHERE id = 1001');
like($err, qr/lock timeout/, 'the promoted standby holds locks of prepared transactions');
($code, $out, $err) = $standby->psql('postgres', 'SET lock_timeout = 100; SELECT FROM m WHERE id = 41 FOR SHARE');
like($err, qr/lock timeout/, '... on rows, too');
$standby->safe_psql('postgres', q(COMMIT PREPARED 'many'; ROLLBACK PREPARED 'nokey'; COMMIT PREPARED 'key'; COMMIT PREPARED 'drop'));
same($standby, 'all decided');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM m WHERE id BETWEEN 1000 AND 1400 OR id BETWEEN 61 AND 63'),
	'0', 'the last one is committed');
tsdb_compact($standby, 'm');
$standby->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) m');
same($standby, 'all decided, compacted');
is( $standby->safe_psql(
		'postgres',
		q(SELECT count(*) FROM pg_class WHERE relname LIKE 'tsdb\_directory\_%' AND relkind = 'r')),
	'1',
	'what lay behind the dropped table is gone')
  unless tsdb_stand_in();
$standby->stop;
done_testing();
