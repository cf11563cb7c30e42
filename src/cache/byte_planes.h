/*
 * byte_planes.h
 *		Words of 8 bytes written plane by plane: all first bytes, all second bytes, and so on.
 *
 * Numbers of a column have their high bytes in common, which a compressor finds
 * more easily, and sooner, when they stand side by side.
 *
 * Eight words are a matrix of 8 x 8 bytes, which is transposed in registers.  What is left of the bytes
 * behind the last eight words stays as it is.  Nothing is said of alignment.
 *
 * Plain C11; no server headers.
 */
#ifndef TSDB_CACHE_BYTE_PLANES_H
#define TSDB_CACHE_BYTE_PLANES_H

#include <stddef.h>

extern void tsdb_byte_planes_split(void *planes, const void *words, size_t bytes);
extern void tsdb_byte_planes_join(void *words, const void *planes, size_t bytes);

#endif							/* TSDB_CACHE_BYTE_PLANES_H */
