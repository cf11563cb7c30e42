/*
 * harness.h
 *		What the programs of this directory count and say, and the numbers that
 *		they draw.
 *
 * A test is a number of expectations, and ends with finish().  A program's last
 * line is summary()'s "N passed, N failed".
 */
#ifndef TSDB_UNIT_HARNESS_H
#define TSDB_UNIT_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern bool good;				/* so far in this test */

/* This test has failed; says why if it is the first time, as printf() does. */
extern void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

extern void finish(const char *name);

/* Returns what main() is to return. */
extern int	summary(void);

/* xorshift64 (Marsaglia 2003): the same numbers in every run. */
extern uint64_t draw(void);

/* Memory of exactly that size, aligned for scratch. */
extern void *allocate(size_t bytes);

#endif							/* TSDB_UNIT_HARNESS_H */
