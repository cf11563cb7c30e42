/*
 * task_stat.h
 *		The view tsdb.stat_tasks: what background workers have to do and are doing.
 */
#ifndef TSDB_WORKER_TASK_STAT_H
#define TSDB_WORKER_TASK_STAT_H

/* An error's message for a view, made readable in this database: in another encoding it keeps its ASCII. */
extern Datum tsdb_task_stat_message(char *message, int encoding);

#endif							/* TSDB_WORKER_TASK_STAT_H */
