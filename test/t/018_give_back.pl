
# DELETE gives space back: marks are folded in, chunks move to the front of their shard, shards and
# marks are cut; and all the time the rows are those of a heap table.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

plan skip_all => 'heap has no chunks' if tsdb_stand_in();

my $node = tsdb_node('main');
$node->append_conf('postgresql.conf', "tsdb.shards = 1\njit = off\n");
tsdb_start($node);
$node->safe_psql(
	'postgres', q(
CREATE FUNCTION blocks(kind text) RETURNS bigint LANGUAGE sql AS $$
	SELECT coalesce(sum(pg_relation_size(oid)), 0) / current_setting('block_size')::int FROM pg_class
	WHERE relnamespace = '_tsdb'::regnamespace AND relname ~ format('^tsdb_%s_', kind)
$$;
CREATE TABLE h (ts timestamptz NOT NULL, host int NOT NULL, v float8, w float8, x float8);
CREATE TABLE m (LIKE h) USING tsdb;
INSERT INTO h SELECT timestamptz '2024-01-01 00:00+00' + i * interval '10 s', host,
	round((50 + 30 * sin(i / 100.0 + host))::numeric, 1), hashint8extended(i * 40 + host, 0)::float8,
	hashint8extended(i * 40 + host, 1)::float8
	FROM generate_series(1, 4000) i, generate_series(1, 40) host;
INSERT INTO m TABLE h;));

sub value { return $node->safe_psql('postgres', $_[0]); }

# Do it to both tables.
sub both
{
	my ($sql) = @_;

	foreach my $table (qw(h m)) { value($sql =~ s/TABLE/$table/gr); }
	return;
}

sub compact_and_vacuum
{
	my ($table, $times) = @_;

	foreach (1 .. $times)
	{
		tsdb_compact($node, $table);
		value("VACUUM $table");
	}
	return;
}

sub same
{
	my ($what, $table, $copy) = @_;
	my ($m, $h) = ($table // 'm', $copy // 'h');

	is( value("SELECT count(*) FROM ((TABLE $h EXCEPT ALL TABLE $m) UNION ALL
			(TABLE $m EXCEPT ALL TABLE $h)) x"),
		'0', "$what: the rows are heap's");
	return;
}

# 10 % of the rows, chosen by a hash of the key
compact_and_vacuum('m', 1);
my $before = value("SELECT tsdb.table_size('m')");
both('DELETE FROM TABLE WHERE hashint8(extract(epoch FROM ts)::bigint * 41 + host) % 10 = 0');
cmp_ok(value("SELECT tsdb.table_size('m')"), '>', $before, 'marks take space');
compact_and_vacuum('m', 1);
same('marks are folded in');
compact_and_vacuum('m', 3);
my $marks = value("SELECT blocks('marks')");
cmp_ok($marks, '<', 16, 'marks are gone but for a short index');
my $rest = value("SELECT tsdb.table_size('m')");
cmp_ok($rest, '<', $before, 'the table is smaller than before');
same('the end of the shard has moved');

# at rest
my $lsn = value('SELECT pg_current_wal_insert_lsn()');
compact_and_vacuum('m', 1);
cmp_ok(value("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$lsn')"),
	'<', 20000, 'then nothing is moved any more');
cmp_ok(value("SELECT tsdb.table_size('m')"), '<=', $rest, 'and nothing grows');

# marks begin anew in the index that was emptied
both('DELETE FROM TABLE WHERE host = 7');
both("UPDATE TABLE SET v = -v WHERE host = 8 AND ts < '2024-01-01 01:00+00'");
value('BEGIN; SELECT count(*) FROM (SELECT FROM m WHERE host = 9 FOR UPDATE) x;
	DELETE FROM m WHERE host = 10; ROLLBACK');
cmp_ok(value("SELECT blocks('marks')"), '>=', $marks, 'new marks');
same('new marks');

# Pieces move, and stay moved when the transaction is rolled back; rows keep their TIDs. What the
# rollback has left at the end of the shard is deleted when that is to be vacated again.
both("DELETE FROM TABLE WHERE ts < '2024-01-01 08:00+00'");
compact_and_vacuum('m', 1);
value('CREATE INDEX ON m (host, ts); CREATE TABLE places AS SELECT ctid AS place, * FROM m');
my $blocks = value("SELECT blocks('shard')");
value("BEGIN; SELECT tsdb.compact('m'); ROLLBACK");
same('rolled back');
is( value('SELECT count(*) FROM places p WHERE NOT EXISTS
		(SELECT FROM m WHERE m.ctid = p.place AND (m.ts, m.host) = (p.ts, p.host))'),
	'0', 'rows keep their TIDs');
my $reader = $node->background_psql('postgres');
$reader->query_safe('BEGIN; DECLARE c CURSOR FOR SELECT host FROM m; MOVE 100 FROM c;');
my $old = $node->background_psql('postgres');
my $question = 'SELECT count(*), sum(host), sum(w) FROM m';
my $answer = $old->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; $question");
compact_and_vacuum('m', 2);
is($old->query_safe($question), $answer, 'an old snapshot sees its rows');
is($reader->query_safe('SELECT count(*) FROM h') - 100,
	scalar(() = $reader->query_safe('FETCH ALL FROM c') =~ /^\d+$/gm), 'a cursor goes on');
$_->query_safe('COMMIT') foreach $reader, $old;
$_->quit foreach $reader, $old;
compact_and_vacuum('m', 1);
cmp_ok(value("SELECT blocks('shard')"), '<', $blocks, 'the shard is cut');
same('the shard is cut');
is( value('SET enable_seqscan = off; SELECT count(*) FROM m WHERE host = 12'),
	value('SELECT count(*) FROM h WHERE host = 12'), 'index entries lead to moved chunks');
is(value("SELECT count(*) FROM tsdb.verify('m')"), '0', 'nothing is damaged');

# everything goes
value('DELETE FROM m');
compact_and_vacuum('m', 1);
is(value("SELECT blocks('shard'), (SELECT count(*) FROM m)"), '0|0', 'an empty shard has no pages');

# long values: the lists of their pieces are stored, too, and move as a whole
value(
	q(DROP TABLE m;
	CREATE TABLE long_h (id int, t text);
	CREATE TABLE long_m (LIKE long_h) USING tsdb;
	INSERT INTO long_h SELECT i, (SELECT string_agg(md5((i * 1000 + j)::text), '')
		FROM generate_series(1, 40) j) FROM generate_series(1, 4096) i;
	INSERT INTO long_m TABLE long_h;));
compact_and_vacuum('long_m', 1);
$blocks = value("SELECT blocks('shard')");
value("DELETE FROM $_ WHERE id <= 2048") foreach qw(long_h long_m);
compact_and_vacuum('long_m', 2);
same('long values', 'long_m', 'long_h');
cmp_ok(value("SELECT blocks('shard')"), '<', 0.6 * $blocks, 'nearly half of the pages are given back');
is(value("SELECT count(*) FROM tsdb.verify('long_m')"), '0', 'nothing is damaged');

$node->stop;
done_testing();
