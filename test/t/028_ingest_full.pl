
# A drain worker that is stopped: the ring fills, and those who send wait and time out with an error, get one
# at once, or write themselves, as tsdb.ingest_full says; each can be cancelled; when it goes on, so does all,
# and each row is there once.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use TsdbNode;
use TsdbClients;

plan skip_all => 'the stand-in has no tsdb.ingest' if tsdb_stand_in();

my $long = $ENV{TEST_LONG} // 0;
my $node = tsdb_node('main', allows_streaming => 1);
$node->append_conf(
	'postgresql.conf', q(
max_connections = 30
log_error_verbosity = verbose
tsdb.ingest_memory = 1MB
tsdb.ingest_flush_interval = 200ms
tsdb.shutdown_timeout = 5s
tsdb.worker_idle_timeout = 10min	# who is stopped is who would drain, however slow the machine
));
tsdb_start($node);

sub sql { return $node->safe_psql('postgres', $_[0]); }

# The SQLSTATE of a statement's error, or an empty string; and how many seconds it took.
sub timed
{
	my ($sql) = @_;
	my $started = time;
	my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql");
	return ($err =~ /(?:ERROR|FATAL):  (\w{5}):/ ? $1 : $code == 0 ? '' : $err, time - $started);
}

sql(q(CREATE TABLE m (ts timestamptz NOT NULL, device text, id int8, v float8) USING tsdb));
my $acked = 0;	# rows of m that were acknowledged
my $next = 1;

# A row of its own id, or one that must not be there
sub row
{
	my ($device) = @_;
	return "SELECT tsdb.ingest('m', ROW(clock_timestamp(), '$device', " . $next++ . ", 1))";
}

# Many rows.
sub large
{
	my ($device) = @_;
	my $from = $next;
	$next += 300;
	return "SELECT tsdb.ingest('m', array_agg(clock_timestamp()), array_agg('$device'::text), array_agg(i), array_agg(1)) "
	  . "FROM generate_series($from, $next - 1) i";
}

# Sends asynchronous rows until there is no room for any, large statements first.
sub fill
{
	foreach my $rows (500, 100, 20, 1)
	{
		my $state = '';
		foreach (1 .. 2000)
		{
			my $from = $next;
			$next += $rows;
			($state) = timed("SET tsdb.ingest_durability = async; SET tsdb.ingest_full = error; SELECT tsdb.ingest('m', array_agg(clock_timestamp()), "
				  . "array_agg('d' || $from % 50), array_agg(i), array_agg(1)) FROM generate_series($from, $next - 1) i");
			last if $state ne '';
			$acked += $rows;
		}
		is($state, '53000', "there is no room for $rows rows");
	}
	return;
}

sub check
{
	my ($what) = @_;
	is(sql("SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE device IN ('cancelled', 'refused')) FROM m"), "$acked|$acked|0", "$what: each row that was accepted is there once, no other");
	return;
}

sub wait_for
{
	my ($condition, $what) = @_;
	ok($node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM pg_stat_activity a WHERE $condition)"), $what);
	return;
}

sql('SET tsdb.ingest_durability = async; ' . row('first'));
$acked++;
my $drain = client_drain($node);

# commit: one client's transaction has the rows of all. As many as may commit at a time (COMMITTING_MAX in
# src/ingest/group_commit.c) wait for a standby that does not come, and nobody writes the rows of the others.
sub standby_wanted
{
	my ($name) = @_;
	sql("ALTER SYSTEM SET synchronous_standby_names = '$name'");
	sql('SELECT pg_reload_conf()');
	$node->poll_query_until('postgres', "SELECT current_setting('synchronous_standby_names') = '$name'") or die;
	sleep 0.3;
	return;
}

# A session that sends a row and waits.
sub waiting_session
{
	my ($device, $set) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->{pid} = $session->query_safe('SELECT pg_backend_pid();');
	$session->query_safe("\\set VERBOSITY verbose\nSET tsdb.ingest_durability = commit; $set");
	$session->query_until(qr/sent/, "\\echo sent\n" . row($device) . ";\n\\echo finished\n");
	wait_for("pid = $session->{pid} AND state = 'active' AND wait_event IS NOT NULL", "$device: it waits visibly");
	return $session;
}

{
	my $committing = 8;
	my $long_wait = "SET tsdb.ingest_wait_timeout = '10min';";
	standby_wanted('nobody');
	my @leaders = map { waiting_session("leader $_", $long_wait) } 1 .. $committing;
	my ($state, $took) = timed("SET tsdb.ingest_wait_timeout = '1500ms'; " . row('refused'));
	is($state, '53000', 'commit: an error says that nobody writes');
	cmp_ok($took, '>=', 1.4, 'after the time that it may wait');
	cmp_ok($took, '<', 20, 'and not much later');

	my $cancelled = waiting_session('cancelled', $long_wait);
	my $started = time;
	sql("SELECT pg_cancel_backend($cancelled->{pid})");
	$cancelled->query_until(qr/finished/, '');
	cmp_ok(time - $started, '<', 20, 'commit: a cancel is heard');
	like($cancelled->{stderr}, qr/57014/, 'commit: and says so');
	$cancelled->quit;
	my $terminated = waiting_session('cancelled', $long_wait);
	sql("SELECT pg_terminate_backend($terminated->{pid}, 20000)");
	is(sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $terminated->{pid}"), 0, 'commit: it can be terminated');
	eval { $terminated->quit };

	# those who waited get through when the leaders go on, one of them cancelled: it has committed, and says so
	my @waited = map { waiting_session("waited $_", $long_wait) } 1 .. 5;
	sql("SELECT pg_cancel_backend($leaders[0]{pid})");
	$leaders[0]->query_until(qr/finished/, '');
	like($leaders[0]{stderr}, qr/canceling wait for synchronous replication/, 'a leader that is cancelled has committed');

	# one of them leads now and has the others' rows: who does not want to wait any more goes, and they are committed all the same
	my $pids = join(',', map { $_->{pid} } @waited);
	wait_for("pid IN ($pids) AND wait_event = 'SyncRep'", 'commit: one of those who waited leads');
	my $leader = sql("SELECT pid FROM pg_stat_activity WHERE pid IN ($pids) AND wait_event = 'SyncRep'");
	@waited = sort { ($b->{pid} == $leader) <=> ($a->{pid} == $leader) } @waited;
	$started = time;
	sql("SELECT pg_cancel_backend($waited[1]{pid})");
	$waited[1]->query_until(qr/finished/, '');
	cmp_ok(time - $started, '<', 20, 'commit: a cancel is heard while a leader has the rows');
	like($waited[1]{stderr}, qr/57014.*may still commit them/s, 'commit: and says what that means');
	sql("SELECT pg_terminate_backend($waited[2]{pid}, 20000)");
	is(sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $waited[2]{pid}"), 0, 'commit: it can be terminated while a leader has the rows');
	$waited[1]->quit;
	eval { $waited[2]->quit };
	splice @waited, 1, 2;
	standby_wanted('');
	$_->query_until(qr/finished/, '') foreach @leaders[1 .. $committing - 1], @waited;
	is(join('', map { $_->{stderr} =~ /ERROR/ ? $_->{stderr} : '' } @leaders, @waited), '', 'commit: nobody else has an error');
	$acked += $committing + 5;
	$_->quit foreach @leaders, @waited;
	check('commit');

	# A crowd: one leader has the rows of many, and another one waits. No more groups are to commit at a time then, but
	# who has waited in vain for a moment does not wait for them.
	standby_wanted('nobody');
	my @crowd = map { waiting_session("crowd $_", $long_wait) } 1 .. $committing + 20;
	sql("SELECT pg_cancel_backend($crowd[0]{pid})");
	$crowd[0]->query_until(qr/finished/, '');
	$pids = join(',', map { $_->{pid} } @crowd[$committing .. $#crowd]);
	wait_for("pid IN ($pids) AND wait_event = 'SyncRep'", 'a crowd: one of it leads');
	sql("SELECT pg_cancel_backend($_->{pid})") foreach @crowd[1 .. $committing - 2];
	$_->query_until(qr/finished/, '') foreach @crowd[1 .. $committing - 2];
	push @crowd, waiting_session('late', $long_wait);
	wait_for("pid = $crowd[-1]{pid} AND wait_event = 'SyncRep'", 'a crowd: who comes late leads, too');
	standby_wanted('');
	$_->query_until(qr/finished/, '') foreach @crowd[$committing - 1 .. $#crowd];
	is(join('', map { $_->{stderr} =~ /ERROR/ ? $_->{stderr} : '' } @crowd), '', 'a crowd: nobody has an error');
	$acked += @crowd;
	$_->quit foreach @crowd;
	check('crowd');
}

# Who comes while a leader writes does so beside him, if nobody waits for one.
sql(q(CREATE FUNCTION slowly(float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS
	'BEGIN PERFORM pg_sleep(10); RETURN $1; END'));
sql('CREATE TABLE slow (ts timestamptz NOT NULL, v float8) USING tsdb; CREATE INDEX ON slow (slowly(v))');
{
	my $leader = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $leader->query_safe('SELECT pg_backend_pid();');
	$leader->query_until(qr/sent/, "\\echo sent\nSELECT tsdb.ingest('slow', ROW(now(), 1));\n\\echo finished\n");
	wait_for("pid = $pid AND wait_event = 'PgSleep'", 'a leader writes');
	sql(row('beside'));
	$acked++;
	is(sql("SELECT wait_event FROM pg_stat_activity WHERE pid = $pid"), 'PgSleep', 'who comes then commits meanwhile');
	$leader->query_until(qr/finished/, '');
	is($leader->{stderr}, '', 'the leader has no error');
	is(sql('SELECT v FROM slow'), 1, 'and his row is there');
	$leader->quit;
	check('beside a leader');
}
ingest_idle($node, 'commit');

# a flush that waits can be cancelled
kill 'STOP', $drain;
sql('SET tsdb.ingest_durability = async; ' . row('async'));
$acked++;
{
	my ($state, $took) = timed("SET statement_timeout = '1s'; SELECT tsdb.ingest_flush()");
	is($state, '57014', 'a flush can be cancelled');
	cmp_ok($took, '<', 20, 'in time');
}

# async, until it is full
fill();
my $before = sql("SELECT sum(full_waits) FROM tsdb.stat_ingest WHERE datname = 'postgres'");
foreach my $durability ('async')
{
	my $set = "SET tsdb.ingest_durability = $durability; SET tsdb.ingest_wait_timeout = '1500ms'; ";
	my ($state, $took) = timed($set . large('refused'));
	is($state, '53000', "$durability, wait: an error in the end");
	cmp_ok($took, '>=', 1.4, "$durability, wait: after the time that it may wait");
	cmp_ok($took, '<', 20, "$durability, wait: and not much later");

	($state, $took) = timed("${set}SET tsdb.ingest_wait_timeout = '1h'; SET tsdb.ingest_full = error; " . large('refused'));
	is($state, '53000', "$durability, error: an error");
	cmp_ok($took, '<', 20, "$durability, error: at once");

	my $from = $next;
	($state, $took) = timed("${set}SET tsdb.ingest_wait_timeout = '1h'; SET tsdb.ingest_full = direct; " . large('direct'));
	is($state, '', "$durability, direct: no error");
	cmp_ok($took, '<', 20, "$durability, direct: at once");
	is(sql("SELECT count(*) FROM m WHERE id >= $from AND device = 'direct'"), 300, "$durability, direct: the rows are there while others wait");
	$acked += 300;

	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $pid = $session->query_safe('SELECT pg_backend_pid();');
	$session->query_until(qr/sent/, "\\echo sent\n\\set VERBOSITY verbose\n${set}SET tsdb.ingest_wait_timeout = '1h';\n" . large('cancelled') . ";\n\\echo finished\n");
	wait_for("pid = $pid AND state = 'active' AND wait_event IS NOT NULL", "$durability, wait: visibly");
	my $started = time;
	sql("SELECT pg_cancel_backend($pid)");
	$session->query_until(qr/finished/, '');
	cmp_ok(time - $started, '<', 20, "$durability, wait: a cancel is heard");
	like($session->{stderr}, qr/57014/, "$durability, wait: and says so");
	$session->quit;

	# a transaction does not need the ring
	($state, $took) = timed("${set}BEGIN; " . row('transaction') . '; COMMIT');
	is($state, '', "$durability: a transaction does not need the ring");
	cmp_ok($took, '<', 20, "$durability: nor waits for it");
	$acked++;
}
{
	my ($state, $took) = timed(row('commit') . '; ' . large('commit'));
	is($state, '', 'commit does not need the drain');
	cmp_ok($took, '<', 20, 'nor waits for it');
	$acked += 301;
}
cmp_ok(sql("SELECT sum(full_waits) FROM tsdb.stat_ingest WHERE datname = 'postgres'"), '>', $before, 'waits are counted');
cmp_ok(sql("SELECT sum(rows_waiting) FROM tsdb.stat_ingest WHERE datname = 'postgres'"), '>', 100, 'rows wait');

# clients that wait for room get it
my @waiting = map { client_start($node, "waiting$_", client_statements('m', 1000000 * $_, 10), 'SET tsdb.ingest_wait_timeout = \'10min\'; SET tsdb.ingest_durability = ' . ($_ % 2 ? 'async;' : 'commit;')) } 1 .. 3;
sleep 1;
kill 'CONT', $drain;
foreach my $client (@waiting)
{
	my %said = client_finish($client);
	is($said{stderr}, '', 'a client that waited has no error');
	$acked += $said{rows};
}
sql('SELECT tsdb.ingest_flush()');
check('recovery');
ingest_idle($node, 'recovery');

# a drain, or a client that may have others' rows, stops and goes on at random moments; an error means that the row is not there
{
	my @clients = map { client_start($node, "random$_", client_statements('m', 10000000 * $_, $long ? 20000 : 3000),
			"SET tsdb.ingest_wait_timeout = '300ms'; SET tsdb.ingest_durability = " . ($_ % 4 ? 'commit;' : 'async;')) } 1 .. 4;
	my $stops = 0;
	while (grep { client_running($_) } @clients)
	{
		sleep rand 0.2;
		my $pid = $stops % 3 ? sql(q{SELECT coalesce(min(pid), 0) FROM (SELECT pid FROM pg_stat_activity WHERE state = 'active'
			AND query LIKE 'SELECT tsdb.ingest(%' ORDER BY random() LIMIT 1) x}) : $drain;
		kill 'STOP', $pid if $pid;
		$stops++;
		sleep rand 0.8;
		kill 'CONT', $pid if $pid;
		last if $stops > ($long ? 400 : 30);
	}
	my @said = map { +{ client_finish($_) } } @clients;
	sql('SELECT tsdb.ingest_flush()');
	my %errors;
	foreach my $said (@said)
	{
		$errors{$_} += $said->{errors}{$_} foreach keys %{ $said->{errors} };
	}
	note join ', ', map { "$errors{$_} times $_" } sort keys %errors;
	is(join(' ', grep { $_ ne '53000' } keys %errors), '', 'clients get one kind of error');
	is(client_check($node, "(SELECT * FROM m WHERE id >= 10000000) x", \@said, others => 0), '', "processes stopped $stops times: rows are there once if they were acknowledged, and not if there was an error");
}
ingest_idle($node, 'stops');

# a smaller ring is none: rows that do not fit are written by their sender
is(sql("SET tsdb.ingest_batch = '10MB'; SET tsdb.ingest_durability = async; SELECT tsdb.ingest('m', array_agg(clock_timestamp()), array_agg(repeat('x', 3000)), array_agg(i), array_agg(1)) FROM generate_series(5000001, 5001000) i"),
	1000, 'a statement that is larger than the memory of the ring');
sql('SELECT tsdb.ingest_flush()');
is(sql("SELECT count(*) FROM m WHERE device = repeat('x', 3000)"), 1000, 'is written');
ingest_idle($node, 'a large statement');

# rows wait, the drain is stopped, and so is the server: they come in when it goes on
kill 'STOP', $drain;
sql("SET tsdb.ingest_durability = async; SELECT tsdb.ingest('m', ROW(now(), 'last', 6000000, 1))");
my $stop = IPC::Run::start([ 'pg_ctl', '-D', $node->data_dir, '-m', 'fast', '-w', '-t', '60', 'stop' ], '>', '/dev/null');
sleep 1;
kill 'CONT', $drain;
ok($stop->finish, 'the server stops when the drain goes on');
$node->_update_pid(0);
$node->start;
is(sql("SELECT count(*) FROM m WHERE device = 'last'"), 1, 'the row that waited is there');
$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');
done_testing();
