
# VACUUM advances the horizon of a table and of every relation behind it, or the database would
# stop at transaction id wraparound.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

my $node = tsdb_node('main');
$node->append_conf('postgresql.conf', 'vacuum_freeze_min_age = 0');
tsdb_start($node);
tsdb_fill($node, 'm', 3000);
tsdb_compact($node, 'm');
$node->safe_psql('postgres',
	'DELETE FROM m WHERE id % 10 = 0; UPDATE m SET v = 1 WHERE id % 10 = 1');

# multixacts on compacted rows
my @sessions;
foreach (1 .. 2)
{
	my $session = $node->background_psql('postgres');
	$session->query_safe('BEGIN; SELECT id FROM m WHERE id % 10 = 2 FOR SHARE');
	push @sessions, $session;
}
foreach my $session (@sessions)
{
	$session->query_safe('COMMIT');
	$session->quit;
}
my $digest = tsdb_digest($node, 'm');

# let ids pass
$node->safe_psql('postgres',
	q(DO $$ BEGIN FOR i IN 1..2000 LOOP PERFORM txid_current(); COMMIT; END LOOP; END $$));

# The table and every relation behind it, but for catalogs and the extension's own tables.
my $behind = q(
	SELECT relname, age(relfrozenxid) AS xids, mxid_age(relminmxid) AS multixacts
	FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
	WHERE relkind IN ('r', 't', 'm') AND relfrozenxid <> '0'
	AND (nspname IN ('public', '_tsdb')
		 OR c.oid IN (SELECT reltoastrelid FROM pg_class p JOIN pg_namespace q
					  ON q.oid = p.relnamespace WHERE q.nspname IN ('public', '_tsdb'))));
cmp_ok($node->safe_psql('postgres', "SELECT max(xids) FROM ($behind) b"),
	'>', 1000, 'the horizon is old before VACUUM');
note($node->safe_psql('postgres', $behind));

$node->safe_psql('postgres', 'VACUUM (FREEZE, INDEX_CLEANUP on) m');
is($node->safe_psql('postgres',
		"SELECT relname, xids, multixacts FROM ($behind) b WHERE (xids > 500 OR multixacts > 5)"
		  . (tsdb_stand_in() ? ' AND false' : '')
		  . q( AND relname NOT IN (SELECT relname FROM pg_class WHERE oid IN (SELECT objid
			 FROM pg_depend WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
			 AND refobjid NOT IN (SELECT oid FROM pg_extension WHERE extname = 'tsdb'))))),
	'', 'VACUUM FREEZE of the table advances everything behind it');
is(tsdb_digest($node, 'm'), $digest, 'the rows are the same');
tsdb_compact($node, 'm');
is(tsdb_digest($node, 'm'), $digest, 'the rows are the same, compacted');

# a whole database: the horizon of the database follows
$node->safe_psql('postgres',
	q(DO $$ BEGIN FOR i IN 1..2000 LOOP PERFORM txid_current(); COMMIT; END LOOP; END $$));
$node->safe_psql('postgres', 'VACUUM FREEZE');
cmp_ok(
	$node->safe_psql('postgres',
		'SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()'),
	'<', 500, 'VACUUM FREEZE of the database advances its horizon');
cmp_ok(
	$node->safe_psql('postgres',
		'SELECT mxid_age(datminmxid) FROM pg_database WHERE datname = current_database()'),
	'<', 50, '... and that of multixacts');
is(tsdb_digest($node, 'm'), $digest, 'the rows are the same, frozen');

# plain VACUUM, without FREEZE, when the table is old enough
$node->append_conf('postgresql.conf',
	"vacuum_freeze_table_age = 0\nvacuum_multixact_freeze_table_age = 0");
$node->reload;
$node->safe_psql('postgres', 'DELETE FROM m WHERE id % 7 = 0');
$digest = tsdb_digest($node, 'm');
$node->safe_psql('postgres',
	q(DO $$ BEGIN FOR i IN 1..2000 LOOP PERFORM txid_current(); COMMIT; END LOOP; END $$));
$node->safe_psql('postgres', 'VACUUM m');
cmp_ok($node->safe_psql('postgres', q(SELECT age(relfrozenxid) FROM pg_class WHERE relname = 'm')),
	'<', 500, 'an aggressive VACUUM advances the table');
is(tsdb_digest($node, 'm'), $digest, 'the rows are the same');

# a server started long after: old ids are really gone from the files
$node->safe_psql('postgres', 'VACUUM FREEZE');
$node->stop;
my $next = 200_000_000;
command_ok([ 'pg_resetwal', '-x', $next, '-D', $node->data_dir ], 'pg_resetwal far ahead');
mkdir $node->data_dir . '/pg_xact';
# the commit log's segment of the new ids must exist
my $segment = sprintf('%s/pg_xact/%04X', $node->data_dir, int($next / 32768 / 32));
append_to_file($segment, "\0" x 262144);
$node->start;
is(tsdb_digest($node, 'm'), $digest, 'the rows are the same, 200 million ids later');
tsdb_compact($node, 'm');
$node->safe_psql('postgres', 'UPDATE m SET v = v WHERE id % 3 = 0; VACUUM m');
is(tsdb_digest($node, 'm'), $digest, 'and can be changed');

$node->stop;
done_testing();
