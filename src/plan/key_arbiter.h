/*
 * key_arbiter.h
 *		Let a tsdb_key index decide ON CONFLICT.
 *
 * The planner takes any unique index as arbiter, and the executor asks it through
 * an ordinary index scan.  But on its way the executor opens the target's
 * indexes, and raises an internal error for a unique one that is not of access method
 * btree.  It does so at the first row, unless they are open by then: so the
 * indexes of such a table are opened here, right after the executor has started,
 * in the way that it does it.
 *
 * Partitions that rows are routed to are opened by the executor alone, when the
 * first row comes.  There the internal error is replaced by one that explains, as
 * is the one for a foreign key that refers to the columns of such an index.
 */
#ifndef TSDB_PLAN_KEY_ARBITER_H
#define TSDB_PLAN_KEY_ARBITER_H

#include "executor/execdesc.h"

/* After ExecutorStart: open indexes where ON CONFLICT needs it. */
extern void tsdb_key_arbiter_start(QueryDesc *query);

/* In PG_CATCH around ExecutorRun and ALTER TABLE: raise the better error, if there is one. */
extern void tsdb_key_arbiter_explain_error(void);

#endif							/* TSDB_PLAN_KEY_ARBITER_H */
