/*
 * bucket_rule.h
 *		Which expressions on a column never fall as the column rises.
 *
 * People write buckets of time in many ways: time_bucket(), date_trunc(), date_bin(), a cast
 * to date, floor(extract(epoch from ts) / 300) * 300.  All of them are compositions of
 * functions that rise with one argument while the others are constants, which is what
 * is recognised here.  Where an instant becomes a local time, that holds as long
 * as the session's clock is not set back.
 */
#ifndef TSDB_PLAN_BUCKET_RULE_H
#define TSDB_PLAN_BUCKET_RULE_H

#include "exec/group_runs.h"
#include "nodes/pathnodes.h"

/* Is this an expression on one column of the relation, without anything volatile
 * or unknown before execution?  Then how does its value follow from the column's? */
extern bool tsdb_bucket_rule(Node *expr, Index relid, TsdbBucketRule *rule);

/* About how many values a rising expression has in the column's range, which ANALYZE
 * knows; 0 if that cannot be told.  Nothing is evaluated. */
extern double tsdb_bucket_count(PlannerInfo *root, Node *expr);

#endif							/* TSDB_PLAN_BUCKET_RULE_H */
