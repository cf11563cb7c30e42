/*
 * vector_keys.h
 *		Keys of vectors for tests, by number: chunks of two columns in each of two storages.
 */
#ifndef TSDB_UNIT_VECTOR_KEYS_H
#define TSDB_UNIT_VECTOR_KEYS_H

#include "cache/vector_cache.h"

/* The mixing of splitmix64 (Steele and others, 2014). */
static inline uint64_t
mixed(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
	return x ^ x >> 31;
}

/* The n-th key. */
static inline TsdbVectorKey
key_number(uint64_t n)
{
	return (TsdbVectorKey) {mixed(n / 4 + 1), 5, (uint32_t) (n % 2), (uint32_t) (n / 2 % 2)};
}

#endif							/* TSDB_UNIT_VECTOR_KEYS_H */
