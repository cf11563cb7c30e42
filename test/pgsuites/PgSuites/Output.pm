# PgSuites::Output: a result file of a regression or isolation test, taken apart.
#
# A file is a sequence of parts:
#
#   echo    lines of the script, as psql -a repeats them or as isolationtester prints
#           its steps
#   text    lines that a statement printed: messages, COPY data, expanded tables
#   table   a result table: the header and its rule, rows, and the footer "(N rows)"; a
#           row may have several lines
#
# Each part but echo knows the statement that printed it: the text since the end of the
# statement before, without comments and with string literals emptied.
#
# In a regression test, an echoed line is one that is the script's next line. In an isolation test, a step's line starts with its name;
# the statement of lines after "<... completed>" is found by that name.

package PgSuites::Output;

use strict;
use warnings;

# Reads the result FILE of a test of SUITE; SCRIPT is the psql script, for regress.
sub read
{
	my ($class, $suite, $file, $script) = @_;
	my $self = bless { parts => [] }, $class;
	my @lines = slurp($file);

	$self->{parts} = split_tables(
		$suite eq 'regress' ? split_script(\@lines, [ slurp($script) ]) : split_steps(\@lines));
	return $self;
}

# The whole as text again.
sub text
{
	my ($self) = @_;
	return join("\n",
		map { $_->{kind} eq 'table' ? (@{ $_->{head} }, @{ $_->{rows} }, $_->{foot}) : @{ $_->{lines} } }
		  @{ $self->{parts} });
}

# Whether OTHER prints the same, but for more lines that match one of PATTERNS.
sub same_with_extra
{
	my ($self, $other, @patterns) = @_;
	my @mine = split /\n/, $self->text, -1;
	for my $line (split /\n/, $other->text, -1)
	{
		if (@mine and $mine[0] eq $line) { shift @mine }
		elsif (!grep { $line =~ $_ } @patterns) { return 0 }
	}
	return !@mine;
}

# Sorts the rows of each table, and of what COPY writes, that no ORDER BY has put in order.
sub sort_rows
{
	my ($self) = @_;
	for my $part (grep { $_->{kind} eq 'text' } @{ $self->{parts} })
	{
		$part->{lines} = [ sort @{ $part->{lines} } ]
		  if $part->{statement} =~ /^\\?copy\b.*\bto\b/is and $part->{statement} !~ /\border\s+by\b/i;
	}
	for my $part (tables($self))
	{
		sort_table($part) unless is_plan($part) or ordered($part->{statement});
	}
	return;
}

# Leaves out, or makes equal, what a known difference names; see known_differences for
# the directives.
sub apply
{
	my ($self, $directives) = @_;
	for my $directive (@$directives)
	{
		my ($verb, $pattern, $replacement) = @$directive;
		if ($verb eq 'plans')
		{
			$_->{rows} = [], $_->{foot} = '', $_->{head} = ['QUERY PLAN'] for grep { is_plan($_) } tables($self);
		}
		elsif ($verb eq 'output')
		{
			@{ $self->{parts} } = grep { $_->{kind} eq 'echo' or $_->{statement} !~ $pattern } @{ $self->{parts} };
		}
		elsif ($verb eq 'omit')
		{
			for my $part (@{ $self->{parts} })
			{
				if ($part->{kind} eq 'text')
				{
					@{ $part->{lines} } = grep { $_ !~ $pattern } @{ $part->{lines} };
				}
				elsif ($part->{kind} eq 'table')
				{
					@{ $part->{rows} } = grep { $_ !~ $pattern } @{ $part->{rows} };
					my $n = @{ $part->{rows} };
					$part->{foot} = sprintf '(%d row%s)', $n, $n == 1 ? '' : 's' if $part->{foot} ne '';
					# the rows had a say in the widths of columns
					s/ +/ /g, s/-+/-/g for @{ $part->{head} }, @{ $part->{rows} };
				}
			}
		}
		elsif ($verb eq 'permutations')
		{
			my $leave_out = 0;
			my @kept;
			for my $part (@{ $self->{parts} })
			{
				my @lines;
				for my $line (@{ $part->{lines} || [] })
				{
					$leave_out = $line =~ $pattern if $line =~ /^starting permutation/;
					push @lines, $line unless $leave_out;
				}
				next if $part->{kind} eq 'table' ? $leave_out : !@lines;
				push @kept, $part->{kind} eq 'table' ? $part : { %$part, lines => \@lines };
			}
			$self->{parts} = \@kept;
		}
		elsif ($verb eq 'rows')
		{
			sort_table($_) for grep { $_->{statement} =~ $pattern } tables($self);
		}
		elsif ($verb eq 'lines')
		{
			for my $part (grep { $_->{kind} eq 'text' and $_->{statement} =~ $pattern } @{ $self->{parts} })
			{
				$part->{lines} = [ sort @{ $part->{lines} } ];
			}
		}
		elsif ($verb eq 'replace')
		{
			for my $part (@{ $self->{parts} })
			{
				next if $part->{kind} eq 'echo';
				for my $lines (grep { defined } @$part{qw(lines head rows)})
				{
					s/$pattern/$replacement/g for @$lines;
				}
			}
		}
	}
	return;
}

# ---- taking apart ----

sub slurp
{
	my ($file) = @_;
	open(my $in, '<', $file) or die "$file: $!";
	chomp(my @lines = <$in>);
	return @lines;
}

# Parts of a regression test: echo and text.
sub split_script
{
	my ($lines, $script) = @_;
	my (@parts, @echo);
	my ($next, $statement) = (0, '');

	for my $line (@$lines)
	{
		my $at = find_echo($line, $script, $next, scalar @echo);
		if (defined $at)
		{
			add(\@parts, 'echo', $line);
			push @echo, $line;
			$next = $at + 1;
		}
		else
		{
			$statement = statement(splice @echo) if @echo;
			add(\@parts, 'text', $line, $statement);
		}
	}
	return \@parts;
}

# The place in SCRIPT, from NEXT on, of the line that is echoed as LINE; undef if LINE is
# no echo.
sub find_echo
{
	my ($line, $script, $next, $in_echo) = @_;
	my @places = $line eq '' && !$in_echo ? () : ($next);

	# psql does not echo empty lines outside of a literal;
	my $at = $next;
	$at++ while $at < @$script and $script->[$at] eq '';
	push @places, $at;

	# nor the data between COPY FROM STDIN and "\.";
	if ($next > 0 and $script->[ $next - 1 ] =~ /\bfrom\s+stdin\b/i)
	{
		$at = $next;
		$at++ while $at < @$script and $script->[$at] ne '\.';
		$at++;
		$at++ while $at < @$script and $script->[$at] eq '';
		push @places, $at;
	}
	# nor what a script tells it not to echo: a line that is no accident ends that.
	push @places, $next + 1 .. $next + 40 if length $line >= 10;

	return (grep { defined $script->[$_] and $script->[$_] eq $line } @places)[0];
}

# Parts of an isolation test: echo and text.
sub split_steps
{
	my ($lines) = @_;
	my (@parts, %step);
	my ($name, $in_step) = ('', 0);

	for my $line (@$lines)
	{
		if ($line =~ /^step (\S+): <\.\.\. completed>/)
		{
			($name, $in_step) = ($1, 0);
			add(\@parts, 'echo', $line);
		}
		elsif ($line =~ /^step (\S+): (.*)/)
		{
			($name, $in_step) = ($1, 1);
			$step{$name} = "$2\n";
			add(\@parts, 'echo', $line);
			$in_step = 0 if $line =~ /;\s*(<waiting \.\.\.>)?$/;
		}
		elsif ($line =~ /^(starting permutation|Parsed test spec)/)
		{
			($name, $in_step) = ('', 0);
			add(\@parts, 'echo', $line);
		}
		elsif ($in_step)
		{
			$step{$name} .= "$line\n";
			add(\@parts, 'echo', $line);
			$in_step = 0 if $line =~ /;\s*(<waiting \.\.\.>)?$|^$/;
		}
		else
		{
			add(\@parts, 'text', $line, statement($step{$name} // ''));
		}
	}
	return \@parts;
}

# Adds a line to the last part, or a new part if that is of another kind.
sub add
{
	my ($parts, $kind, $line, $statement) = @_;
	push @$parts, { kind => $kind, lines => [], statement => $statement }
	  if !@$parts or $parts->[-1]{kind} ne $kind;
	push @{ $parts->[-1]{lines} }, $line;
	return;
}

# Takes the tables out of text parts.
sub split_tables
{
	my ($parts) = @_;
	my @result;
	for my $part (@$parts)
	{
		if ($part->{kind} eq 'echo')
		{
			push @result, $part;
			next;
		}
		my @lines = @{ $part->{lines} };
		my @text;
		while (@lines)
		{
			my $end;
			if (@lines > 1 and $lines[1] =~ /^-+(\+-+)*$/)
			{
				($end) = grep { $lines[$_] =~ /^\(\d+ rows?\)$/ } 2 .. $#lines;
			}
			if (defined $end)
			{
				push @result, { %$part, lines => [@text] } if @text;
				@text = ();
				push @result,
				  { kind => 'table', statement => $part->{statement}, head => [ @lines[ 0, 1 ] ],
					rows => join_lines(@lines[ 2 .. $end - 1 ]), foot => $lines[$end] };
				splice @lines, 0, $end + 1;
			}
			else
			{
				push @text, shift @lines;
			}
		}
		push @result, { %$part, lines => [@text] } if @text;
	}
	return \@result;
}

# Makes rows of lines: psql ends a line with "+" where a value goes on in the next.
sub join_lines
{
	my @rows;
	my $more = 0;
	for my $line (@_)
	{
		if ($more) { $rows[-1] .= "\n$line" }
		else { push @rows, $line }
		$more = $line =~ /\+(\||$)/;
	}
	return \@rows;
}

# ---- statements ----

# The last statement of echoed lines.
sub statement
{
	my $text = join("\n", @_);
	return $1 if $text =~ /^(\\[a-z].*)\s*\z/m;

	$text =~ s{
		('(?:[^']|'')*') | (\$(\w*)\$.*?\$\g3\$) | ("(?:[^"]|"")*") | --[^\n]* | /\*.*?\*/
	}{ defined $1 || defined $2 ? "''" : defined $4 ? $4 : '' }gsex;
	$text =~ s/\s*<waiting \.\.\.>\s*\z//;
	$text =~ s/[\s;]+\z//;
	$text =~ s/.*;\s*//s;
	$text =~ s/^\s+//;
	return $text;
}

# Whether the statement itself, not a part in parentheses, has an ORDER BY.
sub ordered
{
	my ($statement) = @_;
	1 while $statement =~ s/\([^()]*\)//g;
	return $statement =~ /\border\s+by\b/i;
}

sub tables
{
	my ($self) = @_;
	return grep { $_->{kind} eq 'table' } @{ $self->{parts} };
}

sub is_plan
{
	my ($table) = @_;
	return $table->{head}[0] =~ /^\s*QUERY PLAN\s*$/ || $table->{statement} =~ /^\s*(explain\b|select explain_)/i;
}

sub sort_table
{
	my ($table) = @_;
	$table->{rows} = [ sort @{ $table->{rows} } ];
	return;
}

1;
