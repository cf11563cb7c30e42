/*
 * dispatch.h
 *		Marks hot loops that are compiled for several instruction sets.
 *
 * A function marked TSDB_CODEC_CLONES is compiled once per listed target and
 * picked when the library is loaded; one marked TSDB_CODEC_HOT is compiled
 * once, with the loop optimisations, since it gains nothing from wider
 * registers.  Where only wide registers pay for a loop's other shape, the
 * caller asks tsdb_codec_is_wide() and has both.
 *
 * Every build computes the same bytes: the loops use integer arithmetic and
 * correctly rounded float operations, never contracted ones.
 */
#ifndef TSDB_CODEC_DISPATCH_H
#define TSDB_CODEC_DISPATCH_H

#include <stdbool.h>

#if defined(__GNUC__) && !defined(__clang__)
#define TSDB_CODEC_HOT	__attribute__((optimize("O3", "fp-contract=off")))
#else
#define TSDB_CODEC_HOT
#endif

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && \
	!defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
	!defined(TSDB_CODEC_PORTABLE)
#define TSDB_CODEC_DISPATCHED
#define TSDB_CODEC_CLONES \
	__attribute__((optimize("O3", "fp-contract=off"), \
				   target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define TSDB_CODEC_CLONES	TSDB_CODEC_HOT
#endif

/* Whether clones run with registers of four doubles and fused multiply-add. */
static inline bool
tsdb_codec_is_wide(void)
{
#if defined(TSDB_CODEC_DISPATCHED)
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
		__builtin_cpu_supports("bmi2");
#elif defined(__AVX2__) && defined(__FMA__)
	return true;
#else
	return false;
#endif
}

#endif							/* TSDB_CODEC_DISPATCH_H */
