/*
 * harness.c
 *		What the programs of this directory count and say, and the numbers that
 *		they draw.
 */
#include "harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool		good = true;

static int	passed;
static int	failed;
static uint64_t seed = 88172645463325252;

void
fail(const char *format, ...)
{
	va_list		arguments;

	if (good)
	{
		printf("# ");
		va_start(arguments, format);
		vprintf(format, arguments);
		va_end(arguments);
		printf("\n");
	}
	good = false;
}

void
finish(const char *name)
{
	printf("%s %d - %s\n", good ? "ok" : "not ok", passed + failed + 1, name);
	passed += good;
	failed += !good;
	good = true;
}

int
summary(void)
{
	printf("%d passed, %d failed\n", passed, failed);
	return failed == 0 ? 0 : 1;
}

uint64_t
draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

void *
allocate(size_t bytes)
{
	void	   *memory;

	if (posix_memalign(&memory, 16, bytes) != 0)
		abort();
	return memory;
}
