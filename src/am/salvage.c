/*
 * salvage.c
 *		Reading what is left of a damaged table.
 */
#include "postgres.h"

#include "am/salvage.h"

#include "access/xact.h"
#include "store/chunk_tid.h"
#include "store/damage.h"
#include "utils/guc.h"

int			tsdb_damaged_chunks = TSDB_DAMAGED_ERROR;

static const struct config_enum_entry choices[] = {
	{"error", TSDB_DAMAGED_ERROR, false},
	{"skip", TSDB_DAMAGED_SKIP, false},
	{"nulls", TSDB_DAMAGED_NULLS, false},
	{NULL, 0, false}
};

void
tsdb_salvage_init(void)
{
	DefineCustomEnumVariable("tsdb.damaged_chunks",
							 "What statements do that read a damaged chunk.",
							 "They fail (error), go on without its rows (skip), or with nulls "
							 "for the columns that cannot be read (nulls). For salvage.",
							 &tsdb_damaged_chunks, TSDB_DAMAGED_ERROR, choices,
							 PGC_SUSET, 0, NULL, NULL, NULL);
}

/* Access by TID comes by a chunk for each of its rows: say so once in a row. */
static bool
is_repeated(Oid storage, uint32 chunk, AttrNumber attno)
{
	static Oid	last_storage;
	static uint32 last_chunk;
	static AttrNumber last_attno;
	static TimestampTz last_statement;
	TimestampTz statement = GetCurrentStatementStartTimestamp();
	bool		same = storage == last_storage && chunk == last_chunk &&
	attno == last_attno && statement == last_statement;

	last_storage = storage;
	last_chunk = chunk;
	last_attno = attno;
	last_statement = statement;
	return same;
}

static void
warn_skipped(TsdbStorage *storage, uint32 chunk, uint32 nrows, const char *detail)
{
	if (is_repeated(storage->identity, chunk, 0))
		return;
	if (nrows > 0)
		ereport(WARNING,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("passing over %u rows of damaged chunk %u of table \"%s\"", nrows,
						chunk, RelationGetRelationName(storage->table)),
				 errdetail_internal("%s", detail)));
	else
		ereport(WARNING,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("passing over damaged chunk %u of table \"%s\"",
						chunk, RelationGetRelationName(storage->table)),
				 errdetail_internal("%s", detail)));
}

static const char *
error_text(const ErrorData *error)
{
	return error->detail != NULL ? error->detail : error->message;
}

typedef struct PageWork
{
	TsdbStorage *storage;
	BlockNumber block;
	Snapshot	snapshot;
	TsdbChunkEntry *entries;
	int			count;
	List	   *faults;
} PageWork;

static void
list_page(void *arg)
{
	PageWork   *work = arg;

	work->count = tsdb_directory_page_with_faults(work->storage, work->block, work->snapshot,
												  &work->entries, &work->faults);
}

int
tsdb_salvage_page(TsdbStorage *storage, BlockNumber block, Snapshot snapshot, bool skip,
				  TsdbChunkEntry **entries)
{
	PageWork	work = {.storage = storage,.block = block,.snapshot = snapshot};
	ErrorData  *error;
	ListCell   *lc;

	if (!skip && tsdb_damaged_chunks == TSDB_DAMAGED_ERROR)
		return tsdb_directory_page(storage, block, snapshot, entries);

	tsdb_storage_open_members(storage);
	error = tsdb_damage_catch(list_page, &work, false);
	if (error != NULL)
	{
		ereport(WARNING,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("passing over chunks %u to %u of table \"%s\"",
						block * TSDB_DIRECTORY_SLOTS,
						block * TSDB_DIRECTORY_SLOTS + TSDB_DIRECTORY_SLOTS - 1,
						RelationGetRelationName(storage->table)),
				 errdetail_internal("%s", error_text(error))));
		*entries = palloc0(sizeof(TsdbChunkEntry));
		return 0;
	}
	foreach(lc, work.faults)
	{
		TsdbChunkFault *fault = lfirst(lc);

		warn_skipped(storage, fault->chunk, 0, fault->detail);
	}
	*entries = work.entries;
	return work.count;
}

bool
tsdb_salvage_chunk(TsdbStorage *storage, uint32 chunk, uint32 nrows, bool skip,
				   void (*work) (void *arg), void *arg)
{
	ErrorData  *error;

	if (!skip && tsdb_damaged_chunks == TSDB_DAMAGED_ERROR)
	{
		work(arg);
		return true;
	}
	tsdb_storage_open_members(storage);
	error = tsdb_damage_catch(work, arg, false);
	if (error == NULL)
		return true;
	warn_skipped(storage, chunk, nrows, error_text(error));
	FreeErrorData(error);
	return false;
}

typedef struct ColumnWork
{
	TsdbChunkReader *reader;
	AttrNumber	attno;
	const TsdbColumn *column;
} ColumnWork;

static void
read_column(void *arg)
{
	ColumnWork *work = arg;

	work->column = tsdb_chunk_reader_column(work->reader, work->attno);
}

const TsdbColumn *
tsdb_salvage_column(TsdbStorage *storage, uint32 chunk, TsdbChunkReader *reader,
					AttrNumber attno)
{
	ColumnWork	work = {.reader = reader,.attno = attno};
	ErrorData  *error;
	uint32		nrows = tsdb_chunk_reader_rows(reader);
	TsdbColumn *column;

	if (tsdb_damaged_chunks != TSDB_DAMAGED_NULLS)
		return tsdb_chunk_reader_column(reader, attno);
	tsdb_storage_open_members(storage);
	error = tsdb_damage_catch(read_column, &work, false);
	if (error == NULL)
		return work.column;
	if (!is_repeated(storage->identity, chunk, attno))
		ereport(WARNING,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("reading column \"%s\" of damaged chunk %u of table \"%s\" as null",
						NameStr(TupleDescAttr(RelationGetDescr(storage->table),
											  attno - 1)->attname),
						chunk, RelationGetRelationName(storage->table)),
				 errdetail_internal("%s", error_text(error))));
	FreeErrorData(error);
	column = palloc(sizeof(TsdbColumn));
	column->values = palloc0(nrows * sizeof(Datum));
	column->nulls = palloc(nrows * sizeof(bool));
	memset(column->nulls, true, nrows * sizeof(bool));
	column->any_null = true;
	return column;
}
