#!/usr/bin/env perl
#
# Compares the results of PostgreSQL's suites on heap with those of other modes.
#
#   compare.pl --work=DIR --source=DIR --modes="M ..." --suites="S ..."
#
# Reads DIR/heap/SUITE/results and DIR/MODE/SUITE/results as the program run leaves them,
# prints each test that is not the same, and writes its difference to
# DIR/diffs/MODE.SUITE.TEST.diff. A difference may be a known one: see known_differences.
# Also looks for crashes in the servers' logs, and whether docs/pg-suites.md has the list
# of known differences as it is; --write-docs puts it there. Exits with 1 if anything
# failed.
#
# A result file is read as PgSuites::Output describes, so that what is compared is
# statements and what they print. But in the mode tsdb, which is compared as it is, the
# rows of a statement without ORDER BY are compared as a multiset: both sides are sorted.
# EXPLAIN's lines are never sorted.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use Getopt::Long;
use PgSuites::Known;
use PgSuites::Output;

my ($work, $source, $modes, $suites, $write_docs);
GetOptions(
	'work=s' => \$work, 'source=s' => \$source, 'modes=s' => \$modes,
	'suites=s' => \$suites, 'write-docs' => \$write_docs) or exit 2;

# What a server's log must not contain: crashes, failed assertions, what the server says of
# code that gives back less than it took, and a compaction between statements that failed for
# another reason than that it would have waited, that the table has gone, or that an index
# expression of the test insert-conflict-specconflict works in its own sessions only.
my $log_fault = qr/TRAP:|PANIC:|was\ terminated\ by\ signal|exited\ with\ exit\ code\ [2-9]
	|does\ not\ stop|reference\ leak|not\ owned\ by\ resource\ owner|write\ past\ chunk\ end
	|AbortTransaction\ while\ in
	|compact_between_statements\ (?:ERROR|FATAL):\ (?!.*lock\ timeout|.*does\ not\ exist|.*"spec.session")/x;

my $known = PgSuites::Known->read("$FindBin::Bin/known_differences");
my $docs = "$FindBin::Bin/../../docs/pg-suites.md";
if ($write_docs)
{
	$known->write_table($docs);
	exit 0;
}

my $diffs = "$work/diffs";
my ($passed, $failed) = (0, 0);

system('rm', '-rf', $diffs);
mkdir $diffs or die "$diffs: $!";

for my $suite (split ' ', $suites)
{
	my @driver = read_lines("$work/heap/$suite/driver.log");
	printf "heap %s: %d of %d tests as PostgreSQL's own expected output\n", $suite,
	  scalar(grep { /\.\.\. ok/ } @driver), scalar(grep { /\.\.\. (ok|FAILED|failed)/ } @driver);
}

for my $mode (split ' ', $modes)
{
	for my $suite ($mode eq 'parallel' ? 'regress' : split ' ', $suites)
	{
		my %count = (same => 0, general => 0, known => 0, differs => 0);
		my @stale;
		for my $test (read_lines("$work/$mode/$suite/tests"))
		{
			my ($verdict, $entries) = compare_test($mode, $suite, $test);
			$count{$verdict}++;
			push @stale, $test if @$entries and $verdict eq 'same' || $verdict eq 'general';
			printf "%-8s %-10s %-36s %s\n", $mode, $suite, $test,
			  $verdict eq 'known' ? 'known: ' . join('; ', map { $_->{reason} } @$entries) : $verdict
			  if $verdict eq 'known' or $verdict eq 'differs';
		}
		print "$mode $suite: no difference seen, though one is listed: @stale\n" if @stale;
		printf "%s %s: %d same, %d same but for what may differ in all tests, %d with known differences, %d differ\n",
		  $mode, $suite, @count{qw(same general known differs)};
		$passed += $count{same} + $count{general} + $count{known};
		$failed += $count{differs};

		my @faults = grep { /$log_fault/ } read_lines("$work/data/$mode.$suite.log");
		print "$mode $suite, server log: $_\n" for @faults > 20 ? @faults[0 .. 19] : @faults;
		@faults ? $failed++ : $passed++;
	}
}
if ($known->table_is_in($docs)) { $passed++ }
else
{
	print "docs/pg-suites.md: its table is not that of known_differences; see compare.pl --write-docs\n";
	$failed++;
}

print "differences are in $diffs\n" if $failed;
print "$passed passed, $failed failed\n";
exit($failed ? 1 : 0);

# Returns a verdict, and the entries of known differences that are for the test alone:
#
#   same      nothing differs (but the order of rows that have none)
#   general   what differs is covered by entries for all tests
#   known     it is, with the entries for this test
#   differs   it is not
sub compare_test
{
	my ($mode, $suite, $test) = @_;
	my @files = map { "$work/$_/$suite/results/$test.out" } ('heap', $mode);
	my @general = $known->entries($mode, "$suite/*");
	my @special = $known->entries($mode, "$suite/$test");

	if (grep { !-f } @files)
	{
		write_lines("$diffs/$mode.$suite.$test.diff", "no result file");
		return ('differs', \@special);
	}
	return ('same', \@special)
	  if join("\n", read_lines($files[0])) eq join("\n", read_lines($files[1]));

	my @outputs = map { PgSuites::Output->read($suite, $_, script($suite, $test)) } @files;
	if ($mode ne 'tsdb')
	{
		$_->sort_rows for @outputs;
	}
	my @extra;
	for my $step ([ 'same' ], [ 'general', @general ], [ 'known', @special ])
	{
		my ($verdict, @entries) = @$step;
		for my $entry (@entries)
		{
			$_->apply($entry->{directives}) for @outputs;
			push @extra, map { $_->[1] } grep { $_->[0] eq 'extra' } @{ $entry->{directives} };
		}
		return ($verdict, \@special) if $outputs[0]->same_with_extra($outputs[1], @extra);
	}

	my @written = map { "$diffs/$mode.$suite.$test.$_" } qw(heap tsdb);
	write_lines($written[$_], $outputs[$_]->text) for 0, 1;
	system("diff -U4 '$written[0]' '$written[1]' | tail -n +3 >'$diffs/$mode.$suite.$test.diff'");
	unlink @written;
	return ('differs', \@special);
}

# The script that TEST runs, of which its result file has an echo.
sub script
{
	my ($suite, $test) = @_;
	return $suite eq 'regress' ? "$source/src/test/regress/sql/$test.sql" : undef;
}

sub read_lines
{
	my ($file) = @_;
	open(my $in, '<', $file) or die "$file: $!";
	chomp(my @lines = <$in>);
	return @lines;
}

sub write_lines
{
	my ($file, @lines) = @_;
	open(my $out, '>', $file) or die "$file: $!";
	print $out "$_\n" for @lines;
	close $out;
	return;
}
