
# A publisher and a subscriber whose tables are tsdb tables, compacted on both sides all the
# time, end equal: with every replica identity, row filters, column lists, partitions.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

my $seconds = $ENV{TEST_LONG} ? 120 : 8;

my $publisher = tsdb_node('publisher', allows_streaming => 'logical');
my $subscriber = tsdb_node('subscriber', allows_streaming => 'logical');
$_->append_conf('postgresql.conf', "max_logical_replication_workers = 10\nlogical_decoding_work_mem = 64kB\n")
  for $publisher, $subscriber;
tsdb_start($_) for $publisher, $subscriber;

my @columns = ('ts timestamptz NOT NULL', 'device text NOT NULL', 'id int8 NOT NULL', 'v float8',
	'note text', 'tags jsonb');
my @tables = qw(by_key by_index by_all filtered listed readings);

foreach my $node ($publisher, $subscriber)
{
	my $columns = join(', ', @columns);
	$node->safe_psql('postgres', qq(
CREATE TABLE by_key ($columns, PRIMARY KEY (id)) USING tsdb;
CREATE INDEX ON by_key (device, ts);
CREATE TABLE by_index ($columns) USING tsdb;
CREATE UNIQUE INDEX by_index_id ON by_index (id);
ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_id;
CREATE TABLE by_all ($columns) USING tsdb;
ALTER TABLE by_all REPLICA IDENTITY FULL;
CREATE TABLE filtered ($columns, PRIMARY KEY (id)) USING tsdb;
CREATE TABLE listed ($columns, PRIMARY KEY (id)) USING tsdb;
CREATE TABLE readings ($columns, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
));
}
# partitions differ: changes are published as those of the root
$publisher->safe_psql('postgres', q(
CREATE TABLE readings_1 PARTITION OF readings FOR VALUES FROM (MINVALUE) TO ('2024-01-01 02:00+00') USING tsdb;
CREATE TABLE readings_2 PARTITION OF readings DEFAULT USING tsdb;
));
$subscriber->safe_psql('postgres', q(
CREATE TABLE readings_a PARTITION OF readings FOR VALUES FROM (MINVALUE) TO ('2024-01-01 01:00+00') USING tsdb;
CREATE TABLE readings_b PARTITION OF readings FOR VALUES FROM ('2024-01-01 01:00+00') TO ('2024-01-01 03:00+00') USING tsdb;
CREATE TABLE readings_c PARTITION OF readings DEFAULT USING tsdb;
));

sub compact_all
{
	my ($node) = @_;
	$node->safe_psql('postgres', q(SELECT tsdb.compact(c.oid) FROM pg_class c JOIN pg_am a ON a.oid = c.relam
		WHERE amname = 'tsdb' AND relkind = 'r'));
	return;
}

# the rows that are there when the subscription begins
foreach my $table (@tables)
{
	$publisher->safe_psql('postgres', qq(
INSERT INTO $table
	SELECT timestamptz '2024-01-01 00:00+00' + i * interval '10 s', 'host-' || i % 5, i, i / 10.0,
		   CASE i % 50 WHEN 0 THEN NULL WHEN 1 THEN repeat(md5(i::text), 300) ELSE 'n' || i % 9 END,
		   jsonb_build_object('k', i % 3)
	FROM generate_series(1, 1500) i));
}
compact_all($publisher);
$publisher->safe_psql('postgres',
	"DELETE FROM $_ WHERE id % 100 = 0; UPDATE $_ SET v = -1 WHERE id % 100 = 1") for @tables;

$publisher->safe_psql('postgres', q(
CREATE PUBLICATION plain FOR TABLE by_key, by_index, by_all;
CREATE PUBLICATION partial FOR TABLE filtered WHERE (id % 3 = 0), listed (id, ts, device, v);
CREATE PUBLICATION root FOR TABLE readings WITH (publish_via_partition_root = true);
));
my $connection = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres',
	"CREATE SUBSCRIPTION s CONNECTION '$connection' PUBLICATION plain, partial, root WITH (streaming = on)");
$subscriber->wait_for_subscription_sync($publisher, 's');

# what both must have of a table
my %query = map { $_ => "SELECT count(*), sum(hashtextextended(x::text, 0)::numeric) FROM $_ x" } @tables;
$query{filtered} = "SELECT count(*), sum(hashtextextended(x::text, 0)::numeric) FROM filtered x WHERE id % 3 = 0";
$query{listed} = 'SELECT count(*), sum(hashtextextended(row(id, ts, device, v)::text, 0)::numeric) FROM listed';

sub same
{
	my ($what) = @_;
	$publisher->wait_for_catchup('s');
	foreach my $table (@tables)
	{
		my $wanted = $publisher->safe_psql('postgres', $query{$table});
		is($subscriber->safe_psql('postgres', $query{$table}), $wanted, "$what: $table");
		is( $subscriber->safe_psql('postgres', "SET enable_seqscan = off; SET enable_bitmapscan = off; $query{$table} "
				  . ($table eq 'filtered' ? 'AND' : 'WHERE') . ' id > -1'),
			$wanted, "$what, by index: $table")
		  if $table ne 'by_all' && $table ne 'readings';
	}
	return;
}

same('initial copy of compressed rows');
compact_all($subscriber);
same('compacted there');
is($subscriber->safe_psql('postgres', q(SELECT count(*) FROM tsdb.tables WHERE chunks > 0)), '8',
	'all tables of the subscriber have chunks');

# each kind of change, of compressed rows on both sides
foreach my $change (
	[ 'UPDATE', 'UPDATE # SET v = v + 1 WHERE id % 7 = 0' ],
	[ 'UPDATE of all', "UPDATE # SET tags = tags || '{\"x\": 1}', v = 0 WHERE id BETWEEN 100 AND 300" ],
	[ 'UPDATE of large values', 'UPDATE # SET device = device || 1 WHERE id % 50 = 1' ],
	[ 'UPDATE of the time', "UPDATE # SET ts = ts + interval '1 hour' WHERE id % 11 = 0" ],
	[ 'UPDATE of the key', 'UPDATE # SET id = id + 10000 WHERE id % 13 = 0' ],
	[ 'DELETE', 'DELETE FROM # WHERE id % 17 = 0' ],
	[ 'upsert', "INSERT INTO # SELECT '2024-02-01', 'new', i, 1 FROM generate_series(1480, 1520) i"
		  . ' ON CONFLICT (id) DO UPDATE SET v = excluded.v, note = excluded.note' ],
	[ 'rolled back', 'BEGIN; DELETE FROM #; ROLLBACK; BEGIN; SAVEPOINT a; DELETE FROM # WHERE id % 2 = 0; ROLLBACK TO a; '
		  . 'UPDATE # SET v = 2 WHERE id = 2; COMMIT' ],
	[ 'twice', 'BEGIN; UPDATE # SET v = 3 WHERE id % 19 = 0; UPDATE # SET v = v + 1 WHERE id % 19 = 0; DELETE FROM # WHERE id % 38 = 0; COMMIT' ]
  )
{
	my ($what, $sql) = @$change;
	foreach my $table (@tables)
	{
		my $statement = $sql =~ s/#/$table/gr;
		$statement =~ s/ON CONFLICT \(id\)/ON CONFLICT (id, ts)/ if $table eq 'readings';
		next if $what eq 'upsert' && $table eq 'by_all';
		$publisher->safe_psql('postgres', $statement);
	}
	same($what);
	compact_all($_) for $publisher, $subscriber;
}
same('compacted once more');

# changes by many at once, while both sides compact
my $dir = $publisher->basedir;
foreach my $table (@tables)
{
	append_to_file("$dir/$table.sql", qq(
\\set id random(1, 3000)
\\set other random(1, 3000)
\\set what random(1, 10)
\\if :what <= 4
UPDATE $table SET v = v + 1 WHERE id = :id;
\\elif :what <= 5
UPDATE $table SET note = repeat(md5(:other\:\:text), :other % 300) WHERE id = :id;
\\elif :what <= 6
DELETE FROM $table WHERE id BETWEEN :id AND :id + 5;
\\elif :what <= 7
BEGIN;
UPDATE $table SET v = 0 WHERE id BETWEEN :id AND :id + 20;
DELETE FROM $table WHERE id = :id;
COMMIT;
\\else
INSERT INTO $table SELECT timestamptz '2024-01-01' + :id * interval '7 s', 'host-' || :id % 5, i, :other, 'n', '{}'
	FROM generate_series(:id + 0, :id + 20) i ON CONFLICT DO NOTHING;
\\endif
));
}
append_to_file("$dir/compact.sql", join('', map { "SELECT tsdb.compact('$_');\n" } @tables) =~ s/'readings'/'readings_2'/r);
append_to_file("$dir/compact_there.sql", join('', map { "SELECT tsdb.compact('$_');\n" } @tables) =~ s/'readings'/'readings_b'/r);
# no faster than one process can apply it, which reads all of by_all for each row
my @runs = (
	[ $publisher, '-c', '4', '-R', '100', map { ('-f', "$dir/$_.sql") } @tables ],
	[ $publisher, '-f', "$dir/compact.sql" ],
	[ $subscriber, '-f', "$dir/compact_there.sql" ]);
my @handles;
foreach my $run (@runs)
{
	my ($node, @arguments) = @$run;
	my ($out, $err) = ('', '');
	my $handle = IPC::Run::start(
		[ 'pgbench', '-n', '-T', $seconds, '--max-tries=1000', '-h', $node->host, '-p', $node->port, @arguments, 'postgres' ],
		'<', \undef, '>', \$out, '2>', \$err);
	push @handles, [ $handle, \$out, \$err ];
}
foreach my $handle (@handles)
{
	my $ok = $handle->[0]->finish;
	ok($ok, 'pgbench') or diag(${ $handle->[1] }, ${ $handle->[2] });
}
same('changes by many');
compact_all($_) for $publisher, $subscriber;
same('changes by many, compacted');

# TRUNCATE, and what comes after it
$publisher->safe_psql('postgres', 'TRUNCATE by_key, by_all');
$publisher->safe_psql('postgres', q(INSERT INTO by_key SELECT now(), 'x', i FROM generate_series(1, 10) i));
same('TRUNCATE');
is($subscriber->safe_psql('postgres', 'SELECT count(*) FROM by_all'), '0', 'truncated there');

# nothing but tables of users in a publication of all tables
$publisher->safe_psql('postgres', 'CREATE PUBLICATION everything FOR ALL TABLES');
is($publisher->safe_psql('postgres', q(SELECT count(*) FROM pg_publication_tables WHERE schemaname = '_tsdb')), '0',
	'no internal relation in pg_publication_tables');
$subscriber->safe_psql('postgres', "ALTER SUBSCRIPTION s SET PUBLICATION everything WITH (refresh = false)");
$publisher->safe_psql('postgres', 'INSERT INTO by_all SELECT * FROM by_key; DELETE FROM by_all WHERE id > 5; SELECT tsdb.compact(\'by_all\'); UPDATE by_all SET v = 1');
$publisher->wait_for_catchup('s');
is($subscriber->safe_psql('postgres', $query{by_all}), $publisher->safe_psql('postgres', $query{by_all}),
	'a publication of all tables');

foreach my $node ($publisher, $subscriber)
{
	unlike(slurp_file($node->logfile), qr/TRAP|PANIC|could not map filenode|terminated by signal/, 'no fault in the log of ' . $node->name);
}

$_->stop for $subscriber, $publisher;
done_testing();
