# A test that uses this module, before all others, starts again in a user and mount namespace of
# its own if there can be such; then TSDB_TEST_NAMESPACE is set.
package TsdbNamespace;

use strict;
use warnings;

my @namespace =
  ('unshare', '--user', '--mount', "--map-user=$<", '--map-group=' . (split ' ', $()[0], '--keep-caps');

if (!$ENV{TSDB_TEST_NAMESPACE} && system(join(' ', @namespace) . ' true 2>/dev/null') == 0)
{
	$ENV{TSDB_TEST_NAMESPACE} = 'entered';
	exec @namespace, $^X, (map { "-I$_" } @INC), $0 or die "cannot enter a namespace: $!";
}

1;
