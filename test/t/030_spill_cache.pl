
# The spill cache: what does not fit into memory comes back from a file, also after a restart; a file
# that is damaged, foreign, cut or left behind by a crash changes no answer; a full disk turns it off.
#
# The small disk is a tmpfs in a mount namespace of this test's own (see 016_out_of_space.pl).

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use TsdbNamespace;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

plan skip_all => 'heap has no spill cache' if tsdb_stand_in();

my $node = tsdb_node('main', allows_streaming => 1);
$node->append_conf(
	'postgresql.conf', qq(
tsdb.cache_size = 4MB
tsdb.spill_cache_size = 64MB
max_parallel_workers_per_gather = 0
));
tsdb_start($node);

# Numbers, values by reference, nulls: several times as many as there is memory for.
$node->safe_psql(
	'postgres', q(
CREATE TABLE m (ts timestamptz NOT NULL, device text, v float8, noise float8, note text, n numeric, few int)
	USING tsdb WITH (tsdb.series = 'device', tsdb.time = 'ts');
INSERT INTO m SELECT timestamptz '2024-01-01' + i / 10 * interval '1 s', 'd' || i % 10, round((i % 977) / 7.0, 2), sin(i),
	CASE WHEN i % 3 > 0 THEN 'note ' || i % 50 || repeat('x', i % 40) END, i / 8.0, CASE WHEN i % 100 = 0 THEN i END
	FROM generate_series(1, 100000) i;
CREATE TABLE h AS SELECT * FROM m;
));
tsdb_compact($node, 'm');

my $file = glob($node->data_dir . '/pgsql_tmp_tsdb_*.spill');
ok(-f $file, 'there is a file');

my $columns = 'count(*), sum(v::numeric), sum(noise::numeric), count(note), max(note), sum(length(note)), sum(n), min(n), sum(few), max(ts), min(device)';
my $wanted = $node->safe_psql('postgres', "SELECT $columns FROM h");
my @devices = map { "device = 'd$_'" } 0 .. 9;
my %wanted = map { $_ => $node->safe_psql('postgres', "SELECT $columns FROM h WHERE $_") } @devices;

# Reads everything, by one device after the other; every answer is that of the heap table.
sub ask
{
	my ($what) = @_;
	my $wrong = grep { $node->safe_psql('postgres', "SELECT $columns FROM m WHERE $_") ne $wanted{$_} } @devices;

	is($wrong, 0, "$what: the answers are right");
	return;
}

sub stat_of
{
	my ($level, $column) = @_;
	return $node->safe_psql('postgres', "SELECT $column FROM tsdb.stat_cache WHERE level = '$level'");
}

# Every log line since a place that begins with the cache's name.
sub told
{
	my ($from) = @_;
	return join "\n", grep { /spill cache/ } split /\n/, substr(slurp_file($node->logfile), $from);
}

ask('first') foreach 1 .. 4;
cmp_ok(stat_of('spill', 'inserts'), '>', 100, 'vectors were spilled');
cmp_ok(stat_of('spill', 'hits'), '>', 100, 'vectors came back');
cmp_ok(stat_of('spill', 'vectors'), '>', 100, 'the file has many');
cmp_ok(stat_of('spill', 'bytes'), '>', 100_000, 'and their bytes');
cmp_ok(-s $file, '<=', 64 * 1024 * 1024, 'it is no larger than it may be');
like($node->safe_psql('postgres', "EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off) SELECT sum(length(note)) FROM m"),
	qr/Vectors Spilled: [1-9]/, 'EXPLAIN shows what came from there');

# A clean restart: what was there comes back without decoding, what was hot in memory too.
my $place = -s $node->logfile;
$node->restart;
is(told($place), '', 'a clean restart says nothing');
ask('after a restart');
cmp_ok(stat_of('spill', 'hit_percent'), '>=', 85, 'after a restart most come from the file');
$node->safe_psql('postgres', 'SELECT tsdb.cache_reset()');
is(stat_of('spill', 'vectors'), 0, 'tsdb.cache_reset() empties it');
ask('after a reset') foreach 1 .. 3;

# A crash leaves doubt.
$place = -s $node->logfile;
$node->stop('immediate');
$node->start;
like(told($place), qr/spill cache begins empty/, 'a crash empties it');
is(stat_of('spill', 'vectors'), 0, 'nothing of before the crash is used');
ask('after a crash') foreach 1 .. 4;
$place = -s $node->logfile;
{
	my $victim = $node->background_psql('postgres', on_error_stop => 0);
	my $its = $victim->query_safe('SELECT pg_backend_pid()');
	kill 9, $its;
	eval { $victim->finish };
}
tsdb_wait_up($node);
like(told($place), qr/spill cache begins empty/, 'a crash of a process does, too');
ask('after a crash of a process') foreach 1 .. 4;

# Damage while the server is down.
$node->stop;
my $good = slurp_file($file);
my $undamaged = length $good;
my $used = 0;
my $start = sub {
	my ($what) = @_;
	$node->start;
	ask($what);
	$used += stat_of('spill', 'hits');
	$node->stop;
	return;
};

sub write_back
{
	my ($content) = @_;
	open my $out, '>:raw', $file or die;
	print $out $content;
	close $out or die;
	return;
}

srand 7;
foreach my $part ('header', 'index', 'records', 'everything')
{
	my $damaged = $good;
	my $log = 4096 + 64 * 1024 * 1024 / 2048 * 16;
	my ($from, $to, $times) =
	  $part eq 'header' ? (0, 64, 3) : $part eq 'index' ? (4096, $log, 20) :
	  $part eq 'records' ? ($log, $undamaged, 2000) : (0, $undamaged, 20000);

	foreach (1 .. $times)
	{
		my $at = $from + int rand($to - $from);
		substr($damaged, $at, 1) ^= chr(1 + int rand 255);
	}
	write_back($damaged);
	$start->("flipped bytes of $part");
}
foreach my $length (0, 10, 4096, 100_000, int(0.6 * $undamaged), $undamaged - 1)
{
	write_back(substr $good, 0, $length);
	$start->("cut to $length bytes");
}
write_back(join '', map { chr int rand 256 } 1 .. 1_000_000);
$start->('noise');
write_back($good);
$start->('as it was');
cmp_ok($used, '>', 100, 'what was not damaged was used');

# Damage while it runs: pieces of it, all of it.
write_back($good);
$node->start;
my $size = -s $file;
foreach my $piece (1 .. 30)
{
	open my $out, '+<:raw', $file or die;
	seek $out, int rand $size, 0;
	print $out join '', map { chr int rand 256 } 1 .. 20_000;
	close $out or die;
}
ask('damaged while it runs');
truncate $file, 5000;
$place = -s $node->logfile;
ask('cut while it runs');
is(stat_of('spill', 'size'), 0, 'a file that cannot be read turns it off');
is(scalar(() = told($place) =~ /spill cache is turned off/g), 1, 'which is said once');
ask('off') foreach 1 .. 2;
$node->stop;

# Another cluster's file, under our name, with our keys in it.
my $other = tsdb_node('other');
$other->append_conf('postgresql.conf', "tsdb.cache_size = 1MB\ntsdb.spill_cache_size = 64MB\n");
tsdb_start($other);
$other->stop;
my $others = glob($other->data_dir . '/pgsql_tmp_tsdb_*.spill');
write_back(slurp_file($others));
$place = -s $node->logfile;
$node->start;
like(told($place), qr/spill cache begins empty/, "another cluster's file is not used");
is(stat_of('spill', 'vectors'), 0, 'nothing of it');
ask("with another cluster's file");
$node->stop;

# A size of its own, and a place of its own; two servers cannot share one.
my $elsewhere = PostgreSQL::Test::Utils::tempdir();
$node->append_conf('postgresql.conf', "tsdb.spill_cache_path = '$elsewhere'\ntsdb.spill_cache_size = 2MB\n");
$node->start;
ask('a small one') foreach 1 .. 4;
my ($small) = glob "$elsewhere/pgsql_tmp_tsdb_*.spill";
cmp_ok(-s $small, '<=', 2 * 1024 * 1024, 'a small file is no larger than it may be');
$node->backup('copy');
ok(!glob($node->backup_dir . '/copy/pgsql_tmp*'), 'a base backup leaves the file out');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
like(slurp_file($standby->logfile), qr/could not lock file/, 'a standby does not use the file of its primary');
$standby->stop;
$standby->append_conf('postgresql.conf', "tsdb.spill_cache_path = ''\n");
$standby->start;
$node->wait_for_catchup($standby, 'replay');
foreach my $round (1 .. 3)
{
	is(scalar(grep { $standby->safe_psql('postgres', "SELECT $columns FROM m WHERE $_") ne $wanted{$_} } @devices),
		0, 'a standby has one of its own');
}
cmp_ok($standby->safe_psql('postgres', "SELECT hits FROM tsdb.stat_cache WHERE level = 'spill'"), '>', 0, 'which is used');
$standby->restart;
is(scalar(grep { $standby->safe_psql('postgres', "SELECT $columns FROM m WHERE $_") ne $wanted{$_} } @devices),
	0, 'also after a restart');
cmp_ok($standby->safe_psql('postgres', "SELECT hits FROM tsdb.stat_cache WHERE level = 'spill'"), '>', 0, 'where it is used');
$standby->promote;
is(scalar(grep { $standby->safe_psql('postgres', "SELECT $columns FROM m WHERE $_") ne $wanted{$_} } @devices),
	0, 'and when it is promoted');
$standby->stop;
$standby->start;
is(scalar(grep { $standby->safe_psql('postgres', "SELECT $columns FROM m WHERE $_") ne $wanted{$_} } @devices),
	0, 'and started on its own timeline');
$standby->stop;

# A directory that is not there, and no shared memory to spill from.
$node->append_conf('postgresql.conf', "tsdb.spill_cache_path = '$elsewhere/nowhere'\n");
$place = -s $node->logfile;
$node->restart;
like(told($place), qr/turned off: could not open file/, 'a directory that is not there turns it off');
ask('without a file');
$node->append_conf('postgresql.conf', "tsdb.spill_cache_path = ''\ntsdb.cache_size = 0\n");
$node->restart;
ask('without a cache');
is(stat_of('spill', 'size'), '', 'nothing is spilled from nothing');
$node->append_conf('postgresql.conf', "tsdb.cache_size = 1MB\n");

# A full disk.
SKIP:
{
	skip 'no user namespaces here', 5 if !$ENV{TSDB_TEST_NAMESPACE};
	my $space = PostgreSQL::Test::Utils::tempdir();
	system_or_bail('mount', '-t', 'tmpfs', '-o', 'size=512k,mode=0700', 'tmpfs', $space);
	$node->append_conf('postgresql.conf', "tsdb.spill_cache_path = '$space'\ntsdb.spill_cache_size = 64MB\n");
	$node->restart;
	$place = -s $node->logfile;
	ask('a disk that fills') foreach 1 .. 4;
	my @lines = grep { /spill cache/ } split /\n/, told($place);
	is(scalar(@lines), 1, 'a full disk is said once');
	like($lines[0], qr/turned off: could not use file .*No space left on device/, 'as what it is');
	my ($full) = glob "$space/pgsql_tmp_tsdb_*.spill";
	is(-s $full, 0, 'and the file is emptied');
	is(stat_of('spill', 'size'), 0, 'it is off');
	$node->restart;
	ask('a disk that is still small');
}
$node->stop;

done_testing();
