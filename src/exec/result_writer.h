/*
 * result_writer.h
 *		Rows of a result, written to the client.
 *
 * PostgreSQL writes each value of a result by calling its type's output or send function through the
 * function manager, which allocates a string, fills it and has it copied: for a row of ten gauges that
 * takes three times as long as finding the row.  While a plan runs that reads a tsdb table, the rows
 * after the first few are written here: numbers, times and strings by code of our own into the
 * message itself, all other types by their functions.  The client receives the same bytes.
 *
 * What is sent is the DataRow message of the protocol, version 3 (PostgreSQL's documentation,
 * "Message Formats"); what comes before and after the rows stays PostgreSQL's own.
 */
#ifndef TSDB_EXEC_RESULT_WRITER_H
#define TSDB_EXEC_RESULT_WRITER_H

#include "executor/execdesc.h"

extern bool tsdb_enable_result_writer;	/* setting */

/*
 * Around ExecutorRun: if the query's rows go to a client from a plan of ours they are received here.
 * Returns the receiver that was there, to be given to leave(), also after an error.
 */
extern DestReceiver *tsdb_result_writer_enter(QueryDesc *query);
extern void tsdb_result_writer_leave(QueryDesc *query, DestReceiver *previous);

#endif							/* TSDB_EXEC_RESULT_WRITER_H */
