
# tsdb.verify() on a standby: it says whether the standby's own files are good.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

plan skip_all => 'heap has no tsdb.verify()' if tsdb_stand_in();

my $primary = tsdb_start(tsdb_node('primary', allows_streaming => 1));
tsdb_fill($primary, 'm', 3000);
tsdb_compact($primary, 'm');
$primary->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

my $verify = q(SELECT part, fault FROM tsdb.verify('m'));
is($standby->safe_psql('postgres', $verify), '', 'a standby without faults');
$primary->safe_psql('postgres', q(DELETE FROM m WHERE ts < (SELECT min(ts) + (max(ts) - min(ts)) / 9 FROM m)));
tsdb_compact($primary, 'm');
$primary->safe_psql('postgres', 'VACUUM m');
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $verify), '', 'nor after deletes, a compaction and VACUUM');

my ($code, $out, $error) =
  $standby->psql('postgres', q(SELECT tsdb.drop_orphaned_pieces('m')));
like($error, qr/cannot execute tsdb.drop_orphaned_pieces\(\) during recovery/,
	'nothing is removed there');

# A byte near the end of each page of the shards, on the standby only: dead pieces are of no
# interest, but some of them live. After a restartpoint, or replay would put pages back.
$primary->safe_psql('postgres', 'CHECKPOINT');
$primary->wait_for_catchup($standby);
$standby->safe_psql('postgres', 'CHECKPOINT');
my @paths = split /\n/, $standby->safe_psql('postgres',
	q(SELECT pg_relation_filepath(oid) FROM pg_class WHERE relname LIKE 'tsdb_shard_%'
	  AND relkind = 'r' AND pg_relation_size(oid) > 0));
$standby->stop;
foreach my $path (@paths)
{
	my $name = $standby->data_dir . "/$path";
	open(my $file, '+<:raw', $name) or die "open: $!";
	for (my $place = 8192 - 200; $place < -s $name; $place += 8192)
	{
		my $byte;
		seek($file, $place, 0) && read($file, $byte, 1) == 1 or die "read: $!";
		seek($file, $place, 0) or die "seek: $!";
		print $file chr(ord($byte) ^ 0xFF);
	}
	close($file);
}
$standby->start;

like($standby->safe_psql('postgres', $verify), qr/^pieces\|the checksum does not match$/m,
	'flipped bytes of the standby are reported there');
is($primary->safe_psql('postgres', $verify), '', 'and the primary is well');

$standby->stop;
$primary->stop;
done_testing();
