
# TsdbNode - servers with tsdb loaded, and the questions that every TAP test asks of them.
#
#   my $node = tsdb_node('primary', allows_streaming => 1);    created, not started
#   tsdb_start($node);                                         started, extension created
#
# With TSDB_TEST_STAND_IN set, heap takes the place of tsdb (see ../differential/stand_in.sql):
# a test that fails then is wrong itself.

package TsdbNode;

use strict;
use warnings;

use Exporter 'import';
use File::Basename;
use File::Spec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(tsdb_node tsdb_start tsdb_stand_in tsdb_fill tsdb_compact tsdb_digest
  tsdb_wait_up tsdb_kill9);

my $here = File::Spec->rel2abs(dirname(__FILE__));

sub tsdb_stand_in { return $ENV{TSDB_TEST_STAND_IN}; }

# A new node with the library preloaded and background work off, unless preload => 0.
sub tsdb_node
{
	my ($name, %options) = @_;
	my $preload = delete $options{preload} // 1;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%options);
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'tsdb'\n")
	  if $preload && !tsdb_stand_in();
	$node->append_conf(
		'postgresql.conf', qq(
autovacuum = off
restart_after_crash = on
timezone = 'UTC'
max_prepared_transactions = 5
));
	$node->append_conf('postgresql.conf', "tsdb.workers = 0\n")
	  if $preload && !tsdb_stand_in();
	return $node;
}

# Start it, with the extension in database postgres.
sub tsdb_start
{
	my ($node) = @_;

	$node->start;
	if (tsdb_stand_in())
	{
		$node->safe_psql('postgres', slurp_file("$here/../differential/stand_in.sql"));
	}
	else
	{
		$node->safe_psql('postgres', 'CREATE EXTENSION tsdb');
	}
	return $node;
}

# Where no database is named, it is postgres.

# A table of many types with a primary key and a secondary index, and some rows in it.
sub tsdb_fill
{
	my ($node, $table, $rows, $db) = @_;

	$node->safe_psql(
		$db // 'postgres', qq(
CREATE TABLE $table (ts timestamptz NOT NULL, device text, id int8 PRIMARY KEY, v float8,
	note text, tags jsonb) USING tsdb;
CREATE INDEX ON $table (device, ts);
INSERT INTO $table
	SELECT timestamptz '2024-01-01 00:00+00' + i * interval '10 s', 'host-' || i % 7, i,
		   CASE WHEN i % 50 = 0 THEN 'NaN' WHEN i % 51 = 0 THEN '-0' ELSE i / 10.0 END,
		   CASE i % 100 WHEN 0 THEN NULL WHEN 1 THEN repeat(md5(i::text), 300) ELSE 'n' || i % 9 END,
		   jsonb_build_object('k', i % 3)
	FROM generate_series(1, $rows) i;
));
	return;
}

sub tsdb_compact
{
	my ($node, $table, $db) = @_;
	return $node->safe_psql($db // 'postgres', "SELECT tsdb.compact('$table') IS NOT NULL");
}

# A digest of all rows, by sequential scan and again by index: both must agree.
sub tsdb_digest
{
	my ($node, $table, $db) = @_;
	my $query = "SELECT count(*), sum(hashtextextended(x::text, 0)::numeric) FROM $table x";
	my ($scan, $index) = split /\n/, $node->safe_psql(
		$db // 'postgres', qq(
SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;
$query;
SET enable_indexscan = on; SET enable_seqscan = off;
$query WHERE id > -1;
));
	return $scan eq $index ? $scan : "scan $scan, index $index";
}

# kill -9 of the postmaster; waits until it and its children, who must notice, have gone.
sub tsdb_kill9
{
	my ($node) = @_;
	my $pid = $node->{_pid};
	my $data = $node->data_dir;

	$node->kill9;
	foreach (1 .. 300)
	{
		my @left = grep { (readlink($_) // '') eq $data } glob '/proc/[0-9]*/cwd';
		return if !@left && !-d "/proc/$pid";
		select undef, undef, undef, 0.1;
	}
	die 'processes of the server are left';
}

# Wait until the server takes connections again after a crash. A psql that is refused may be
# gone before it was given its query, which is no failure.
sub tsdb_wait_up
{
	my ($node) = @_;

	select undef, undef, undef, 0.5;	# the postmaster has to hear of it first
	foreach (1 .. 1800)
	{
		my $up = eval { ($node->psql('postgres', 'SELECT NOT pg_is_in_recovery()'))[1] } // '';
		return if $up eq 't';
		select undef, undef, undef, 0.1;
	}
	die 'the server does not come back';
}

1;
