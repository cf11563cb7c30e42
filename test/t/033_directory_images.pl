
# A session's copies of directory pages belong to a directory, not to the number of its file: the server uses
# numbers again.  Here that is brought about by hand, since it takes four billion of them otherwise.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use File::Copy;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

plan skip_all => 'heap has no directory' if tsdb_stand_in();

my $node = tsdb_start(tsdb_node('main'));
my $directories = q(SELECT oid || ' ' || relfilenode || ' ' || pg_relation_filepath(oid) FROM pg_class
	WHERE relname LIKE 'tsdb\_directory\_%' AND relkind = 'r');
my $question = 'SELECT count(*), min(v), max(v), sum(v) FROM %s WHERE device = 3';

# The same steps for each table, so that as many changes are counted.
sub make_table
{
	my ($name, $add) = @_;

	$node->safe_psql('postgres', qq(CREATE TABLE $name (ts timestamptz NOT NULL, device int, v int)
		USING tsdb WITH (tsdb.series = 'device', tsdb.time = 'ts')));
	$node->safe_psql('postgres', qq(INSERT INTO $name
		SELECT '2024-01-01'::timestamptz + i * interval '1 min', i % 8, $add + i FROM generate_series(1, 9000) i));
	$node->safe_psql('postgres', "SELECT tsdb.compact('$name'); ");
	$node->safe_psql('postgres', "VACUUM $name");
	return split(/ /, $node->safe_psql('postgres', $directories));
}

my (undef, $number, $path) = make_table('a', 0);
my $session = $node->background_psql('postgres');

$session->query_safe(sprintf($question, 'a')) for 1 .. 3;
is($session->query_safe(sprintf($question, 'a')), '1125|3|8995|5061375', 'the first table');
$node->safe_psql('postgres', 'DROP TABLE a');
$node->safe_psql('postgres', 'CHECKPOINT');
ok(!-e $node->data_dir . "/$path", 'its directory is gone');

my ($oid, undef, $its_path) = make_table('b', 100000);
$node->safe_psql('postgres', 'CHECKPOINT');
copy($node->data_dir . "/$its_path", $node->data_dir . "/$path") or die "copy failed: $!";
$node->safe_psql('postgres', "UPDATE pg_class SET relfilenode = $number WHERE oid = $oid");
is($node->safe_psql('postgres', "SELECT pg_relation_filepath($oid)"), $path, 'another directory has the file number');

is($session->query_safe(sprintf($question, 'b')), '1125|100003|108995|117561375', 'the second table, in the session that has asked for the first');
is($node->safe_psql('postgres', sprintf($question, 'b')), '1125|100003|108995|117561375', 'and in a new one');
$session->quit;
$node->stop;

done_testing();
