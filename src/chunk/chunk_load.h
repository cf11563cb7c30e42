/*
 * chunk_load.h
 *		Bringing a stored body into memory: head, columns, tail.
 */
#ifndef TSDB_CHUNK_CHUNK_LOAD_H
#define TSDB_CHUNK_CHUNK_LOAD_H

#include "chunk/chunk.h"
#include "chunk/chunk_body.h"

/* Where a chunk's bytes come from, and whom to tell that they are damaged. */
typedef struct TsdbChunkSource
{
	TsdbStreamFetch fetch;
	TsdbStreamPeek peek;		/* or NULL */
	TsdbChunkDamage damage;
	void	   *arg;
} TsdbChunkSource;

typedef struct TsdbChunkBody
{
	TsdbBodyHead head;
	TsdbBodyColumn *columns;	/* head.natts entries */
} TsdbChunkBody;

/*
 * Parse body.  Columns, and the tail if there is one, are palloc'd in the
 * current context; strings and inlined vectors point into these or into body,
 * which must stay.  Damage is raised.
 */
extern void tsdb_chunk_load(const TsdbChunkSource *source, const char *body,
							uint32 body_bytes, TsdbChunkBody *result);

/* Raise damage; detail is a whole sentence. */
extern void tsdb_chunk_damaged(const TsdbChunkSource *source,
							   const char *detail) pg_attribute_noreturn();

#endif							/* TSDB_CHUNK_CHUNK_LOAD_H */
