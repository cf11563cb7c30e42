/*
 * table_key.c
 *		Which columns order a table: labels read, checked and written.
 *
 * Reading never fails: a label that does not fit the table as it is now counts
 * as absent.  Writing checks everything, whether it comes from SECURITY LABEL
 * or from tsdb_table_key_set().  Whoever writes a label holds
 * ShareUpdateExclusiveLock on the table, as compaction does, so a compaction
 * sees one key from its beginning to its end.
 */
#include "postgres.h"

#include "store/table_key.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_seclabel.h"
#include "commands/extension.h"
#include "commands/seclabel.h"
#include "store/internal.h"
#include "store/table_key_infer.h"
#include "store/table_label.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

/* ---- reading ---- */

/* Columns with a stated place first, then by attribute number. */
static int
compare_labels(const void *left, const void *right)
{
	const TsdbColumnLabel *a = left;
	const TsdbColumnLabel *b = right;
	int			place_a = a->position > 0 ? a->position : PG_INT16_MAX;
	int			place_b = b->position > 0 ? b->position : PG_INT16_MAX;

	if (place_a != place_b)
		return place_a < place_b ? -1 : 1;
	return a->attno < b->attno ? -1 : 1;
}

/* A key as stated, and which sides of it are. */
typedef struct StatedKey
{
	bool		time_stated;
	bool		series_stated;
	TsdbSortKey key;
} StatedKey;

/* Add what the labels of relation "relid" say about sides that are not stated
 * yet; relid is the table or one of its partitioned ancestors. */
static void
add_stated(Relation table, Oid relid, StatedKey *stated)
{
	TupleDesc	tupdesc = RelationGetDescr(table);
	bool		want_time = !stated->time_stated;
	bool		want_series = !stated->series_stated;
	TsdbTableLabels labels;

	tsdb_label_read(relid, &labels);
	qsort(labels.columns, labels.ncolumns, sizeof(TsdbColumnLabel), compare_labels);

	stated->time_stated |= labels.table.no_time;
	stated->series_stated |= labels.table.no_series;
	for (int i = 0; i < labels.ncolumns; i++)
	{
		const TsdbColumnLabel *label = &labels.columns[i];
		AttrNumber	attno = label->attno;

		if (relid != RelationGetRelid(table))
		{
			char	   *name = get_attname(relid, attno, true);

			attno = name == NULL ? 0 : get_attnum(RelationGetRelid(table), name);
		}
		if (attno <= 0 || attno > tupdesc->natts)
			continue;
		if (label->role == TSDB_LABEL_TIME && want_time && stated->key.time == 0 &&
			tsdb_key_countable(TupleDescAttr(tupdesc, attno - 1)))
		{
			stated->time_stated = true;
			stated->key.time = attno;
		}
		else if (label->role == TSDB_LABEL_SERIES && want_series &&
				 stated->key.nseries < INDEX_MAX_KEYS &&
				 tsdb_key_sortable(TupleDescAttr(tupdesc, attno - 1)))
		{
			stated->series_stated = true;
			stated->key.series[stated->key.nseries++] = attno;
		}
	}
	pfree(labels.columns);
}

/* Nothing keeps a parent's column out of both sides. */
static void
drop_time_from_series(TsdbSortKey *key)
{
	int			kept = 0;

	for (int i = 0; i < key->nseries; i++)
	{
		if (key->series[i] != key->time)
			key->series[kept++] = key->series[i];
	}
	key->nseries = kept;
}

void
tsdb_table_key(Relation table, TsdbSortKey *key)
{
	StatedKey	stated;
	List	   *ancestors = NIL;
	ListCell   *lc;

	/* While a partition is being detached it may have no parent any more. */
	if (table->rd_rel->relispartition)
		ancestors = get_partition_ancestors(RelationGetRelid(table));
	memset(&stated, 0, sizeof(stated));
	add_stated(table, RelationGetRelid(table), &stated);
	foreach(lc, ancestors)
	{
		if (stated.time_stated && stated.series_stated)
			break;
		add_stated(table, lfirst_oid(lc), &stated);
	}
	list_free(ancestors);

	*key = stated.key;
	if (!stated.time_stated)
		tsdb_key_infer_time(table, key);
	drop_time_from_series(key);
	if (!stated.series_stated)
		tsdb_key_infer_series(table, key);
}

/* ---- checking ---- */

static void
check_time_column(Relation table, Form_pg_attribute att)
{
	if (!tsdb_key_countable(att))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table \"%s\" cannot be the time column",
						NameStr(att->attname), RelationGetRelationName(table)),
				 errdetail("It is of type %s.", format_type_be(att->atttypid)),
				 errhint("A time column is of type timestamp with or without time zone, date or an integer type.")));
}

static void
check_series_column(Relation table, Form_pg_attribute att)
{
	if (!tsdb_key_sortable(att))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table \"%s\" cannot be part of the series key",
						NameStr(att->attname), RelationGetRelationName(table)),
				 errdetail("Data type %s has no default operator class for access method \"btree\".",
						   format_type_be(att->atttypid)),
				 errhint("Use a column whose values can be sorted, for instance a generated one.")));
}

static void
check_label_of_table(Relation table, const char *text)
{
	TsdbTableLabel label;

	if (!tsdb_label_parse_table(text, &label))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized tsdb label \"%s\" for table \"%s\"",
						text, RelationGetRelationName(table)),
				 errhint("A table's label is made of 'no time', 'no series' and 'cold after 60 s' or 'cold never', separated by commas; 'time' and 'series' are labels of columns.")));
}

static void
check_label_of_column(Relation table, AttrNumber attno, const char *label)
{
	Form_pg_attribute att;
	TsdbLabelRole role;
	int			position;
	TsdbTableLabels labels;
	int			nseries = 1;

	if (attno < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
				 errmsg("a system column cannot be part of the key of table \"%s\"",
						RelationGetRelationName(table)),
				 errhint("Use a column of the table.")));
	att = TupleDescAttr(RelationGetDescr(table), attno - 1);
	role = tsdb_label_parse_column(label, &position);
	if (role == TSDB_LABEL_UNKNOWN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized tsdb label \"%s\" for column \"%s\" of table \"%s\"",
						label, NameStr(att->attname), RelationGetRelationName(table)),
				 errhint("A column's label is 'time', 'series', or 'series 2' for the second column of the series key.")));
	if (role == TSDB_LABEL_TIME)
		check_time_column(table, att);
	else if (role == TSDB_LABEL_SERIES)
		check_series_column(table, att);

	tsdb_label_read(RelationGetRelid(table), &labels);
	for (int i = 0; i < labels.ncolumns; i++)
	{
		const TsdbColumnLabel *other = &labels.columns[i];

		if (other->attno == attno)
			continue;
		if (role == TSDB_LABEL_TIME && other->role == TSDB_LABEL_TIME)
		{
			const char *name = NameStr(TupleDescAttr(RelationGetDescr(table),
													 other->attno - 1)->attname);

			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("table \"%s\" already has a time column", RelationGetRelationName(table)),
					 errdetail("Column \"%s\" is labelled 'time'.", name),
					 errhint("Remove that label first: SECURITY LABEL FOR tsdb ON COLUMN %s IS NULL.",
							 quote_qualified_identifier(RelationGetRelationName(table), name))));
		}
		if (other->role == TSDB_LABEL_SERIES)
			nseries++;
	}
	if (role == TSDB_LABEL_SERIES && nseries > INDEX_MAX_KEYS)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_COLUMNS),
				 errmsg("the series key of table \"%s\" would have more than %d columns",
						RelationGetRelationName(table), INDEX_MAX_KEYS),
				 errhint("Put several of them into one generated column.")));
}

/* Only what may be a tsdb table has a key.  Heap tables may be labelled too:
 * a dump states labels whatever the access method is. */
static void
check_relkind(Relation rel)
{
	if (rel->rd_rel->relkind != RELKIND_RELATION &&
		rel->rd_rel->relkind != RELKIND_MATVIEW &&
		rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" cannot have a time column or a series key",
						RelationGetRelationName(rel)),
				 errdetail_relkind_not_supported(rel->rd_rel->relkind)));
}

/* The label provider's check, called by SECURITY LABEL before it writes. */
static void
check_label(const ObjectAddress *object, const char *label)
{
	Relation	table;

	if (object->classId != RelationRelationId)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("tsdb labels apply to tables and their columns"),
				 errhint("Use SECURITY LABEL FOR tsdb ON COLUMN.")));

	table = relation_open(object->objectId, NoLock);
	if (label != NULL)
	{
		check_relkind(table);
		if (object->objectSubId == 0)
			check_label_of_table(table, label);
		else
			check_label_of_column(table, object->objectSubId, label);
	}
	CacheInvalidateRelcache(table);
	relation_close(table, NoLock);
}

/* ---- writing ---- */

static AttrNumber
find_column(Relation table, const char *name)
{
	AttrNumber	attno = get_attnum(RelationGetRelid(table), name);

	if (attno <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table \"%s\" does not exist",
						name, RelationGetRelationName(table)),
				 errhint("The time column and the series key name columns of the table.")));
	return attno;
}

/* The columns of a stated series key, checked. */
static void
find_series_columns(Relation table, List *names, TsdbSortKey *key)
{
	ListCell   *cell;

	if (list_length(names) > INDEX_MAX_KEYS)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_COLUMNS),
				 errmsg("a series key cannot have more than %d columns", INDEX_MAX_KEYS),
				 errhint("Put several of them into one generated column.")));
	foreach(cell, names)
	{
		AttrNumber	attno = find_column(table, lfirst(cell));

		for (int i = 0; i < key->nseries; i++)
		{
			if (key->series[i] == attno)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("column \"%s\" appears twice in the series key",
								(char *) lfirst(cell)),
						 errhint("Name each column once.")));
		}
		check_series_column(table, TupleDescAttr(RelationGetDescr(table), attno - 1));
		key->series[key->nseries++] = attno;
	}
}

/* Write the labels that make up a key; sides not stated lose theirs. */
static void
write_labels(Relation table, const StatedKey *stated)
{
	const TsdbSortKey *key = &stated->key;
	Oid			relid = RelationGetRelid(table);
	int			natts = RelationGetNumberOfAttributes(table);
	const char **wanted = palloc0(sizeof(char *) * (natts + 1));
	bool		in_order = true;
	TsdbTableLabels labels;

	tsdb_label_read(relid, &labels);
	for (int i = 1; i < key->nseries; i++)
		in_order &= key->series[i - 1] < key->series[i];
	for (int i = 0; i < key->nseries; i++)
		wanted[key->series[i]] = in_order ? "series" : psprintf("series %d", i + 1);
	if (key->time != 0)
		wanted[key->time] = "time";
	labels.table.no_time = stated->time_stated && key->time == 0;
	labels.table.no_series = stated->series_stated && key->nseries == 0;
	wanted[0] = tsdb_label_format_table(&labels.table);

	/* Remove what is there and not wanted, then write the rest, each once. */
	for (int i = 0; i < labels.ncolumns; i++)
	{
		AttrNumber	attno = labels.columns[i].attno;

		if (attno <= natts && wanted[attno] == NULL)
			tsdb_label_write(relid, attno, NULL);
	}
	if (labels.has_table_label && wanted[0] == NULL)
		tsdb_label_write(relid, 0, NULL);
	for (int attno = 0; attno <= natts; attno++)
	{
		if (wanted[attno] != NULL)
			tsdb_label_write(relid, attno, wanted[attno]);
	}

	CacheInvalidateRelcache(table);
	CommandCounterIncrement();
}

void
tsdb_table_key_set(Oid relid, const TsdbKeyStatement *statement)
{
	Relation	table = relation_open(relid, ShareUpdateExclusiveLock);
	StatedKey	stated;

	check_relkind(table);
	memset(&stated, 0, sizeof(stated));
	add_stated(table, relid, &stated);

	if (statement->time_part != TSDB_KEY_KEEP)
	{
		stated.time_stated = statement->time_part != TSDB_KEY_INFER;
		stated.key.time = 0;
	}
	if (statement->time_part == TSDB_KEY_COLUMNS)
	{
		stated.key.time = find_column(table, statement->time);
		check_time_column(table, TupleDescAttr(RelationGetDescr(table), stated.key.time - 1));
	}
	if (statement->series_part != TSDB_KEY_KEEP)
	{
		stated.series_stated = statement->series_part != TSDB_KEY_INFER;
		stated.key.nseries = 0;
	}
	if (statement->series_part == TSDB_KEY_COLUMNS)
		find_series_columns(table, statement->series, &stated.key);

	for (int i = 0; i < stated.key.nseries; i++)
	{
		if (stated.key.time != 0 && stated.key.series[i] == stated.key.time)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_COLUMN_DEFINITION),
					 errmsg("column \"%s\" cannot be both the time column and part of the series key",
							get_attname(relid, stated.key.time, false)),
					 errhint("Within a series, rows are ordered by the time column anyway.")));
	}
	write_labels(table, &stated);
	relation_close(table, NoLock);
}

void
tsdb_table_key_recheck(Oid relid)
{
	Relation	table = relation_open(relid, ShareUpdateExclusiveLock);
	TupleDesc	tupdesc = RelationGetDescr(table);
	TsdbTableLabels labels;
	bool		changed = false;

	tsdb_label_read(relid, &labels);
	for (int i = 0; i < labels.ncolumns; i++)
	{
		const TsdbColumnLabel *label = &labels.columns[i];
		Form_pg_attribute att = TupleDescAttr(tupdesc, label->attno - 1);

		if ((label->role == TSDB_LABEL_TIME && !tsdb_key_countable(att)) ||
			(label->role == TSDB_LABEL_SERIES && !tsdb_key_sortable(att)))
		{
			ereport(NOTICE,
					(errmsg("column \"%s\" is no longer part of the key of table \"%s\"",
							NameStr(att->attname), RelationGetRelationName(table)),
					 errdetail("Its type is now %s.", format_type_be(att->atttypid))));
			tsdb_label_write(RelationGetRelid(table), label->attno, NULL);
			changed = true;
		}
	}
	if (changed)
	{
		CacheInvalidateRelcache(table);
		CommandCounterIncrement();
	}
	relation_close(table, NoLock);
}

/* ---- the end of the extension ---- */

/* Remove all labels of this database: tables that went back to heap keep
 * theirs, and without the library a dump with them cannot be restored. */
static void
remove_all_labels(void)
{
	Relation	catalog = table_open(SecLabelRelationId, RowExclusiveLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_seclabel_provider, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(TSDB_LABEL_PROVIDER));
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		CatalogTupleDelete(catalog, &tuple->t_self);
	systable_endscan(scan);
	table_close(catalog, RowExclusiveLock);
}

static object_access_hook_type previous_object_access = NULL;

static void
object_access(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	if (previous_object_access)
		previous_object_access(access, class_id, object_id, sub_id, arg);

	if (access == OAT_DROP && class_id == ExtensionRelationId)
	{
		char	   *name = get_extension_name(object_id);

		if (name != NULL && strcmp(name, TSDB_EXTENSION) == 0)
			remove_all_labels();
	}
}

void
tsdb_table_key_init(void)
{
	register_label_provider(TSDB_LABEL_PROVIDER, check_label);
	previous_object_access = object_access_hook;
	object_access_hook = object_access;
}
