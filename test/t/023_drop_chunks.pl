
# drop_chunks(): logical decoding hears of each row, a subscriber loses the same rows, a standby and
# a crash see all of it or nothing, prepared transactions, space comes back.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

plan skip_all => 'the stand-in drops no chunks' if tsdb_stand_in();

my $node = tsdb_start(tsdb_node('publisher', allows_streaming => 'logical'));

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;

sub sql { return $node->safe_psql('postgres', join(";\n", @_)) }

sub fill
{
	sql('DROP TABLE IF EXISTS m',
		'CREATE TABLE m (ts timestamptz, device int, v int, PRIMARY KEY (device, ts)) USING tsdb',
		q(INSERT INTO m SELECT timestamptz '2024-01-01' + i * interval '1 min', i % 3, i FROM generate_series(1, 9000) i));
	sql(q(SELECT tsdb.compact('m')));
	sql(q(INSERT INTO m SELECT timestamptz '2024-01-01' + i * interval '1 min', 5, i FROM generate_series(1, 6000, 100) i));
	return;
}

my $drop = q(SELECT chunks || ' ' || rows FROM drop_chunks('m', '2024-01-04'));
my $count = 'SELECT count(*) FROM m';
my $sound = q(SELECT count(*) FROM tsdb.verify('m'));

# without a slot nobody decodes, whatever wal_level is
fill();
my ($chunks, $rows) = split / /, sql($drop);
is($rows, 4319 + 44, 'rows of chunks and row store are dropped');
is($chunks, 3, 'chunks go as a whole at wal_level = logical');
is(sql($count), 9000 + 60 - $rows, 'the others stay');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $count), 9000 + 60 - $rows, 'a standby sees it');

# with one, each row is decoded
fill();
sql(q(SELECT pg_create_logical_replication_slot('watch', 'test_decoding')));
($chunks, $rows) = split / /, sql($drop);
is($chunks, 0, 'no chunk goes as a whole where a slot may decode it');
is($rows, 4319 + 44, 'the same rows go');
is(sql(q(SELECT count(*) || ' ' || count(DISTINCT data) FROM pg_logical_slot_get_changes('watch', NULL, NULL)
	WHERE data LIKE 'table public.m: DELETE:%')), "$rows $rows", 'each row is decoded');
sql(q(SELECT pg_drop_replication_slot('watch')));

# a slot of another database does not matter
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', q(SELECT pg_create_logical_replication_slot('watch', 'test_decoding')));
fill();
is((split / /, sql($drop))[0], 3, 'a slot of another database is in nobody\'s way');
$node->safe_psql('other', q(SELECT pg_drop_replication_slot('watch')));

# a subscriber
fill();
my $subscriber = tsdb_start(tsdb_node('subscriber'));
$subscriber->safe_psql('postgres', 'CREATE TABLE m (ts timestamptz, device int, v int, PRIMARY KEY (device, ts)) USING tsdb');
sql('CREATE PUBLICATION p FOR TABLE m');
$subscriber->safe_psql('postgres', sprintf(q(CREATE SUBSCRIPTION s CONNECTION '%s' PUBLICATION p),
	$node->connstr . ' dbname=postgres'));
$subscriber->wait_for_subscription_sync($node, 's');
is($subscriber->safe_psql('postgres', $count), 9060, 'the subscriber has all rows');
$subscriber->safe_psql('postgres', q(SELECT tsdb.compact('m')));
sql($drop);
$node->wait_for_catchup('s');
is($subscriber->safe_psql('postgres', 'SELECT count(*), min(ts), sum(v) FROM m'),
	sql('SELECT count(*), min(ts), sum(v) FROM m'), 'the subscriber has lost the same rows');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION s');
my ($status, undef, $error) = $node->psql('postgres',
	q(ALTER TABLE m REPLICA IDENTITY NOTHING; SELECT drop_chunks('m', '2024-01-05')));
like($error, qr/does not have a replica identity and publishes deletes/, 'as DELETE without replica identity');
sql('DROP PUBLICATION p');

# a prepared transaction, over a crash
fill();
sql('BEGIN', $drop, q(PREPARE TRANSACTION 'drop'));
is(sql($count), 9060, 'a prepared drop is not seen yet');
$node->stop('immediate');
$node->start;
is(sql($count), 9060, 'nor after a crash');
sql(q(ROLLBACK PREPARED 'drop'));
is(sql($count), 9060, 'rolled back, the rows are there');
is(sql($sound), 0, 'and the table is sound');
sql('BEGIN', $drop, q(PREPARE TRANSACTION 'drop'));
$node->stop('immediate');
$node->start;
sql(q(COMMIT PREPARED 'drop'));
is(sql($count), 9060 - 4363, 'committed, they are gone');
$node->stop('immediate');
$node->start;
is(sql($count), 9060 - 4363, 'and stay so');
is(sql($sound), 0, 'with the table sound');
is(sql('SET enable_seqscan = off', q(SELECT count(*) FROM m WHERE device = 1 AND ts < '2024-01-04')), 0,
	'no index finds one');

# a crash in the middle
my $session = $node->background_psql('postgres');
$session->query_safe(q(BEGIN; SELECT drop_chunks('m', 'infinity'); CHECKPOINT));
tsdb_kill9($node);
$node->start;
is(sql($count), 9060 - 4363, 'a crash before commit drops nothing');
is(sql($sound), 0, 'and damages nothing');

# space comes back
my $size = q(SELECT tsdb.table_size('m'));
my $before = sql($size);
sql(q(SELECT drop_chunks('m', 'infinity')));
sql('VACUUM m');
sql(q(SELECT tsdb.compact('m')));
sql('VACUUM m');
is(sql($count), 0, 'all rows are dropped');
cmp_ok(sql($size), '<', $before / 2, 'and their space is given back');
is(sql($sound), 0, 'the empty table is sound');
$node->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $count), 0, 'the standby has followed');

done_testing();
