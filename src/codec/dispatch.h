/*
 * dispatch.h
 *		Marks hot loops that are compiled for several instruction sets.
 *
 * A function marked TSDB_CODEC_CLONES is compiled once per listed target and
 * picked when the library is loaded.  Every build computes the same bytes:
 * the loops use integer arithmetic and single correctly rounded float
 * operations, never contracted ones.
 */
#ifndef TSDB_CODEC_DISPATCH_H
#define TSDB_CODEC_DISPATCH_H

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && \
	!defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
	!defined(TSDB_CODEC_PORTABLE)
#define TSDB_CODEC_CLONES \
	__attribute__((optimize("O3", "fp-contract=off"), \
				   target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#elif defined(__GNUC__) && !defined(__clang__)
#define TSDB_CODEC_CLONES	__attribute__((optimize("O3", "fp-contract=off")))
#else
#define TSDB_CODEC_CLONES
#endif

#endif							/* TSDB_CODEC_DISPATCH_H */
