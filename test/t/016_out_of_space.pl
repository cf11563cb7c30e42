
# A tablespace that is full: INSERT, UPDATE, DELETE, compaction and VACUUM fail with an error that
# says so, lose nothing, and work again once there is space.
#
# The file system is a tmpfs in a mount namespace of this test's own, which needs no privileges
# where user namespaces are allowed, and is gone when the test ends.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use TsdbNamespace;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

plan skip_all => 'no user namespaces here' if !$ENV{TSDB_TEST_NAMESPACE};

my $space = PostgreSQL::Test::Utils::tempdir();
system_or_bail('mount', '-t', 'tmpfs', '-o', 'size=16m,mode=0700', 'tmpfs', $space);
mkdir "$space/data", 0700 or die;
my $ballast = "$space/ballast";

sub free_kb
{
	my ($free) = (split ' ', (split /\n/, `df -k --output=avail $space`)[1])[0];
	return $free;
}

# Leaves so many kB of the file system.
sub leave
{
	my ($kb) = @_;
	unlink $ballast;
	my $rest = free_kb() - $kb;
	system_or_bail('dd', 'if=/dev/zero', "of=$ballast", 'bs=1024', "count=$rest", 'status=none') if $rest > 0;
	return;
}

my $node = tsdb_node('main', allows_streaming => 1);
$node->append_conf('postgresql.conf', "log_error_verbosity = verbose\nmax_wal_size = 4GB");
tsdb_start($node);
$node->safe_psql(
	'postgres', qq(
CREATE TABLESPACE small LOCATION '$space/data';
CREATE TABLE m (ts timestamptz NOT NULL, id int, device text, v float8, noise text) USING tsdb TABLESPACE small;
CREATE UNIQUE INDEX m_id ON m (id) TABLESPACE pg_default;
CREATE TABLE h (LIKE m INCLUDING ALL) USING heap;
));

# The same statement on m and h, in one transaction; returns the error's text.
sub both
{
	my ($sql) = @_;
	my ($code, $out, $err) =
	  $node->psql('postgres', "\\set VERBOSITY verbose\nBEGIN; $sql; " . ($sql =~ s/\bm\b/h/gr) . '; COMMIT;');
	return $code == 0 ? '' : $err;
}

sub same
{
	my ($what) = @_;
	is( $node->safe_psql('postgres',
			'SELECT (SELECT count(*) > 0 FROM m), (SELECT count(*) FROM (TABLE m EXCEPT ALL TABLE h) x),
			(SELECT count(*) FROM (TABLE h EXCEPT ALL TABLE m) x)'),
		't|0|0',
		"$what: nothing is lost");
	unlike(tsdb_digest($node, 'm'), qr/index/, "$what: scan and index agree");
	return;
}

my $full = qr/53100: could not .*(No space left on device|wrote only).*HINT:  Check free disk space/s;

sub rows
{
	my ($from, $to) = @_;
	return "INSERT INTO m SELECT timestamptz '2024-01-01' + i * interval '1 s', i, 'd' || i % 3, i,
		(SELECT string_agg(md5(i || ',' || j), '') FROM generate_series(1, 30) j) FROM generate_series($from, $to) i";
}

is(both(rows(1, 2000)), '', 'there is room at first');
tsdb_compact($node, 'm');
is(both(rows(2001, 4000)), '', 'and for some more');
same('before');
my $chunks = 'SELECT count(*) FROM ' . (tsdb_stand_in() ? 'm' : 'tsdb.chunks');
my $before = $node->safe_psql('postgres', $chunks);

# INSERT
leave(200);
like(both(rows(4001, 8000)), $full, 'INSERT says that the disk is full');
same('INSERT');

# compaction, at once and in the middle, and again and again
foreach my $kb (0, 64, 300, 600)
{
	leave($kb);
	my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT tsdb.compact('m')");
	like($err, $full, "compaction with $kb kB says so") unless tsdb_stand_in();
	is($node->safe_psql('postgres', $chunks), $before, '... and has no effect') unless tsdb_stand_in();
	same("compaction with $kb kB");
}

# marks, the first of a table and later ones
leave(0);
my $changed = 0;
foreach my $step (1 .. 40)
{
	my $error = both(sprintf 'UPDATE m SET v = v + 1 WHERE id %% 40 = %d', $step % 40);
	like($error, $full, 'UPDATE says that the disk is full') if $error ne '';
	$error = both(sprintf 'DELETE FROM m WHERE id %% 400 = %d', $step);
	like($error, $full, 'DELETE says that the disk is full') if $error ne '';
	$changed++ if $error eq '';
	last if $error ne '' && $step > 3;
}
same("$changed deletes until the disk was full");

# VACUUM may need room for its maps
my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nVACUUM (INDEX_CLEANUP on) m");
like($err, $full, 'VACUUM works, or says so') if $code != 0;
same('VACUUM');

# A crash while it is full. Recovery may need more room than there was: it writes again what was
# rolled back, and free space maps that were not there yet. It says so then, and goes on later.
$node->stop('immediate');
leave(0);
my $log_size = -s $node->logfile;
if (!$node->start(fail_ok => 1))
{
	like(PostgreSQL::Test::Utils::slurp_file($node->logfile, $log_size), $full, 'recovery says that the disk is full');
	unlink $ballast;
	$node->start;
}
same('a crash');

# workers fail, are not in a hurry, and get it done later
if (!tsdb_stand_in())
{
	$node->append_conf('postgresql.conf', "tsdb.workers = 1\ntsdb.compact_age = 3s");
	$node->restart;
	leave(3000);
	is(both(rows(12001, 12500)), '', 'there is room for some rows');
	leave(0);
	ok( $node->poll_query_until(
			'postgres', q(SELECT coalesce(sum(errors), 0) > 0 FROM tsdb.stat_workers WHERE last_error ~ 'No space left|wrote only')),
		'a worker says so');
	my $errors = $node->safe_psql('postgres', 'SELECT sum(errors) FROM tsdb.stat_workers');
	sleep 3;
	cmp_ok($node->safe_psql('postgres', 'SELECT sum(errors) FROM tsdb.stat_workers') - $errors,
		'<', 10, 'it does not try in a hurry');
	same('a worker');
	$node->append_conf('postgresql.conf', 'tsdb.workers = 0');
	$node->restart;
}

# space again
unlink $ballast;
tsdb_compact($node, 'm');
same('space again, compacted');
isnt($node->safe_psql('postgres', $chunks), $before, 'compaction works again');
is(both('UPDATE m SET v = -v WHERE id % 3 = 0'), '', 'UPDATE works again');
is(both('DELETE FROM m WHERE id % 5 = 0'), '', 'DELETE works again');
is(both(rows(20001, 20500)), '', 'INSERT works again');
tsdb_compact($node, 'm');
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) m');
same('all of it');

# what failed compactions wrote is used again: as much room as before
is(both('DELETE FROM m WHERE id > 500'), '', 'a large delete');
tsdb_compact($node, 'm');
$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) m; VACUUM (INDEX_CLEANUP on) m');
same('mostly empty');
cmp_ok(free_kb(), '>', 8000, 'space comes back');
$node->safe_psql('postgres', 'DROP TABLE m; CHECKPOINT');
cmp_ok(free_kb(), '>', 15000, 'all of it, with the table');
$node->stop;
done_testing();
