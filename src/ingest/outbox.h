/*
 * outbox.h
 *		Rows that the running transaction is going to push into the ring.
 *
 * Rows wait here, in the backend's own memory, until the transaction commits.  If it
 * fails they are gone with it.  Before it commits they are pushed; or, with durability commit, written together with
 * other clients' (ingest/group_commit.h).  This is the last thing that can fail for the statement.
 * The caller holds its lock of the table all the while.
 *
 * Should the transaction commit something of its own (it has got a transaction ID by then, or a
 * notification is to be sent, or temporary tables are to be emptied), its fate must be one with the rows':
 * then they are written here, in the transaction, as they are when the ring cannot have them.
 */
#ifndef TSDB_INGEST_OUTBOX_H
#define TSDB_INGEST_OUTBOX_H

#include "chunk/chunk.h"
#include "ingest/row_block.h"
#include "utils/rel.h"

/* May rows of this transaction travel by the ring, as of now? */
extern bool tsdb_outbox_open(void);

/*
 * Add rows for a table, which is locked for writing: nrows of them, in columns as a row
 * block's.  They are copied.
 */
extern void tsdb_outbox_add(Relation rel, const TsdbSortKey *key, const TsdbRowColumn *columns,
							uint32 nrows);

/* Before the transaction commits; when it has ended. */
extern void tsdb_outbox_before_commit(void);
extern void tsdb_outbox_at_xact_end(bool committed);

#endif							/* TSDB_INGEST_OUTBOX_H */
