
# TsdbClients - sessions that send statement after statement, and note what was acknowledged.
#
#   my $client = client_start($node, 'name', $sql);    psql, in the background
#   my %said = client_finish($client);                 { rows acknowledged, errors by SQLSTATE }
#   is(client_check($node, 'm', \%said, ...), '');     each of them is there exactly once
#
# A statement's result has two columns: how many rows it has sent, and the first one's id; the
# others' follow on it. A result is printed only when the server has said that the statement is
# complete, so what is printed was acknowledged.

package TsdbClients;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(client_statements client_start client_running client_finish client_check client_drain
  client_lines ingest_state ingest_idle);

# Statements that send single rows, and every tenth some rows as arrays. Columns of the table are
# ts, device, id, v. Ids begin at $first.
sub client_statements
{
	my ($table, $first, $count) = @_;
	my ($sql, $id) = ('', $first);

	foreach my $n (1 .. $count)
	{
		my $rows = $n % 10 ? 1 : 2 + $n % 7;
		if ($rows == 1)
		{
			$sql .= "SELECT tsdb.ingest('$table', ROW(clock_timestamp(), 'd' || $id % 20, ${id}::int8, $id / 8.0)), $id;\n";
		}
		else
		{
			$sql .= "SELECT tsdb.ingest('$table', array_agg(clock_timestamp()), array_agg('d' || i % 20), array_agg(i::int8), "
			  . "array_agg(i / 8.0)), $id FROM generate_series($id, $id + $rows - 1) i;\n";
		}
		$id += $rows;
	}
	return $sql;
}

# Sends the statements; $set is sent before. Goes on after errors, ends with the connection.
sub client_start
{
	my ($node, $name, $sql, $set, $db) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . "/$name";
	my %client = (name => $name, out => "$file.out", err => "$file.err");

	open my $script, '>', "$file.sql" or die $!;
	print $script '\set VERBOSITY verbose', "\n", ($set // ''), "\n", $sql;
	close $script;
	$client{run} = IPC::Run::start(
		[
			'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr($db // 'postgres'),
			'-f', "$file.sql"
		],
		'<', '/dev/null', '>', $client{out}, '2>', $client{err});
	return \%client;
}

# What the client has printed until now.
sub client_lines
{
	my ($client) = @_;
	return split /\n/, (-e $client->{out} ? slurp_file($client->{out}) : '');
}

sub client_running
{
	my ($client) = @_;
	$client->{run}->reap_nb;
	return $client->{run}->pumpable;
}

# Waits for the client's end; what was acknowledged, and how often there was which error.
sub client_finish
{
	my ($client) = @_;
	my %said = (acked => {}, errors => {}, rows => 0);

	$client->{run}->finish;
	foreach my $line (client_lines($client))
	{
		next if $line !~ /^(\d+)\|(\d+)$/;
		$said{acked}{$_}++ foreach $2 .. $2 + $1 - 1;
		$said{rows} += $1;
	}
	$said{stderr} = slurp_file($client->{err});
	$said{errors}{$_}++ foreach $said{stderr} =~ /(?:ERROR|FATAL):  (\w{5}):/g;
	return %said;
}

# Empty if the table has each id that was acknowledged to any of the clients once, and no id
# twice; unless $others, no other ids either.
sub client_check
{
	my ($node, $table, $clients, %options) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/acknowledged';
	my $only = $options{others} // 1 ? "false" : "true";

	open my $ids, '>', $file or die $!;
	print $ids map { "$_\n" } map { keys %{ $_->{acked} } } @$clients;
	close $ids;
	chmod 0644, $file;
	my $answer = $node->safe_psql(
		$options{db} // 'postgres', qq(
CREATE TEMP TABLE acked (id int8);
\\copy acked FROM '$file'
WITH found AS (SELECT id, count(*) AS times FROM $table GROUP BY id)
SELECT concat_ws(', ',
	(SELECT 'missing: ' || count(*) || ', ' || min(id) || ' to ' || max(id)
	 FROM (SELECT id FROM acked EXCEPT ALL SELECT id FROM found) x HAVING count(*) > 0),
	(SELECT 'doubled: ' || count(*) || ', ' || min(id) || ' to ' || max(id) FROM found WHERE times > 1 HAVING count(*) > 0),
	(SELECT 'not acknowledged: ' || count(*) || ', ' || min(id) || ' to ' || max(id)
	 FROM (SELECT id FROM found EXCEPT SELECT id FROM acked) x WHERE $only HAVING count(*) > 0));
));
	return $answer;
}

# The drain worker of a database: its process, waited for.
sub client_drain
{
	my ($node, $db) = @_;
	my $sql = q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'tsdb ingest' AND datname = ')
	  . ($db // 'postgres') . q(');

	foreach (1 .. 300)
	{
		my $pid = $node->safe_psql('postgres', $sql);
		return $pid if $pid =~ /^\d+$/;
		select undef, undef, undef, 0.1;
	}
	die 'no drain worker';
}

# What is left in shared memory: rows that wait, and blocks in use.
sub ingest_state
{
	my ($node, $db) = @_;
	return $node->safe_psql($db // 'postgres',
		'SELECT (SELECT coalesce(sum(rows_waiting), 0) FROM tsdb.stat_ingest), (SELECT coalesce(sum(used), 0) FROM tsdb.stat_ingest_pool)');
}

# Nothing is left in shared memory once all is drained.
sub ingest_idle
{
	my ($node, $what, $db) = @_;
	my $state = '';

	foreach (1 .. 100)
	{
		$state = ingest_state($node, $db);
		last if $state eq '0|0';
		select undef, undef, undef, 0.1;
	}
	is($state, '0|0', "$what: nothing is left in shared memory");
	return;
}

1;
