# PgSuites::Known: the list of known differences, as the file known_differences holds it
# and as a page of docs/ shows it, between two marks.

package PgSuites::Known;

use strict;
use warnings;

my %verbs = map { $_ => 1 } qw(plans output omit rows lines permutations replace extra);

# Reads FILE; dies with the line of a mistake.
sub read
{
	my ($class, $file) = @_;
	my $self = bless { entries => [] }, $class;
	my $entry;

	open(my $in, '<', $file) or die "$file: $!";
	while (my $line = <$in>)
	{
		chomp $line;
		next if $line =~ /^#/;
		if ($line =~ /^\s*$/)
		{
			undef $entry;
			next;
		}
		if ($line =~ m{^test:\s*(\S.*)$})
		{
			$entry = { tests => [ split ' ', $1 ], modes => [qw(tsdb compact direct parallel)], directives => [], reason => '' };
			push @{ $self->{entries} }, $entry;
		}
		elsif (!$entry) { die "$file:$.: no test named before\n" }
		elsif ($line =~ /^modes:\s*(.*)$/) { $entry->{modes} = [ split ' ', $1 ] }
		elsif ($line =~ /^reason:\s*(.*)$/) { $entry->{reason} = $1 }
		elsif ($line =~ /^\s+(\S.*)$/ and $entry->{reason}) { $entry->{reason} .= " $1" }
		elsif ($line =~ m{^(plans):\s*$}) { push @{ $entry->{directives} }, [$1] }
		elsif ($line =~ m{^(\w+):\s*/(.*)/\s*(?:=>\s*(.*))?$} and $verbs{$1})
		{
			push @{ $entry->{directives} }, [ $1, qr/$2/mi, $3 // '' ];
		}
		else { die "$file:$.: not understood: $line\n" }
	}
	return $self;
}

# The entries of MODE for TEST, which is "suite/test", or "suite/*" for those for all.
sub entries
{
	my ($self, $mode, $test) = @_;
	return grep {
		my $entry = $_;
		(grep { $_ eq $mode } @{ $entry->{modes} }) && grep { $_ eq $test } @{ $entry->{tests} };
	} @{ $self->{entries} };
}

# Whether FILE has the list.
sub table_is_in
{
	my ($self, $file) = @_;
	my ($before, $table, $after) = split_page($file);
	return $table eq $self->table;
}

# Puts the list into FILE.
sub write_table
{
	my ($self, $file) = @_;
	my ($before, undef, $after) = split_page($file);
	open(my $out, '>', $file) or die "$file: $!";
	print $out $before, $self->table, $after;
	close $out;
	return;
}

# The list as a table in Markdown.
sub table
{
	my ($self) = @_;
	return join("\n", '| test | modes | what differs, and why |', '| --- | --- | --- |',
		map { sprintf '| %s | %s | %s |', join(', ', @{ $_->{tests} }), join(', ', @{ $_->{modes} }), $_->{reason} }
		  @{ $self->{entries} })
	  . "\n";
}

# What is before, between and after the marks of a page.
sub split_page
{
	my ($file) = @_;
	open(my $in, '<', $file) or die "$file: $!";
	local $/;
	<$in> =~ /^(.*<!-- known differences -->\n)(.*)(<!-- end -->\n.*)$/s or die "$file: no marks\n";
	return ($1, $2, $3);
}

1;
