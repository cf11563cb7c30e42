
# A client receives the same bytes of a result whether tsdb writes its rows or PostgreSQL does, and the same as of a
# heap table: all types in text and binary, mixed, in portions, under other settings, when a query fails half way.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use IO::Socket::UNIX;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TsdbNode;

plan skip_all => 'no sockets of the file system' unless $use_unix_sockets;
plan skip_all => 'the stand-in writes no results' if tsdb_stand_in();

my $node = tsdb_node('main', extra => [ '--encoding=UTF8', '--locale=C' ]);
tsdb_start($node);

# ---- a client that keeps the messages ----

my $socket;

sub send_message { print $socket $_[0] . pack('N', 4 + length $_[1]) . $_[1]; }

sub receive
{
	my ($bytes) = @_;
	my $data = '';

	while (length $data < $bytes)
	{
		read($socket, $data, $bytes - length $data, length $data) or die 'the connection is lost';
	}
	return $data;
}

# Messages until the server is ready: type and body each, joined; of an error its SQLSTATE.
sub answer
{
	my ($text, $rows) = ('', 0);

	while (1)
	{
		my ($type, $length) = unpack 'aN', receive(5);
		my $body = receive($length - 4);

		$rows++ if $type eq 'D';
		$body = $1 if $type eq 'E' && $body =~ /\0C([0-9A-Z]{5})/;
		next if $type eq 'S' || $type eq 'K';
		return ($text, $rows) if $type eq 'Z';
		$text .= $type . $length . $body;
	}
}

sub connect_client
{
	$socket = IO::Socket::UNIX->new(Peer => $node->host . '/.s.PGSQL.' . $node->port) or die "no socket: $!";
	binmode $socket;
	$socket->autoflush(1);
	my $startup = pack('N', 196608) . "user\0" . (getpwuid $<)[0] . "\0database\0postgres\0\0";

	print $socket pack('N', 4 + length $startup) . $startup;
	answer();
}

sub query { send_message('Q', $_[0] . "\0"); return answer(); }

# By the extended protocol, at most so many rows at once, in these formats.
sub execute
{
	my ($sql, $portion, @formats) = @_;
	my @all;

	send_message('P', "\0$sql\0" . pack('n', 0));
	send_message('B', "\0\0" . pack('n3', 0, 0, scalar @formats) . pack('n*', @formats));
	send_message('D', "P\0");
	for (1 .. ($portion ? 5 : 1)) { send_message('E', "\0" . pack('N', $portion)); }
	send_message('S', '');
	return answer();
}

# ---- rows of all types ----

my @columns = (
	'yes bool', 'letter "char"', 'small int2', 'medium int4', 'big int8', 'object oid', 'single float4',
	'double float8', 'day date', 'clock time', 'zoned timetz', 'local timestamp', 'span interval',
	'exact numeric', 'words text', 'few varchar(10)', 'padded char(8)', 'bytes bytea', 'id uuid', 'document jsonb',
	'list int[]', 'called name', 'percent share', 'feeling mood');

$node->safe_psql('postgres', q(
CREATE DOMAIN share AS float8 CHECK (VALUE <= 100);
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE FUNCTION set_digits(n int) RETURNS text VOLATILE LANGUAGE sql AS
	$$SELECT set_config('extra_float_digits', n::text, true)$$;
));
for my $am ('heap', 'tsdb')
{
	$node->safe_psql('postgres', "CREATE TABLE $am (ts timestamptz NOT NULL, n int, " . join(', ', @columns) . ") USING $am");
}
$node->safe_psql('postgres', q(
INSERT INTO heap
SELECT '2020-03-29 00:00+00'::timestamptz + i * '7 min 1.000001 sec'::interval, i,
	CASE WHEN i % 7 = 0 THEN NULL ELSE i % 2 = 0 END, chr(33 + i % 90)::"char",
	(ARRAY[0, -1, 32767, -32768, i])[i % 5 + 1], (ARRAY[0, -1, 2147483647, -2147483648, i])[i % 5 + 1],
	(ARRAY[0, -1, 9223372036854775807, '-9223372036854775808'::int8, i * 10000000000])[i % 5 + 1],
	(ARRAY[0, 1, 4294967295, i])[i % 4 + 1]::oid,
	(ARRAY['0', '-0', 'NaN', 'Infinity', '-Infinity', '1e-45', '3.4028235e38', '0.1', '1e9', '16777216', (i / 3.0)::text])[i % 11 + 1]::float4,
	(ARRAY['0', '-0', 'NaN', 'Infinity', '-Infinity', '5e-324', '1.7976931348623157e308', '0.1', '1e9', '-1e9', '999999999',
		'-999999999', '1e15', '123456789012345680', (i / 3.0)::text, (i * 1.25)::text])[i % 16 + 1]::float8,
	(ARRAY['infinity', '-infinity', '4713-01-01 BC', '5874897-12-31', '2020-02-29'])[i % 5 + 1]::date,
	'12:34:56.789'::time + i * '1 sec'::interval, '12:34:56+05:30'::timetz,
	(ARRAY['infinity', '-infinity', '4713-01-01 00:00 BC', '294276-12-31 23:59:59.999999', '1900-01-01 00:00:00.5'])[i % 5 + 1]::timestamp,
	i * '1 month 3 hours'::interval, (ARRAY['NaN', 'Infinity', '0.000', '-12345678901234567890.123', i::text])[i % 5 + 1]::numeric,
	CASE i % 4 WHEN 0 THEN '' WHEN 1 THEN repeat('Zürich', i) WHEN 2 THEN NULL ELSE repeat(md5(i::text), 300) END,
	CASE WHEN i % 3 = 0 THEN NULL ELSE 'é' || i END, 'p' || i, decode(repeat('00ff', i % 9), 'hex'), md5(i::text)::uuid,
	jsonb_build_object('a', i, 'b', NULL), ARRAY[i, NULL, -i], 'name' || i, i / 8.0,
	CASE WHEN i % 2 = 0 THEN 'sad'::mood ELSE 'happy' END
FROM generate_series(1, 300) i;
INSERT INTO tsdb SELECT * FROM heap WHERE n <= 250;
SELECT tsdb.compact('tsdb');
INSERT INTO tsdb SELECT * FROM heap WHERE n > 250;
));

# The same question of heap, and of tsdb with the writer on and off.
sub compare
{
	my ($name, $run, $rows_wanted) = @_;
	my ($heap, $heap_rows) = $run->('heap');

	for my $setting ('on', 'off')
	{
		query("SET tsdb.enable_result_writer = $setting");
		my ($answer, $rows) = $run->('tsdb');

		# columns are described with their table, which differs
		s/T\d+\0.*?(?=D\d)//s foreach $heap, $answer;
		ok($answer eq $heap, "$name: the same bytes, writer $setting");
		is($rows, $rows_wanted // 300, "$name: rows, writer $setting");
	}
}

sub compare_formats
{
	my ($name, $portion) = @_;
	my @mixed = map { $_ % 2 } 1 .. 2 + @columns;

	compare("$name, simple", sub { query("SELECT * FROM $_[0] ORDER BY n") });
	compare("$name, $_", sub { my $t = $_[0]; execute("SELECT * FROM $t ORDER BY n", 0, @mixed) }) for 'mixed';
	compare("$name, text", sub { execute("SELECT * FROM $_[0] ORDER BY n", 0) });
	compare("$name, binary", sub { execute("SELECT * FROM $_[0] ORDER BY n", 0, 1) });
}

connect_client();
compare_formats('as it comes');
compare('in portions', sub { execute("SELECT * FROM $_[0] ORDER BY n", 70, 1) });
compare('limited', sub { execute("SELECT * FROM $_[0] ORDER BY n", 30, 1) }, 150);

for my $settings (
	[ 'extra_float_digits = 0' ], [ 'extra_float_digits = -6' ], [ "client_encoding = 'LATIN1'" ],
	[ "datestyle = 'German, DMY'", "intervalstyle = 'iso_8601'", "timezone = 'America/St_Johns'", "bytea_output = 'escape'" ])
{
	query("SET $_") foreach @$settings;
	compare_formats(join ', ', @$settings);
	query("RESET " . (split)[0]) foreach @$settings;
}

# ---- times, whose day is remembered ----

$node->safe_psql('postgres', q(
CREATE TABLE heap_times (t timestamptz NOT NULL, local timestamp, n int, mixed int);
INSERT INTO heap_times
SELECT t, t AT TIME ZONE 'UTC', row_number() OVER (ORDER BY t), hashint4(row_number() OVER (ORDER BY t)::int)
FROM (
	SELECT '1879-12-30 23:00+00'::timestamptz + i * '29 days 7:11:13.00001'::interval FROM generate_series(0, 2800) i
	UNION ALL
	SELECT day::timestamptz + i * '19 min 0.25 sec'::interval
	FROM unnest('{1937-06-30, 1972-01-06, 1999-12-31, 2011-12-29, 2020-03-07, 2020-03-28, 2020-10-24, 2020-10-31}'::date[]) day,
		generate_series(0, 200) i
	UNION ALL
	SELECT unnest('{infinity, -infinity, 0044-03-15 BC 12:00+00, 0001-01-01, 9999-12-31 23:59:59.999999+00, 10000-01-01, 294276-12-31 23:59:59.999999+00}'::timestamptz[])
	) s (t);
CREATE TABLE tsdb_times (LIKE heap_times) USING tsdb;
INSERT INTO tsdb_times SELECT * FROM heap_times;
SELECT tsdb.compact('tsdb_times');
));
my $times = $node->safe_psql('postgres', 'SELECT count(*) FROM heap_times');

for my $zone (
	'UTC', 'Europe/Berlin', 'Europe/Amsterdam', 'Africa/Monrovia', 'America/St_Johns', 'Australia/Lord_Howe',
	'Pacific/Apia', 'FOO5:30:15BAR,M3.2.0/2:00:07')
{
	query("SET timezone = '$zone'");
	for my $order ('n', 'n DESC', 'mixed, n')
	{
		compare("times in $zone, by $order", sub { query("SELECT t, local FROM $_[0]_times ORDER BY $order") }, $times);
	}
}
query("SET timezone = 'Europe/Berlin'");
compare('another zone and style meanwhile', sub {
	query("SELECT CASE n % 700 WHEN 0 THEN set_config('timezone', 'Asia/Kolkata', false) WHEN 200 THEN set_config('timezone', 'Europe/Berlin', false)
		WHEN 400 THEN set_config('datestyle', 'SQL', false) WHEN 600 THEN set_config('datestyle', 'ISO', false) END, t, local
		FROM (SELECT * FROM $_[0]_times ORDER BY n OFFSET 0) s") }, $times);
query('RESET timezone');
query('RESET datestyle');

# ---- what changes meanwhile ----

compare('digits change between rows', sub {
	execute("SELECT set_digits(n % 4), double, single FROM $_[0] ORDER BY n", 0) });
query('RESET extra_float_digits');
compare('an error half way', sub { execute("SELECT n, double, words, 1 / (n - 200) FROM (SELECT * FROM $_[0] ORDER BY n OFFSET 0) s", 0, 1) }, 199);
query("SET client_encoding = 'LATIN2'");
compare('characters that the client has not', sub {
	query("SELECT n, CASE WHEN n = 150 THEN chr(937) ELSE few END FROM (SELECT * FROM $_[0] ORDER BY n OFFSET 0) s") }, 149);
query('RESET client_encoding');

# ---- other ways to results ----

compare('a cursor, binary', sub {
	query("BEGIN; DECLARE c BINARY CURSOR FOR SELECT * FROM $_[0] ORDER BY n");
	my @fetched = query('FETCH ALL FROM c');
	query('COMMIT');
	return @fetched;
});
compare('EXECUTE', sub {
	query("PREPARE p AS SELECT * FROM $_[0] ORDER BY n");
	my @executed = execute('EXECUTE p', 0, 1);
	query('DEALLOCATE p');
	return @executed;
});
compare('a portal fetched from', sub {
	send_message('Q', "BEGIN\0");
	answer();
	send_message('P', "\0SELECT * FROM $_[0] ORDER BY n\0" . pack('n', 0));
	send_message('B', "q\0\0" . pack('n4', 0, 0, 1, 1));
	send_message('S', '');
	answer();
	my @fetched = query('FETCH ALL FROM q');
	query('COMMIT');
	return @fetched;
});
compare('no columns', sub { query("SELECT FROM $_[0]") });
compare('rows of two tables', sub { query("SELECT * FROM (SELECT * FROM $_[0] UNION ALL SELECT * FROM heap) u ORDER BY n, ts, words") }, 600);

# ---- it is at work, and can be turned off ----

for my $setting ('on', 'off')
{
	my $sql = "SELECT n, CASE n WHEN 100 THEN (SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'tsdb result writer') END FROM (SELECT n FROM tsdb WHERE n BETWEEN 50 AND 100 ORDER BY n OFFSET 0) s";

	query("SET tsdb.enable_result_writer = $setting");
	my ($answer) = query($sql);
	my $written = $setting eq 'on' ? 1 : 0;

	like($answer, qr/100\0\0\0\x{1}$written/, "writer $setting: seen in the server's memory");
	($answer) = query("SELECT count(*) FROM pg_backend_memory_contexts WHERE name LIKE 'tsdb result%'");
	like($answer, qr/\0\0\0\x{1}0C/, "writer $setting: nothing is left");
}

close $socket;
$node->stop;
done_testing();
