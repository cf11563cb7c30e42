/*
 * page_survey.h
 *		What VACUUM would find on the pages of an internal relation.
 */
#ifndef TSDB_AM_PAGE_SURVEY_H
#define TSDB_AM_PAGE_SURVEY_H

#include "storage/block.h"
#include "storage/bufmgr.h"
#include "utils/relcache.h"

typedef struct TsdbPageSurvey
{
	/*
	 * The first page with a damaged line pointer, on which VACUUM would end in a
	 * PANIC when it prunes, or InvalidBlockNumber: the rest is then not known.
	 */
	BlockNumber damaged;

	/*
	 * There is neither a free space map nor a visibility map, and nothing to remove:
	 * every tuple is alive, or its inserter runs, and all pages but the last are full.
	 */
	bool		idle;
	double		tuples;			/* if it is idle */
} TsdbPageSurvey;

/* Look at all pages that the visibility map does not call frozen. */
extern TsdbPageSurvey tsdb_page_survey(Relation rel, BufferAccessStrategy strategy);

#endif							/* TSDB_AM_PAGE_SURVEY_H */
