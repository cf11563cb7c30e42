
# The life of background workers: they come when there is work, keep quiet when there is none,
# and are in nobody's way.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

plan skip_all => 'the stand-in has no workers' if tsdb_stand_in();

my $node = tsdb_node('main');
$node->append_conf(
	'postgresql.conf', qq(
tsdb.workers = 2
tsdb.compact_rows = 1000
tsdb.compact_age = 1s
tsdb.compact_duty = 100
tsdb.worker_idle_timeout = 2s
log_min_messages = log
));
tsdb_start($node);

my $workers = q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'tsdb worker');
my $launchers = q(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'tsdb launcher');

is($node->safe_psql('postgres', $launchers), '1', 'a launcher runs');
$node->poll_query_until('postgres', "SELECT ($workers) = 0") or die;
pass('no worker without work');

# work comes
tsdb_fill($node, 'm', 5000);
my $digest = tsdb_digest($node, 'm');
ok($node->poll_query_until('postgres', 'SELECT EXISTS (SELECT FROM tsdb.chunks)'),
	'a worker compacts what was inserted');
is(tsdb_digest($node, 'm'), $digest, 'the rows are the same');

# and goes
ok($node->poll_query_until('postgres', "SELECT ($workers) = 0"), 'the worker leaves when idle');
$node->safe_psql('postgres', 'CHECKPOINT');
my $before = $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()');
sleep 4;
is($node->safe_psql('postgres', "SELECT pg_current_wal_insert_lsn() - '$before' < 1000"),
	't', 'an idle server writes nothing');

# DROP DATABASE while a worker is connected
$node->safe_psql('postgres', 'CREATE DATABASE d');
$node->safe_psql(
	'd', q(
CREATE EXTENSION tsdb;
CREATE TABLE m (ts timestamptz, v float8) USING tsdb;
INSERT INTO m SELECT now() + i * interval '1 s', i FROM generate_series(1, 50000) i;
));
$node->poll_query_until('postgres', "SELECT ($workers) > 0");
my ($code, $out, $err) = $node->psql('postgres', 'DROP DATABASE d', timeout => 60);
is($code, 0, 'DROP DATABASE works while a worker is there') or diag($err);

# CREATE DATABASE ... TEMPLATE while a worker is connected
$node->safe_psql('postgres', 'CREATE DATABASE d');
$node->safe_psql(
	'd', q(
CREATE EXTENSION tsdb;
CREATE TABLE m (ts timestamptz, v float8) USING tsdb;
INSERT INTO m SELECT now() + i * interval '1 s', i FROM generate_series(1, 50000) i;
));
$node->poll_query_until('postgres', "SELECT ($workers) > 0");
($code, $out, $err) = $node->psql('postgres', 'CREATE DATABASE e TEMPLATE d', timeout => 60);
is($code, 0, 'CREATE DATABASE TEMPLATE works while a worker is there') or diag($err);
is($node->safe_psql('e', 'SELECT count(*), sum(v) FROM m'),
	'50000|1250025000', 'the copy has the rows');
$node->safe_psql('e', 'INSERT INTO m SELECT now(), i FROM generate_series(1, 3000) i');
is($node->safe_psql('d', 'SELECT count(*) FROM m'), '50000', 'the two do not share chunks');

# DROP EXTENSION while a worker is connected
$node->poll_query_until('postgres', "SELECT ($workers) > 0");
($code, $out, $err) = $node->psql('d', 'DROP EXTENSION tsdb CASCADE', timeout => 60);
is($code, 0, 'DROP EXTENSION works while a worker is there') or diag($err);
$node->safe_psql('d', 'CREATE EXTENSION tsdb; CREATE TABLE m (v int) USING tsdb;');
is($node->safe_psql('d', 'INSERT INTO m VALUES (1); SELECT * FROM m'),
	'1', 'the extension can be created again');

# a worker that is terminated, and the launcher too, come back
tsdb_fill($node, 'n', 20000);
$node->poll_query_until('postgres', "SELECT ($workers) > 0");
$node->safe_psql('postgres',
	q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type LIKE 'tsdb%'));
ok($node->poll_query_until('postgres', "SELECT ($launchers) = 1"), 'the launcher comes back');
ok( $node->poll_query_until('postgres', "SELECT ($workers) = 0", 't'),
	'work is done after a worker was terminated');

# tsdb.workers = 0 stops background work, without a restart
$node->append_conf('postgresql.conf', 'tsdb.workers = 0');
$node->reload;
ok($node->poll_query_until('postgres', "SELECT ($workers) = 0"), 'tsdb.workers = 0');
$node->safe_psql('postgres',
	q(INSERT INTO n (ts, id) SELECT now(), i FROM generate_series(30001, 35000) i));
sleep 3;
is($node->safe_psql('postgres', $workers), '0', 'no worker starts');

# shutdown is quick
my $started = time;
$node->stop('fast');
cmp_ok(time - $started, '<', 15, 'a fast shutdown does not wait for workers');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');

# without preload: no worker, everything else works
my $bare = tsdb_start(tsdb_node('bare', preload => 0));
is($bare->safe_psql('postgres', $launchers), '0', 'no launcher without preload');
tsdb_fill($bare, 'm', 3000);
$digest = tsdb_digest($bare, 'm');
tsdb_compact($bare, 'm');
is(tsdb_digest($bare, 'm'), $digest, 'compaction works without preload');
$bare->safe_psql('postgres', 'DELETE FROM m WHERE id < 10; VACUUM m');
is($bare->safe_psql('postgres', 'SELECT count(*) FROM m'), '2991', 'so do DELETE and VACUUM');
$bare->stop;

done_testing();
