/*
 * verify.c
 *		Looking for damage: pages, and how faults are reported.
 */
#include "postgres.h"

#include "store/verify.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/multixact.h"
#include "storage/bufmgr.h"
#include "store/damage.h"
#include "store/internal_tuple.h"

void
tsdb_verify_report(TsdbVerify *verify, const char *part, Relation rel, int64 chunk,
				   ItemPointer place, const char *fault)
{
	TsdbFault	report = {
		.part = part,.relation = rel,.chunk = chunk,.row = -1,.fault = fault
	};

	if (place != NULL)
		report.place = *place;
	else
		ItemPointerSetInvalid(&report.place);
	verify->report(verify, &report);
}

bool
tsdb_verify_try(TsdbVerify *verify, const TsdbFault *fault, void (*work) (void *arg), void *arg)
{
	ErrorData  *error = tsdb_damage_catch(work, arg, true);
	TsdbFault	report = *fault;

	if (error == NULL)
		return true;
	report.fault = error->detail == NULL ? error->message :
		psprintf("%s: %s", error->message, error->detail);
	verify->report(verify, &report);
	FreeErrorData(error);
	return false;
}

/* The header of a tuple that heap's code may have updated or locked. */
static const char *
updated_header_fault(Relation rel, HeapTuple tuple)
{
	HeapTupleHeader header = tuple->t_data;
	uint16		infomask = header->t_infomask;

	if (header->t_hoff < SizeofHeapTupleHeader || header->t_hoff > tuple->t_len ||
		header->t_hoff != MAXALIGN(header->t_hoff))
		return "Its header has an impossible length.";
	/* none: of a speculative insertion that was taken back */
	if (!HeapTupleHeaderXminFrozen(header) && (infomask & HEAP_MOVED) == 0 &&
		TransactionIdIsValid(HeapTupleHeaderGetRawXmin(header)) &&
		HeapTupleHeaderGetRawXmin(header) != FrozenTransactionId &&
		!tsdb_internal_xid_possible(rel, HeapTupleHeaderGetRawXmin(header)))
		return "Its transaction id (xmin) is out of bounds.";
	if ((infomask & HEAP_XMAX_INVALID) != 0)
		return NULL;
	if ((infomask & HEAP_XMAX_IS_MULTI) != 0)
	{
		MultiXactId multi = HeapTupleHeaderGetRawXmax(header);

		if (!MultiXactIdIsValid(multi) ||
			!MultiXactIdPrecedes(multi, ReadNextMultiXactId()) ||
			MultiXactIdPrecedes(multi, rel->rd_rel->relminmxid))
			return "Its multixact id (xmax) is out of bounds.";
	}
	else if (TransactionIdIsValid(HeapTupleHeaderGetRawXmax(header)) &&
			 !tsdb_internal_xid_possible(rel, HeapTupleHeaderGetRawXmax(header)))
		return "Its transaction id (xmax) is out of bounds.";
	return NULL;
}

typedef struct PageWork
{
	TsdbVerify *verify;
	Relation	rel;
	BlockNumber block;
	bool		never_updated;
	TsdbVerifyTuple *tuples;
	int			count;
} PageWork;

static void
read_page(void *arg)
{
	PageWork   *work = arg;
	Buffer		buffer = ReadBuffer(work->rel, work->block);
	Page		page;
	OffsetNumber max;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	max = PageIsNew(page) ? 0 : PageGetMaxOffsetNumber(page);
	work->count = 0;
	work->tuples = palloc0(Max(max, 1) * sizeof(TsdbVerifyTuple));
	for (OffsetNumber offset = 1; offset <= max; offset++)
	{
		TsdbVerifyTuple *item = &work->tuples[work->count];
		HeapTupleData tuple;

		switch (tsdb_internal_item(work->rel, page, work->block, offset, &tuple))
		{
			case TSDB_ITEM_NONE:
				continue;
			case TSDB_ITEM_DAMAGED:
				item->fault = "Its line pointer leaves the page.";
				break;
			case TSDB_ITEM_TUPLE:
				item->fault = work->never_updated ?
					tsdb_internal_header_fault(work->rel, &tuple) :
					updated_header_fault(work->rel, &tuple);
				break;
		}
		item->offset = offset;
		work->count++;
		if (item->fault != NULL)
			continue;
		item->visible = HeapTupleSatisfiesVisibility(&tuple, work->verify->snapshot, buffer);

		/* a transaction that was rolled back may have added columns, and rows with them */
		if ((item->visible || HeapTupleHeaderXminCommitted(tuple.t_data)) &&
			HeapTupleHeaderGetNatts(tuple.t_data) > RelationGetNumberOfAttributes(work->rel))
		{
			item->fault = "It has too many columns.";
			continue;
		}
		item->tuple = heap_copytuple(&tuple);
	}
	UnlockReleaseBuffer(buffer);
}

int
tsdb_verify_page(TsdbVerify *verify, const char *part, Relation rel, BlockNumber block,
				 bool never_updated, TsdbVerifyTuple **tuples)
{
	PageWork	work = {
		.verify = verify,.rel = rel,.block = block,.never_updated = never_updated
	};
	TsdbFault	fault = {.part = part,.relation = rel,.chunk = TSDB_NO_CHUNK,.row = -1};

	ItemPointerSet(&fault.place, block, 0);
	if (!tsdb_verify_try(verify, &fault, read_page, &work))
		return -1;
	*tuples = work.tuples;
	return work.count;
}
