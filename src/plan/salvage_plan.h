/*
 * salvage_plan.h
 *		No parallel plans while damaged chunks are passed over.
 *
 * Passing over takes subtransactions, which parallel queries cannot have.
 */
#ifndef TSDB_PLAN_SALVAGE_PLAN_H
#define TSDB_PLAN_SALVAGE_PLAN_H

/* To be called once, when the library is loaded. */
extern void tsdb_salvage_plan_init(void);

#endif							/* TSDB_PLAN_SALVAGE_PLAN_H */
