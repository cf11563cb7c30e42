
# With wal_level = minimal, relations made in the transaction that fills them are not logged but
# flushed at its end: a crash after it, and roll-backs in it, leave the right rows.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = tsdb_node('main');
$node->append_conf('postgresql.conf', "wal_level = minimal\nmax_wal_senders = 0\nfull_page_writes = on");
tsdb_start($node);
$node->safe_psql(
	'postgres', qq(
CREATE TABLESPACE other LOCATION '@{[PostgreSQL::Test::Utils::tempdir]}';
CREATE TABLE source (ts timestamptz NOT NULL, id int PRIMARY KEY, device text, v float8);
INSERT INTO source SELECT timestamptz '2024-01-01' + i * interval '1 s', i, 'd' || i % 5, i / 4.0 FROM generate_series(1, 2500) i;
COPY source TO '$dir/rows';
));

# Each case makes table m in one transaction, and says which rows it has.
my $new = 'CREATE TABLE m (LIKE source INCLUDING ALL) USING tsdb';
my $copy = "COPY m FROM '$dir/rows'";
my $compact = "SELECT tsdb.compact('m') \\g /dev/null\n";
my $all = 'true';
my @cases = (
	[ 'COPY', "$new; $copy;", $all ],
	[ 'COPY, compacted', "$new; $copy; $compact", $all ],
	[ 'COPY, compacted, changed', "$new; $copy; $compact
		DELETE FROM m WHERE id % 3 = 0; UPDATE m SET v = v WHERE id % 3 = 1;", 'id % 3 > 0' ],
	[ 'compacted twice', "$new; $copy; $compact DELETE FROM m WHERE id % 2 = 0; $compact
		INSERT INTO m SELECT * FROM source WHERE id % 2 = 0; $compact", $all ],
	[ 'roll-back to a savepoint', "$new; $copy; SAVEPOINT a; $compact DELETE FROM m WHERE id < 500;
		ROLLBACK TO a; DELETE FROM m WHERE id > 2000; $compact", 'id <= 2000' ],
	[ 'compaction in a subtransaction', "$new; SAVEPOINT a; $copy; $compact RELEASE a; SAVEPOINT b; DELETE FROM m; ROLLBACK TO b;", $all ],
	[ 'truncation', "TRUNCATE m; $copy; $compact", $all, 1 ],
	[ 'truncation twice', "TRUNCATE m; $copy; $compact TRUNCATE m; $copy; DELETE FROM m WHERE id = 7;", 'id <> 7', 1 ],
	[ 'truncation rolled back', "SAVEPOINT a; TRUNCATE m; $copy; $compact ROLLBACK TO a; DELETE FROM m WHERE id = 8;", 'id <> 8', 1 ],
	[ 'compaction of an older table', "$compact DELETE FROM m WHERE id = 9;", 'id <> 9', 1 ],
	[ 'SET TABLESPACE', "DELETE FROM m WHERE id = 10; ALTER TABLE m SET TABLESPACE other; DELETE FROM m WHERE id = 11; $compact",
		'id NOT IN (10, 11)', 1 ],
	[ 'rewrite', "ALTER TABLE m ALTER v TYPE numeric USING v::numeric; $compact ALTER TABLE m ALTER v TYPE float8;
		DELETE FROM m WHERE id = 12;", 'id <> 12', 1 ],
	[ 'access methods', 'ALTER TABLE m SET ACCESS METHOD heap; ALTER TABLE m SET ACCESS METHOD tsdb; ' . $compact, $all, 1 ],
	[ 'CREATE TABLE AS', "CREATE TABLE m USING tsdb AS SELECT * FROM source; ALTER TABLE m ADD PRIMARY KEY (id); $compact", $all ],
	[ 'index', "$new; $copy; $compact CREATE INDEX ON m (device, v); DELETE FROM m WHERE id % 5 = 0;", 'id % 5 > 0' ]);

foreach my $threshold ('0', '1GB')
{
	$node->append_conf('postgresql.conf', "wal_skip_threshold = '$threshold'");
	foreach my $n (0 .. $#cases)
	{
		my ($what, $sql, $rows, $older) = @{ $cases[$n] };

		# every second case with the other threshold
		next if !$ENV{TEST_LONG} && $n % 2 == ($threshold eq '0' ? 1 : 0);

		$what .= ", wal_skip_threshold $threshold";
		$node->safe_psql('postgres', 'DROP TABLE IF EXISTS m');
		$node->safe_psql('postgres', "$new; $copy; $compact INSERT INTO m SELECT ts, -id, device, v FROM source LIMIT 100; DELETE FROM m WHERE id < 0")
		  if $older;
		$node->safe_psql('postgres', 'CHECKPOINT') if $threshold eq '0';
		$node->safe_psql('postgres', "BEGIN; $sql COMMIT");
		$node->stop('immediate');
		$node->start;
		my $wanted = $node->safe_psql('postgres',
			"SELECT count(*), sum(hashtextextended(x::text, 0)::numeric) FROM source x WHERE $rows");
		is(tsdb_digest($node, 'm'), $wanted, $what);
		tsdb_compact($node, 'm');
		$node->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) m');
		is(tsdb_digest($node, 'm'), $wanted, "$what: compacted and vacuumed");
	}
}
$node->stop;
done_testing();
