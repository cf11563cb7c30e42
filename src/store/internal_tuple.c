/*
 * internal_tuple.c
 *		Tuples of internal relations, read without trusting a byte of them.
 */
#include "postgres.h"

#include "store/internal_tuple.h"

#include "access/transam.h"
#include "access/tupmacs.h"

TsdbItem
tsdb_internal_item(Relation rel, Page page, BlockNumber block, OffsetNumber offset,
				   HeapTuple tuple)
{
	ItemId		item = PageGetItemId(page, offset);
	Size		start = ItemIdGetOffset(item);
	Size		length = ItemIdGetLength(item);

	if (!ItemIdIsNormal(item))
		return TSDB_ITEM_NONE;
	if (start != MAXALIGN(start) || start < SizeOfPageHeaderData ||
		length < SizeofHeapTupleHeader || start + length > BLCKSZ)
		return TSDB_ITEM_DAMAGED;
	tuple->t_data = (HeapTupleHeader) ((char *) page + start);
	tuple->t_len = length;
	tuple->t_tableOid = RelationGetRelid(rel);
	ItemPointerSet(&tuple->t_self, block, offset);
	return TSDB_ITEM_TUPLE;
}

bool
tsdb_internal_xid_possible(Relation rel, TransactionId xid)
{
	/* One that was valid stays it for longer than a backend lives. */
	static TransactionId known_next = FirstNormalTransactionId;

	if (!TransactionIdIsNormal(xid))
		return false;
	if (TransactionIdIsNormal(rel->rd_rel->relfrozenxid) &&
		TransactionIdPrecedes(xid, rel->rd_rel->relfrozenxid))
		return false;
	if (!TransactionIdPrecedes(xid, known_next))
		known_next = ReadNextTransactionId();
	return TransactionIdPrecedes(xid, known_next);
}

const char *
tsdb_internal_header_fault(Relation rel, HeapTuple tuple)
{
	HeapTupleHeader header = tuple->t_data;
	uint16		infomask = header->t_infomask;

	/* nobody locks such a tuple, and nothing of old servers is in it */
	if ((infomask & (HEAP_XMAX_IS_MULTI | HEAP_XMAX_LOCK_ONLY | HEAP_MOVED |
					 HEAP_HASEXTERNAL | HEAP_HASOID_OLD | HEAP_UPDATED)) != 0)
		return "Its header has flags that no such tuple has.";
	if ((infomask & (HEAP_XMAX_COMMITTED | HEAP_XMAX_INVALID)) ==
		(HEAP_XMAX_COMMITTED | HEAP_XMAX_INVALID))
		return "Its header has flags that contradict each other.";
	if (!HeapTupleHeaderXminFrozen(header) &&
		!tsdb_internal_xid_possible(rel, HeapTupleHeaderGetRawXmin(header)))
		return "Its transaction id (xmin) is out of bounds.";
	if ((infomask & HEAP_XMAX_INVALID) == 0 &&
		!tsdb_internal_xid_possible(rel, HeapTupleHeaderGetRawXmax(header)))
		return "Its transaction id (xmax) is out of bounds.";
	if (!ItemPointerEquals(&header->t_ctid, &tuple->t_self))
		return "It belongs to another place.";
	return NULL;
}

const char *
tsdb_internal_columns_fault(Relation rel, HeapTuple tuple)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	HeapTupleHeader header = tuple->t_data;
	bool		has_nulls = (header->t_infomask & HEAP_HASNULL) != 0;
	Size		offset = header->t_hoff;
	const char *start = (const char *) header;

	if (HeapTupleHeaderGetNatts(header) != tupdesc->natts)
		return "It has another number of columns.";
	if (offset != MAXALIGN(SizeofHeapTupleHeader +
						   (has_nulls ? BITMAPLEN(tupdesc->natts) : 0)) ||
		offset > tuple->t_len)
		return "Its header has an impossible length.";

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		Size		length = att->attlen;

		if (has_nulls && att_isnull(i, header->t_bits))
			continue;
		if (att->attlen == -1 && offset < tuple->t_len && VARATT_IS_1B(start + offset))
		{
			if (VARATT_IS_1B_E(start + offset) ||
				VARSIZE_1B(start + offset) > tuple->t_len - offset)
				return "A column has an impossible length.";
			offset += VARSIZE_1B(start + offset);
			continue;
		}
		offset = att_align_nominal(offset, att->attalign);
		if (att->attlen == -1)
		{
			if (offset + VARHDRSZ > tuple->t_len || !VARATT_IS_4B_U(start + offset))
				return "A column has an impossible length.";
			length = VARSIZE_4B(start + offset);
			if (length < VARHDRSZ)
				return "A column has an impossible length.";
		}
		if (length > tuple->t_len - Min(offset, tuple->t_len))
			return "A column has an impossible length.";
		offset += length;
	}
	return NULL;
}
