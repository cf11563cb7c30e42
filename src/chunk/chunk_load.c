/*
 * chunk_load.c
 *		Bringing a stored body into memory: head, columns, tail.
 *
 * The one place where what chunk_body.c finds wrong becomes an error.
 */
#include "postgres.h"

#include "chunk/chunk_load.h"

StaticAssertDecl(TSDB_CHUNK_ROWS == TSDB_BODY_ROWS_MAX, "one limit of rows");
StaticAssertDecl(INDEX_MAX_KEYS == TSDB_BODY_KEYS_MAX, "a sort key fits the body");
StaticAssertDecl(TSDB_BODY_HEAD_BYTES_MAX <= TSDB_CHUNK_INLINE_BODY,
				 "a head always fits the directory");

void
tsdb_chunk_damaged(const TsdbChunkSource *source, const char *detail)
{
	source->damage(source->arg, detail);

	/* for the compiler, and for a callback that breaks its promise */
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("chunk is damaged"),
			 errdetail_internal("%s", detail)));
}

void
tsdb_chunk_load(const TsdbChunkSource *source, const char *body,
				uint32 body_bytes, TsdbChunkBody *result)
{
	TsdbBodyHead *head = &result->head;
	const uint8 *columns = (const uint8 *) body;
	uint32		bytes = body_bytes;
	const char *problem;

	problem = tsdb_body_parse_head((const uint8 *) body, body_bytes, head);
	if (problem != NULL)
		tsdb_chunk_damaged(source, problem);

	if (head->has_tail)
	{
		char	   *tail = palloc(head->tail_bytes);

		source->fetch(source->arg, head->tail_offset, head->tail_bytes, tail);
		columns = (const uint8 *) tail;
		bytes = head->tail_bytes;
	}
	else
	{
		columns += head->head_bytes;
		bytes -= head->head_bytes;
	}

	/* a column takes a byte at least, which bounds what is allocated */
	if (bytes < head->natts)
		tsdb_chunk_damaged(source, "The chunk's body ends before its columns.");
	result->columns = palloc(Max(head->natts, 1) * sizeof(TsdbBodyColumn));
	problem = tsdb_body_parse_columns(head, columns, bytes, result->columns);
	if (problem != NULL)
		tsdb_chunk_damaged(source, problem);
}
