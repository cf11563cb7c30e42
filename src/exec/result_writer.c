/*
 * result_writer.c
 *		Rows of a result, written to the client.
 */
#include "postgres.h"

#include "exec/result_writer.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "exec/time_text.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "nodes/extensible.h"
#include "nodes/plannodes.h"
#include "port/pg_bswap.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"

bool		tsdb_enable_result_writer = true;

/* So many rows are left to PostgreSQL before columns are looked at. */
#define ROWS_BEFORE		16

/* No number has more characters than a time may have. */
#define TEXT_MAX		TSDB_TIME_TEXT_MAX

/* Whole numbers below this are printed as integers are; larger ones may get an exponent. */
#define WHOLE_MAX		1e9

typedef enum Form
{
	FORM_BYTES_1,				/* binary: the value's bytes, most significant first */
	FORM_BYTES_2,
	FORM_BYTES_4,
	FORM_BYTES_8,
	FORM_BOOL,					/* text */
	FORM_INT2,
	FORM_INT4,
	FORM_INT8,
	FORM_OID,
	FORM_FLOAT4,
	FORM_FLOAT8,
	FORM_TIMESTAMP,
	FORM_TIMESTAMPTZ,
	FORM_STRING,				/* the characters of a varlena, in both formats */
	FORM_OUTPUT,				/* by the type's function, text */
	FORM_SEND,					/* by the type's function, binary */
} Form;

typedef struct Column
{
	Form		form;
	FmgrInfo	function;		/* the type's, for what is not written here */
	TsdbTimeText day;			/* of times */
} Column;

typedef struct Writer
{
	DestReceiver receiver;		/* must be first */
	DestReceiver *next;			/* PostgreSQL's */
	const int16 *formats;
	uint32		rows;			/* at most ROWS_BEFORE */
	TupleDesc	columns_of;
	Column	   *columns;
	StringInfoData message;
	MemoryContext context;		/* what lives as long as the writer; made with the columns */
	MemoryContext row_context;
} Writer;

/* ---- which function writes what ---- */

static Form
find_form(Oid function, bool binary)
{
	switch (function)
	{
		case F_BOOLSEND:
		case F_CHARSEND:
			return FORM_BYTES_1;
		case F_INT2SEND:
			return FORM_BYTES_2;
		case F_INT4SEND:
		case F_FLOAT4SEND:
		case F_DATE_SEND:
		case F_OIDSEND:
			return FORM_BYTES_4;
		case F_INT8SEND:
		case F_FLOAT8SEND:
		case F_TIME_SEND:
		case F_TIMESTAMP_SEND:
		case F_TIMESTAMPTZ_SEND:
			return FORM_BYTES_8;
		case F_BOOLOUT:
			return FORM_BOOL;
		case F_INT2OUT:
			return FORM_INT2;
		case F_INT4OUT:
			return FORM_INT4;
		case F_INT8OUT:
			return FORM_INT8;
		case F_OIDOUT:
			return FORM_OID;
		case F_FLOAT4OUT:
			return FORM_FLOAT4;
		case F_FLOAT8OUT:
			return FORM_FLOAT8;
		case F_TIMESTAMP_OUT:
			return FORM_TIMESTAMP;
		case F_TIMESTAMPTZ_OUT:
			return FORM_TIMESTAMPTZ;
		case F_TEXTOUT:
		case F_TEXTSEND:
		case F_VARCHAROUT:
		case F_VARCHARSEND:
		case F_BPCHAROUT:
		case F_BPCHARSEND:
			return FORM_STRING;
		default:
			return binary ? FORM_SEND : FORM_OUTPUT;
	}
}

static void
set_columns(Writer *writer, TupleDesc desc)
{
	MemoryContext outer;

	if (writer->context == NULL)
		writer->context = AllocSetContextCreate(CurrentMemoryContext, "tsdb result writer",
												ALLOCSET_DEFAULT_SIZES);
	else
		MemoryContextReset(writer->context);
	outer = MemoryContextSwitchTo(writer->context);
	writer->row_context = AllocSetContextCreate(writer->context, "tsdb result row",
												ALLOCSET_DEFAULT_SIZES);
	initStringInfo(&writer->message);
	writer->columns = palloc0_array(Column, Max(desc->natts, 1));
	for (int i = 0; i < desc->natts; i++)
	{
		Oid			type = TupleDescAttr(desc, i)->atttypid;
		bool		binary = writer->formats[i] == 1;
		bool		is_varlena;
		Oid			function;

		if (binary)
			getTypeBinaryOutputInfo(type, &function, &is_varlena);
		else
			getTypeOutputInfo(type, &function, &is_varlena);
		writer->columns[i].form = find_form(function, binary);
		fmgr_info(function, &writer->columns[i].function);
	}
	writer->columns_of = desc;
	MemoryContextSwitchTo(outer);
}

/* ---- values ---- */

/* Room for so many bytes; returns where they go. */
static inline char *
reserve(StringInfo message, int bytes)
{
	if (unlikely(message->maxlen - message->len <= bytes))
		enlargeStringInfo(message, bytes);
	return message->data + message->len;
}

static inline void
write_length(StringInfo message, int32 length)
{
	uint32		bytes = pg_hton32((uint32) length);

	memcpy(reserve(message, sizeof(bytes)), &bytes, sizeof(bytes));
	message->len += sizeof(bytes);
}

/* A value whose last bytes these are, behind its length: a power of two up to eight. */
static inline void
write_bytes(StringInfo message, uint64 value, int size)
{
	char	   *at = reserve(message, (int) sizeof(uint32) + size);
	uint32		length = pg_hton32((uint32) size);
	uint64		bytes = pg_hton64(value << (64 - 8 * size));

	memcpy(at, &length, sizeof(length));
	memcpy(at + sizeof(length), &bytes, (size_t) size);
	message->len += (int) sizeof(length) + size;
}

static inline int
print_double(double value, char *at)
{
	if (value > -WHOLE_MAX && value < WHOLE_MAX && value == (int32) value &&
		!(value == 0 && signbit(value)))
		return pg_ltoa((int32) value, at);
	return double_to_shortest_decimal_bufn(value, at);
}

/* A value as text, of forms that are printed here. */
static inline int
print_value(Column *column, Datum value, char *at)
{
	switch (column->form)
	{
		case FORM_BOOL:
			*at = DatumGetBool(value) ? 't' : 'f';
			return 1;
		case FORM_INT2:
			return pg_itoa(DatumGetInt16(value), at);
		case FORM_INT4:
			return pg_ltoa(DatumGetInt32(value), at);
		case FORM_INT8:
			return pg_lltoa(DatumGetInt64(value), at);
		case FORM_OID:
			return pg_ultoa_n(DatumGetObjectId(value), at);
		case FORM_FLOAT4:
			return float_to_shortest_decimal_bufn(DatumGetFloat4(value), at);
		case FORM_FLOAT8:
			return print_double(DatumGetFloat8(value), at);
		default:
			return tsdb_time_text_print(&column->day, column->form == FORM_TIMESTAMPTZ,
										DatumGetInt64(value), at);
	}
}

static inline void
write_text(StringInfo message, Column *column, Datum value)
{
	char	   *at = reserve(message, (int) sizeof(uint32) + TEXT_MAX);
	int			length = print_value(column, value, at + sizeof(uint32));
	uint32		bytes = pg_hton32((uint32) length);

	memcpy(at, &bytes, sizeof(bytes));
	message->len += (int) sizeof(bytes) + length;
}

static void
write_by_function(Writer *writer, Column *column, Datum value)
{
	MemoryContext outer = MemoryContextSwitchTo(writer->row_context);

	if (column->form == FORM_STRING)
	{
		text	   *string = DatumGetTextPP(value);

		pq_sendcountedtext(&writer->message, VARDATA_ANY(string), (int) VARSIZE_ANY_EXHDR(string), false);
	}
	else if (column->form == FORM_SEND)
	{
		bytea	   *bytes = SendFunctionCall(&column->function, value);
		int			length = (int) (VARSIZE(bytes) - VARHDRSZ);

		write_length(&writer->message, length);
		pq_sendbytes(&writer->message, VARDATA(bytes), length);
	}
	else
	{
		char	   *string = OutputFunctionCall(&column->function, value);

		pq_sendcountedtext(&writer->message, string, (int) strlen(string), false);
	}
	MemoryContextSwitchTo(outer);
}

static inline void
write_value(Writer *writer, Column *column, Datum value)
{
	switch (column->form)
	{
		case FORM_BYTES_1:
			write_bytes(&writer->message, value, 1);
			break;
		case FORM_BYTES_2:
			write_bytes(&writer->message, value, 2);
			break;
		case FORM_BYTES_4:
			write_bytes(&writer->message, value, 4);
			break;
		case FORM_BYTES_8:
			write_bytes(&writer->message, value, 8);
			break;
		case FORM_FLOAT4:
		case FORM_FLOAT8:
			/* fewer digits than tell numbers apart may have been asked for, also meanwhile */
			if (extra_float_digits > 0)
				write_text(&writer->message, column, value);
			else
				write_by_function(writer, column, value);
			break;
		case FORM_BOOL:
		case FORM_INT2:
		case FORM_INT4:
		case FORM_INT8:
		case FORM_OID:
		case FORM_TIMESTAMP:
		case FORM_TIMESTAMPTZ:
			write_text(&writer->message, column, value);
			break;
		case FORM_STRING:
		case FORM_OUTPUT:
		case FORM_SEND:
			write_by_function(writer, column, value);
			break;
	}
}

/* ---- the receiver ---- */

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	Writer	   *writer = (Writer *) self;
	TupleDesc	desc = slot->tts_tupleDescriptor;
	int			natts = desc->natts;
	StringInfo	message = &writer->message;
	uint16		count = pg_hton16((uint16) natts);

	if (writer->rows < ROWS_BEFORE)
	{
		writer->rows++;
		return writer->next->receiveSlot(slot, writer->next);
	}
	if (writer->columns_of != desc)
		set_columns(writer, desc);

	slot_getallattrs(slot);
	pq_beginmessage_reuse(message, 'D');
	memcpy(reserve(message, sizeof(count)), &count, sizeof(count));
	message->len = sizeof(count);
	for (int i = 0; i < natts; i++)
	{
		if (slot->tts_isnull[i])
			write_length(message, -1);
		else
			write_value(writer, &writer->columns[i], slot->tts_values[i]);
	}
	pq_endmessage_reuse(message);
	MemoryContextReset(writer->row_context);
	return true;
}

static void
start(DestReceiver *self, int operation, TupleDesc desc)
{
	Writer	   *writer = (Writer *) self;

	writer->next->rStartup(writer->next, operation, desc);
}

static void
shut_down(DestReceiver *self)
{
	Writer	   *writer = (Writer *) self;

	writer->next->rShutdown(writer->next);
}

/* Who made the writer also ends it. */
static void
destroy(DestReceiver *self)
{
}

/* Is a node of ours at the plan's top, or first below what takes rows from it? */
static bool
is_ours(Plan *plan)
{
	while (plan != NULL)
	{
		switch (nodeTag(plan))
		{
			case T_CustomScan:
				return strncmp(((CustomScan *) plan)->methods->CustomName, "tsdb", 4) == 0;
			case T_Append:
				plan = linitial(((Append *) plan)->appendplans);
				break;
			case T_MergeAppend:
				plan = linitial(((MergeAppend *) plan)->mergeplans);
				break;
			case T_SubqueryScan:
				plan = ((SubqueryScan *) plan)->subplan;
				break;
			default:
				plan = outerPlan(plan);
				break;
		}
	}
	return false;
}

DestReceiver *
tsdb_result_writer_enter(QueryDesc *query)
{
	DestReceiver *previous = query->dest;
	Writer	   *writer;

	/*
	 * Formats are known of the portal that runs this query for a client.  A cursor's rows, and those of
	 * EXECUTE, go to a tuple store first.
	 */
	if (!tsdb_enable_result_writer || query->operation != CMD_SELECT ||
		(previous->mydest != DestRemote && previous->mydest != DestRemoteExecute) ||
		ActivePortal == NULL || ActivePortal->queryDesc != query || ActivePortal->formats == NULL ||
		!is_ours(query->plannedstmt->planTree))
		return previous;

	writer = palloc0_object(Writer);
	writer->receiver.receiveSlot = receive_row;
	writer->receiver.rStartup = start;
	writer->receiver.rShutdown = shut_down;
	writer->receiver.rDestroy = destroy;
	writer->receiver.mydest = previous->mydest;
	writer->next = previous;
	writer->formats = ActivePortal->formats;
	query->dest = &writer->receiver;
	return previous;
}

void
tsdb_result_writer_leave(QueryDesc *query, DestReceiver *previous)
{
	Writer	   *writer = (Writer *) query->dest;

	if (query->dest == previous)
		return;
	query->dest = previous;
	if (writer->context != NULL)
		MemoryContextDelete(writer->context);
	pfree(writer);
}
