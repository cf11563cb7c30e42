
# Queries that are cancelled, or fail, at whatever point they have come to: nothing may be left of
# them in the session, neither pins of buffers, snapshots and files, of which the server warns, nor memory.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

my $node = tsdb_node('main');
tsdb_start($node);
tsdb_stand_in() or $node->safe_psql('postgres', 'ALTER SYSTEM SET tsdb.directory_cache_size = 256');
$node->reload;

my $using = tsdb_stand_in() ? '' : 'USING tsdb';
$node->safe_psql(
	'postgres', qq(
CREATE TABLE m (ts timestamptz, device int, label text, v float8, n bigint) $using;
INSERT INTO m SELECT '2024-01-01'::timestamptz + i / 20 * interval '10 s', i % 20, 'l' || i % 3, i % 100, i
	FROM generate_series(1, 300000) i;
CREATE TABLE tags AS SELECT i AS id, 'host' || i AS name FROM generate_series(0, 25) i;
CREATE FUNCTION may_fail(i bigint) RETURNS bigint LANGUAGE plpgsql AS
	\$\$ BEGIN IF i % 9973 = 9972 THEN RAISE 'as bad as it gets'; END IF; RETURN i; END \$\$;
));
tsdb_compact($node, 'm');
$node->safe_psql('postgres', q(
INSERT INTO m SELECT '2024-02-01', i % 20, 'late', i, -i FROM generate_series(1, 500) i;
DELETE FROM m WHERE n % 501 = 3;
ANALYZE m;));

my @queries = (
	'SELECT count(*), sum(n), max(v), avg(v) FROM m',
	'SELECT count(*) FROM m WHERE v > 50 AND label = $$l1$$',
	'SELECT device, date_trunc($$hour$$, ts), avg(v), max(n) FROM m GROUP BY 1, 2',
	'SELECT * FROM m ORDER BY ts DESC LIMIT 500',
	'SELECT * FROM m WHERE device = 3 ORDER BY ts LIMIT 50',
	'SELECT DISTINCT ON (device) * FROM m ORDER BY device, ts DESC',
	'SELECT * FROM tags, LATERAL (SELECT * FROM m WHERE device = id ORDER BY ts DESC LIMIT 3) l',
	'SELECT * FROM tags JOIN m ON device = id WHERE name = $$host7$$',
	'SELECT count(*) FROM m WHERE device IN (SELECT id FROM tags WHERE name < $$host12$$)',
	'SELECT sum(may_fail(n)) FROM m WHERE n > 0',
	'SELECT may_fail(n) FROM m WHERE device = 11 ORDER BY ts LIMIT 2000',
	'SELECT device, sum(1 / (n - 60001)) FROM m GROUP BY device',
	'SELECT count(*) FROM (SELECT * FROM m OFFSET 0) x WHERE 100 / (n - 77777) >= 0',
	'SELECT v, count(*) FILTER (WHERE 10 / (device - 13) > 0) FROM m GROUP BY v',
	'WITH RECURSIVE r(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM r WHERE i < 19)
		SELECT i, (SELECT max(ts) FROM m WHERE device = i) FROM r');

# one session, so that what is left would pile up
sub script
{
	my ($rounds) = @_;
	my $sql = "\\set ON_ERROR_STOP 0\nSET work_mem = '1MB';\n";

	srand(7);
	for my $round (1 .. $rounds)
	{
		for my $query (@queries)
		{
			# most take longer than the timeout, and are met in different places
			my $timeout = 1 + int(rand(5));
			my $kind = int(rand(4));
			my $workers = int(rand(8)) == 0 ? 2 : 0;

			$sql .= "SET max_parallel_workers_per_gather = $workers; SET statement_timeout = $timeout;\n";
			$sql .= "BEGIN;\n" if $kind == 1;
			$sql .= "BEGIN; SAVEPOINT s; $query; ROLLBACK TO s; SET LOCAL statement_timeout = 0; "
			  . "SELECT count(*) FROM m WHERE ts > '2024-01-05';\n" if $kind == 2;
			$sql .= "BEGIN; DECLARE c CURSOR FOR $query; FETCH 3 FROM c; ROLLBACK;\n" if $kind == 3;
			$sql .= "$query;\n";
			$sql .= "ROLLBACK;\n" if $kind == 1 || $kind == 2;
		}
	}
	$sql .= "SET statement_timeout = 0;\n";
	$sql .= "SELECT 'kept', sum(total_bytes) FROM pg_backend_memory_contexts WHERE name LIKE 'tsdb%';\n";
	$sql .= "SELECT 'all', sum(total_bytes) FROM pg_backend_memory_contexts;\n";
	return $sql;
}

sub run_script
{
	my ($rounds) = @_;
	my ($out, $err) = ('', '');

	$node->psql('postgres', script($rounds), stdout => \$out, stderr => \$err, on_error_stop => 0);
	my ($kept) = $out =~ /^kept\|(\d+)$/m;
	my ($all) = $out =~ /^all\|(\d+)$/m;
	my $cancelled = () = $err =~ /canceling statement due to statement timeout/g;
	my $failed = () = $err =~ /as bad as it gets|division by zero/g;

	return ($kept // 0, $all, $cancelled, $failed);
}

my $offset = -s $node->logfile;
my ($kept, $all, $cancelled, $failed) = run_script(2);
ok($cancelled > 0, "queries were cancelled: $cancelled");
ok($failed > 1, "queries failed: $failed");
my ($kept_more, $all_more, $cancelled_more, $failed_more) = run_script(10);
ok($cancelled_more > $cancelled && $cancelled_more > 5, "more queries were cancelled: $cancelled_more");

# five times as many of them leave about as much in the session
cmp_ok($kept_more, '<', $kept * 1.5 + 512 * 1024, "memory of tsdb: $kept, then $kept_more bytes");
cmp_ok($all_more, '<', $all * 1.5 + 1024 * 1024, "memory of the session: $all, then $all_more bytes");

my $log = slurp_file($node->logfile, $offset);
my @warnings = grep { /WARNING|TRAP|PANIC|terminated by signal/ } split /\n/, $log;
is("@warnings", '', 'the server has nothing to warn of');

# and the table is what it was
is($node->safe_psql('postgres', 'SELECT count(*), sum(n), max(ts) FROM m'),
	$node->safe_psql('postgres',
		(tsdb_stand_in() ? '' : 'SET tsdb.enable_scan = off; SET tsdb.enable_aggregate = off; SET tsdb.enable_seek = off; ')
		. 'SELECT count(*), sum(n), max(ts) FROM m'),
	'the same rows afterwards');
$node->stop;
done_testing();
