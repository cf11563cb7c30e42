
# Prefetch: what the sequence of queries says comes next is in the cache before it is asked for; nothing is learnt or
# loaded where it should not be; tables and databases can be dropped meanwhile.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use TsdbNode;

plan skip_all => 'the stand-in has no cache' if tsdb_stand_in();

my $node = tsdb_node('main', allows_streaming => 1);
$node->append_conf(
	'postgresql.conf', q(
tsdb.workers = 2
tsdb.compact_age = 1h
tsdb.access_trace = 'trace.txt'
));
tsdb_start($node);

sub sql { return $node->safe_psql('postgres', $_[0]); }

# 20,000 steps of 10 seconds for each of some hosts, in chunks.
sub make_table
{
	my ($name, $hosts) = @_;

	sql("CREATE TABLE $name (ts timestamptz NOT NULL, host text, a float8, b float8, c int) USING tsdb");
	sql("INSERT INTO $name SELECT timestamptz '2024-01-01 00:00+00' + i * interval '10 s', 'host-' || h,
			random(), random(), i FROM generate_series(1, 20000) i, generate_series(1, $hosts) h");
	return sql("SELECT tsdb.compact('$name') IS NOT NULL");
}

# A panel: columns of a host for six hours, so many pages before 2024-01-03.
sub panel
{
	my ($table, $host, $page, $columns) = @_;

	$columns //= 'ts, a';
	return "SELECT $columns FROM $table WHERE host = 'host-$host'
		AND ts >= timestamptz '2024-01-03 00:00+00' - $page * interval '6 h'
		AND ts < timestamptz '2024-01-03 06:00+00' - $page * interval '6 h'";
}

# All columns of its rows are wanted.
sub ask { return sql('SELECT count(x::text) FROM (' . panel(@_) . ' OFFSET 0) x'); }

# Hits and misses of a query in a session of its own.
sub touches
{
	my $out = sql('SELECT hits, misses FROM tsdb.stat_cache_session();'
		  . 'CREATE TEMP TABLE answer AS ' . panel(@_) . ';'
		  . 'SELECT hits, misses FROM tsdb.stat_cache_session()');
	my ($hits, $misses, $hits_then, $misses_then) = split /[|\n]/, $out;
	return ($hits_then - $hits, $misses_then - $misses);
}

sub prefetched { return sql("SELECT prefetched FROM tsdb.stat_cache WHERE level = 'memory'"); }
sub predicted { return sql('SELECT sum(predicted) FROM tsdb.stat_prefetch'); }

sub traced
{
	my $file = $node->data_dir . '/trace.txt';
	return -e $file ? split(/\n/, slurp_file($file)) : ();
}

# Wait until a number grows; returns it.
sub wait_past
{
	my ($what, $before) = @_;

	for (1 .. 1800)
	{
		my $now = $what->();
		return $now if $now > $before;
		sleep 0.1;
	}
	return $what->();
}

# A number that has stayed the same for a second.
sub settled
{
	my ($what) = @_;
	my $before = $what->();

	for (my $same = 0; $same < 10; $same++)
	{
		sleep 0.1;
		my $now = $what->();
		$same = 0 if $now != $before;
		$before = $now;
	}
	return $before;
}

# ---- pages ----

make_table('m', 8);
for my $page (0 .. 2)
{
	my @answer = touches('m', 3, $page);
	cmp_ok($answer[1], '>', 0, "page $page is not there before it is asked for");
	wait_past(sub { scalar(traced()) }, $page);
}
wait_past(\&prefetched, 0);
settled(\&prefetched);
my $sum = sql("SELECT sum(prefetch_used) FROM tsdb.stat_cache");
my ($hits, $misses) = touches('m', 3, 3);
cmp_ok($hits, '>', 2, 'the fourth page is there');
is($misses, 0, '... all of it');
cmp_ok(sql("SELECT sum(prefetch_used) FROM tsdb.stat_cache"), '>', $sum, '... and counted as used');
is( sql("SELECT predicted > 0, failed FROM tsdb.stat_prefetch WHERE pattern = 'back'"),
	't|0', 'predicted as a page back');
wait_past(sub { sql("SELECT came_true FROM tsdb.stat_prefetch WHERE pattern = 'back'") }, 0);
is(sql("SELECT sum(misses) - (SELECT sum(misses) FROM tsdb.stat_cache_columns) FROM tsdb.stat_cache"),
	0, 'who loads ahead is not counted as somebody who asks');

# ---- the panels of a dashboard: three queries for the same host and range ----

make_table('d', 12);
for my $host (1 .. 8)
{
	ask('d', $host, 0, 'ts, a');
	ask('d', $host, 0, 'ts, b');
	ask('d', $host, 0, 'ts, c');
	sleep 0.3;
}
sleep 6;    # by then it is known that they came together
my $before = prefetched();
ask('d', 12, 0, 'ts, a');
cmp_ok(wait_past(\&prefetched, $before), '>', $before, 'the other panels of a host that was never asked for');
settled(\&prefetched);
is((touches('d', 12, 0, 'ts, b'))[1], 0, '... are there: the second');
is((touches('d', 12, 0, 'ts, c'))[1], 0, '... and the third');

# ---- a refresh ----

make_table('r', 2);
my $refresh = "SELECT count(a) FROM (SELECT ts, a FROM r WHERE host = 'host-1' AND ts >= '2024-01-02 00:00+00' OFFSET 0) x";
for (1 .. 4)
{
	my $started = time;
	sql($refresh);
	sleep 1.5 - (time - $started) if time - $started < 1.5 && $_ < 4;
}
$before = prefetched();
sql("INSERT INTO r SELECT timestamptz '2024-01-04 00:00+00' + i * interval '10 s', 'host-1', i, i, i FROM generate_series(1, 2000) i");
sql("SELECT tsdb.compact('r')");
my $after = prefetched();
for (1 .. 5)
{
	my $started = time;
	last if ($after = prefetched()) > $before;
	sql($refresh);
	sleep 1.5 - (time - $started) if time - $started < 1.5;
}
cmp_ok(sql("SELECT predicted FROM tsdb.stat_prefetch WHERE pattern = 'refresh'"),
	'>', 0, 'a refresh is predicted');

# ---- where nothing is to be learnt ----

sub records
{
	my ($what) = @_;
	my $lines = scalar(traced());

	sql($what);
	ask('m', 8, 0);
	wait_past(sub { scalar(traced()) }, $lines);
	return settled(sub { scalar(traced()) }) - $lines - 1;
}

is(records(panel('m', 7, 0)), 1, 'a query is recorded');
is(records('SELECT sum(a) FROM m'), 0, 'a scan of everything is not');
is(records('SET tsdb.enable_cache = off;' . panel('m', 7, 0)), 0, 'nor is one that does not use the cache');
is( records("CREATE TEMP TABLE t (ts timestamptz NOT NULL, host text, a float8) USING tsdb;
	INSERT INTO t SELECT ts, host, a FROM m; SELECT tsdb.compact('t');" . panel('t', 7, 0)),
	0, 'nor of a temporary table');
is( records("SELECT * FROM (SELECT 'host-' || h AS host FROM generate_series(1, 100) h OFFSET 0) n, LATERAL
		(SELECT * FROM m WHERE host = n.host ORDER BY ts DESC LIMIT 1) x"),
	16, 'of a scan that is run again and again, the first are');
my @lines = traced();
is(scalar(grep { /host/ } @lines), 0, 'a trace has no values');
like($lines[0], qr/^\d+ \d+ \d+ [0-9a-f]+ \d+ \d+ [0-9a-f]+ [1-3,]+ \d+ \d+ \d+ \d+$/, 'a line of it');

sql("CREATE ROLE nobody LOGIN");
my ($code, $out, $err) = $node->psql('postgres', 'SHOW tsdb.access_trace', extra_params => [ '-U', 'nobody' ]);
ok($code != 0 || $out eq '', 'where it is, is not for everybody');

# ---- off ----

$node->append_conf('postgresql.conf', 'tsdb.enable_prefetch = off');
$node->reload;
sleep 0.5;
$before = predicted();
my $lines = scalar(traced());
ask('m', 5, $_) for 0 .. 4;
sleep 1;
is(predicted(), $before, 'nothing is predicted when it is off');
is(scalar(traced()), $lines, '... nor recorded');
$node->append_conf('postgresql.conf', 'tsdb.enable_prefetch = on');
$node->reload;
sleep 0.5;

# ---- changes of tables meanwhile ----

for my $how ('DROP TABLE x', 'TRUNCATE x', 'ALTER TABLE x DROP COLUMN a', 'ALTER TABLE x ALTER a TYPE numeric', 'VACUUM FULL x')
{
	make_table('x', 2);
	ask('x', 1, $_) for 0 .. 3;
	my $started = time;
	sql("SET lock_timeout = '60s'; SET statement_timeout = '120s'");
	sql($how);
	cmp_ok(time - $started, '<', 60, "$how is not kept waiting");
	if ($how ne 'DROP TABLE x')
	{
		ask('x', 1, $_, 'ts, b') for 0 .. 3;
		sql('DROP TABLE x');
	}
}
sql('CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION tsdb');
$node->safe_psql(
	'other', q(CREATE TABLE m (ts timestamptz NOT NULL, host text, a float8) USING tsdb;
INSERT INTO m SELECT timestamptz '2024-01-01 00:00+00' + i * interval '10 s', 'host-3', i FROM generate_series(1, 20000) i;
SELECT tsdb.compact('m')));
$node->safe_psql('other', panel('m', 3, $_)) for 0 .. 4;
my $started = time;
sql('DROP DATABASE other');
cmp_ok(time - $started, '<', 60, 'a database can be dropped');

# ---- a standby, and no preload ----

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "tsdb.access_trace = 'standby.txt'");
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('postgres', 'SELECT count(*) FROM (' . panel('m', 3, $_) . ' OFFSET 0) x'), 2160, 'a standby reads')
  for 0 .. 3;
is($standby->safe_psql('postgres', 'SELECT sum(predicted) FROM tsdb.stat_prefetch'), 0, '... and predicts nothing');
ok(!-e $standby->data_dir . '/standby.txt', '... and records nothing');
$standby->promote;
for my $try (1 .. 100)
{
	my $page = $try % 20;
	$standby->safe_psql('postgres', panel('m', 4, $page));
	last if -e $standby->data_dir . '/standby.txt';
	sleep 0.2;
}
ok(-e $standby->data_dir . '/standby.txt', '... until it is promoted');
$standby->stop;

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
is(ask('m', 3, $_), 2160, 'without preload, a page') for 0 .. 3;
is(sql('SELECT count(*) FROM tsdb.stat_prefetch'), 0, '... and no predictions');
$node->stop;

my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|TRAP|signal 11|signal 6/, 'nothing crashed');
unlike($log, qr/ERROR:.*\n.*prefetch for table/, 'no prefetch failed');

done_testing();
