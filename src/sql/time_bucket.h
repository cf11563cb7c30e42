/*
 * time_bucket.h
 *		Forms of time_bucket() that other functions call.
 */
#ifndef TSDB_SQL_TIME_BUCKET_H
#define TSDB_SQL_TIME_BUCKET_H

#include "fmgr.h"

extern Datum tsdb_time_bucket_int2(PG_FUNCTION_ARGS);
extern Datum tsdb_time_bucket_int4(PG_FUNCTION_ARGS);
extern Datum tsdb_time_bucket_int8(PG_FUNCTION_ARGS);
extern Datum tsdb_time_bucket_date(PG_FUNCTION_ARGS);

/* timestamp, and timestamptz in UTC */
extern Datum tsdb_time_bucket_timestamp(PG_FUNCTION_ARGS);

/* timestamptz by the clock of a zone; always five arguments, of which two may be null */
extern Datum tsdb_time_bucket_timestamp_zone(PG_FUNCTION_ARGS);

#endif							/* TSDB_SQL_TIME_BUCKET_H */
