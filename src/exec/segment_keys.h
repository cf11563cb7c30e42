/*
 * segment_keys.h
 *		Which series a chunk has, without the chunk.
 *
 * A chunk of many short series has a wide range of each key column, so statistics do not say which they are.  Who has read the
 * column of a chunk leaves one value for each segment in the session's image of the directory
 * (store/directory_view.h), with where the segment's rows are: who comes next for other series, or for the
 * same, needs neither the column nor the body.
 */
#ifndef TSDB_EXEC_SEGMENT_KEYS_H
#define TSDB_EXEC_SEGMENT_KEYS_H

#include "chunk/chunk.h"
#include "store/directory_view.h"

typedef struct TsdbSegmentKeys
{
	struct TsdbSegmentKeys *next;	/* of another column */
	AttrNumber	attno;
	uint32		count;
	uint32	   *rows;			/* count + 1: first rows, then the end */
	TsdbColumn	column;			/* count values */
} TsdbSegmentKeys;

/* What is remembered of that column in view->entries[i]'s chunk; NULL: nothing. */
extern const TsdbSegmentKeys *tsdb_segment_keys_recall(const TsdbDirectoryView *view, int i,
													   AttrNumber attno);

/* Remember it, unless it takes much room; firsts are the column's values in the first rows of segments. */
extern void tsdb_segment_keys_remember(TsdbDirectoryView *view, int i, AttrNumber attno,
									   const TsdbSegments *segments, const TsdbColumn *firsts);

#endif							/* TSDB_EXEC_SEGMENT_KEYS_H */
