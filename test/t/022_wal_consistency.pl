
# What is replayed of our changes to heap pages is what was done to them. The server compares
# page by page, but for Generic records: it does not know where hint bits are in those.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

my $primary = tsdb_node('primary', allows_streaming => 1);
$primary->append_conf('postgresql.conf', "wal_consistency_checking = 'heap, heap2, btree, hash, gin'\n");
tsdb_start($primary);
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# The startup process of a standby that finds a difference ends, and so does the standby.
sub same
{
	my ($table, $what) = @_;
	$primary->wait_for_catchup($standby);
	is(tsdb_digest($standby, $table), tsdb_digest($primary, $table), $what);
	return;
}

# Changes are written in one way for the server itself, and in another for decoding too; and
# that depends on what identifies a row.
foreach my $identity ('NOTHING', 'DEFAULT', 'FULL')
{
	my $table = 'm_' . lc($identity);

	if ($identity eq 'DEFAULT')
	{
		$primary->append_conf('postgresql.conf', "wal_level = logical\n");
		$primary->restart;
	}
	tsdb_fill($primary, $table, 3000);
	$primary->safe_psql('postgres', "ALTER TABLE $table REPLICA IDENTITY $identity");
	tsdb_compact($primary, $table);
	same($table, "$table: compacted");
	$primary->safe_psql('postgres', qq(
DELETE FROM $table WHERE id % 9 = 0;
UPDATE $table SET v = v + 1 WHERE id % 7 = 0;
UPDATE $table SET id = id + 100000, note = repeat(note, 100) WHERE id % 11 = 0;
BEGIN;
DELETE FROM $table WHERE id % 5 = 0;
SAVEPOINT a;
UPDATE $table SET v = 0 WHERE id % 3 = 0;
ROLLBACK TO a;
DELETE FROM $table WHERE id % 3 = 0;
COMMIT));
	same($table, "$table: rows of chunks changed");
	tsdb_compact($primary, $table);
	$primary->safe_psql('postgres', qq(
BEGIN;
SELECT 1 FROM $table WHERE id % 2 = 0 FOR UPDATE;
SELECT 1 FROM $table FOR KEY SHARE;
COMMIT;
VACUUM $table;
INSERT INTO $table SELECT now(), 'd', id, 0, 'n' FROM generate_series(2000, 4000) id
	ON CONFLICT (id) DO UPDATE SET v = 9));
	same($table, "$table: rows locked, table vacuumed, rows upserted");
	tsdb_compact($primary, $table);
	$primary->safe_psql('postgres', "VACUUM (FREEZE) $table");
	$primary->safe_psql('postgres', "VACUUM FULL $table");
	$primary->safe_psql('postgres', "DELETE FROM $table WHERE id % 4 = 0");
	tsdb_compact($primary, $table);
	$primary->safe_psql('postgres', "VACUUM $table");
	same($table, "$table: rewritten, changed, vacuumed");
}

$standby->stop;
$primary->stop;
done_testing();
