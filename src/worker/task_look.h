/*
 * task_look.h
 *		The background task that looks for tables of a database that have work.
 */
#ifndef TSDB_WORKER_TASK_LOOK_H
#define TSDB_WORKER_TASK_LOOK_H

#include "worker/schedule.h"

extern void tsdb_task_look(TsdbTask *task);

#endif							/* TSDB_WORKER_TASK_LOOK_H */
