/*
 * series_hash.h
 *		The version of tsdb_series_hash(), as bodies state it.
 */
#ifndef TSDB_CHUNK_SERIES_HASH_H
#define TSDB_CHUNK_SERIES_HASH_H

#define TSDB_SERIES_HASH_VERSION	1

#endif							/* TSDB_CHUNK_SERIES_HASH_H */
