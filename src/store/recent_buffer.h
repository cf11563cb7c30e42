/*
 * recent_buffer.h
 *		Read a page that was read a moment ago.
 *
 * Who changes or looks up row by row comes back to the same few pages of the
 * directory, or to the note of an index.  Where a page was last time is where it
 * likely still is; the buffer manager tells, without a search by hash.
 */
#ifndef TSDB_STORE_RECENT_BUFFER_H
#define TSDB_STORE_RECENT_BUFFER_H

#include "storage/bufmgr.h"
#include "utils/rel.h"

/* ReadBuffer, for the same pages again and again. */
extern Buffer tsdb_recent_buffer_read(Relation rel, BlockNumber block);

#endif							/* TSDB_STORE_RECENT_BUFFER_H */
