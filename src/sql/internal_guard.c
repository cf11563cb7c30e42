/*
 * internal_guard.c
 *		Internal relations are not altered by hand.
 */
#include "postgres.h"

#include "sql/internal_guard.h"

#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "store/internal.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"

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

static void
process_utility(PlannedStmt *pstmt, const char *query_string, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *query_env, DestReceiver *dest, QueryCompletion *qc)
{
	Node	   *statement = pstmt->utilityStmt;

	if (!allowSystemTableMods && !IsBinaryUpgrade)
	{
		RangeVar   *name = altered_relation(statement);

		if (name != NULL)
			refuse_altering(name);
		else if (IsA(statement, CreateStmt))
			refuse_access_method(((CreateStmt *) statement)->accessMethod);
		else if (IsA(statement, CreateTableAsStmt))
			refuse_access_method(((CreateTableAsStmt *) statement)->into->accessMethod);
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
