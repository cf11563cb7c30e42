
# pg_rewind: two servers that went their own ways, compacting, vacuuming and dropping, become one
# again, in both directions of who follows.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;
use TsdbTables;

my $old = tsdb_node('old', allows_streaming => 1);
$old->append_conf('postgresql.conf', "wal_log_hints = on\nwal_keep_size = 320MB");
tsdb_start($old);
tsdb_make_tables($old, 'postgres');
$old->safe_psql('postgres', 'DROP TABLE unlogged');	# a standby cannot read it
$old->backup('base');
my $new = PostgreSQL::Test::Cluster->new('new');
$new->init_from_backup($old, 'base', has_streaming => 1);
$new->start;
$old->safe_psql('postgres', 'UPDATE m SET v = 1 WHERE id % 7 = 0');
tsdb_compact($old, 'm');
$old->wait_for_catchup($new);
$new->promote;

# the old server goes on for a while: what it does from here on must vanish
$old->safe_psql(
	'postgres', q(
DELETE FROM m WHERE id % 3 = 0;
UPDATE reading SET note = 'lost' WHERE n % 5 = 0;
INSERT INTO m SELECT now(), 'lost', i FROM generate_series(50001, 53000) i;
DROP TABLE plain;
CREATE TABLE lost (ts timestamptz, v int) USING tsdb;
INSERT INTO lost SELECT now(), i FROM generate_series(1, 3000) i;
TRUNCATE parent;
VACUUM FULL sensor;
));
tsdb_compact_all($old, 'postgres');
$old->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on)');
tsdb_compact_all($old, 'postgres');

# and the new one, too
$new->safe_psql(
	'postgres', q(
DELETE FROM m WHERE id % 11 = 0;
UPDATE m SET note = 'kept' WHERE id % 13 = 0;
INSERT INTO m SELECT now(), 'kept', i FROM generate_series(60001, 62000) i;
DELETE FROM parent WHERE v % 3 = 0;
ALTER TABLE reading ADD COLUMN kept int DEFAULT 4;
CREATE TABLE kept (ts timestamptz, v int) USING tsdb;
INSERT INTO kept SELECT now(), i FROM generate_series(1, 3000) i;
));
tsdb_compact_all($new, 'postgres');
$new->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on)');
$new->safe_psql('postgres', 'DELETE FROM kept WHERE v % 2 = 0');
$new->safe_psql('postgres', 'CHECKPOINT');
my $rows = tsdb_rows($new, 'postgres');

$old->stop;
my $conf = slurp_file($old->data_dir . '/postgresql.conf');
command_ok(
	[
		'pg_rewind', '--debug', '--no-sync', '--source-server', $new->connstr('postgres'),
		'--target-pgdata', $old->data_dir
	],
	'pg_rewind');
unlink($old->data_dir . '/postgresql.conf');
append_to_file($old->data_dir . '/postgresql.conf', $conf);
$old->enable_streaming($new);
$old->set_standby_mode();
$old->start;
$new->wait_for_catchup($old);
is(tsdb_rows($old, 'postgres'), $rows, 'the rewound server has the rows of the other');

$new->safe_psql('postgres', q(UPDATE m SET v = 2 WHERE id % 17 = 0; DELETE FROM kept WHERE v % 3 = 0));
tsdb_compact_all($new, 'postgres');
$new->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on)');
$new->wait_for_catchup($old);
$rows = tsdb_rows($new, 'postgres');
is(tsdb_rows($old, 'postgres'), $rows, 'and follows it');
$new->stop;
$old->promote;
is(tsdb_rows($old, 'postgres'), $rows, 'and takes over again');
tsdb_exercise($old, 'postgres', 'rewound', keep => 0);
$old->stop;
done_testing();
