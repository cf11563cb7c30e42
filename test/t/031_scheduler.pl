
# The order of background work, and what disturbs it: errors, crashes, shutdown, and who wants a database for himself.

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

plan skip_all => 'the stand-in has no workers' if tsdb_stand_in();

my $node = tsdb_node('main');
$node->append_conf(
	'postgresql.conf', qq(
tsdb.compact_rows = 1000
tsdb.compact_age = 1s
tsdb.compact_duty = 100
tsdb.worker_idle_timeout = 2s
max_wal_size = 2GB
));
tsdb_start($node);

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]); }

sub set
{
	$node->append_conf('postgresql.conf', join("\n", @_, ''));
	$node->reload;
	return;
}

# Polls a server that may crash: then psql goes before it has read the query.
sub comes_true
{
	my ($query, $expected) = @_;
	foreach (1 .. 1800)
	{
		return 1 if (eval { ($node->psql('postgres', $query))[1] } // '') eq ($expected // 't');
		sleep 0.1;
	}
	return 0;
}

my $columns = '(ts timestamptz NOT NULL, device text, v float8)';
my $rows_of = q(SELECT timestamptz '2024-01-01 00:00+00' + i * interval '1 s', 'd' || mod(i, 5), i FROM generate_series(1, %s) i);

# What of the tables that match is compacted: they have a directory.
sub compacted
{
	my ($like) = @_;
	return qq(SELECT count(*) FROM pg_class c WHERE relname LIKE '$like' AND relkind = 'r' AND EXISTS
		(SELECT FROM pg_class d WHERE d.relname = 'tsdb_directory_' || c.reltablespace || '_' || c.relfilenode));
}

#
# A thousand tasks in the order of their levels and ages
#

my $queued = q(SELECT count(*) FROM tsdb.stat_tasks WHERE kind = 'compact');

# Two hundred and fifty tables that have filled up, and as many with a few rows, in turns.
sub fill
{
	my ($from, $to) = @_;
	sql(qq(DO \$\$ BEGIN FOR n IN $from .. $to LOOP
		EXECUTE format('CREATE TABLE q%s $columns USING tsdb', n);
		EXECUTE format('INSERT INTO q%s ' || CASE mod(n, 2) WHEN 0 THEN \$q\$@{[ sprintf($rows_of, 1000) ]}\$q\$ ELSE \$q\$@{[ sprintf($rows_of, 20) ]}\$q\$ END, n);
		COMMIT;
	END LOOP; END \$\$));
	return;
}

my $started = time;
fill(1, 500);
sleep 11;
fill(501, 1000);
is(sql($queued), 1000, 'a thousand tasks wait');
is(sql(q(SELECT priority, count(*), bool_and(rows >= 1000), bool_and(tries = 0 AND pid IS NULL AND since <= due)
	FROM tsdb.stat_tasks WHERE kind = 'compact' GROUP BY 1 ORDER BY 1)),
	"low|500|f|t\nnormal|500|t|t", 'half of them with priority');

# each level is worth ten seconds; turns of one table do not matter, as each has one task
sql(q(CREATE TABLE expected AS SELECT relid, priority, row_number() OVER
	(ORDER BY due + CASE priority WHEN 'low' THEN 3 ELSE 2 END * interval '10 s') AS place
	FROM tsdb.stat_tasks WHERE kind = 'compact'));
is(sql(q(SELECT count(*) FROM expected a, expected b WHERE a.priority = 'low' AND b.priority = 'normal' AND a.place < b.place)),
	62500, 'old ones of little priority are before new ones of high priority, and only these');
set('tsdb.workers = 1');
$node->poll_query_until('postgres', compacted('q%'), '1000') or die;
note sprintf 'a thousand tables in %.0f s', time - $started;
is( sql(q(SELECT count(*) FROM (SELECT e.place, row_number() OVER (ORDER BY d.oid) AS done FROM expected e JOIN pg_class c ON c.oid = relid
		JOIN pg_class d ON d.relname = 'tsdb_directory_' || c.reltablespace || '_' || c.relfilenode) x WHERE place = done)),
	1000, 'a worker does them in that order');
ok($node->poll_query_until('postgres', "SELECT ($queued) = 0"), 'nothing is left');
sql(q(DO $$ BEGIN FOR n IN 1 .. 1000 LOOP EXECUTE format('DROP TABLE q%s', n); IF n % 100 = 0 THEN COMMIT; END IF; END LOOP; END $$));

#
# One table's errors
#

# compaction enters rows into indexes, and so calls functions of its table's owner: here they do what $what says, in workers only
sub bad_function
{
	my ($what) = @_;
	return qq(CREATE OR REPLACE FUNCTION bad(x float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS \$\$ BEGIN
		IF (SELECT backend_type FROM pg_stat_activity WHERE pid = pg_backend_pid()) = 'tsdb worker' THEN $what; END IF;
		RETURN x; END \$\$;);
}

# the bad table comes first
sub bad_and_good
{
	my ($name) = @_;
	set('tsdb.workers = 0');
	sql("CREATE TABLE ${name}_bad $columns USING tsdb; CREATE INDEX ON ${name}_bad (bad(v))");
	sql("INSERT INTO ${name}_bad " . sprintf($rows_of, 2000));
	foreach my $n (1 .. 5)
	{
		sql("CREATE TABLE ${name}_good$n $columns USING tsdb; INSERT INTO ${name}_good$n " . sprintf($rows_of, 2000));
	}
	set('tsdb.workers = 1');
	return;
}

my $task = sub {
	my ($name) = @_;
	return "SELECT %s FROM tsdb.stat_tasks WHERE relid = '${name}_bad'::regclass";
};
sql('CREATE ROLE nobody');
sql(bad_function(q(RAISE EXCEPTION 'no such luck')));
bad_and_good('e');
ok($node->poll_query_until('postgres', compacted('e\_good%'), '5'), 'an error of one table does not stop the others');
ok($node->poll_query_until('postgres', sprintf($task->('e'), q(last_error LIKE '%no such luck%' AND tries = 1 AND state = 'waiting' AND priority = 'normal'
	AND due - last_error_at BETWEEN '5 s' AND '15 s'))), 'the error is shown, and when the table is tried again');
is(sql('SET ROLE nobody; ' . sprintf($task->('e'), 'last_error IS NULL, last_error_at IS NOT NULL, tries')), 't|t|1', 'but not to everybody');
is(sql(q(SELECT bool_or(last_error LIKE '%no such luck%') FROM tsdb.stat_workers)), 't', 'and by the worker');
ok($node->poll_query_until('postgres', sprintf($task->('e'), q(tries = 2 AND due - last_error_at BETWEEN '15 s' AND '25 s'))), 'it is tried again, and then later');
is(sql('SELECT count(*), sum(v) FROM e_bad'), '2000|2001000', 'nothing is lost');
sql(bad_function('NULL'));
ok($node->poll_query_until('postgres', compacted('e\_bad'), '1'), 'it is compacted when the cause has gone');
is(sql(sprintf($task->('e'), 'count(last_error)')), 0, '... and the error too');

#
# Crashes
#

sql(q(CREATE FUNCTION crash() RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'COPY (SELECT 1) TO PROGRAM ''kill -9 $PPID'''; END $$));
sql(bad_function('PERFORM public.crash()'));
$started = time;
bad_and_good('c');
ok(comes_true(compacted('c\_good%'), '5'), 'a table that crashes the server does not stop the others');
ok(comes_true(sprintf($task->('c'), q(last_error LIKE 'the server crashed%' AND tries >= 1 AND due >= last_error_at + interval '5 s'))),
	'it is told of the crash, and put off');
ok(comes_true(sprintf($task->('c'), q(tries >= 2 AND due >= last_error_at + interval '15 s'))), 'later and later');
cmp_ok(time - $started, '<', 120, 'all in time');
my $crashes = () = slurp_file($node->logfile) =~ /terminated by signal 9/g;
cmp_ok($crashes, '>=', 2, 'it has crashed it again');
cmp_ok($crashes, '<=', 4, '... but not often');
foreach (1 .. 60)
{
	last if eval { sql(bad_function('NULL')); 1 };
	sleep 1;
}
ok(comes_true(compacted('c\_bad'), '1'), 'it is compacted when the cause has gone');
is(sql('SELECT count(*), sum(v) FROM c_bad'), '2000|2001000', 'nothing is lost');
is(sql('SELECT string_agg(v::text, NULL) FROM (' . join(' UNION ALL ', map { "SELECT count(*) AS v FROM c_good$_" } 1 .. 5) . ') x'), '20002000200020002000', '... of the others');

# kill -9 from outside, while a worker works
sql('CREATE TABLE big ' . $columns . ' USING tsdb');
sql('SET tsdb.direct_load_rows = 0; INSERT INTO big ' . sprintf($rows_of, 200000));
$node->poll_query_until('postgres', q(SELECT count(*) > 0 FROM tsdb.stat_tasks WHERE state = 'running' AND relid = 'big'::regclass)) or die;
kill 9, sql(q(SELECT pid FROM tsdb.stat_tasks WHERE state = 'running' AND relid = 'big'::regclass));
tsdb_wait_up($node);
sql("CREATE TABLE after $columns USING tsdb; INSERT INTO after " . sprintf($rows_of, 2000));
ok($node->poll_query_until('postgres', compacted('after'), '1'), 'work goes on after kill -9 of a worker');
is(sql('SELECT count(*), sum(v) FROM big'), '200000|20000100000', 'nothing is lost');
ok($node->poll_query_until('postgres', q(SELECT count(*) = 0 FROM tsdb.stat_tasks WHERE relid = 'big'::regclass AND kind = 'compact')), '... and what it did is done');

#
# Who wants the database
#

set('tsdb.workers = 4', 'tsdb.compact_duty = 50', 'tsdb.compact_batch_rows = 1024');
foreach my $round (1 .. 3)
{
	sql('CREATE DATABASE d');
	sql('CREATE EXTENSION tsdb', 'd');
	sql("CREATE TABLE m$_ $columns USING tsdb; SET tsdb.direct_load_rows = 0; INSERT INTO m$_ " . sprintf($rows_of, 60000), 'd') foreach 1 .. 4;
	$node->poll_query_until('postgres', q(SELECT count(*) >= 2 FROM tsdb.stat_workers WHERE datname = 'd' AND relid IS NOT NULL)) or die;
	my $copy = $round == 2 ? 'd STRATEGY file_copy' : 'd';
	$started = time;
	my ($code, $out, $err) = $node->psql('postgres', "CREATE DATABASE e TEMPLATE $copy");
	is($code, 0, sprintf 'round %d: CREATE DATABASE TEMPLATE while workers are busy', $round) or diag($err);
	note sprintf '%.1f s', time - $started;
	is(sql('SELECT ' . join(', ', map { "(SELECT count(*) FROM m$_)" } 1 .. 4), 'e'), '60000|60000|60000|60000', '... its rows');
	sql('INSERT INTO m1 ' . sprintf($rows_of, 5000), 'e');
	foreach my $database (qw(e d))
	{
		$node->poll_query_until('postgres', "SELECT count(*) >= 1 FROM tsdb.stat_workers WHERE datname = '$database' AND relid IS NOT NULL") or die;
		$started = time;
		($code, $out, $err) = $node->psql('postgres', "DROP DATABASE $database");
		is($code, 0, "DROP DATABASE $database while workers are busy") or diag($err);
		note sprintf '%.1f s', time - $started;
	}
}

# a database that has few tasks does not wait for one that has many
set('tsdb.compact_duty = 10');
sql("CREATE TABLE busy$_ $columns USING tsdb; SET tsdb.direct_load_rows = 0; INSERT INTO busy$_ " . sprintf($rows_of, 100000)) foreach 1 .. 6;
$node->poll_query_until('postgres', q(SELECT count(*) = 4 FROM tsdb.stat_workers WHERE datname = 'postgres' AND state <> 'stopped')) or die;
sql('CREATE DATABASE f');
sql("CREATE EXTENSION tsdb; CREATE TABLE m $columns USING tsdb; INSERT INTO m " . sprintf($rows_of, 2000), 'f');
ok($node->poll_query_until('f', compacted('m'), '1'), 'another database is served');
cmp_ok(sql(q(SELECT count(*) FROM tsdb.stat_tasks WHERE datname = 'postgres' AND kind = 'compact')), '>', 0, '... while the first one has work');

#
# Shutdown
#

# Rings that are full: whoever empties them is stopped until the server is. A worker compacts meanwhile.
set('tsdb.compact_duty = 100', 'tsdb.compact_batch_rows = 32768', 'tsdb.compact_age = 1h', 'tsdb.compact_rows = 100000');
sql("CREATE TABLE w $columns USING tsdb; CREATE INDEX ON w (v); CREATE TABLE large $columns USING tsdb; CREATE INDEX ON large (device, ts)");
my $ingest = q(SELECT tsdb.ingest('w', array_agg(ts), array_agg('d' || mod(i, 100)), array_agg(i::float8)) FROM
	(SELECT clock_timestamp() AS ts, i FROM generate_series(%1$s, %1$s + 199) i) x;);
sql('SET tsdb.direct_load_rows = 0; INSERT INTO large ' . sprintf($rows_of, 90000));
sql('SET tsdb.ingest_durability = async; ' . sprintf($ingest, 1));
my $drain = client_drain($node);
kill 'STOP', $drain;
my $script = join "\n", 'SET tsdb.ingest_durability = async; SET tsdb.ingest_full = error;', map { sprintf $ingest, 1 + 200 * $_ } 1 .. 5000;
my $client = client_start($node, 'full', $script, '\set ON_ERROR_STOP 1');
my %said = client_finish($client);
is(join(' ', keys %{ $said{errors} }), '53000', 'the rings are full');
my $acked = 200 * (1 + scalar(grep { $_ eq '200' } client_lines($client)));
cmp_ok(sql(q(SELECT sum(rows_waiting) FROM tsdb.stat_ingest WHERE datname = 'postgres')), '>', 5000, 'rows wait');
sql('SET tsdb.direct_load_rows = 0; INSERT INTO large ' . sprintf($rows_of, 90000));
$node->poll_query_until('postgres', q(SELECT count(*) > 0 FROM tsdb.stat_tasks WHERE state = 'running' AND relid = 'large'::regclass)) or die;
my $log = -s $node->logfile;
kill 'CONT', $drain;
$started = time;
$node->stop('fast');
my $took = time - $started;
note sprintf 'stopped in %.1f s, %d rows in rings', $took, $acked;
cmp_ok($took, '<', $ENV{TEST_LONG} ? 5 : 10, 'a fast shutdown with full rings and a running compaction');
unlike(substr(slurp_file($node->logfile), $log), qr/PANIC|TRAP|lost \d+ rows|terminated by signal/, 'nothing is told to be lost');
$node->start;
is(sql('SELECT count(*), count(DISTINCT v) FROM w'), "$acked|$acked", 'each row that was accepted is there once');
is(sql('SELECT count(*), sum(v) FROM large'), '180000|' . 2 * 90000 * 90001 / 2, 'and of the table that was being compacted');
is(sql(q(SELECT count(*) FROM tsdb.verify('large'))), 0, '... which is in order');
set('tsdb.compact_age = 1s', 'tsdb.compact_rows = 1000');
ok($node->poll_query_until('postgres', compacted('w'), '1'), 'work that was left is found again');
ok($node->poll_query_until('postgres', "SELECT ($queued) = 0"), 'and done');
is(sql('SELECT count(*), sum(v) FROM large'), '180000|' . 2 * 90000 * 90001 / 2, 'rows are the same');
$node->stop;
done_testing();
