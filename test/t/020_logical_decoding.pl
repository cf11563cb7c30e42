
# What is decoded of changes to compressed rows is what is decoded of the same changes to a heap
# table: prepared and streamed transactions, savepoints, origins, moves between partitions, columns
# and identities that change. WAL of such changes is replayed on a standby and after a crash.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

my $node = tsdb_node('primary', allows_streaming => 'logical');
# the standby compares each page with the primary's that it changes by heap's records
$node->append_conf('postgresql.conf',
	"wal_consistency_checking = 'heap, heap2'\nlogical_decoding_work_mem = 64kB\n");
tsdb_start($node);
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;

sub sql { return $node->safe_psql('postgres', join(";\n", @_)) }

# The same table on heap (h) and on tsdb (t), with the same rows; those of t are compacted.
sub make_tables
{
	my ($columns, @after) = @_;

	sql('DROP TABLE IF EXISTS h, t');
	foreach my $table (qw(h t))
	{
		my $method = $table eq 't' ? 'tsdb' : 'heap';
		sql("SET default_table_access_method = $method", "CREATE TABLE $table $columns",
			map { s/#/$table/gr } @after);
	}
	compact();
	return;
}

sub compact
{
	return sql(q(SELECT tsdb.compact(c.oid) FROM pg_class c JOIN pg_am a ON a.oid = c.relam
		WHERE amname = 'tsdb' AND relkind = 'r' AND relpersistence = 'p'));
}

my $slot = 0;

# Decodes what SCRIPT does to h and then to t; both must be the same, and not nothing.
sub same_changes
{
	my ($what, $script, %options) = @_;
	my %decoded;

	compact();
	foreach my $table (qw(h t))
	{
		$slot++;
		sql("SELECT pg_create_logical_replication_slot('s$slot', 'test_decoding', false, "
			  . ($options{two_phase} ? 'true)' : 'false)'));
		my $sql = $script =~ s/#/$table/gr;
		$node->safe_psql('postgres', $sql);
		my $extra = $options{decode} // '';
		my $changes = sql("SELECT data FROM pg_logical_slot_get_changes('s$slot', NULL, NULL, "
			  . "'include-xids', '0', 'skip-empty-xacts', '1'$extra)");
		sql("SELECT pg_drop_replication_slot('s$slot')");
		$changes =~ s/public\.[ht](\d?):/public.table$1:/g;
		$changes =~ s/'gid_[ht]'/gid/g;
		# in how many blocks changes are streamed depends on the WAL between them
		$changes = join("\n", grep { $_ =~ $options{only} } split /\n/, $changes) if $options{only};
		$decoded{$table} = in_order($changes);
	}
	ok($options{nothing} || $decoded{h} =~ /table|stream/, "$what: something is decoded");
	is($decoded{t}, $decoded{h}, $what);
	return;
}

# A scan meets the rows of a chunk in another order.
sub in_order
{
	my ($changes) = @_;
	my @blocks = split /^(?=BEGIN|COMMIT)/m, $changes;
	return join('', map { join("\n", sort split /\n/) . "\n" } @blocks);
}

my $rows = q(INSERT INTO # SELECT i, 'host-' || i % 5, timestamptz '2024-01-01' + i * interval '10 s',
	CASE i % 10 WHEN 0 THEN NULL WHEN 1 THEN large(i) ELSE 'n' || i END FROM generate_series(1, 400) i);
my $columns = '(id int PRIMARY KEY, device text, ts timestamptz, note text)';
# incompressible, out of line
sql(q(CREATE FUNCTION large(int) RETURNS text LANGUAGE sql AS
	$$SELECT string_agg(md5(i::text || $1), '' ORDER BY i) FROM generate_series(1, 200) i$$));

# ---- kinds of transactions ----

make_tables($columns, $rows);
same_changes('one statement each', q(UPDATE # SET device = 'x' WHERE id <= 40; DELETE FROM # WHERE id = 11;
	UPDATE # SET id = id + 1000 WHERE id <= 20; UPDATE # SET note = 'small' WHERE id = 31;
	UPDATE # SET note = large(7) WHERE id = 41; UPDATE # SET note = note || '' WHERE id = 51));
same_changes('rows changed again in a transaction', q(BEGIN; UPDATE # SET device = 'y' WHERE id BETWEEN 50 AND 80;
	UPDATE # SET device = 'z' WHERE id BETWEEN 60 AND 90; DELETE FROM # WHERE id BETWEEN 70 AND 75; COMMIT));
same_changes('rolled back', q(BEGIN; DELETE FROM # WHERE id < 300; ROLLBACK), nothing => 1);
same_changes('savepoints', q(BEGIN; SAVEPOINT a; DELETE FROM # WHERE id % 3 = 0; ROLLBACK TO a; SAVEPOINT b;
	UPDATE # SET ts = ts + interval '1 s' WHERE id % 50 = 0; RELEASE b; DELETE FROM # WHERE id = 101; COMMIT));
same_changes('prepared, decoded at commit', q(BEGIN; UPDATE # SET device = 'p' WHERE id % 40 = 0; DELETE FROM # WHERE id = 102;
	PREPARE TRANSACTION 'gid_#'; COMMIT PREPARED 'gid_#'));
same_changes('prepared, decoded at prepare', q(BEGIN; UPDATE # SET device = 'q' WHERE id % 40 = 0; DELETE FROM # WHERE id = 103;
	PREPARE TRANSACTION 'gid_#'; COMMIT PREPARED 'gid_#'), two_phase => 1);
same_changes('prepared and rolled back', q(BEGIN; DELETE FROM # WHERE id % 40 = 0; PREPARE TRANSACTION 'gid_#';
	ROLLBACK PREPARED 'gid_#'), two_phase => 1, nothing => 1);
same_changes('streamed', q(BEGIN; UPDATE # SET note = large(id) WHERE id % 3 = 0; SAVEPOINT a; DELETE FROM # WHERE id % 2 = 0;
	RELEASE a; UPDATE # SET device = device || 1; COMMIT), decode => q(, 'stream-changes', '1'), only => qr/^streaming change/m);
same_changes('of another origin', q(SELECT pg_replication_origin_create('o_#'); SELECT pg_replication_origin_session_setup('o_#');
	BEGIN; SELECT pg_replication_origin_xact_setup('0/1', now()); UPDATE # SET device = 'o' WHERE id < 150; DELETE FROM # WHERE id = 104; COMMIT;
	SELECT pg_replication_origin_session_reset(); SELECT pg_replication_origin_drop('o_#'); DELETE FROM # WHERE id = 105),
	decode => q(, 'only-local', '1'));
same_changes('RETURNING, FROM and WITH', q(WITH gone AS (DELETE FROM # WHERE id % 29 = 0 RETURNING *)
	INSERT INTO # SELECT id + 2000, device, ts, note FROM gone; UPDATE # SET device = v FROM (VALUES (106, 'v')) x (i, v) WHERE i = id;
	WITH moved AS (UPDATE # SET note = large(1) WHERE id = 107) UPDATE # SET note = note WHERE id = 108));
same_changes('upserts', q(INSERT INTO # VALUES (109, 'u', '2024-01-01', 'u'), (3000, 'u', NULL, 'u')
	ON CONFLICT (id) DO UPDATE SET device = excluded.device; INSERT INTO # VALUES (121, 'u') ON CONFLICT (id) DO UPDATE SET note = excluded.note));

# compaction, of rows and of chunks, is not a change
sql("SELECT pg_create_logical_replication_slot('quiet', 'test_decoding')");
compact() foreach 1 .. 3;
sql('VACUUM t', 'VACUUM FULL t', 'ANALYZE t');
compact();
is(sql("SELECT data FROM pg_logical_slot_get_changes('quiet', NULL, NULL, 'skip-empty-xacts', '1')"),
	'', 'compaction sends nothing');
same_changes('TRUNCATE', q(TRUNCATE #; INSERT INTO # VALUES (1, 'after'); DELETE FROM #));
sql("SELECT pg_drop_replication_slot('quiet')");

# ---- identities and columns ----

foreach my $identity ('DEFAULT', 'FULL', 'NOTHING', 'USING INDEX #_device')
{
	make_tables('(id int PRIMARY KEY, gone int, device text NOT NULL, ts timestamptz, note text)',
		'CREATE UNIQUE INDEX #_device ON # (device, id)',
		q(INSERT INTO # SELECT i, i, CASE i % 100 WHEN 2 THEN repeat('d', 2500) ELSE 'd' || i END, NULL, large(i) FROM generate_series(1, 200) i),
		"ALTER TABLE # REPLICA IDENTITY $identity");
	same_changes("identity $identity", q(DELETE FROM # WHERE id IN (1, 2); UPDATE # SET ts = 'epoch' WHERE id IN (3, 102);
		UPDATE # SET id = 500 WHERE id = 4; UPDATE # SET device = 'new' WHERE id = 5; UPDATE # SET note = NULL WHERE id = 6;
		UPDATE # SET device = device, id = id WHERE id = 7));
	sql("ALTER TABLE $_ DROP COLUMN gone, ADD COLUMN added int DEFAULT 7, ADD COLUMN more text") for qw(h t);
	same_changes("identity $identity, columns dropped and added",
		q(UPDATE # SET ts = 'epoch' WHERE id = 8; UPDATE # SET more = large(9) WHERE id = 9; UPDATE # SET added = 9 WHERE id = 9; DELETE FROM # WHERE id IN (9, 10)));
}
make_tables('(a text PRIMARY KEY, b text, c text)', 'ALTER TABLE # ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE MAIN',
	q(INSERT INTO # SELECT repeat('k', 2100) || i, repeat('b', 3000), large(i) FROM generate_series(1, 20) i));
same_changes('a large key', q(UPDATE # SET b = 'x' WHERE a LIKE '%k1'; UPDATE # SET a = a || 'z' WHERE a LIKE '%k2'; UPDATE # SET c = 'y' WHERE a LIKE '%k3';
	DELETE FROM # WHERE a LIKE '%k4'));
make_tables('()', 'INSERT INTO # SELECT FROM generate_series(1, 20)');
same_changes('no columns', 'BEGIN; DELETE FROM #; COMMIT');

# ---- partitions ----

make_tables('(id int, v int) PARTITION BY RANGE (id)', 'CREATE TABLE #1 PARTITION OF # FOR VALUES FROM (0) TO (100)',
	'CREATE TABLE #2 PARTITION OF # FOR VALUES FROM (100) TO (200)', 'INSERT INTO # SELECT i, i FROM generate_series(0, 199) i');
same_changes('moves between partitions', q(UPDATE # SET id = id + 100 WHERE id BETWEEN 10 AND 20; UPDATE # SET id = id - 100, v = 0 WHERE v = 150; DELETE FROM # WHERE v = 60));

# ---- replay ----

make_tables($columns, $rows, $rows =~ s/generate_series\(1, 400\)/generate_series(401, 9000)/r);
foreach my $round (1 .. 4)
{
	same_changes("round $round", qq(UPDATE # SET device = 'r$round' WHERE id % 4 = $round % 4; DELETE FROM # WHERE id % 37 = $round;
		BEGIN; UPDATE # SET note = large(id) WHERE id % 41 = $round; DELETE FROM # WHERE id % 43 = $round; ROLLBACK));
	sql($round % 2 ? 'CHECKPOINT' : 'VACUUM t');
}
my $rows_of = 'SELECT count(*), sum(hashtextextended(x::text, 0)::numeric) FROM # x';
sub same_rows
{
	my ($where, $what) = @_;
	my ($h, $t) = map { $where->safe_psql('postgres', $rows_of =~ s/#/$_/r) } qw(h t);
	is($t, $h, $what);
	return;
}
same_rows($node, 'both tables are the same');
is(sql("SELECT count(*) FROM tsdb.verify('t')"), '0', 'verified');
$node->wait_for_catchup($standby);
same_rows($standby, 'the same on the standby');
sql("SELECT pg_create_logical_replication_slot('crash', 'test_decoding')");
foreach my $table (qw(h t))
{
	compact();
	sql("UPDATE $table SET device = 'last' WHERE id % 5 = 0", "DELETE FROM $table WHERE id % 7 = 0");
}
tsdb_kill9($node);
$node->start;
same_rows($node, 'after a crash');
my @changes = split /\n/, sql("SELECT data FROM pg_logical_slot_get_changes('crash', NULL, NULL, 'include-xids', '0', 'skip-empty-xacts', '1')");
my ($h, $t) = map { my $table = $_; join("\n", sort map { s/public\.$table:// ? $_ : () } @changes) } qw(h t);
is($t, $h, 'decoded after a crash');
sql("SELECT pg_drop_replication_slot('crash')");
$node->wait_for_catchup($standby);
same_rows($standby, 'the same on the standby after that');

# ---- what it leaves ----

make_tables($columns, $rows);
sql('VACUUM t');
sql('BEGIN', 'DELETE FROM t WHERE id <= 200', 'COMMIT', 'DELETE FROM t');
is(sql("SELECT pg_relation_size('t') <= 8192"), 't', 'a backend uses its ghost again');
sql('VACUUM t');
is(sql("SELECT pg_relation_size('t')"), '0', 'VACUUM removes ghosts');

$node->append_conf('postgresql.conf', "wal_level = replica\n");
$node->restart;
make_tables($columns, $rows);
sql('VACUUM t', 'DELETE FROM t WHERE id > 20');
is(sql("SELECT pg_relation_size('t')"), '0', 'without logical decoding a delete leaves nothing in the row store');

unlike(slurp_file($_->logfile), qr/TRAP|PANIC|inconsistent page|terminated by signal 6/, 'no fault in the log of ' . $_->name)
  for $node, $standby;
$standby->stop;
$node->stop;
done_testing();
