
# Old chunks come to level cold in the background, while clients read and write them; the age of a
# table survives dump and restore, and is found again after a restart.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

plan skip_all => 'the stand-in has no levels' if tsdb_stand_in();

my $node = tsdb_node('main');
$node->append_conf(
	'postgresql.conf', qq(
tsdb.workers = 2
tsdb.compact_rows = 1000
tsdb.compact_age = 500ms
tsdb.compact_batch_rows = 4096
tsdb.compact_duty = 100
tsdb.worker_idle_timeout = 1s
));
tsdb_start($node);

# chunks of a table that are cold, and that are not
sub cold
{
	my ($table) = @_;
	return $node->safe_psql('postgres',
		"SELECT count(*) FILTER (WHERE cold) > 0, count(*) FILTER (WHERE NOT cold) > 0 FROM tsdb.chunk_info('$table')");
}

sub wait_for
{
	my ($what, $condition) = @_;
	ok($node->poll_query_until('postgres', "SELECT $condition"), $what);
}

sub all_cold
{
	my ($table) = @_;
	return "count(*) > 0 AND bool_and(cold) FROM tsdb.chunk_info('$table')";
}

# settled tables, which nobody writes to any more
$node->safe_psql(
	'postgres', q(
CREATE TABLE old (ts timestamptz, device int, v float8) USING tsdb;
INSERT INTO old SELECT now() - interval '20 days' + i * interval '10 s', i % 7, i % 100
	FROM generate_series(1, 60000) i;
CREATE INDEX ON old (device, ts);
CREATE TABLE young (ts timestamptz, v int) USING tsdb;
INSERT INTO young SELECT now(), i FROM generate_series(1, 3000) i;
));
tsdb_fill($node, 'm', 5000);
wait_for('rows are compacted',
	q((SELECT sum(chunk_rows) FROM tsdb.tables) = 68000));
my $digest = tsdb_digest($node, 'm');
is(cold('old'), 'f|t', 'chunks are not cold by themselves');

# the setting
$node->append_conf('postgresql.conf', "tsdb.cold_age = 1d");
$node->reload;
wait_for('old chunks get cold when the setting says so', all_cold('old'));
is(cold('young'), 'f|t', 'young ones do not');
is( $node->safe_psql('postgres', 'SELECT count(*), sum(v), count(DISTINCT ts) FROM old'),
	'60000|2970000|60000', 'the rows are the same');
is( $node->safe_psql('postgres', 'SET enable_seqscan = off; SELECT count(*), sum(v) FROM old WHERE device = 3'),
	$node->safe_psql('postgres', 'SET enable_indexscan = off; SET enable_bitmapscan = off; SELECT count(*), sum(v) FROM old WHERE device = 3'),
	'by index too');

# the option of a table, while a client changes its rows
$node->safe_psql('postgres', q(CREATE TABLE busy (ts timestamptz, id int PRIMARY KEY, n int) USING tsdb;
INSERT INTO busy SELECT now(), i, 0 FROM generate_series(1, 20000) i;));
wait_for('it is compacted', q(chunk_rows = 20000 FROM tsdb.table_info('busy')));
my $script = $node->basedir . '/busy.sql';
append_to_file($script, q(\set id random(1, 20000)
UPDATE busy SET n = n + 1 WHERE id = :id;
SELECT n FROM busy WHERE id = :id;
));
my $bench = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '2', '-t', '1500', '-f', $script, $node->connstr('postgres') ],
	'>', \my $bench_out, '2>', \my $bench_err);
$node->safe_psql('postgres', q(ALTER TABLE busy SET (tsdb.cold_age = '0')));
$bench->finish;
like($bench_out, qr/actually processed: 3000\/3000/, 'no update fails') or diag($bench_err);
wait_for('its chunks get cold', all_cold('busy'));
is($node->safe_psql('postgres', 'SELECT count(*), sum(n), count(DISTINCT id) FROM busy'),
	'20000|3000|20000', 'no update is lost');

# a chunk comes of age, without anything else happening
$node->safe_psql('postgres', q(ALTER TABLE young SET (tsdb.cold_age = '5 s')));
wait_for('young chunks grow old', all_cold('young'));

# dump and restore
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok(
	[ 'bash', '-c', 'set -o pipefail; pg_dump -d "$0" | psql -X -q -v ON_ERROR_STOP=1 -d "$1"',
		$node->connstr('postgres'), $node->connstr('copy') ],
	'dump and restore');
is( $node->safe_psql('copy', q(SELECT "table", cold_age FROM tsdb.tables WHERE "table"::text IN ('busy', 'old', 'young') ORDER BY "table"::text)),
	"busy|00:00:00\nold|1 day\nyoung|00:00:05", 'the ages are the same');
$node->safe_psql('postgres', 'DROP DATABASE copy');

# a restart: nothing is noted any more, and the age has been changed meanwhile
$node->append_conf('postgresql.conf', "tsdb.workers = 0\ntsdb.cold_age = -1");
$node->restart;
$node->safe_psql('postgres', q(
CREATE TABLE later (ts timestamptz, v int) USING tsdb;
INSERT INTO later SELECT now(), i FROM generate_series(1, 3000) i;
SELECT tsdb.compact('later');
ALTER TABLE later SET (tsdb.cold_age = '1 s');
VACUUM (TRUNCATE) later;));
is(cold('later'), 'f|t', 'without workers nothing happens');
is($node->safe_psql('postgres', q(SELECT row_store_bytes FROM tsdb.table_info('later'))), '0', 'the row store is empty');
$node->append_conf('postgresql.conf', 'tsdb.workers = 2');
$node->restart;
wait_for('chunks that have come of age are found after a start', all_cold('later'));

is(tsdb_digest($node, 'm'), $digest, 'a table of many types has the same rows');
is($node->safe_psql('postgres', qq(SELECT count(*) FROM tsdb.verify('$_', true))), '0', "$_ is sound")
  for qw(old young busy later m);
$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'no crash in the log');

done_testing();
