/*
 * maintain.h
 *		VACUUM, sizes and estimates, and changes of a table's storage.
 */
#ifndef TSDB_AM_MAINTAIN_H
#define TSDB_AM_MAINTAIN_H

#include "access/tableam.h"

extern void tsdb_relation_vacuum(Relation rel, struct VacuumParams *params,
								 BufferAccessStrategy strategy);
extern void tsdb_internal_vacuum(Relation rel, struct VacuumParams *params,
								 BufferAccessStrategy strategy);

extern uint64 tsdb_relation_size(Relation rel, ForkNumber fork);
extern void tsdb_relation_estimate_size(Relation rel, int32 *attr_widths,
										BlockNumber *pages, double *tuples,
										double *allvisfrac);

extern void tsdb_relation_set_new_filenode(Relation rel, const RelFileNode *node,
										   char persistence, TransactionId *freeze_xid,
										   MultiXactId *min_multi);
extern void tsdb_relation_nontransactional_truncate(Relation rel);
extern void tsdb_relation_copy_data(Relation rel, const RelFileNode *node);
extern void tsdb_relation_copy_for_cluster(Relation old_table, Relation new_table,
										   Relation old_index, bool use_sort,
										   TransactionId oldest_xmin,
										   TransactionId *xid_cutoff,
										   MultiXactId *multi_cutoff, double *num_tuples,
										   double *tups_vacuumed,
										   double *tups_recently_dead);
extern void tsdb_internal_copy_for_cluster(Relation old_table, Relation new_table,
										   Relation old_index, bool use_sort,
										   TransactionId oldest_xmin,
										   TransactionId *xid_cutoff,
										   MultiXactId *multi_cutoff, double *num_tuples,
										   double *tups_vacuumed,
										   double *tups_recently_dead);
extern void tsdb_internal_copy_data(Relation rel, const RelFileNode *node);
extern void tsdb_internal_set_new_filenode(Relation rel, const RelFileNode *node,
										   char persistence, TransactionId *freeze_xid,
										   MultiXactId *min_multi);
extern Oid	tsdb_relation_toast_am(Relation rel);

/* Bytes of everything that belongs to a table but its indexes. */
extern int64 tsdb_table_bytes(Relation rel);

#endif							/* TSDB_AM_MAINTAIN_H */
