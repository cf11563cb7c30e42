# tsdb: a time-series table access method for PostgreSQL
#
#   make, make install, make installcheck   the standard PGXS way; PG_CONFIG=... picks the server
#   make demo, make demo-stop               see it work on real data in a private server
#   make test, make test-long               every test, in private servers
#   make lint                               rules of the source tree
#   make bench-ring                         the ring against a textbook queue; a plot in build/bench/

EXTENSION = tsdb
EXTVERSION = 0.1.0
MODULE_big = tsdb
PGFILEDESC = "tsdb - time-series table access method"

OBJS = $(patsubst %.c,%.o,$(wildcard src/*.c src/*/*.c))
DATA = $(wildcard sql/tsdb--*.sql)
SHLIB_LINK = -lzstd

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

# -isystem keeps -Wextra to our own code. The warnings switched off are those that
# callbacks and macros of the server cannot do without. -MMD makes headers prerequisites.
PG_CPPFLAGS = -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server 2>/dev/null)
# Contracted multiplications and additions would make what the codec writes depend on the machine.
PG_CFLAGS = -std=gnu11 -ffp-contract=off -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers -Wno-declaration-after-statement -MMD -MP

# Nothing here gains from being inlined into JIT-compiled expressions.
override with_llvm = no

REGRESS = $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql))
REGRESS_OPTS = --inputdir=test --load-extension=tsdb
ISOLATION = $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec))
ISOLATION_OPTS = --inputdir=test --outputdir=. --load-extension=tsdb

EXTRA_CLEAN = $(OBJS:.o=.d) results regression.diffs regression.out tmp_check

export PG_CONFIG

.DEFAULT_GOAL := all

.PHONY: demo demo-stop test test-long lint bench-ring prove_installcheck

demo:
	@scripts/demo

demo-stop:
	@scripts/demo stop

test:
	@scripts/test

test-long:
	@TEST_LONG=1 scripts/test

lint:
	@scripts/lint

bench-ring:
	@bench/ring -p build/bench/ring.svg

ifeq ($(PGXS),)

all install uninstall installcheck clean prove_installcheck:
	@echo "$(PG_CONFIG) not found: install the server's development files" \
		"(as root, on Debian: scripts/install-deps), or say PG_CONFIG=/path/to/pg_config" >&2
	@exit 1

else

include $(PGXS)

# TAP tests start servers of their own, so they cannot run as root.
prove_installcheck: PROVE_TESTS = $(wildcard test/t/*.pl)
prove_installcheck:
	$(prove_installcheck)

# Objects are built again when the server or the compiler is another one.
BUILT_FOR := build/built-for
built_for := $(shell $(PG_CONFIG) --version --includedir-server) $(CC) $(COPT)
$(shell mkdir -p build && { echo "$(built_for)" | cmp -s - $(BUILT_FOR) || echo "$(built_for)" > $(BUILT_FOR); })
$(OBJS): $(BUILT_FOR)
-include $(OBJS:.o=.d)

endif
