/*
 * recent_buffer.c
 *		Read a page that was read a moment ago.
 */
#include "postgres.h"

#include "store/recent_buffer.h"

#define RECENT_BUFFERS	64

/* By page: where some page of that number modulo RECENT_BUFFERS was. */
static Buffer recent[RECENT_BUFFERS];

Buffer
tsdb_recent_buffer_read(Relation rel, BlockNumber block)
{
	Buffer	   *place = &recent[(rel->rd_node.relNode + block) % RECENT_BUFFERS];

	if (!BufferIsValid(*place) || BufferIsLocal(*place) != RelationUsesLocalBuffers(rel) ||
		!ReadRecentBuffer(rel->rd_node, MAIN_FORKNUM, block, *place))
		*place = ReadBuffer(rel, block);
	return *place;
}
