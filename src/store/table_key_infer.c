/*
 * table_key_infer.c
 *		What orders a table when nobody said so.
 *
 * Most tables should need no options, and a wrong guess must cost only bytes:
 * the key decides how rows are sorted into chunks, never what a query returns.
 * So the rules take what the owner already told the server (keys, indexes,
 * column names), and leave out what would make each row its own series.
 */
#include "postgres.h"

#include "store/table_key_infer.h"

#include "access/htup_details.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type_d.h"
#include "chunk/chunk_type.h"
#include "commands/defrem.h"
#include "nodes/bitmapset.h"
#include "nodes/nodeFuncs.h"
#include "store/key_note.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/relcache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* bigint columns of these names are a time. */
static const char *const time_names[] = {
	"time", "ts", "timestamp", "datetime", "epoch", "unixtime", "unix_time",
	"time_s", "time_ms", "time_us", "time_ns", "ts_s", "ts_ms", "ts_us", "ts_ns",
	"timestamp_s", "timestamp_ms", "timestamp_us", "timestamp_ns",
	"epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "event_time", "measured_at",
	"recorded_at", "observed_at", "created_at", NULL
};

/* Columns of these names say what was measured, or where. */
static const char *const series_names[] = {
	"asset", "channel", "cluster", "container", "cpu", "device", "devicename",
	"device_name", "equipment", "gauge", "host", "host_name", "hostname",
	"instance", "instrument", "job", "location", "machine", "meter", "metric",
	"metric_name", "mount", "namespace", "node", "plant", "pod", "point", "probe",
	"region", "sensor", "sensor_name", "serial", "series", "server", "service",
	"site", "source", "station", "symbol", "tag", "tags", "ticker", "topic",
	"unit", "vehicle", NULL
};

/* Names that end in _id or _key and identify an event, not its source. */
static const char *const event_names[] = {
	"correlation_id", "event_id", "message_id", "msg_id", "request_id", "row_id",
	"session_id", "span_id", "trace_id", "transaction_id", "tx_id", NULL
};

static bool
is_one_of(const char *name, const char *const *names)
{
	for (; *names != NULL; names++)
	{
		if (pg_strcasecmp(name, *names) == 0)
			return true;
	}
	return false;
}

static bool
ends_with(const char *name, const char *suffix)
{
	size_t		length = strlen(name);
	size_t		suffix_length = strlen(suffix);

	return length > suffix_length &&
		pg_strcasecmp(name + length - suffix_length, suffix) == 0;
}

bool
tsdb_key_sortable(Form_pg_attribute att)
{
	return !att->attisdropped &&
		OidIsValid(lookup_type_cache(att->atttypid, TYPECACHE_CMP_PROC)->cmp_proc);
}

bool
tsdb_key_countable(Form_pg_attribute att)
{
	TsdbColumnType type;

	if (att->attisdropped)
		return false;
	tsdb_column_type_init(att, &type);
	return tsdb_column_type_is_time(&type);
}

static bool
is_series_column(const TsdbSortKey *key, AttrNumber attno)
{
	for (int i = 0; i < key->nseries; i++)
	{
		if (key->series[i] == attno)
			return true;
	}
	return false;
}

/* ---- indexes ---- */

/* An index whose columns may say what orders a table. */
typedef struct KeyIndex
{
	bool		primary;
	bool		unique;
	bool		ordered;		/* btree or tsdb_key */
	int			nkeys;
	AttrNumber	keys[INDEX_MAX_KEYS];
} KeyIndex;

static Oid
access_method(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			result = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_class) GETSTRUCT(tuple))->relam;
		ReleaseSysCache(tuple);
	}
	return result;
}

/* Read the table's usable indexes; palloc'd array in *indexes. */
static int
read_indexes(Relation table, KeyIndex **indexes)
{
	List	   *oids = RelationGetIndexList(table);
	int			count = 0;
	ListCell   *cell;

	*indexes = palloc0(sizeof(KeyIndex) * Max(list_length(oids), 1));
	foreach(cell, oids)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
		KeyIndex   *index = &(*indexes)[count];
		Form_pg_index form;

		if (!HeapTupleIsValid(tuple))
			continue;
		form = (Form_pg_index) GETSTRUCT(tuple);
		if (form->indisvalid && heap_attisnull(tuple, Anum_pg_index_indpred, NULL) &&
			heap_attisnull(tuple, Anum_pg_index_indexprs, NULL))
		{
			index->primary = form->indisprimary;
			index->unique = form->indisunique;
			index->ordered = access_method(form->indexrelid) == BTREE_AM_OID ||
				access_method(form->indexrelid) == get_index_am_oid(TSDB_KEY_AM, true);
			index->nkeys = form->indnkeyatts;
			for (int i = 0; i < form->indnkeyatts; i++)
				index->keys[i] = form->indkey.values[i];
			count++;
		}
		ReleaseSysCache(tuple);
	}
	list_free(oids);
	return count;
}

/* ---- time ---- */

/* Is the column in a unique key, or (primary) in the primary one? */
static bool
is_in_key(AttrNumber attno, const KeyIndex *indexes, int nindexes, bool primary)
{
	for (int i = 0; i < nindexes; i++)
	{
		if (!indexes[i].unique || (primary && !indexes[i].primary))
			continue;
		for (int j = 0; j < indexes[i].nkeys; j++)
		{
			if (indexes[i].keys[j] == attno)
				return true;
		}
	}
	return false;
}

/* The best column of a type: one of the primary key, else of a unique one,
 * else the first. names, if given, are the only ones that count. */
static AttrNumber
best_of_type(TupleDesc tupdesc, const TsdbSortKey *key, Oid type,
			 const char *const *names, const KeyIndex *indexes, int nindexes)
{
	AttrNumber	best = 0;
	int			best_rank = 3;

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		int			rank;

		if (att->attisdropped || getBaseType(att->atttypid) != type ||
			(names != NULL && !is_one_of(NameStr(att->attname), names)) ||
			is_series_column(key, att->attnum))
			continue;
		rank = is_in_key(att->attnum, indexes, nindexes, true) ? 0 :
			is_in_key(att->attnum, indexes, nindexes, false) ? 1 : 2;
		if (rank < best_rank)
		{
			best = att->attnum;
			best_rank = rank;
		}
	}
	return best;
}

void
tsdb_key_infer_time(Relation table, TsdbSortKey *key)
{
	static const Oid types[] = {TIMESTAMPTZOID, TIMESTAMPOID, DATEOID};
	TupleDesc	tupdesc = RelationGetDescr(table);
	KeyIndex   *indexes;
	int			nindexes = read_indexes(table, &indexes);

	for (int i = 0; i < lengthof(types) && key->time == 0; i++)
		key->time = best_of_type(tupdesc, key, types[i], NULL, indexes, nindexes);
	if (key->time == 0)
		key->time = best_of_type(tupdesc, key, INT8OID, time_names, indexes, nindexes);
	pfree(indexes);
}

/* ---- series ---- */

static bool
makes_new_values(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, NextValueExpr))
		return true;
	if (IsA(node, FuncExpr))
	{
		Oid			function = ((FuncExpr *) node)->funcid;
		char	   *name;

		if (function == F_NEXTVAL || function == F_GEN_RANDOM_UUID)
			return true;
		name = get_func_name(function);
		if (name != NULL && strncmp(name, "uuid_generate_", 14) == 0)
			return true;
	}
	return expression_tree_walker(node, makes_new_values, context);
}

/* Does this column tell rows apart rather than series? */
static bool
identifies_row(Relation table, Form_pg_attribute att, const KeyIndex *indexes, int nindexes)
{
	TupleDesc	tupdesc = RelationGetDescr(table);

	if (att->attidentity != '\0')
		return true;
	if (att->atthasdef && att->attgenerated == '\0' && tupdesc->constr != NULL)
	{
		for (int i = 0; i < tupdesc->constr->num_defval; i++)
		{
			AttrDefault *value = &tupdesc->constr->defval[i];

			if (value->adnum == att->attnum &&
				makes_new_values(stringToNode(value->adbin), NULL))
				return true;
		}
	}
	for (int i = 0; i < nindexes; i++)
	{
		if (indexes[i].unique && indexes[i].nkeys == 1 && indexes[i].keys[0] == att->attnum)
			return true;
	}
	return false;
}

/* Columns that an index may contribute to a series key. */
static Bitmapset *
find_candidates(Relation table, AttrNumber time, const KeyIndex *indexes, int nindexes)
{
	TupleDesc	tupdesc = RelationGetDescr(table);
	Bitmapset  *candidates = NULL;

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);

		if (att->attnum == time || !tsdb_key_sortable(att))
			continue;
		switch (getBaseType(att->atttypid))
		{
			case TIMESTAMPTZOID:
			case TIMESTAMPOID:
			case DATEOID:
			case FLOAT4OID:
			case FLOAT8OID:
				continue;
		}
		if (!identifies_row(table, att, indexes, nindexes))
			candidates = bms_add_member(candidates, att->attnum);
	}
	return candidates;
}

/* The key columns of an index before position "end" that are candidates. */
static int
pick_columns(const KeyIndex *index, int end, const Bitmapset *candidates,
			 AttrNumber *columns)
{
	int			count = 0;

	for (int i = 0; i < end; i++)
	{
		if (bms_is_member(index->keys[i], candidates))
			columns[count++] = index->keys[i];
	}
	return count;
}

static int
time_position(const KeyIndex *index, AttrNumber time)
{
	int			position = 0;

	while (position < index->nkeys && index->keys[position] != time)
		position++;
	return position;
}

/* Take columns as the series key if they are better than what is there:
 * fewer (or more), and by attribute number among equals. */
static void
offer(TsdbSortKey *key, const AttrNumber *columns, int ncolumns, bool fewer)
{
	bool		better;

	if (ncolumns == 0)
		return;
	if (key->nseries == 0)
		better = true;
	else if (ncolumns != key->nseries)
		better = fewer == (ncolumns < key->nseries);
	else
	{
		int			i = 0;

		while (i < ncolumns - 1 && columns[i] == key->series[i])
			i++;
		better = columns[i] < key->series[i];
	}
	if (better)
	{
		key->nseries = ncolumns;
		memcpy(key->series, columns, sizeof(AttrNumber) * ncolumns);
	}
}

/* The other columns of a unique key that contains the time column: of the
 * primary key, else of the shortest. */
static void
series_of_unique_key(TsdbSortKey *key, const KeyIndex *indexes, int nindexes,
					 const Bitmapset *candidates)
{
	AttrNumber	columns[INDEX_MAX_KEYS];

	for (int primary = 1; primary >= 0 && key->nseries == 0; primary--)
	{
		for (int i = 0; i < nindexes; i++)
		{
			const KeyIndex *index = &indexes[i];

			if (index->unique && index->primary == (primary == 1) &&
				time_position(index, key->time) < index->nkeys)
				offer(key, columns,
					  pick_columns(index, index->nkeys, candidates, columns), true);
		}
	}
}

/* The columns before the time column in a btree index: in that with the most. */
static void
series_of_index(TsdbSortKey *key, const KeyIndex *indexes, int nindexes,
				const Bitmapset *candidates)
{
	AttrNumber	columns[INDEX_MAX_KEYS];

	for (int i = 0; i < nindexes; i++)
	{
		const KeyIndex *index = &indexes[i];
		int			position = time_position(index, key->time);

		if (index->ordered && position < index->nkeys)
			offer(key, columns,
				  pick_columns(index, position, candidates, columns), false);
	}
}

static bool
type_names_series(Oid type)
{
	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case UUIDOID:
			return true;
		default:
			return get_typtype(type) == TYPTYPE_ENUM;
	}
}

static void
series_of_names(TsdbSortKey *key, TupleDesc tupdesc, const Bitmapset *candidates)
{
	for (int i = 0; i < tupdesc->natts && key->nseries < INDEX_MAX_KEYS; i++)
	{
		Form_pg_attribute att = TupleDescAttr(tupdesc, i);
		const char *name = NameStr(att->attname);

		if (bms_is_member(att->attnum, candidates) &&
			type_names_series(getBaseType(att->atttypid)) &&
			(is_one_of(name, series_names) ||
			 ((ends_with(name, "_id") || ends_with(name, "_key")) &&
			  !is_one_of(name, event_names))))
			key->series[key->nseries++] = att->attnum;
	}
}

void
tsdb_key_infer_series(Relation table, TsdbSortKey *key)
{
	KeyIndex   *indexes;
	int			nindexes;
	Bitmapset  *candidates;

	if (key->time == 0)
		return;

	nindexes = read_indexes(table, &indexes);
	candidates = find_candidates(table, key->time, indexes, nindexes);
	series_of_unique_key(key, indexes, nindexes, candidates);
	if (key->nseries == 0)
		series_of_index(key, indexes, nindexes, candidates);
	if (key->nseries == 0)
		series_of_names(key, RelationGetDescr(table), candidates);
	bms_free(candidates);
	pfree(indexes);
}
