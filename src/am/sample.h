/*
 * sample.h
 *		TABLESAMPLE and ANALYZE over both stores.
 *
 * Both think in blocks.  For TABLESAMPLE each chunk is one block after those of
 * the row store.  For ANALYZE the table is as many blocks long as it is on disk,
 * so that parents of partitions weigh their children rightly; a block behind
 * the row store stands for its proportional share of the chunks.
 */
#ifndef TSDB_AM_SAMPLE_H
#define TSDB_AM_SAMPLE_H

#include "am/scan.h"

/* Is this backend in ANALYZE?  Then the size of a table counts its chunks. */
extern bool tsdb_sample_in_analyze(void);

extern void tsdb_sample_begin_analyze(TsdbScanDesc *scan);
extern void tsdb_sample_end(TsdbScanDesc *scan);
extern bool tsdb_sample_analyze_next_block(TableScanDesc scan, BlockNumber block,
										   BufferAccessStrategy strategy);
extern bool tsdb_sample_analyze_next_tuple(TableScanDesc scan, TransactionId oldest_xmin,
										   double *liverows, double *deadrows,
										   TupleTableSlot *slot);

extern void tsdb_sample_rescan(TsdbScanDesc *scan);
extern bool tsdb_sample_next_block(TableScanDesc scan, struct SampleScanState *state);
extern bool tsdb_sample_next_tuple(TableScanDesc scan, struct SampleScanState *state,
								   TupleTableSlot *slot);

#endif							/* TSDB_AM_SAMPLE_H */
