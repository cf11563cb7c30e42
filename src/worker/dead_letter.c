/*
 * dead_letter.c
 *		Rows that were accepted and cannot be written: to tsdb.dead_letters, with the reason.
 */
#include "postgres.h"

#include "worker/dead_letter.h"

#include "access/htup_details.h"
#include "catalog/pg_authid_d.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

bool
tsdb_dead_letter_is_for(int sqlerrcode)
{
	int			class = ERRCODE_TO_CATEGORY(sqlerrcode);

	return class == ERRCODE_DATA_EXCEPTION || class == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION ||
		(class == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION &&
		 sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE);
}

/* The row as an object of JSON, with names as they are now. */
static Datum
row_as_json(Relation rel, const TsdbRowBlock *block, uint32 number)
{
	TupleDesc	now = RelationGetDescr(rel);
	TupleDesc	tupdesc = CreateTemplateTupleDesc(block->ncolumns);
	Datum	   *values = palloc(Max(block->ncolumns, 1) * sizeof(Datum));
	bool	   *nulls = palloc(Max(block->ncolumns, 1) * sizeof(bool));
	TsdbRowReader reader;

	for (int c = 0; c < block->ncolumns; c++)
	{
		const TsdbRowBlockColumn *column = &block->columns[c];
		bool		dropped = column->attno > now->natts ||
			TupleDescAttr(now, column->attno - 1)->attisdropped;

		TupleDescInitEntry(tupdesc, c + 1, dropped ? psprintf("(dropped %d)", column->attno) :
						   NameStr(TupleDescAttr(now, column->attno - 1)->attname),
						   column->type, column->typmod, 0);
	}
	tsdb_row_reader_init(&reader, block);
	for (uint32 i = 0; i <= number; i++)
	{
		if (!tsdb_row_reader_next(&reader, values, nulls))
			elog(ERROR, "row %u is not in the block", number);
	}
	BlessTupleDesc(tupdesc);
	return DirectFunctionCall1(row_to_json,
							   HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls)));
}

void
tsdb_dead_letter_add(Relation rel, const TsdbRowBlock *block, uint32 number, Oid sent_by,
					 const ErrorData *error)
{
	static const char insert[] =
		"INSERT INTO tsdb.dead_letters (at, \"table\", table_name, sent_by, sqlstate, message, detail, \"row\") "
		"VALUES (pg_catalog.clock_timestamp(), $1, $2, $3, $4, $5, $6, $7::pg_catalog.jsonb)";
	Oid			types[] = {OIDOID, TEXTOID, OIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[lengthof(types)];
	char		nulls[lengthof(types) + 1];
	Oid			save_userid;
	int			save_sec_context;
	int			result;

	memset(nulls, ' ', lengthof(types));
	nulls[lengthof(types)] = '\0';
	values[0] = ObjectIdGetDatum(RelationGetRelid(rel));
	values[1] = CStringGetTextDatum(quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
															   RelationGetRelationName(rel)));
	values[2] = ObjectIdGetDatum(sent_by);
	values[3] = CStringGetTextDatum(unpack_sql_state(error->sqlerrcode));
	values[4] = CStringGetTextDatum(error->message);
	values[5] = CStringGetTextDatum(error->detail != NULL ? error->detail : "");
	if (error->detail == NULL)
		nulls[5] = 'n';
	values[6] = row_as_json(rel, block, number);

	GetUserIdAndSecContext(&save_userid, &save_sec_context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, save_sec_context);
	SPI_connect();
	result = SPI_execute_with_args(insert, lengthof(types), types, values, nulls, false, 0);
	if (result != SPI_OK_INSERT)
		elog(ERROR, "could not write a dead letter: %s", SPI_result_code_string(result));
	SPI_finish();
	SetUserIdAndSecContext(save_userid, save_sec_context);
}
