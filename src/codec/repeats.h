/*
 * repeats.h
 *		Numbers that repeat: runs of one value, and few distinct values.
 *
 *		RUNS		varint runs, section: body of run lengths less one
 *					(INT8), body of run values
 *		DICTIONARY	varint entries, section: body of codes (INT8), body of
 *					entries in ascending order
 *
 * A section is a varint length and that many bytes.  Bodies inside are full
 * numeric bodies, so run values and entries may themselves be decimals.
 */
#ifndef TSDB_CODEC_REPEATS_H
#define TSDB_CODEC_REPEATS_H

#include "codec/codec.h"
#include "codec/codec_format.h"
#include "codec/wire.h"

/* Write a RUNS body. */
extern TsdbCodecStatus tsdb_runs_encode(TsdbKind kind, const uint64_t *values,
										uint32_t count, TsdbCodecLevel level,
										unsigned depth, TsdbArena arena,
										TsdbWriter *out);

/*
 * Number of distinct values, as long as it stays at or below limit; limit + 1
 * otherwise.
 */
extern uint32_t tsdb_dictionary_count(const uint64_t *values, uint32_t count,
									  uint32_t limit, TsdbArena arena);

/* Write a DICTIONARY body. */
extern TsdbCodecStatus tsdb_dictionary_encode(TsdbKind kind, const uint64_t *values,
											  uint32_t count, TsdbCodecLevel level,
											  unsigned depth, TsdbArena arena,
											  TsdbWriter *out);

/* The parts of a RUNS payload: bodies of as many lengths and values as runs. */
typedef struct TsdbRuns
{
	uint32_t	runs;
	TsdbReader	lengths;
	TsdbReader	values;
} TsdbRuns;

/* The parts of a DICTIONARY payload: bodies of codes and of entries. */
typedef struct TsdbDictionary
{
	uint32_t	entries;
	TsdbReader	codes;
	TsdbReader	values;
} TsdbDictionary;

extern TsdbCodecStatus tsdb_runs_open(TsdbReader in, uint32_t count, TsdbRuns *runs);
extern TsdbCodecStatus tsdb_dictionary_open(TsdbReader in, TsdbDictionary *dictionary);

/* Decode blocks [first, last) of a payload, as tsdb_number_decode does. */
extern TsdbCodecStatus tsdb_runs_decode(TsdbKind kind, TsdbReader in, uint32_t count,
										uint32_t first, uint32_t last, unsigned depth,
										TsdbArena arena, uint64_t *out);
extern TsdbCodecStatus tsdb_dictionary_decode(TsdbKind kind, TsdbReader in,
											  uint32_t count, uint32_t first,
											  uint32_t last, unsigned depth,
											  TsdbArena arena, uint64_t *out);

#endif							/* TSDB_CODEC_REPEATS_H */
