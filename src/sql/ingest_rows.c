/*
 * ingest_rows.c
 *		What a call of tsdb.ingest() was given: rows, in columns.
 */
#include "postgres.h"

#include "sql/ingest_rows.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "sql/ingest_binary.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

Datum
tsdb_ingest_value(const TsdbIngestColumn *column, uint32 row, bool *isnull)
{
	const TsdbRowColumn *data = &column->data;

	if (data->same)
		row = 0;
	*isnull = data->nulls != NULL && data->nulls[row];
	if (*isnull)
		return (Datum) 0;
	return column->byval ?
		fetch_att(data->fixed + (Size) row * column->length, true, column->length) :
		data->values[row];
}

void
tsdb_ingest_set_values(TsdbIngestColumn *column, const Datum *values, const bool *nulls,
					   uint32 nrows)
{
	char	   *fixed;
	Datum	   *own;
	bool		any_null = false;

	for (uint32 i = 0; i < nrows; i++)
		any_null |= nulls[i];
	column->data = (TsdbRowColumn)
	{
		.nulls = any_null ? nulls : NULL
	};
	if (column->byval)
	{
		column->data.fixed = fixed = palloc0((Size) Max(nrows, 1) * column->length);
		for (uint32 i = 0; i < nrows; i++)
		{
			if (!nulls[i])
				store_att_byval(fixed + (Size) i * column->length, values[i], column->length);
		}
		return;
	}
	column->data.values = own = palloc(Max(nrows, 1) * sizeof(Datum));
	for (uint32 i = 0; i < nrows; i++)
	{
		/* neither compressed nor out of line, as its next reader may be another process */
		own[i] = column->length == -1 && !nulls[i] ?
			PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[i])) : values[i];
	}
}

static void
set_type(TsdbIngestColumn *column, Form_pg_attribute att)
{
	column->type = att->atttypid;
	column->typmod = att->atttypmod;
	column->length = att->attlen;
	column->byval = att->attbyval;
}

/* The table's columns that positions stand for. */
static AttrNumber *
live_columns(Relation rel, int *count)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	AttrNumber *attnos = palloc(Max(tupdesc->natts, 1) * sizeof(AttrNumber));

	*count = 0;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		if (!TupleDescAttr(tupdesc, i)->attisdropped)
			attnos[(*count)++] = i + 1;
	}
	return attnos;
}

static void pg_attribute_noreturn()
too_many(Relation rel, int given, int columns)
{
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("tsdb.ingest() has more columns than relation \"%s\"",
					RelationGetRelationName(rel)),
			 errdetail("%d are given, the relation has %d.", given, columns)));
}

/* ---- a row ---- */

/* An untyped literal is read as a value of the column, as in VALUES. */
static Datum
read_literal(Form_pg_attribute att, Datum literal, bool isnull)
{
	Oid			input;
	Oid			typioparam;

	getTypeInputInfo(att->atttypid, &input, &typioparam);
	return OidInputFunctionCall(input, isnull ? NULL : DatumGetCString(literal), typioparam,
								att->atttypmod);
}

static TsdbIngestRows *
rows_of_record(Relation rel, Datum record)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(record);
	TupleDesc	tupdesc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
												 HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header),.t_data = header};
	Datum	   *values = palloc(Max(tupdesc->natts, 1) * sizeof(Datum));
	bool	   *nulls = palloc(Max(tupdesc->natts, 1) * sizeof(bool));
	TsdbIngestRows *rows = palloc0(sizeof(TsdbIngestRows));
	int			nlive;
	AttrNumber *live = live_columns(rel, &nlive);

	heap_deform_tuple(&tuple, tupdesc, values, nulls);
	rows->nrows = 1;
	rows->columns = palloc0(Max(tupdesc->natts, 1) * sizeof(TsdbIngestColumn));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		TsdbIngestColumn *column = &rows->columns[rows->ncolumns];

		if (att->attisdropped)
			continue;
		if (rows->ncolumns == nlive)
			too_many(rel, tupdesc->natts, nlive);
		column->attno = live[rows->ncolumns++];
		if (att->atttypid == UNKNOWNOID)
		{
			att = TupleDescAttr(RelationGetDescr(rel), column->attno - 1);
			values[i] = read_literal(att, values[i], nulls[i]);
		}
		set_type(column, att);
		tsdb_ingest_set_values(column, &values[i], &nulls[i], 1);
	}
	ReleaseTupleDesc(tupdesc);
	return rows;
}

/* ---- JSON ---- */

/* jsonb_populate_record(null::table, object), as a compiled expression with the object for a case value. */
static ExprState *
populate_expression(Relation rel)
{
	Oid			rowtype = rel->rd_rel->reltype;
	CaseTestExpr *object = makeNode(CaseTestExpr);
	FuncExpr   *call;

	object->typeId = JSONBOID;
	object->typeMod = -1;
	call = makeFuncExpr(F_JSONB_POPULATE_RECORD, rowtype,
						list_make2(makeNullConst(rowtype, -1, InvalidOid), object),
						InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	return ExecInitExpr((Expr *) call, NULL);
}

/* The columns that an object names. */
static Bitmapset *
columns_of_object(Relation rel, Jsonb *object)
{
	JsonbIterator *iterator = JsonbIteratorInit(&object->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	Bitmapset  *columns = NULL;
	bool		skip = false;

	while ((token = JsonbIteratorNext(&iterator, &value, skip)) != WJB_DONE)
	{
		char	   *name;
		AttrNumber	attno;

		skip = true;			/* what is in the values */
		if (token != WJB_KEY)
			continue;
		name = pnstrdup(value.val.string.val, value.val.string.len);
		attno = get_attnum(RelationGetRelid(rel), name);
		if (attno <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of relation \"%s\" does not exist", name,
							RelationGetRelationName(rel)),
					 errhint("Keys of an object for tsdb.ingest() are names of columns.")));
		columns = bms_add_member(columns, attno);
	}
	return columns;
}

static TsdbIngestRows *
rows_of_object(Relation rel, Jsonb *object, ExprState *populate, ExprContext *context)
{
	TupleDesc	tupdesc = RelationGetDescr(rel);
	TsdbIngestRows *rows = palloc0(sizeof(TsdbIngestRows));
	Bitmapset  *given = columns_of_object(rel, object);
	Datum	   *values = palloc(tupdesc->natts * sizeof(Datum));
	bool	   *nulls = palloc(tupdesc->natts * sizeof(bool));
	HeapTupleData tuple = {0};
	HeapTupleHeader header;
	bool		isnull;
	int			attno = -1;

	context->caseValue_datum = JsonbPGetDatum(object);
	context->caseValue_isNull = false;
	header = DatumGetHeapTupleHeader(ExecEvalExpr(populate, context, &isnull));
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	tuple.t_data = header;
	heap_deform_tuple(&tuple, tupdesc, values, nulls);

	rows->nrows = 1;
	rows->columns = palloc0(Max(bms_num_members(given), 1) * sizeof(TsdbIngestColumn));
	while ((attno = bms_next_member(given, attno)) >= 0)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, attno - 1);
		TsdbIngestColumn *column = &rows->columns[rows->ncolumns++];

		column->attno = attno;
		set_type(column, att);
		tsdb_ingest_set_values(column, &values[attno - 1], &nulls[attno - 1], 1);
	}
	return rows;
}

static void pg_attribute_noreturn()
not_an_object(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("JSON for tsdb.ingest() must be an object or an array of objects"),
			 errhint("An object is one row: {\"column\": value, ...}.")));
}

static List *
rows_of_json(Relation rel, Jsonb *json)
{
	ExprState  *populate = populate_expression(rel);
	ExprContext *context = CreateStandaloneExprContext();
	List	   *list = NIL;

	if (JB_ROOT_IS_OBJECT(json))
		list = list_make1(rows_of_object(rel, json, populate, context));
	else if (JB_ROOT_IS_SCALAR(json))
		not_an_object();
	else
	{
		JsonbIterator *iterator = JsonbIteratorInit(&json->root);
		JsonbIteratorToken token;
		JsonbValue	value;
		bool		skip = false;

		while ((token = JsonbIteratorNext(&iterator, &value, skip)) != WJB_DONE)
		{
			skip = true;
			if (token != WJB_ELEM)
				continue;
			if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
				not_an_object();
			list = lappend(list, rows_of_object(rel, JsonbValueToJsonb(&value), populate,
												context));
		}
	}
	return list;
}

/* ---- arrays ---- */

/* Set a column to what an argument has; returns how many values that are. */
static uint32
set_values_of_array(TsdbIngestColumn *column, ArrayType *array, int argument)
{
	Oid			element = ARR_ELEMTYPE(array);
	uint32		nrows = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	int16		length;
	bool		byval;
	char		align;
	Datum	   *values;
	bool	   *nulls;
	int			count;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("argument %d of tsdb.ingest() is an array of %d dimensions", argument,
						ARR_NDIM(array)),
				 errhint("Arrays have a value for each row.")));
	get_typlenbyvalalign(element, &length, &byval, &align);
	column->type = element;
	column->typmod = -1;
	column->length = length;
	column->byval = byval;
	if (byval && !ARR_HASNULL(array) && att_align_nominal(length, align) == length)
	{
		/* as they lie in the array */
		column->data = (TsdbRowColumn)
		{
			.fixed = ARR_DATA_PTR(array)
		};
		return nrows;
	}
	deconstruct_array(array, element, length, byval, align, &values, &nulls, &count);
	tsdb_ingest_set_values(column, values, nulls, nrows);
	return nrows;
}

static uint32
set_array(TsdbIngestColumn *column, Datum value, Oid type, int argument)
{
	if (!OidIsValid(get_element_type(type)))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("argument %d of tsdb.ingest() is of type %s, not an array", argument,
						format_type_be(type)),
				 errhint("Give one row, one value of JSON, or an array for each column.")));
	return set_values_of_array(column, DatumGetArrayTypeP(value), argument);
}

static uint32
set_binary_array(TsdbIngestColumn *column, bytea *bytes, int argument)
{
	Oid			element;
	int16		length;
	uint32		nrows;
	char	   *values = tsdb_ingest_read_fixed(bytes, &element, &length, &nrows);

	if (values == NULL)
		return set_values_of_array(column, tsdb_ingest_read_array(bytes, argument), argument);
	column->type = element;
	column->typmod = -1;
	column->length = length;
	column->byval = true;
	column->data = (TsdbRowColumn)
	{
		.fixed = values
	};
	return nrows;
}

static TsdbIngestRows *
rows_of_arrays(Relation rel, FunctionCallInfo fcinfo)
{
	TsdbIngestRows *rows = palloc0(sizeof(TsdbIngestRows));
	int			nlive;
	AttrNumber *live = live_columns(rel, &nlive);
	int			first = -1;

	if (PG_NARGS() - 1 > nlive)
		too_many(rel, PG_NARGS() - 1, nlive);
	rows->columns = palloc0((PG_NARGS() - 1) * sizeof(TsdbIngestColumn));
	for (int i = 1; i < PG_NARGS(); i++)
	{
		Oid			type = get_fn_expr_argtype(fcinfo->flinfo, i);
		TsdbIngestColumn *column = &rows->columns[rows->ncolumns];
		uint32		length;

		if (PG_ARGISNULL(i))
			continue;			/* the column's default */
		length = type == BYTEAOID ? set_binary_array(column, PG_GETARG_BYTEA_PP(i), i + 1) :
			set_array(column, PG_GETARG_DATUM(i), type, i + 1);
		if (first < 0)
		{
			first = i;
			rows->nrows = length;
		}
		else if (length != rows->nrows)
			ereport(ERROR,
					(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
					 errmsg("arrays of tsdb.ingest() differ in length"),
					 errdetail("Argument %d has %u values, argument %d has %u.", first + 1,
							   rows->nrows, i + 1, length)));
		column->attno = live[i - 1];
		rows->ncolumns++;
	}
	return rows;
}

/* ---- all ---- */

/* A null where a row should be. */
static void pg_attribute_noreturn()
null_row(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("row for tsdb.ingest() must not be null")));
}

List *
tsdb_ingest_rows_of_call(FunctionCallInfo fcinfo, Relation rel)
{
	Oid			type;

	if (get_fn_expr_variadic(fcinfo->flinfo))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("tsdb.ingest() cannot be called with VARIADIC"),
				 errhint("Give an array for each column.")));
	type = PG_NARGS() > 1 ? get_fn_expr_argtype(fcinfo->flinfo, 1) : InvalidOid;
	if (PG_NARGS() == 2 && type_is_rowtype(type))
	{
		if (PG_ARGISNULL(1))
			null_row();
		return list_make1(rows_of_record(rel, PG_GETARG_DATUM(1)));
	}
	if (PG_NARGS() == 2 && (type == JSONBOID || type == JSONOID || type == TEXTOID ||
							type == UNKNOWNOID))
	{
		char	   *json;

		if (PG_ARGISNULL(1))
			null_row();
		if (type == JSONBOID)
			return rows_of_json(rel, DatumGetJsonbP(PG_GETARG_DATUM(1)));
		json = type == UNKNOWNOID ? PG_GETARG_CSTRING(1) : TextDatumGetCString(PG_GETARG_DATUM(1));
		return rows_of_json(rel, DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
																   CStringGetDatum(json))));
	}
	return list_make1(rows_of_arrays(rel, fcinfo));
}
