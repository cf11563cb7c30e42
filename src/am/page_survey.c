/*
 * page_survey.c
 *		What VACUUM would find on the pages of an internal relation.
 */
#include "postgres.h"

#include "am/page_survey.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/visibilitymap.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufpage.h"
#include "storage/procarray.h"
#include "storage/smgr.h"
#include "utils/rel.h"

static bool
is_damaged(Page page, ItemId item)
{
	PageHeader	header = (PageHeader) page;

	if (ItemIdIsNormal(item))
		return ItemIdGetOffset(item) < header->pd_upper ||
			ItemIdGetOffset(item) != MAXALIGN(ItemIdGetOffset(item)) ||
			ItemIdGetLength(item) < SizeofHeapTupleHeader ||
			ItemIdGetOffset(item) + ItemIdGetLength(item) > header->pd_special;
	return ItemIdHasStorage(item) ||
		(ItemIdIsRedirected(item) && ItemIdGetRedirect(item) > PageGetMaxOffsetNumber(page));
}

/* Has nobody deleted the tuple, and may its inserter have committed? */
static bool
is_alive(HeapTupleHeader tuple)
{
	TransactionId xmin = HeapTupleHeaderGetRawXmin(tuple);

	if ((tuple->t_infomask & HEAP_XMAX_INVALID) == 0)
		return false;
	if (HeapTupleHeaderXminCommitted(tuple))
		return true;
	return !HeapTupleHeaderXminInvalid(tuple) &&
		(TransactionIdIsCurrentTransactionId(xmin) || TransactionIdIsInProgress(xmin) ||
		 TransactionIdDidCommit(xmin));
}

/* Look at a page that is locked; false if it is damaged. */
static bool
look_at_page(Page page, TsdbPageSurvey *survey)
{
	OffsetNumber max = PageGetMaxOffsetNumber(page);

	for (OffsetNumber offset = 1; offset <= max; offset++)
	{
		ItemId		item = PageGetItemId(page, offset);

		if (is_damaged(page, item))
			return false;
		survey->tuples++;
		survey->idle = survey->idle && ItemIdIsNormal(item) &&
			is_alive((HeapTupleHeader) PageGetItem(page, item));
	}
	return true;
}

TsdbPageSurvey
tsdb_page_survey(Relation rel, BufferAccessStrategy strategy)
{
	BlockNumber nblocks = RelationGetNumberOfBlocks(rel);
	TsdbPageSurvey survey = {.damaged = InvalidBlockNumber};
	Buffer		map = InvalidBuffer;

	survey.idle = !smgrexists(RelationGetSmgr(rel), FSM_FORKNUM) &&
		!smgrexists(RelationGetSmgr(rel), VISIBILITYMAP_FORKNUM);
	for (BlockNumber block = 0; block < nblocks && survey.damaged == InvalidBlockNumber; block++)
	{
		Buffer		buffer;
		Page		page;

		CHECK_FOR_INTERRUPTS();
		if (VM_ALL_FROZEN(rel, block, &map))
			continue;
		buffer = ReadBufferExtended(rel, MAIN_FORKNUM, block, RBM_NORMAL, strategy);
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		page = BufferGetPage(buffer);
		if (!PageIsNew(page) && !look_at_page(page, &survey))
			survey.damaged = block;
		if (block + 1 < nblocks && (PageIsNew(page) || PageGetHeapFreeSpace(page) >= BLCKSZ / 2))
			survey.idle = false;
		UnlockReleaseBuffer(buffer);
	}
	if (BufferIsValid(map))
		ReleaseBuffer(map);
	return survey;
}
