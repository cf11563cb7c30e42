/*
 * table_options.c
 *		WITH (tsdb.time = ..., tsdb.series = ..., tsdb.cold_age = ...) on tables, and
 *		tsdb.set_key().
 *
 * The statement that the hook is given may be a cached plan's or a function's,
 * so it is copied before an option is taken out of it.  Labels are written
 * after the statement, in its transaction: if they are refused, the table is
 * not made.
 */
#include "postgres.h"

#include "sql/table_options.h"

#include "access/relation.h"
#include "am/handler.h"
#include "am/insert.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type_d.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "plan/key_arbiter.h"
#include "store/table_cold.h"
#include "store/table_key.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#define OPTION_NAMESPACE	"tsdb"
#define COLUMN_EXAMPLE		"name of a column"

PG_FUNCTION_INFO_V1(tsdb_set_table_key);

static ProcessUtility_hook_type previous_hook = NULL;

/* What the options of a statement say. */
typedef struct TableOptions
{
	TsdbKeyStatement key;
	enum
	{
		COLD_KEEP,				/* leave it as it is */
		COLD_RESET,				/* forget what was stated */
		COLD_AGE
	}			cold_part;
	int			cold_age;
} TableOptions;

/* ---- options ---- */

static bool
is_ours(const DefElem *option)
{
	return option->defnamespace != NULL && strcmp(option->defnamespace, OPTION_NAMESPACE) == 0;
}

static bool
has_ours(const List *options)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		if (is_ours(lfirst(cell)))
			return true;
	}
	return false;
}

/* The value of an option as text, for instance "example".  An unquoted word comes as a type name, and
 * words like time and timestamp as one of pg_catalog. */
static char *
option_text(DefElem *option, const char *example)
{
	if (option->arg == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"%s.%s\" requires a value", OPTION_NAMESPACE, option->defname),
				 errhint("Write it as %s.%s = '%s'.",
						 OPTION_NAMESPACE, option->defname, example)));
	if (IsA(option->arg, TypeName))
	{
		TypeName   *type = (TypeName *) option->arg;

		if (type->names != NIL)
			return strVal(llast(type->names));
	}
	return defGetString(option);
}

/* The column names that an option's value lists. */
static List *
option_names(DefElem *option)
{
	char	   *value = pstrdup(option_text(option, COLUMN_EXAMPLE));
	List	   *names;
	List	   *copies = NIL;
	ListCell   *cell;

	/* A word that was not quoted is a name as it is. */
	if (option->arg != NULL && IsA(option->arg, TypeName))
		return list_make1(value);
	if (!SplitIdentifierString(value, ',', &names))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for parameter \"%s.%s\": \"%s\"",
						OPTION_NAMESPACE, option->defname, option_text(option, COLUMN_EXAMPLE)),
				 errhint("Separate names of columns by commas, and double-quote those that are not plain lower-case words.")));
	foreach(cell, names)
		copies = lappend(copies, pstrdup(lfirst(cell)));
	return copies;
}

/* The age that an option's value is, in seconds: an interval, or "never". */
static int
option_age(DefElem *option)
{
	char	   *text = option_text(option, "30 days");
	Interval   *age;
	int64		seconds;

	if (pg_strcasecmp(text, "never") == 0)
		return TSDB_COLD_AGE_NEVER;
	age = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(text),
												ObjectIdGetDatum(InvalidOid),
												Int32GetDatum(-1)));
	seconds = ((int64) age->month * DAYS_PER_MONTH + age->day) * SECS_PER_DAY +
		age->time / USECS_PER_SEC + (age->time % USECS_PER_SEC > 0);
	if (seconds < 0 || seconds > TSDB_COLD_AGE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("value \"%s\" for parameter \"%s.%s\" is out of range",
						text, OPTION_NAMESPACE, option->defname),
				 errhint("Write an interval from 0 to 30 years, or \"never\".")));
	return (int) seconds;
}

static void
refuse_second(const DefElem *option, TsdbKeyPart part)
{
	if (part != TSDB_KEY_KEEP)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("parameter \"%s.%s\" specified more than once",
						OPTION_NAMESPACE, option->defname),
				 errhint("\"tsdb.partition_column\" is another word for \"tsdb.time\", and \"tsdb.segmentby\" for \"tsdb.series\".")));
}

/* Add what one option says to the statement; reset: it stands in RESET. */
static void
read_option(DefElem *option, bool reset, TableOptions *stated)
{
	const char *name = option->defname;

	if (strcmp(name, "time") == 0 || strcmp(name, "partition_column") == 0)
	{
		List	   *names = NIL;

		refuse_second(option, stated->key.time_part);
		if (reset)
		{
			stated->key.time_part = TSDB_KEY_INFER;
			return;
		}
		names = option_names(option);
		if (list_length(names) > 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("parameter \"%s.%s\" takes one column, not %d",
							OPTION_NAMESPACE, name, list_length(names)),
					 errhint("The other columns that order a table are its series key, \"tsdb.series\".")));
		stated->key.time_part = names == NIL ? TSDB_KEY_NONE : TSDB_KEY_COLUMNS;
		stated->key.time = names == NIL ? NULL : linitial(names);
	}
	else if (strcmp(name, "series") == 0 || strcmp(name, "segmentby") == 0)
	{
		refuse_second(option, stated->key.series_part);
		if (reset)
		{
			stated->key.series_part = TSDB_KEY_INFER;
			return;
		}
		stated->key.series = option_names(option);
		stated->key.series_part = stated->key.series == NIL ? TSDB_KEY_NONE : TSDB_KEY_COLUMNS;
	}
	else if (strcmp(name, "cold_age") == 0)
	{
		if (stated->cold_part != COLD_KEEP)
			ereport(ERROR,
					(errcode(ERRCODE_SYNTAX_ERROR),
					 errmsg("parameter \"%s.%s\" specified more than once",
							OPTION_NAMESPACE, name),
					 errhint("State one age.")));
		stated->cold_part = reset ? COLD_RESET : COLD_AGE;
		if (!reset)
			stated->cold_age = option_age(option);
	}
	else if (strcmp(name, "hypertable") == 0)
	{
		if (!reset)
			ereport(NOTICE,
					(errmsg("parameter \"%s.%s\" has no effect", OPTION_NAMESPACE, name),
					 errdetail("The access method makes a table a tsdb table.")));
	}
	else if (strcmp(name, "orderby") == 0)
	{
		if (!reset)
			ereport(NOTICE,
					(errmsg("parameter \"%s.%s\" has no effect", OPTION_NAMESPACE, name),
					 errdetail("Rows are ordered by the series key, then by the time column.")));
	}
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized parameter \"%s.%s\"", OPTION_NAMESPACE, name),
				 errhint("Parameters of a tsdb table are \"tsdb.time\", \"tsdb.series\" and \"tsdb.cold_age\".")));
}

/* Take our options out of a list, into the statement. */
static List *
take_options(List *options, bool reset, TableOptions *stated)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst(cell);

		if (!is_ours(option))
			continue;
		read_option(option, reset, stated);
		options = foreach_delete_current(options, cell);
	}
	return options;
}

/* Options may be stated for tsdb tables, and for partitioned tables, whose
 * partitions follow them. */
static void
check_table(Relation table)
{
	if (table->rd_rel->relkind == RELKIND_PARTITIONED_TABLE || tsdb_is_table(table))
		return;
	if (table->rd_rel->relkind == RELKIND_RELATION || table->rd_rel->relkind == RELKIND_MATVIEW)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a tsdb table", RelationGetRelationName(table)),
				 errdetail("A time column and a series key order the rows of tables of access method \"tsdb\"."),
				 errhint("Create it with USING tsdb, or use ALTER TABLE ... SET ACCESS METHOD tsdb.")));
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"%s\" is not a tsdb table", RelationGetRelationName(table)),
			 errdetail_relkind_not_supported(table->rd_rel->relkind)));
}

/* An age may be of no use for a table as it is; see store/table_cold.h. */
static void
mention_useless_age(Relation table)
{
	TsdbSortKey key;
	TsdbColdRule rule;

	if (table->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		return;
	tsdb_table_key(table, &key);
	tsdb_table_cold_rule(table, &key, &rule);
	if (rule.unit == 0)
		ereport(NOTICE,
				(errmsg("parameter \"%s.cold_age\" has no effect on table \"%s\" as it is",
						OPTION_NAMESPACE, RelationGetRelationName(table)),
				 errdetail("It has no time column whose values are timestamps or dates."),
				 errhint("With an age of 0, all chunks are cold.")));
}

/* Let a worker look at a table and its partitions, once this transaction has committed. */
static void
note_tables(Oid relid)
{
	ListCell   *cell;

	foreach(cell, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		Relation	table = relation_open(lfirst_oid(cell), NoLock);

		if (tsdb_is_table(table))
			tsdb_insert_count(table, 1);
		relation_close(table, NoLock);
	}
}

/* Write what was stated for a table that the user must own. */
static void
state_options(Oid relid, const TableOptions *stated)
{
	Relation	table;

	if (!pg_class_ownercheck(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(relid)),
					   get_rel_name(relid));
	table = try_relation_open(relid, ShareUpdateExclusiveLock);
	if (table == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	check_table(table);
	if (stated->key.time_part != TSDB_KEY_KEEP || stated->key.series_part != TSDB_KEY_KEEP)
		tsdb_table_key_set(relid, &stated->key);
	if (stated->cold_part != COLD_KEEP)
	{
		tsdb_table_cold_set(relid, stated->cold_part == COLD_AGE, stated->cold_age);
		if (stated->cold_part == COLD_AGE && stated->cold_age > 0)
			mention_useless_age(table);
		note_tables(relid);
	}
	relation_close(table, NoLock);
}

/* ---- statements ---- */

/* What run_statement() passes on to the next hook. */
typedef struct UtilityCall
{
	PlannedStmt *pstmt;
	const char *query_string;
	bool		read_only_tree;
	ProcessUtilityContext context;
	ParamListInfo params;
	QueryEnvironment *query_env;
	DestReceiver *dest;
	QueryCompletion *qc;
} UtilityCall;

static void
run_statement(const UtilityCall *call)
{
	(previous_hook != NULL ? previous_hook : standard_ProcessUtility)
		(call->pstmt, call->query_string, call->read_only_tree, call->context,
		 call->params, call->query_env, call->dest, call->qc);
}

/* Continue with a copy of the statement; returns its utility statement. */
static Node *
copy_statement(UtilityCall *call)
{
	call->pstmt = copyObject(call->pstmt);
	call->read_only_tree = false;
	return call->pstmt->utilityStmt;
}

/* The table that a CREATE statement names, if it is there. */
static Oid
created_table(const RangeVar *name)
{
	return get_relname_relid(name->relname, RangeVarGetCreationNamespace(name));
}

/* Run CREATE TABLE or CREATE TABLE AS, and state the key if it made a table:
 * not if one of that name was there (IF NOT EXISTS), nor for a plain EXPLAIN. */
static void
create_with_options(UtilityCall *call, RangeVar *name, List **options)
{
	TableOptions stated = {0};
	RangeVar   *table = copyObject(name);
	bool		existed;

	*options = take_options(*options, false, &stated);
	existed = OidIsValid(created_table(table));
	run_statement(call);
	if (!existed)
	{
		Oid			relid = created_table(table);

		if (OidIsValid(relid))
			state_options(relid, &stated);
	}
}

/* The CREATE TABLE AS that a statement is or explains, or NULL. */
static CreateTableAsStmt *
find_create_table_as(Node *statement)
{
	if (IsA(statement, ExplainStmt))
	{
		Node	   *query = ((ExplainStmt *) statement)->query;

		if (query == NULL || !IsA(query, Query) || ((Query *) query)->utilityStmt == NULL)
			return NULL;
		statement = ((Query *) query)->utilityStmt;
	}
	return IsA(statement, CreateTableAsStmt) ? (CreateTableAsStmt *) statement : NULL;
}

static bool
sets_options(const AlterTableCmd *command)
{
	return command->subtype == AT_SetRelOptions || command->subtype == AT_ResetRelOptions;
}

static void
alter_with_options(UtilityCall *call)
{
	AlterTableStmt *statement = (AlterTableStmt *) copy_statement(call);
	RangeVar   *name = copyObject(statement->relation);
	bool		missing_ok = statement->missing_ok;
	TableOptions stated = {0};
	ListCell   *cell;
	Oid			relid;

	/* A command without options is none; a statement without commands still
	 * looks the table up and checks that the user may alter it. */
	foreach(cell, statement->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		if (!sets_options(command))
			continue;
		command->def = (Node *) take_options((List *) command->def,
											 command->subtype == AT_ResetRelOptions, &stated);
		if (command->def == NULL)
			statement->cmds = foreach_delete_current(statement->cmds, cell);
	}
	run_statement(call);
	relid = RangeVarGetRelid(name, ShareUpdateExclusiveLock, missing_ok);
	if (OidIsValid(relid))
		state_options(relid, &stated);
}

/* Run an ALTER TABLE that changes column types: labels must still fit. */
static void
alter_types(UtilityCall *call)
{
	AlterTableStmt *statement = (AlterTableStmt *) call->pstmt->utilityStmt;
	RangeVar   *name = copyObject(statement->relation);
	Oid			relid;
	ListCell   *cell;

	run_statement(call);
	relid = RangeVarGetRelid(name, NoLock, true);
	if (!OidIsValid(relid))
		return;
	foreach(cell, find_all_inheritors(relid, ShareUpdateExclusiveLock, NULL))
		tsdb_table_key_recheck(lfirst_oid(cell));
}

static void
process_alter(UtilityCall *call)
{
	AlterTableStmt *statement = (AlterTableStmt *) call->pstmt->utilityStmt;
	bool		options = false;
	bool		types = false;
	ListCell   *cell;

	foreach(cell, statement->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		options |= sets_options(command) && has_ours((List *) command->def);
		types |= command->subtype == AT_AlterColumnType && statement->objtype == OBJECT_TABLE;
	}
	if (options)
		alter_with_options(call);
	else if (types)
		alter_types(call);
	else
	{
		PG_TRY();
		{
			run_statement(call);
		}
		PG_CATCH();
		{
			tsdb_key_arbiter_explain_error();
			PG_RE_THROW();
		}
		PG_END_TRY();
	}
}

static void
process_utility(PlannedStmt *pstmt, const char *query_string, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *query_env, DestReceiver *dest, QueryCompletion *qc)
{
	UtilityCall call = {pstmt, query_string, read_only_tree, context, params,
	query_env, dest, qc};
	Node	   *statement = pstmt->utilityStmt;
	CreateTableAsStmt *create_as = find_create_table_as(statement);

	if (IsA(statement, CreateStmt) && has_ours(((CreateStmt *) statement)->options))
	{
		CreateStmt *create = (CreateStmt *) copy_statement(&call);

		create_with_options(&call, create->relation, &create->options);
	}
	else if (create_as != NULL && has_ours(create_as->into->options))
	{
		create_as = find_create_table_as(copy_statement(&call));
		create_with_options(&call, create_as->into->rel, &create_as->into->options);
	}
	else if (IsA(statement, AlterTableStmt))
		process_alter(&call);
	else
		run_statement(&call);
}

void
tsdb_table_options_init(void)
{
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}

/* ---- tsdb.set_key ---- */

/* Names of an array that contains no nulls. */
static List *
array_names(ArrayType *array)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	List	   *names = NIL;

	deconstruct_array(array, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
					  &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("names of series columns must not be null"),
					 errhint("An empty array says that the table has no series key.")));
		names = lappend(names, NameStr(*DatumGetName(elements[i])));
	}
	return names;
}

/*
 * tsdb.set_key(table regclass, "time" name, series name[])
 *
 * State a table's time column and series key.  What is null is inferred from
 * now on; an empty name or array states that there is none.
 */
Datum
tsdb_set_table_key(PG_FUNCTION_ARGS)
{
	TableOptions stated = {.key = {TSDB_KEY_INFER, NULL, TSDB_KEY_INFER, NIL}};
	TsdbKeyStatement *key = &stated.key;

	PreventCommandIfReadOnly("tsdb.set_key()");
	PreventCommandDuringRecovery("tsdb.set_key()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("table must not be null"),
				 errhint("Name the table whose key is stated.")));
	if (!PG_ARGISNULL(1))
	{
		key->time = NameStr(*PG_GETARG_NAME(1));
		key->time_part = key->time[0] == '\0' ? TSDB_KEY_NONE : TSDB_KEY_COLUMNS;
	}
	if (!PG_ARGISNULL(2))
	{
		key->series = array_names(PG_GETARG_ARRAYTYPE_P(2));
		key->series_part = key->series == NIL ? TSDB_KEY_NONE : TSDB_KEY_COLUMNS;
	}
	state_options(PG_GETARG_OID(0), &stated);
	PG_RETURN_VOID();
}
