/*
 * task_queue.h
 *		The order in which tasks are done: a priority queue with ageing, in memory
 *		that the caller gives.
 *
 * A task has a slot for as long as the queue knows it.  Its slot is
 *
 *		resting ──schedule──► waiting ──ripen──► ready ──take──► running
 *		   ▲                     ▲                 │               │
 *		   └─────────rest────────┴────schedule─────┴───────────────┘
 *
 * Two binary heaps, over the slots' numbers: of the waiting tasks by the time at which each is due, and of the
 * ready ones by their order, which is a number that never changes while a task is ready:
 *
 *		order = due + level × TSDB_TASK_AGE_STEP + tasks of the same key before it × TSDB_TASK_TURN
 *
 * That is ageing, without anybody who goes round and ages: since all tasks grow older at the same rate, what
 * is subtracted from all of them may as well be left out.  A task goes before one of the next higher level that
 * became due TSDB_TASK_AGE_STEP later, so whatever comes, none waits for tasks that were due more than
 * (TSDB_TASK_LEVELS - 1) steps after itself.  The last term lets tables take turns: of
 * two that a moment has brought, one with a hundred tasks and one with one, the latter is second, not last.
 *
 * Workers are bound to their database, so take() wants the first task of one database: it goes through the heap from its top and
 * passes over what lies below a task that comes later than the best one found.  For a single database that is the top;
 * at the worst, when all that comes before is other databases', it looks at each task that is ready.
 *
 * Keys are found by a hash table.  A key may have several tasks; whether that is wanted is the caller's business.
 *
 * No locks: who reads needs the lock shared, who changes something needs it exclusively.
 *
 * Plain C11; no server headers.  Offsets only, so that the memory may lie anywhere.
 */
#ifndef TSDB_WORKER_TASK_QUEUE_H
#define TSDB_WORKER_TASK_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The level of a task: the lower the number, the sooner it is done. */
typedef enum TsdbTaskLevel
{
	TSDB_LEVEL_URGENT,			/* somebody waits for it */
	TSDB_LEVEL_HIGH,			/* of use only if it is done soon */
	TSDB_LEVEL_NORMAL,
	TSDB_LEVEL_LOW,				/* may take its time */
	TSDB_LEVEL_LOWEST			/* whenever there is nothing else to do */
} TsdbTaskLevel;

#define TSDB_TASK_LEVELS 5

/*
 * Microseconds.  A level is worth the time that one worker spends on one table before it turns to the next one
 * (TIME_SLICE in worker.c).  A turn is long against what a short task takes, and 64 of them are less than a level.
 */
#define TSDB_TASK_AGE_STEP	INT64_C(10000000)
#define TSDB_TASK_TURN		INT64_C(100000)

/* when a task that is not scheduled is due */
#define TSDB_TASK_NEVER		INT64_MAX

#define TSDB_TASK_NONE		(-1)

typedef struct TsdbTaskKey
{
	uint32_t	kind;			/* below 32 */
	uint32_t	database;
	uint32_t	table;
} TsdbTaskKey;

typedef enum TsdbTaskState
{
	TSDB_TASK_FREE,				/* nobody's slot */
	TSDB_TASK_RESTING,			/* known, but there is nothing to do */
	TSDB_TASK_WAITING,			/* for its time */
	TSDB_TASK_READY,
	TSDB_TASK_RUNNING
} TsdbTaskState;

typedef struct TsdbTaskSlot
{
	TsdbTaskKey key;
	uint8_t		state;			/* TsdbTaskState */
	uint8_t		level;			/* TsdbTaskLevel */
	int32_t		place;			/* in the heap that it is in */
	int32_t		next;			/* in its chain of the hash table, or of free slots */
	int64_t		due;			/* microseconds of any clock; of a running task, when it was due */
	int64_t		order;			/* of a ready task; the smallest is first */
} TsdbTaskSlot;

typedef struct TsdbTaskQueue TsdbTaskQueue;

/* Memory for so many tasks. */
extern size_t tsdb_task_queue_bytes(int capacity);

/* Makes an empty queue of memory that is aligned to 8 bytes. */
extern TsdbTaskQueue *tsdb_task_queue_init(void *memory, int capacity);

/* What was asked for at the start, and how many slots are not free. */
extern int	tsdb_task_queue_capacity(const TsdbTaskQueue *queue);
extern int	tsdb_task_queue_used(const TsdbTaskQueue *queue);

/* A slot by its number: 0 to capacity - 1.  Not to be changed. */
extern const TsdbTaskSlot *tsdb_task_queue_slot(const TsdbTaskQueue *queue, int slot);

/* A task with a key, and the next one after a given one; TSDB_TASK_NONE if there is none. */
extern int	tsdb_task_queue_find(const TsdbTaskQueue *queue, const TsdbTaskKey *key);
extern int	tsdb_task_queue_find_next(const TsdbTaskQueue *queue, int slot);

/* A new task, resting; TSDB_TASK_NONE if the queue is full. */
extern int	tsdb_task_queue_add(TsdbTaskQueue *queue, const TsdbTaskKey *key);

/* The queue forgets a task, whatever its state. */
extern void tsdb_task_queue_remove(TsdbTaskQueue *queue, int slot);

/*
 * A task is to be done at its time, for which it waits from now on; with TSDB_TASK_NEVER it rests.
 * Of a task that is scheduled already, level or time or both are changed; one that is ready and stays as it is
 * keeps its place.
 */
extern void tsdb_task_queue_schedule(TsdbTaskQueue *queue, int slot, TsdbTaskLevel level, int64_t due);

/* What is due by now becomes ready.  Returns when the next one will be, TSDB_TASK_NEVER if none waits. */
extern int64_t tsdb_task_queue_ripen(TsdbTaskQueue *queue, int64_t now);

/* The number of ready tasks, and the slot of each: the first is the first of all, the others are in no order. */
extern int	tsdb_task_queue_ready(const TsdbTaskQueue *queue);
extern int	tsdb_task_queue_ready_slot(const TsdbTaskQueue *queue, int i);

/*
 * The first of the ready tasks of a database whose kinds (1 << kind) are wanted, which runs from now on;
 * TSDB_TASK_NONE if there is none.  When it ends it has to be scheduled anew or removed.
 */
extern int	tsdb_task_queue_take(TsdbTaskQueue *queue, uint32_t database, uint32_t kinds);

/* For tests: is everything as it is drawn above? */
extern bool tsdb_task_queue_check(const TsdbTaskQueue *queue);

#endif							/* TSDB_WORKER_TASK_QUEUE_H */
