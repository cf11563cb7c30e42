
# Long queries on a standby while the primary deletes, compacts, merges and vacuums: the right
# answer or the error that a query on heap gets, never other rows.

use strict;
use warnings;

use FindBin;
use IPC::Run qw(start finish);
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

my $rounds = $ENV{TEST_LONG} ? 50 : 2;
my $node = tsdb_node('primary', allows_streaming => 1);
$node->append_conf('postgresql.conf', 'max_wal_senders = 4');
tsdb_start($node);
$node->safe_psql(
	'postgres', q(
CREATE TABLE m (ts timestamptz NOT NULL, id int PRIMARY KEY, series int, v int, note text) USING tsdb;
CREATE INDEX ON m (series, ts);
-- Truncation takes an exclusive lock, for which a standby waits or cancels queries, as on heap.
ALTER TABLE m SET (vacuum_truncate = off);
INSERT INTO m SELECT timestamptz '2024-01-01' + i * interval '1 s', i, i % 5, 0, repeat('n', i % 40)
	FROM generate_series(1, 20000) i;
));
tsdb_compact($node, 'm');
$node->backup('base');

my @standbys;
foreach my $feedback (qw(on off))
{
	my $standby = PostgreSQL::Test::Cluster->new("feedback_$feedback");
	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->append_conf('postgresql.conf',
		"hot_standby_feedback = $feedback\nwal_receiver_status_interval = 1s\nmax_standby_streaming_delay = "
		  . ($feedback eq 'on' ? '60s' : '50ms')
		  . "\nlog_recovery_conflict_waits = on\n");
	$standby->start;
	push @standbys, $standby;
}

# What a snapshot must go on answering, by each way of reading.  The sum of v is kept by every change.
my @ways = (
	'SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;',
	'SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;',
	'SET enable_seqscan = off; SET enable_indexscan = off;');
my $query = 'SELECT count(*), sum(id::numeric), sum(v), sum(length(note)) FROM m WHERE id > 0 AND series >= 0';

# A cursor that has begun, and a whole query, of one snapshot.
sub reader
{
	my ($standby, $way) = @_;
	my $session = $standby->background_psql('postgres', on_error_stop => 0);
	my $answer = $session->query_safe("$way BEGIN ISOLATION LEVEL REPEATABLE READ; $query");
	$session->query_safe("DECLARE c CURSOR FOR SELECT id FROM m ORDER BY series, ts; FETCH 10 FROM c")
	  if $way =~ /indexscan = off; SET enable_bitmap/;
	return { session => $session, answer => $answer, standby => $standby };
}

my %outcome;
foreach my $round (1 .. 2 * $rounds)
{
	# one standby a round: the feedback of one would protect the queries of both
	my $standby = $standbys[ $round % 2 ];
	my @readers = map { reader($standby, $_) } @ways;

	# at the latest by its second status message a standby has told of them
	sleep 2 if $standby->name eq 'feedback_on';
	$node->safe_psql(
		'postgres', qq(
DELETE FROM m WHERE id % 9 = $round % 9;
UPDATE m SET v = CASE WHEN id % 2 = 0 THEN v + 1 ELSE v - 1 END, note = 'r' || $round WHERE id % 7 = $round % 7;
INSERT INTO m SELECT '2024-02-01'::timestamptz + i * interval '1 s', i, i % 5, 0, 'new'
	FROM generate_series(20000 + $round * 1000 + 1, 21000 + $round * 1000) i;
));
	sleep 2 if $standby->name eq 'feedback_off';
	tsdb_compact($node, 'm');
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) m');
	$node->safe_psql('postgres', qq(UPDATE m SET note = 'second' WHERE id % 5 = $round % 5));
	tsdb_compact($node, 'm');
	$node->safe_psql('postgres', $round % 3 == 0 ? 'VACUUM FREEZE m' : 'VACUUM (INDEX_CLEANUP on) m');
	$node->wait_for_catchup($_) foreach @standbys;

	foreach my $reader (@readers)
	{
		my $name = $reader->{standby}->name;
		my $answer = eval { $reader->{session}->query($query) } // '';
		my $error = $reader->{session}->{stderr};

		if ($answer ne '')
		{
			is($answer, $reader->{answer}, "round $round, $name: the same answer") if $answer ne $reader->{answer};
			$outcome{$name}{answered}++;
		}
		else
		{
			like($error, qr/conflict with recovery|current transaction is aborted|terminat|^$/,
				"round $round, $name: the standard error")
			  if $error !~ /conflict with recovery/;
			$outcome{$name}{cancelled}++;
		}
		eval { $reader->{session}->query('ROLLBACK'); $reader->{session}->quit };
	}
	my $wanted = tsdb_digest($node, 'm');
	is(tsdb_digest($_, 'm'), $wanted, "round $round, " . $_->name . ': equal to the primary')
	  foreach @standbys;
}

is($outcome{feedback_on}{answered}, 3 * $rounds, 'with feedback every old snapshot answers');
cmp_ok($outcome{feedback_off}{cancelled} // 0, '>', 0, 'without feedback there are conflicts');
is( ($outcome{feedback_off}{cancelled} // 0) + ($outcome{feedback_off}{answered} // 0),
	3 * $rounds,
	'and each query is answered rightly or cancelled');
note(join ', ', map { "$_: " . join ' ', %{ $outcome{$_} } } sort keys %outcome);

# New queries run on a standby all the time, while clients of the primary move amounts between rows.
$node->safe_psql(
	'postgres', q(
ALTER TABLE m RESET (vacuum_truncate);
CREATE TABLE account (id int PRIMARY KEY, v int NOT NULL, ts timestamptz DEFAULT now()) USING tsdb;
INSERT INTO account SELECT i, 100 FROM generate_series(1, 4000) i;
));
tsdb_compact($node, 'account');
my $script = $node->basedir . '/transfer.sql';
append_to_file($script, q(
\set a random(1, 2000)
\set b random(2001, 4000)
BEGIN;
UPDATE account SET v = v + 1 WHERE id = :a;
DELETE FROM account WHERE id = :b;
INSERT INTO account SELECT :b, 4000 * 100 - sum(v) FROM account;
COMMIT;
));
$node->wait_for_catchup($_) foreach @standbys;
my $seconds = $ENV{TEST_LONG} ? 300 : 6;
my $output = '';
my $load = start(
	[ $node->config_data('--bindir') . '/pgbench', '-n', '-T', $seconds, '-f', $script, $node->connstr('postgres') ],
	'>', \$output, '2>', \$output);
my ($answers, $cancelled, $wrong) = (0, 0, 0);
my $end = time + $seconds;
for (my $n = 0; time < $end; $n++)
{
	tsdb_compact($node, 'account');
	$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) account') if $n % 2 == 1;
	foreach my $standby (@standbys)
	{
		my ($code, $out, $err) = $standby->psql('postgres', $ways[ $n % 3 ]
			  . 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*), sum(v) FROM account WHERE id > 0;
				SELECT pg_sleep(0.2); SELECT count(*), sum(v) FROM account WHERE id > 0; COMMIT');
		if ($code != 0)
		{
			$cancelled++;
			like($err, qr/conflict with recovery/, 'the standard error')
			  if $err !~ /conflict with recovery/;
		}
		elsif ($out =~ /^4000\|400000\n\n4000\|400000$/)
		{
			$answers++;
		}
		else
		{
			diag("answered: $out");
			$wrong++;
		}
	}
}
ok(finish($load), 'clients of the primary go on') or diag($output);
is($wrong, 0, "no wrong answer, $answers right ones, $cancelled cancelled");
cmp_ok($answers, '>', 0, 'and there are answers');
$_->stop foreach @standbys;
$node->stop;
done_testing();
