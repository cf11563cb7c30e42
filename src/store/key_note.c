/*
 * key_note.c
 *		What tells a session that the chunks of a table have changed.
 */
#include "postgres.h"

#include "store/key_note.h"

#include "access/generic_xlog.h"
#include "access/nbtree.h"
#include "access/xact.h"
#include "commands/defrem.h"
#include "common/pg_prng.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "store/recent_buffer.h"

#define NOTE_MAGIC		0x54534B4F

/* The note as it lies on the page, within pd_lower. */
typedef struct StoredNote
{
	uint32		magic;
	TransactionId writer;
	uint64		changes;
	uint64		loads;
} StoredNote;

#define NOTE_OFFSET	(MAXALIGN(SizeOfPageHeaderData) + MAXALIGN(sizeof(BTMetaPageData)))
#define NOTE_END	(NOTE_OFFSET + sizeof(StoredNote))

bool
tsdb_key_index_is(Relation index)
{
	return index->rd_rel->relam != BTREE_AM_OID &&
		index->rd_rel->relam == get_index_am_oid(TSDB_KEY_AM, true);
}

/* The note on a page that is locked; all zero if there is none. */
static void
get_note(Page page, TsdbKeyNote *note)
{
	StoredNote	stored;

	note->changes = 0;
	note->loads = 0;
	note->writer = InvalidTransactionId;
	if (PageIsNew(page) || ((PageHeader) page)->pd_lower < NOTE_END)
		return;
	memcpy(&stored, (char *) page + NOTE_OFFSET, sizeof(stored));
	if (stored.magic == NOTE_MAGIC)
	{
		note->changes = stored.changes;
		note->writer = stored.writer;
		note->loads = stored.loads;
	}
}

/*
 * Put a note on a page that is locked exclusively.  All of the page is logged,
 * since btree's redo may have left a page without note on the other side.
 */
static void
put_note(Relation index, Buffer buffer, const TsdbKeyNote *note)
{
	GenericXLogState *state = GenericXLogStart(index);
	Page		page = GenericXLogRegisterBuffer(state, buffer, GENERIC_XLOG_FULL_IMAGE);
	StoredNote	stored = {
		.magic = NOTE_MAGIC,.writer = note->writer,
		.changes = note->changes,.loads = note->loads
	};

	memcpy((char *) page + NOTE_OFFSET, &stored, sizeof(stored));
	((PageHeader) page)->pd_lower = NOTE_END;
	GenericXLogFinish(state);
}

void
tsdb_key_note_init(Relation index)
{
	TsdbKeyNote note = {
		.changes = pg_prng_uint64(&pg_global_prng_state),
		.loads = pg_prng_uint64(&pg_global_prng_state)
	};
	Buffer		buffer = ReadBuffer(index, BTREE_METAPAGE);

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	put_note(index, buffer, &note);
	UnlockReleaseBuffer(buffer);
}

void
tsdb_key_note_write(Relation index)
{
	TransactionId writer = GetTopTransactionId();
	Buffer		buffer = ReadBuffer(index, BTREE_METAPAGE);
	TsdbKeyNote note;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	get_note(BufferGetPage(buffer), &note);
	if (!TransactionIdEquals(note.writer, writer))
	{
		note.writer = writer;
		note.changes++;
		put_note(index, buffer, &note);
	}
	UnlockReleaseBuffer(buffer);
}

void
tsdb_key_note_load(Relation index)
{
	Buffer		buffer = ReadBuffer(index, BTREE_METAPAGE);
	TsdbKeyNote note;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	get_note(BufferGetPage(buffer), &note);
	note.loads++;
	put_note(index, buffer, &note);
	UnlockReleaseBuffer(buffer);
}

void
tsdb_key_note_read(Relation index, TsdbKeyNote *note)
{
	Buffer		buffer = tsdb_recent_buffer_read(index, BTREE_METAPAGE);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	get_note(BufferGetPage(buffer), note);
	UnlockReleaseBuffer(buffer);
}

bool
tsdb_key_writer_ended(TransactionId xid)
{
	return !TransactionIdIsCurrentTransactionId(xid) && !TransactionIdIsInProgress(xid);
}

bool
tsdb_key_note_is_quiet(const TsdbKeyNote *first, bool at_work, const TsdbKeyNote *later)
{
	if (at_work && tsdb_key_writer_ended(first->writer))
		return false;
	if (later->changes == first->changes)
		return true;
	return later->changes == first->changes + 1 && !tsdb_key_writer_ended(later->writer);
}
