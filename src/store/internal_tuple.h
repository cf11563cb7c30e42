/*
 * internal_tuple.h
 *		Tuples of internal relations, read without trusting a byte of them.
 *
 * Heap's own code follows line pointers, header lengths and varlena headers
 * wherever they lead, which is right for pages that nobody but heap writes and
 * fatal for pages with a flipped bit.  Readers of internal relations come by
 * here first: what passes can be handed to HeapTupleSatisfiesVisibility and
 * heap_deform_tuple.  That the values are the ones written is for the checksum
 * that each kind of tuple carries.
 */
#ifndef TSDB_STORE_INTERNAL_TUPLE_H
#define TSDB_STORE_INTERNAL_TUPLE_H

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "storage/bufpage.h"
#include "utils/rel.h"

typedef enum TsdbItem
{
	TSDB_ITEM_NONE,				/* unused, dead or redirected */
	TSDB_ITEM_TUPLE,			/* tuple points into the page */
	TSDB_ITEM_DAMAGED			/* points outside of the page */
} TsdbItem;

/* Look at a line pointer of a page that has one of that number. */
extern TsdbItem tsdb_internal_item(Relation rel, Page page, BlockNumber block,
								   OffsetNumber offset, HeapTuple tuple);

/* Can a tuple of this relation carry this transaction id, unless it is frozen? */
extern bool tsdb_internal_xid_possible(Relation rel, TransactionId xid);

/*
 * Why the header cannot be that of a tuple that was inserted into rel, perhaps
 * deleted, and never updated or locked; NULL if it can.  A static sentence, for
 * an error's detail.  The page is still locked: then relfrozenxid is no later
 * than what VACUUM has frozen on it.
 */
extern const char *tsdb_internal_header_fault(Relation rel, HeapTuple tuple);

/* Why the columns cannot be those of rel, none compressed or out of line; NULL if they can. */
extern const char *tsdb_internal_columns_fault(Relation rel, HeapTuple tuple);

#endif							/* TSDB_STORE_INTERNAL_TUPLE_H */
