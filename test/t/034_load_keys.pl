# Loads into a table with a unique index of access method tsdb_key: crashes around the moment in which chunks
# are there, prepared loads, a standby, and many sessions that load, insert and delete the same keys.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use TsdbClients;
use TsdbNode;

my $long = $ENV{TEST_LONG} // 0;
my $key = tsdb_stand_in() ? 'btree' : 'tsdb_key';
my $node = tsdb_node('main', allows_streaming => 1);
$node->append_conf('postgresql.conf', "tsdb.direct_load_rows = 100\ntsdb.shards = 2\ndeadlock_timeout = 50ms");
tsdb_start($node);
$node->safe_psql(
	'postgres', qq(
CREATE TABLE m (device int NOT NULL, ts timestamptz NOT NULL, v int) USING tsdb;
CREATE UNIQUE INDEX m_key ON m USING $key (device, ts);
CREATE FUNCTION rows_of(first int, last int, value int) RETURNS SETOF m LANGUAGE sql AS
  \$\$ SELECT n % 5, timestamptz '2024-01-01' + n * interval '1 s', value FROM generate_series(first, last) n \$\$;
));
my $load = 'INSERT INTO m SELECT * FROM rows_of(1001, 3000, 1)';

sub count_rows { return $node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT (device, ts)) FROM m'); }

# Empty where all is well.
sub faults
{
	return '' if tsdb_stand_in();
	return $node->safe_psql('postgres', "SELECT * FROM tsdb.verify('m')");
}

# The error of a statement, by SQLSTATE, or nothing.
sub error_of
{
	my ($sql, $server) = @_;
	my ($code, $out, $err) = ($server // $node)->psql('postgres', "\\set VERBOSITY sqlstate\n$sql");
	return $err =~ /ERROR:\s+(\w+)/ ? $1 : $err;
}

# a crash before the chunks are there for others, and when they are
foreach my $point (tsdb_stand_in() ? () : qw(load_after_chunk load_before_place load_after_place))
{
	$node->safe_psql('postgres', 'TRUNCATE m; INSERT INTO m SELECT * FROM rows_of(1, 500, 0)');
	my ($code) = $node->psql('postgres', "SET tsdb.stop_point = '$point'; $load");
	isnt($code, 0, "$point: the process dies");
	tsdb_wait_up($node);
	is(count_rows(), '500|500', "$point: nothing of the load is there");
	is(error_of('INSERT INTO m SELECT * FROM rows_of(1500, 1500, 2)'), '', "$point: nor is it in anybody's way");
	is(error_of($load), '23505', "$point: the next load is told of a row that came since");
	is(error_of('DELETE FROM m WHERE v = 2; VACUUM m;' . $load), '', "$point: or is done");
	is(error_of('INSERT INTO m SELECT * FROM rows_of(400, 1500, 2)'), '23505', "$point: and is found");
	is(count_rows(), '2500|2500', "$point: all rows are there");
	is(faults(), '', "$point: nothing is damaged");
}

# a prepared load holds its keys, over a restart and a crash too
$node->safe_psql('postgres', "TRUNCATE m; BEGIN; $load; PREPARE TRANSACTION 'a'");
my $in_doubt = 'INSERT INTO m SELECT * FROM rows_of(2000, 2000, 2)';
foreach my $stop (qw(none fast immediate))
{
	$node->stop($stop), $node->start if $stop ne 'none';
	foreach my $statement ($in_doubt, 'INSERT INTO m SELECT * FROM rows_of(2900, 3500, 2)', $load)
	{
		is(error_of("SET lock_timeout = '100ms'; $statement"), '55P03', "$stop: who wants a key waits for a prepared load");
	}
	is(error_of('INSERT INTO m SELECT * FROM rows_of(5001, 5500, 3); DELETE FROM m WHERE v = 3'), '', "$stop: others do not");
	tsdb_compact($node, 'm');
	$node->safe_psql('postgres', 'VACUUM m');
}
my $waiter = $node->background_psql('postgres', on_error_stop => 0);
$waiter->query_until(qr/begun/, "\\echo begun\n$in_doubt;\n");
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
$node->safe_psql('postgres', "COMMIT PREPARED 'a'");
$waiter->quit;
is(error_of($in_doubt), '23505', 'a prepared load has its keys when it commits');
is(count_rows(), '2000|2000', 'as has who waited for it found');
$node->safe_psql('postgres', "TRUNCATE m; BEGIN; $load; PREPARE TRANSACTION 'b'");
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', "ROLLBACK PREPARED 'b'");
is(error_of($load), '', 'and leaves them when it rolls back');
is(faults(), '', 'nothing is damaged');

# many sessions; each notes in the same transaction how many rows it has added
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
my $seed = $ENV{TEST_SEED} // int(time * 1000) % 1000000;
note "TEST_SEED=$seed";
srand($seed);
$node->safe_psql('postgres', 'TRUNCATE m; CREATE TABLE journal (added int); CHECKPOINT');

sub statements
{
	my ($count) = @_;
	my $sql = '';
	my $load_some = sub {
		my ($first, $rows) = (int(rand(12000)), 100 + int(rand(500)));
		my $order = ('n', 'n DESC', 'n % 7, n', 'hashint4(n)')[ int(rand(4)) ];
		my $last = $first + $rows - 1;
		return "INSERT INTO m SELECT n % 5, timestamptz '2024-01-01' + n * interval '1 s', 1 FROM generate_series($first, $last) n ORDER BY $order; "
		  . "INSERT INTO journal VALUES ($rows); ";
	};
	foreach (1 .. $count)
	{
		my $what = rand;
		my $n = int(rand(12000));
		$sql .= 'BEGIN; ';
		if ($what < 0.45) { $sql .= $load_some->(); }
		elsif ($what < 0.5) { $sql .= $load_some->() . $load_some->(); }
		elsif ($what < 0.57) { $sql .= 'SAVEPOINT a; ' . $load_some->() . 'ROLLBACK TO a; ' . $load_some->(); }
		elsif ($what < 0.72) { $sql .= "INSERT INTO m SELECT * FROM rows_of($n, $n, 2); INSERT INTO journal VALUES (1); "; }
		elsif ($what < 0.8)
		{
			$sql .= "WITH new AS (INSERT INTO m SELECT * FROM rows_of($n, $n + 20, 3) ON CONFLICT (device, ts) DO NOTHING RETURNING v) "
			  . 'INSERT INTO journal SELECT count(*) FROM new; ';
		}
		elsif ($what < 0.83) { $sql .= "UPDATE m SET device = 4 - device WHERE ts = timestamptz '2024-01-01' + $n * interval '1 s'; "; }
		else
		{
			$sql .= "WITH old AS (DELETE FROM m WHERE ts BETWEEN timestamptz '2024-01-01' + $n * interval '1 s' AND "
			  . "timestamptz '2024-01-01' + ($n + 900) * interval '1 s' RETURNING v) INSERT INTO journal SELECT -count(*) FROM old; ";
		}
		$sql .= (rand() < 0.15 ? 'ROLLBACK' : 'COMMIT') . ";\n";
	}
	return $sql;
}

foreach my $round (1 .. ($long ? 15 : 3))
{
	my @clients;
	foreach my $name (1 .. 4)
	{
		push @clients, client_start($node, "client$name", statements(60), '\set VERBOSITY sqlstate');
	}
	while (grep { client_running($_) } @clients)
	{
		tsdb_compact($node, 'm');
		$node->safe_psql('postgres', 'VACUUM m');
	}
	$_->{run}->finish foreach @clients;
	my %errors;
	$errors{$_}++ foreach map { slurp_file($_->{err}) =~ /^(?:psql:\S+ )?(?:ERROR|FATAL|PANIC):\s+(\w+)/mg } @clients;
	note join ', ', map { "$_: $errors{$_}" } sort keys %errors;
	delete @errors{qw(23505 40P01 25P02 3B001)};
	is(join(' ', %errors), '', "round $round: no errors but those that heap has");
	my ($rows) = split /\|/, count_rows();
	is(count_rows(), "$rows|$rows", "round $round: no key is there twice");
	is($rows, $node->safe_psql('postgres', 'SELECT sum(added) FROM journal'), "round $round: all that was committed is there");
	is($node->safe_psql('postgres', "SET enable_seqscan = off; SET tsdb.enable_scan = off; SELECT count(*) FROM rows_of(0, 13000, 0) r JOIN m USING (device, ts)"),
		$node->safe_psql('postgres', "SELECT count(*) FROM rows_of(0, 13000, 0) r JOIN m USING (device, ts)"), "round $round: the index finds them");
	is(faults(), '', "round $round: nothing is damaged");
}

# the standby finds them, too, and knows keys when it is promoted; also a session that was there before
$node->wait_for_catchup($standby);
my $session = $standby->background_psql('postgres');
my $by_index = "SET enable_seqscan = off; SET tsdb.enable_scan = off; SELECT count(*) FROM rows_of(0, 13000, 0) r JOIN m USING (device, ts);";
my $found = $node->safe_psql('postgres', $by_index);
is($session->query_safe($by_index), $found, 'the standby finds rows by their keys');
$node->safe_psql('postgres', 'INSERT INTO m SELECT * FROM rows_of(50001, 51000, 5)');
$node->wait_for_catchup($standby);
is($session->query_safe("SELECT count(*) FROM m WHERE device = 50500 % 5 AND ts = timestamptz '2024-01-01' + 50500 * interval '1 s';"), '1', 'as soon as they come');
$standby->promote;
$session->query_safe('INSERT INTO m SELECT * FROM rows_of(51001, 51500, 5);');
is(error_of('INSERT INTO m SELECT * FROM rows_of(50900, 51100, 5)', $standby), '23505', 'and when it is promoted');
is(error_of('INSERT INTO m SELECT * FROM rows_of(51500, 51500, 5)', $standby), '23505', 'be it one row or many');
$session->quit;

$standby->stop;
$node->stop;
done_testing();
