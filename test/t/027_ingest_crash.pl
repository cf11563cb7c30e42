
# tsdb.ingest when something dies: what was acknowledged by commit is there once after a crash of anything;
# asynchronous rows are there once after every stop but a crash, and after a crash only the last ones may be
# missing. A disk that is full loses nothing, but for rows in memory when the server is stopped all the same.
#
# The full disk is a tmpfs in a mount namespace of this test's own, see 016_out_of_space.pl.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use TsdbNamespace;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use TsdbNode;
use TsdbClients;

plan skip_all => 'the stand-in has no tsdb.ingest' if tsdb_stand_in();

my $long = $ENV{TEST_LONG} // 0;
my $rounds = $ENV{TSDB_TEST_ROUNDS} // ($long ? 40 : 2);
my $seconds = $long ? 5 : 1;
my $interval = 300;	# milliseconds
my $seed = $ENV{TSDB_TEST_SEED} // int(time);
srand $seed;
note "TSDB_TEST_SEED=$seed";

my $node = tsdb_node('main');
$node->append_conf(
	'postgresql.conf', qq(
log_error_verbosity = verbose
max_wal_size = 2GB
tsdb.ingest_flush_interval = ${interval}ms
));
tsdb_start($node);

sub sql { return $node->safe_psql('postgres', $_[0]); }

my $columns = 'ts timestamptz NOT NULL, device text, id int8, v float8';
sql("CREATE TABLE m ($columns) USING tsdb; CREATE TABLE a ($columns) USING tsdb;");

my $first = 0;
my (@committed, @async);	# what each client was told, since the tables were made

# Lets clients send rows into m by commit, or into a asynchronously.
sub clients
{
	my ($durability, $number) = @_;
	my $table = $durability eq 'commit' ? 'm' : 'a';
	return map {
		$first += 1000000;
		my $client = client_start($node, "$durability$first", client_statements($table, $first, 40000),
			"SET tsdb.ingest_durability = $durability;");
		@$client{qw(durability started)} = ($durability, time);
		$client;
	} 1 .. $number;
}

# What they were told; the script is longer than they live.
sub finish
{
	foreach my $client (@_)
	{
		my %said = client_finish($client);
		my $dead = $client->{durability} eq 'commit' ? \@committed : \@async;
		push @$dead, { acked => $said{acked}, rows => $said{rows}, started => $client->{started} };
	}
	return;
}

# Waits until each client has had some answers.
sub under_way
{
	my ($answers, @clients) = @_;
	foreach my $client (@clients)
	{
		foreach (1 .. 600)
		{
			last if scalar(my @lines = client_lines($client)) >= $answers;
			sleep 0.05;
		}
	}
	return;
}

sub rows
{
	my $rows = 0;
	$rows += $_->{rows} foreach @_;
	return $rows;
}

sub whole
{
	my ($what) = @_;
	is(client_check($node, 'm', \@committed), '', "$what: what was acknowledged by commit is there once, of " . rows(@committed) . ' rows');
	is(sql('SELECT * FROM tsdb.verify(\'m\')'), '', "$what: nothing is damaged");
	is(sql('SELECT count(*) FROM tsdb.dead_letters'), 0, "$what: no dead letters");
	return;
}

# kill -9 of everything, of the drain, of a client's backend; an immediate stop
my %kill = (
	'kill -9 of the server' => sub { tsdb_kill9($node); },
	'immediate stop' => sub { $node->stop('immediate'); },
	'kill -9 of the drain' => sub { kill 9, client_drain($node); },
	'kill -9 of a client' => sub {
		kill 9, sql("SELECT pid FROM pg_stat_activity WHERE query LIKE '%tsdb.ingest%' AND pid <> pg_backend_pid() LIMIT 1");
	},);

foreach my $round (1 .. $rounds)
{
	foreach my $what (sort keys %kill)
	{
		my @clients = (clients('commit', 4), clients('async', 2));
		under_way(20, @clients);
		sleep rand $seconds;
		my $moment = time;
		$kill{$what}->();
		finish(@clients);
		if (-f $node->data_dir . '/postmaster.pid' && $what =~ /drain|client/)
		{
			tsdb_wait_up($node);
		}
		else
		{
			$node->start;
		}
		whole($what);

		# asynchronous rows: none twice, none missing that was older than the interval. The backend has taken
		# the time before the row was acknowledged; a row that is there tells how long others may be missing.
		my $missing = client_check($node, 'a', \@async);
		unlike($missing, qr/doubled/, "$what: no asynchronous row is there twice");
		note "$what: asynchronous rows: " . ($missing eq '' ? 'all there' : $missing);
		my %there = map { $_ => 1 } split /\n/, sql('SELECT id FROM a');
		foreach my $client (@async[ -2, -1 ])
		{
			# a client sends its ids in order: a row was sent after those with smaller ids
			my @ids = sort { $a <=> $b } keys %{ $client->{acked} };
			my ($lost) = grep { !$there{$_} } @ids;
			next if !defined $lost;
			my $sent = sql("SELECT extract(epoch FROM max(ts)) FROM a WHERE id BETWEEN $ids[0] AND $lost");
			cmp_ok($moment - ($sent || $client->{started}), '<', $interval / 1000 + 2, "$what: rows that are missing are of the last moments");
		}
		sql('TRUNCATE a');
		@async = ();
		ingest_idle($node, $what);
	}
}

# sessions that are terminated: a client, the drain; nobody else notices
foreach my $round (1 .. $rounds)
{
	my @clients = (clients('commit', 3), clients('async', 2));
	under_way(20, @clients);
	foreach my $again (1 .. 6)
	{
		sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'tsdb ingest'");
		sleep rand 0.3;
	}
	under_way(20 + (my @lines = client_lines($clients[1])), $clients[1]);
	ok(client_running($_), "a $_->{durability} client has survived terminated drains") foreach @clients;
	sql("SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE query LIKE '%tsdb.ingest%' AND pid <> pg_backend_pid() LIMIT 2) x");
	sleep 0.3;
	is(scalar(grep { client_running($_) } @clients), 3, 'two clients are terminated, the others go on');
	sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'tsdb ingest'");
	sleep 0.3;
	sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%tsdb.ingest%' AND pid <> pg_backend_pid()");
	finish(@clients);
	sql('SELECT tsdb.ingest_flush()');
	whole('terminated');
	is(client_check($node, 'a', \@async), '', 'terminated: all asynchronous rows are there once');
	ingest_idle($node, 'terminated');
}

# fast and smart stops while clients send, and with rows that would wait for an hour
foreach my $round (1 .. $rounds)
{
	foreach my $how ('fast', 'smart', 'fast, later', 'smart, later')
	{
		my ($mode, $later) = split /, /, $how;
		if ($later)
		{
			sql("ALTER SYSTEM SET tsdb.ingest_flush_interval = '1h'");
			sql('SELECT pg_reload_conf()');
			sleep 0.3;
		}
		my @clients = (clients('commit', $later ? 1 : 3), clients('async', 3));
		under_way(20, @clients);
		sleep rand $seconds;
		if ($mode eq 'smart')
		{
			# it waits for sessions, so these must go; they do so in the middle of a stop
			my $stop = IPC::Run::start([ 'pg_ctl', '-D', $node->data_dir, '-m', 'smart', '-w', '-t', '120', 'stop' ], '>', '/dev/null');
			sleep 0.5;
			kill 'TERM', map { $_->{run}{KIDS}[0]{PID} } @clients;
			finish(@clients);
			$stop->finish;
			$node->_update_pid(0);
		}
		else
		{
			$node->stop('fast');
			finish(@clients);
		}
		unlike(slurp_file($node->logfile), qr/PANIC|TRAP/, "$mode stop: no crash");
		$node->start;
		whole("$mode stop");
		is(client_check($node, 'a', \@async), '', "$mode stop: all asynchronous rows are there once, of " . rows(@async));
		if ($later)
		{
			sql('ALTER SYSTEM RESET tsdb.ingest_flush_interval');
			sql('SELECT pg_reload_conf()');
		}
	}
}

#
# A disk that is full
#

SKIP:
{
	skip 'no user namespaces here', 1 if !$ENV{TSDB_TEST_NAMESPACE};

	my $space = PostgreSQL::Test::Utils::tempdir();
	system_or_bail('mount', '-t', 'tmpfs', '-o', 'size=8m,mode=0700', 'tmpfs', $space);
	mkdir "$space/data", 0700 or die;

	# processes of the server must have been started in here, which they were
	sql("CREATE TABLESPACE small LOCATION '$space/data'");
	sql("CREATE TABLE small ($columns) USING tsdb TABLESPACE small; CREATE TABLE large ($columns) USING tsdb");
	my $row = "clock_timestamp(), 'd' || i %% 5 || (SELECT string_agg(md5(i || ' ' || j), '') FROM generate_series(1, 30) j), i, i";
	my $statement = "SELECT tsdb.ingest('%s', ROW($row)), i FROM generate_series(%d, %d) i";
	my (%acked, %refused);

	sub fill
	{
		unlink "$space/ballast";
		system('dd', 'if=/dev/zero', "of=$space/ballast", 'bs=8k', 'status=none');
		return;
	}

	# commit: the client gets the error
	sql(sprintf($statement, 'small', 1, 20));
	fill();
	my $error = '';
	foreach my $n (1 .. 40)
	{
		my $from = $n * 100;
		my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n" . sprintf($statement, 'small', $from, $from + 19));
		$error = $err if $code != 0;
		my $list = $code == 0 ? \%acked : \%refused;
		$list->{$_} = 1 foreach $from .. $from + 19;
	}
	like($error, qr/ERROR:  53100: could not .*(No space left on device|wrote only)/, 'commit: the client hears that the disk is full');
	is(sql('SELECT count(*) FROM small WHERE id > 20'), scalar keys %acked, 'what was refused is not there');
	is(sql("SELECT tsdb.ingest('large', ROW(now(), 'other', 1)); SELECT count(*) FROM large"), "1\n1", 'other tables take rows');

	# async: rows wait for space, and other tables do not wait for them
	sql('SET tsdb.ingest_durability = async; ' . sprintf($statement, 'small', 10001, 10100));
	sql("SET tsdb.ingest_durability = async; SELECT tsdb.ingest('large', ROW(now(), 'other', 2))");
	ok($node->poll_query_until('postgres', 'SELECT count(*) = 2 FROM large'), 'asynchronous rows of other tables are written');
	ok($node->poll_query_until('postgres', q(SELECT sum(retries) > 0 AND max(last_error) ~ 'No space left|wrote only' FROM tsdb.stat_ingest_workers)),
		'the drain says that the disk is full');
	is(sql('SELECT count(*) FROM tsdb.dead_letters'), 0, 'they are no dead letters');
	is(sql('SELECT count(*) FROM small WHERE id > 10000'), 0, 'they are not there');
	my $flush = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $flush->query_safe('SELECT pg_backend_pid();');
	$flush->query_until(qr/sent/, "\\echo sent\nSELECT tsdb.ingest_flush('small');\n\\echo flushed\n");
	sleep 1;
	is(sql("SELECT state FROM pg_stat_activity WHERE pid = $pid"), 'active', 'a flush waits for them');
	unlink "$space/ballast";
	$flush->query_until(qr/flushed/, '');
	$flush->quit;
	is(sql('SELECT count(*), count(DISTINCT id) FROM small WHERE id > 10000'), '100|100', 'they are when there is space again');

	# a stop that cannot write them says how many are lost, and ends
	fill();
	sql("ALTER SYSTEM SET tsdb.shutdown_timeout = '3s'");
	sql('SELECT pg_reload_conf()');
	sql('SET tsdb.ingest_durability = async; ' . sprintf($statement, 'small', 20001, 20200));
	my $before = -s $node->logfile;
	my $started = time;
	$node->stop('fast');
	cmp_ok(time - $started, '<', 40, 'a stop ends though the disk is full');
	like(slurp_file($node->logfile, $before), qr/(?<!\d)200 /, 'and says how many rows are lost');
	unlink "$space/ballast";
	$node->start;
	is(sql('SELECT count(*) FROM small WHERE id > 20000'), 0, 'they are');
	is(sql("SELECT tsdb.ingest('small', ROW(now(), 'again', 30000)); SELECT count(*) FROM small WHERE id = 30000"), "1\n1", 'all goes on');
	sql('DROP TABLE small; DROP TABLESPACE small');
	system('umount', $space);
}

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP/, 'no crash in the log but those wanted');
done_testing();
