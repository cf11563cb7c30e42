
# Many clients of tsdb.ingest in both durabilities, while others compact, alter, vacuum, rewrite, index, cancel and
# terminate: each row that was acknowledged is there once, none that was not but those whose client was cut off;
# nothing is left in shared memory, and the drain does not grow.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use TsdbNode;
use TsdbClients;

plan skip_all => 'the stand-in has no tsdb.ingest' if tsdb_stand_in();

my $long = $ENV{TEST_LONG} // 0;
my $seconds = $ENV{TSDB_TEST_SECONDS} // ($long ? 600 : 12);
my $seed = $ENV{TSDB_TEST_SEED} // int(time);
srand $seed;
note "TSDB_TEST_SEED=$seed";

my ($capacity, $memory) = @{ ([ 8, '1MB' ], [ 1024, '1MB' ], [ 8, '16MB' ], [ 1024, '16MB' ])[ rand 4 ] };
note "tsdb.ingest_capacity = $capacity, tsdb.ingest_memory = $memory";
my $node = tsdb_node('main');
$node->append_conf(
	'postgresql.conf', qq(
log_error_verbosity = verbose
max_wal_size = 4GB
deadlock_timeout = 200ms
tsdb.workers = 1
tsdb.compact_age = 1s
tsdb.compact_rows = 500
tsdb.ingest_flush_interval = 50ms
tsdb.direct_load_rows = 50
tsdb.ingest_capacity = $capacity
tsdb.ingest_memory = $memory
tsdb.worker_idle_timeout = 1s
));
tsdb_start($node);

sub sql { return $node->safe_psql('postgres', $_[0]); }

# m has a unique key, so that a row that came twice would be an error too; w takes asynchronous rows
sql(q(
CREATE TABLE m (ts timestamptz NOT NULL, device text, id int8, v float8) USING tsdb;
CREATE UNIQUE INDEX m_id ON m USING tsdb_key (id);
CREATE TABLE w (ts timestamptz NOT NULL, device text, id int8, v float8) USING tsdb;
CREATE TABLE t (ts timestamptz NOT NULL, device text, id int8, v float8) USING tsdb;
));

my @changes = (
	'ALTER TABLE <t> ADD COLUMN extra int DEFAULT 7; ALTER TABLE <t> DROP COLUMN extra',
	'ALTER TABLE <t> ALTER v TYPE numeric; ALTER TABLE <t> ALTER v TYPE float8',
	'ALTER TABLE <t> ADD CONSTRAINT positive CHECK (id > 0); ALTER TABLE <t> DROP CONSTRAINT positive',
	'VACUUM FULL <t>', 'VACUUM <t>', 'ANALYZE <t>', "SELECT tsdb.compact('<t>')", 'CLUSTER <t> USING <t>_ts',
	'CREATE INDEX CONCURRENTLY <t>_v ON <t> (v); DROP INDEX CONCURRENTLY <t>_v', 'REINDEX TABLE <t>',
	'BEGIN; LOCK <t>; SELECT pg_sleep(0.1); COMMIT', 'BEGIN; LOCK <t> IN SHARE MODE; SELECT pg_sleep(0.2); COMMIT',
	'BEGIN; DROP TABLE <t>; ROLLBACK', 'BEGIN; TRUNCATE <t>; ROLLBACK', 'UPDATE <t> SET v = v + 1 WHERE id % 50 = 0',
	'BEGIN; DELETE FROM <t>; ROLLBACK', 'ALTER TABLE <t> SET UNLOGGED; ALTER TABLE <t> SET LOGGED',
	'TRUNCATE t', 'DROP TABLE t; CREATE TABLE t (ts timestamptz NOT NULL, device text, id int8, v float8) USING tsdb',
	"SELECT tsdb.ingest_flush()", "SELECT tsdb.ingest_flush('<t>')",
	q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'tsdb ingest'),
	q(SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'tsdb ingest'),
	q(SELECT pg_cancel_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE query LIKE '%tsdb.ingest%' AND application_name = 'psql' ORDER BY random() LIMIT 1) x),
	q(SELECT pg_reload_conf()),);
sql('CREATE INDEX m_ts ON m (ts); CREATE INDEX w_ts ON w (ts)');

# memory of a process in kB, without what is shared
sub memory
{
	my ($pid) = @_;
	my $status = -r "/proc/$pid/status" ? slurp_file("/proc/$pid/status") : '';
	return $status =~ /RssAnon:\s+(\d+)/ ? $1 : 0;
}

my $first = 0;
my (%said, @clients);

sub new_client
{
	my ($table, $durability) = @_;
	$first += 1000000;
	my $client = client_start($node, "mix$first", client_statements($table, $first, 2000),
		"SET tsdb.ingest_durability = $durability; SET lock_timeout = 0;");
	@$client{qw(table durability)} = ($table, $durability);
	return $client;
}

sub end_client
{
	my ($client) = @_;
	push @{ $said{ $client->{table} } }, { client_finish($client) };
	return;
}

@clients = (map({ new_client('m', 'commit') } 1 .. 3), map({ new_client('w', $_) } qw(async async commit)), map { new_client('t', $_) } qw(async commit));
my $until = time + $seconds;
my ($done, $failed) = (0, 0);
my %errors;
while (time < $until)
{
	my $table = (qw(m w))[ rand 2 ];
	my $change = $changes[ rand @changes ] =~ s/<t>/$table/gr;
	my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSET lock_timeout = '5s'; $change");
	$code == 0 ? $done++ : $failed++;
	$errors{$1}++ while $err =~ /ERROR:  (\w{5}: .{0,60})/g;
	foreach my $client (@clients)
	{
		next if client_running($client);
		end_client($client);
		$client = new_client($client->{table}, $client->{durability});
	}
}
kill 'TERM', map { $_->{run}{KIDS}[0]{PID} } @clients;
end_client($_) foreach @clients;
note "$done changes, $failed failed";
note "  $_: $errors{$_}" foreach sort keys %errors;

$node->poll_query_until('postgres', q(SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%tsdb.ingest%' AND pid <> pg_backend_pid() AND state = 'active'))) or die;
sql('SELECT tsdb.ingest_flush()');
foreach my $table (qw(m w t))
{
	my ($rows, %codes) = 0;
	foreach my $said (@{ $said{$table} })
	{
		$rows += $said->{rows};
		$codes{$_} += $said->{errors}{$_} foreach keys %{ $said->{errors} };
	}
	note "$table: $rows rows, errors: " . join ' ', map { "$_ $codes{$_}" } sort keys %codes;
	# a cancelled client; one that was sent to t while it was made anew
	my @bad = grep { !/^57014$/ && !($table eq 't' && /^42P01$/) } keys %codes;
	is("@bad", '', "$table: clients get no errors but those that they were sent");
	if ($table ne 't')
	{
		is(client_check($node, $table, $said{$table}), '', "$table: what was acknowledged is there once, of $rows rows");
		is(sql("SELECT * FROM tsdb.verify('$table')"), '', "$table: nothing is damaged");
	}
	is(sql("SELECT count(*) - count(DISTINCT id) FROM $table"), 0, "$table: no row is there twice");
}
is(sql(q(SELECT count(*), min(message) FROM tsdb.dead_letters)), '0|', 'no dead letters');
ingest_idle($node, 'all of it');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal|deadlock detected/, 'no crash, no deadlock');

# the drain does not grow with what it writes
sql("ALTER SYSTEM SET tsdb.workers = 0");
sql("ALTER SYSTEM SET tsdb.worker_idle_timeout = '1min'; SELECT pg_reload_conf(); SET tsdb.ingest_durability = async; SELECT tsdb.ingest('t', ROW(now()))");
my $drain = client_drain($node);
my $file = PostgreSQL::Test::Utils::tempdir() . '/async.sql';
append_to_file($file, q(SELECT tsdb.ingest('t', array_agg(clock_timestamp()), array_agg('d' || i), array_agg(i::int8), array_agg(1.5)) FROM generate_series(1, 200) i;));
my @memory;
foreach my $part (0 .. 4)
{
	local $ENV{PGOPTIONS} = '-c tsdb.ingest_durability=async';
	system_or_bail('pgbench', '-n', '-f', $file, '-c', 2, '-T', 1 + int($seconds / 6), '-d', $node->connstr('postgres'));
	push @memory, memory($drain);
	# tables come and go: nor does it keep what it knew of them
	sql("DO \$\$ BEGIN FOR i IN 1 .. 50 LOOP EXECUTE format('CREATE TABLE short_%s (ts timestamptz, id int) USING tsdb', i); COMMIT;
		EXECUTE format('SELECT tsdb.ingest(''short_%s'', ROW(now(), i)) FROM generate_series(1, 3) i', i); COMMIT;
		EXECUTE format('DROP TABLE short_%s', i); COMMIT; END LOOP; END \$\$") if $part > 0;
	sql('SELECT tsdb.ingest_flush(); TRUNCATE t');
}
note "memory of the drain, kB: @memory";
is(client_drain($node), $drain, 'the drain is the same');
cmp_ok($memory[-1], '<', $memory[1] + 6000, 'the drain does not grow');
ingest_idle($node, 'at speed');

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal|deadlock detected/, 'no crash in the log');
done_testing();
