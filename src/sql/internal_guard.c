/*
 * internal_guard.c
 *		Internal relations are not altered by hand.
 */
#include "postgres.h"

#include "sql/internal_guard.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "store/internal.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

static ProcessUtility_hook_type previous_hook = NULL;

/* The relation that a statement would alter, or NULL. */
static RangeVar *
altered_relation(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_AlterTableStmt:
			return ((AlterTableStmt *) statement)->relation;
		case T_RenameStmt:
			return ((RenameStmt *) statement)->relation;
		case T_AlterObjectSchemaStmt:
			return ((AlterObjectSchemaStmt *) statement)->relation;
		case T_IndexStmt:
			return ((IndexStmt *) statement)->relation;
		case T_CreateTrigStmt:
			return ((CreateTrigStmt *) statement)->relation;
		case T_RuleStmt:
			return ((RuleStmt *) statement)->relation;
		case T_CreatePolicyStmt:
			return ((CreatePolicyStmt *) statement)->table;
		case T_CopyStmt:
			return ((CopyStmt *) statement)->is_from ?
				((CopyStmt *) statement)->relation : NULL;
		default:
			return NULL;
	}
}

static void
refuse_altering(RangeVar *name)
{
	/* What is not there, or not to be seen, the statement itself reports. */
	Oid			relid = RangeVarGetRelid(name, NoLock, true);
	Oid			table = relid;

	if (!OidIsValid(relid))
		return;
	if (get_rel_relkind(relid) == RELKIND_INDEX)
		table = IndexGetRelation(relid, true);
	if (OidIsValid(table) && tsdb_internal_is_oid(table))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied: \"%s\" is an internal relation of tsdb",
						get_rel_name(relid)),
				 errhint("Change the table that it belongs to.")));
}

static void
refuse_access_method(const char *access_method)
{
	if (access_method == NULL)
		access_method = default_table_access_method;
	if (strcmp(access_method, TSDB_INTERNAL_AM) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("access method \"%s\" is not for tables of users", TSDB_INTERNAL_AM),
				 errhint("Use access method tsdb.")));
}

static void
refuse_altering_all(List *names)
{
	ListCell   *lc;

	foreach(lc, names)
	{
		Node	   *name = lfirst(lc);

		refuse_altering(IsA(name, RangeVar) ? (RangeVar *) name :
						makeRangeVarFromNameList(castNode(List, name)));
	}
}

/* Refuse what would make tables like ours, or change ours without naming one as
 * the relation that is altered. */
static void
refuse_other(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_CreateStmt:
			refuse_access_method(((CreateStmt *) statement)->accessMethod);
			refuse_altering_all(((CreateStmt *) statement)->inhRelations);
			break;
		case T_CreateTableAsStmt:
			refuse_access_method(((CreateTableAsStmt *) statement)->into->accessMethod);
			break;
		case T_DropStmt:
			/* their tables are members of the extension, which refuses to be torn apart */
			if (((DropStmt *) statement)->removeType == OBJECT_INDEX)
				refuse_altering_all(((DropStmt *) statement)->objects);
			break;
		case T_AlterExtensionContentsStmt:
			if (((AlterExtensionContentsStmt *) statement)->objtype == OBJECT_TABLE)
				refuse_altering_all(list_make1(((AlterExtensionContentsStmt *) statement)->object));
			break;
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_SCHEMA &&
				strcmp(((RenameStmt *) statement)->subname, TSDB_INTERNAL_SCHEMA) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						 errmsg("permission denied: schema \"%s\" holds the internal relations of tsdb",
								TSDB_INTERNAL_SCHEMA),
						 errdetail("Chunks of tables are found by its name.")));
			break;
		default:
			break;
	}
}

/* pg_upgrade makes internal relations by CREATE TABLE, then adds them to the extension. */
static void
restore_member(AlterExtensionContentsStmt *statement)
{
	Oid			relid;

	if (statement->action <= 0 || statement->objtype != OBJECT_TABLE)
		return;
	relid = RangeVarGetRelid(makeRangeVarFromNameList(castNode(List, statement->object)),
							 NoLock, true);
	if (OidIsValid(relid) && tsdb_internal_is_oid(relid))
		tsdb_internal_restore(relid);
}

/* May a VACUUM FULL of this relation be left out?  Its directory may have got
 * another name since a client listed the relations of the database. */
static bool
is_internal_name(VacuumRelation *vacuumed)
{
	Oid			relid = vacuumed->oid;

	if (!OidIsValid(relid))
		relid = RangeVarGetRelid(vacuumed->relation, NoLock, true);
	if (OidIsValid(relid))
		return tsdb_internal_is_oid(relid);
	return vacuumed->relation != NULL && vacuumed->relation->schemaname != NULL &&
		strcmp(vacuumed->relation->schemaname, TSDB_INTERNAL_SCHEMA) == 0;
}

/* What VACUUM of a whole database would list. */
static List *
list_all_relations(void)
{
	Relation	pg_class = table_open(RelationRelationId, AccessShareLock);
	TableScanDesc scan = table_beginscan_catalog(pg_class, 0, NULL);
	List	   *relations = NIL;
	HeapTuple	tuple;

	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		if (form->relkind == RELKIND_RELATION || form->relkind == RELKIND_MATVIEW ||
			form->relkind == RELKIND_PARTITIONED_TABLE)
			relations = lappend(relations, makeVacuumRelation(NULL, form->oid, NIL));
	}
	table_endscan(scan);
	table_close(pg_class, AccessShareLock);
	return relations;
}

static bool
is_vacuum_full(VacuumStmt *statement)
{
	ListCell   *lc;
	bool		full = false;

	foreach(lc, statement->options)
	{
		DefElem    *option = lfirst(lc);

		if (strcmp(option->defname, "full") == 0)
			full = defGetBoolean(option);
	}
	return statement->is_vacuumcmd && full;
}

/*
 * VACUUM FULL without internal relations, which it could only copy as they are.
 * NULL if nothing is left.
 */
static PlannedStmt *
vacuum_tables_only(PlannedStmt *pstmt)
{
	MemoryContext old = MemoryContextSwitchTo(PortalContext);
	PlannedStmt *copy = copyObject(pstmt);
	VacuumStmt *statement = (VacuumStmt *) copy->utilityStmt;
	ListCell   *lc;

	if (statement->rels == NIL)
		statement->rels = list_all_relations();
	foreach(lc, statement->rels)
	{
		if (is_internal_name(lfirst(lc)))
			statement->rels = foreach_delete_current(statement->rels, lc);
	}
	MemoryContextSwitchTo(old);
	return statement->rels != NIL ? copy : NULL;
}

static void
process_utility(PlannedStmt *pstmt, const char *query_string, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *query_env, DestReceiver *dest, QueryCompletion *qc)
{
	Node	   *statement = pstmt->utilityStmt;

	if (IsA(statement, VacuumStmt) && is_vacuum_full((VacuumStmt *) statement) &&
		OidIsValid(get_namespace_oid(TSDB_INTERNAL_SCHEMA, true)))
	{
		pstmt = vacuum_tables_only(pstmt);
		if (pstmt == NULL)
			return;
		statement = pstmt->utilityStmt;
	}
	if (!allowSystemTableMods && !IsBinaryUpgrade)
	{
		RangeVar   *name = altered_relation(statement);

		if (name != NULL)
			refuse_altering(name);
		else
			refuse_other(statement);
	}
	(previous_hook != NULL ? previous_hook : standard_ProcessUtility)
		(pstmt, query_string, read_only_tree, context, params, query_env, dest, qc);
	if (IsBinaryUpgrade && IsA(statement, AlterExtensionContentsStmt))
		restore_member((AlterExtensionContentsStmt *) statement);
}

void
tsdb_internal_guard_init(void)
{
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}

void
tsdb_internal_guard_check(QueryDesc *query)
{
	ListCell   *lc;

	if (allowSystemTableMods)
		return;
	foreach(lc, query->plannedstmt->resultRelations)
	{
		RangeTblEntry *rte = rt_fetch(lfirst_int(lc), query->plannedstmt->rtable);

		if (tsdb_internal_is_oid(rte->relid))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied: \"%s\" is an internal relation of tsdb",
							get_rel_name(rte->relid)),
					 errhint("Change the table that it belongs to.")));
	}
}
