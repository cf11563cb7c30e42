/*
 * task_queue_test.c
 *		The order of background tasks: against a model that sorts, and what ageing promises.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "worker/task_queue.h"

#define TASKS		1000
#define SECOND		INT64_C(1000000)

static TsdbTaskQueue *
make_queue(int capacity)
{
	return tsdb_task_queue_init(allocate(tsdb_task_queue_bytes(capacity)), capacity);
}

static TsdbTaskKey
key(uint32_t kind, uint32_t database, uint32_t table)
{
	return (TsdbTaskKey) {kind, database, table};
}

static int
add(TsdbTaskQueue *queue, TsdbTaskKey of, TsdbTaskLevel level, int64_t due)
{
	int			slot = tsdb_task_queue_add(queue, &of);

	if (slot != TSDB_TASK_NONE)
		tsdb_task_queue_schedule(queue, slot, level, due);
	return slot;
}

static const TsdbTaskSlot *
at(TsdbTaskQueue *queue, int slot)
{
	return tsdb_task_queue_slot(queue, slot);
}

/* The table of the task that is taken, which is forgotten; 0 if there is none. */
static uint32_t
take(TsdbTaskQueue *queue, uint32_t database)
{
	int			slot = tsdb_task_queue_take(queue, database, UINT32_MAX);
	uint32_t	table = 0;

	if (slot != TSDB_TASK_NONE)
	{
		table = at(queue, slot)->key.table;
		tsdb_task_queue_remove(queue, slot);
	}
	return table;
}

static void
test_bounds(void)
{
	TsdbTaskQueue *queue = make_queue(3);
	TsdbTaskQueue *none = make_queue(0);

	for (uint32_t i = 1; i <= 3; i++)
	{
		if (add(queue, key(0, 1, i), TSDB_LEVEL_NORMAL, i) == TSDB_TASK_NONE)
			fail("no room for task %u of 3", i);
	}
	if (add(queue, key(0, 1, 4), TSDB_LEVEL_NORMAL, 0) != TSDB_TASK_NONE)
		fail("a fourth task of three");
	if (tsdb_task_queue_used(queue) != 3 || tsdb_task_queue_capacity(queue) != 3)
		fail("counts of a full queue");
	tsdb_task_queue_remove(queue, tsdb_task_queue_find(queue, &(TsdbTaskKey) {0, 1, 2}));
	if (add(queue, key(0, 1, 4), TSDB_LEVEL_NORMAL, 0) == TSDB_TASK_NONE)
		fail("no room when a task has gone");
	if (!tsdb_task_queue_check(queue))
		fail("the queue is not in order");
	if (add(none, key(0, 1, 1), TSDB_LEVEL_NORMAL, 0) != TSDB_TASK_NONE || take(none, 1) != 0 ||
		tsdb_task_queue_ripen(none, 5) != TSDB_TASK_NEVER)
		fail("a queue without room has a task");
	free(queue);
	free(none);
	finish("bounds of a queue");
}

/* Nothing runs before its time, and who asks is told when that will be. */
static void
test_due(void)
{
	TsdbTaskQueue *queue = make_queue(10);
	int			slot;

	slot = add(queue, key(0, 1, 1), TSDB_LEVEL_URGENT, 100);
	(void) add(queue, key(0, 1, 2), TSDB_LEVEL_LOWEST, 50);
	(void) add(queue, key(0, 1, 3), TSDB_LEVEL_HIGH, TSDB_TASK_NEVER);
	if (take(queue, 1) != 0)
		fail("a task that waits was taken");
	if (tsdb_task_queue_ripen(queue, 49) != 50 || tsdb_task_queue_ready(queue) != 0)
		fail("ready before its time");
	if (tsdb_task_queue_ripen(queue, 50) != 100 || take(queue, 1) != 2 || take(queue, 1) != 0)
		fail("not ready at its time");

	/* put off, and off again, while it is ready */
	(void) tsdb_task_queue_ripen(queue, 100);
	tsdb_task_queue_schedule(queue, slot, TSDB_LEVEL_URGENT, 200);
	if (take(queue, 1) != 0 || tsdb_task_queue_ripen(queue, 150) != 200)
		fail("a task that was put off is still ready");
	tsdb_task_queue_schedule(queue, slot, TSDB_LEVEL_URGENT, TSDB_TASK_NEVER);
	if (tsdb_task_queue_ripen(queue, INT64_MAX - 1) != TSDB_TASK_NEVER || take(queue, 1) != 0)
		fail("a task that rests was taken");
	if (!tsdb_task_queue_check(queue))
		fail("the queue is not in order");
	free(queue);
	finish("tasks wait for their time");
}

/* A task in the model. */
typedef struct Expected
{
	int64_t		order;
	uint32_t	table;
} Expected;

static int
compare_expected(const void *a, const void *b)
{
	const Expected *x = a;
	const Expected *y = b;

	return x->order < y->order ? -1 : x->order > y->order;
}

/* A thousand tasks of all levels, which came within two minutes, run in the order that their levels and ages say. */
static void
test_thousand(void)
{
	TsdbTaskQueue *queue = make_queue(TASKS);
	Expected	expected[TASKS];
	int			inversions = 0;
	int			last_level = -1;

	for (uint32_t i = 0; i < TASKS; i++)
	{
		TsdbTaskLevel level = (TsdbTaskLevel) (draw() % TSDB_TASK_LEVELS);
		int64_t		due = (int64_t) (draw() % (120 * SECOND));

		/* no two are the same, so that there is one order */
		due = due / TASKS * TASKS + i;
		(void) add(queue, key(i % 3, 1, i + 1), level, due);
		expected[i].order = due + level * TSDB_TASK_AGE_STEP;
		expected[i].table = i + 1;
	}
	qsort(expected, TASKS, sizeof(Expected), compare_expected);

	(void) tsdb_task_queue_ripen(queue, 120 * SECOND);
	if (tsdb_task_queue_ready(queue) != TASKS || !tsdb_task_queue_check(queue))
		fail("not all are ready");
	for (int i = 0; i < TASKS; i++)
	{
		int			slot = tsdb_task_queue_take(queue, 1, UINT32_MAX);

		if (slot == TSDB_TASK_NONE || at(queue, slot)->key.table != expected[i].table)
			fail("task %d is not the one that is due then", i);
		if (at(queue, slot)->level < last_level)
			inversions++;
		last_level = at(queue, slot)->level;
		tsdb_task_queue_remove(queue, slot);
	}
	if (tsdb_task_queue_used(queue) != 0 || !tsdb_task_queue_check(queue))
		fail("the queue is not empty at the end");
	if (inversions == 0)
		fail("no task was old enough to go before one of a higher level");

	/* the same without ages: by levels alone, and in each as they came */
	for (uint32_t i = 0; i < TASKS; i++)
		(void) add(queue, key(0, 1, i + 1), (TsdbTaskLevel) (i * 7 % TSDB_TASK_LEVELS), 1000 + i);
	(void) tsdb_task_queue_ripen(queue, 1000 + TASKS);
	last_level = 0;
	for (uint32_t i = 0, last = 0; i < TASKS; i++)
	{
		int			slot = tsdb_task_queue_take(queue, 1, UINT32_MAX);
		const TsdbTaskSlot *task = at(queue, slot);

		if (task->level < last_level || (task->level == last_level && task->key.table <= last))
			fail("task %u of level %d came after level %d", task->key.table, task->level, last_level);
		last_level = task->level;
		last = task->key.table;
		tsdb_task_queue_remove(queue, slot);
	}
	free(queue);
	finish("a thousand tasks of mixed priority");
}

/*
 * However many tasks of higher levels come, one of the lowest is done before those that are due
 * four steps after it, and before any when there is time for all.
 */
static void
test_starvation(void)
{
	TsdbTaskQueue *queue = make_queue(10000);
	int64_t		now = 0;
	int64_t		done_at = -1;
	uint32_t	next = 2;

	(void) add(queue, key(0, 1, 1), TSDB_LEVEL_LOWEST, 0);
	for (; now < 100 * SECOND && done_at < 0; now += SECOND / 10)
	{
		uint32_t	table;

		/* two come, one is done */
		(void) add(queue, key(0, 1, next++), TSDB_LEVEL_URGENT, now);
		(void) add(queue, key(0, 1, next++), (TsdbTaskLevel) (draw() % TSDB_LEVEL_LOWEST), now);
		(void) tsdb_task_queue_ripen(queue, now);
		table = take(queue, 1);
		if (table == 1)
			done_at = now;
	}
	/* of 20 a second that come, 10 are done, so those of 40 seconds take 80 */
	if (done_at < 0 || done_at > 2 * (TSDB_TASK_LEVELS - 1) * TSDB_TASK_AGE_STEP)
		fail("a task of the lowest level was done after %lld us", (long long) done_at);
	free(queue);
	finish("nothing starves");
}

/* Of two tables in one level, one with many tasks and one with a few, both have their turns. */
static void
test_turns(void)
{
	TsdbTaskQueue *queue = make_queue(100);
	int			few_done = 0;

	for (int i = 0; i < 50; i++)
		(void) add(queue, key(2, 1, 1), TSDB_LEVEL_HIGH, 10);
	for (int i = 0; i < 5; i++)
		(void) add(queue, key(2, 1, 2), TSDB_LEVEL_HIGH, 20);
	(void) tsdb_task_queue_ripen(queue, 20);
	for (int i = 0; i < 10; i++)
	{
		if (take(queue, 1) == 2)
			few_done++;
	}
	if (few_done != 5)
		fail("%d of 5 tasks were done among the first ten", few_done);
	if (tsdb_task_queue_ready(queue) != 45)
		fail("wrong number is left");

	/* however many there are, they stay in their level */
	(void) add(queue, key(0, 1, 3), TSDB_LEVEL_NORMAL, 20);
	(void) tsdb_task_queue_ripen(queue, 20);
	for (int i = 0; i < 45; i++)
	{
		if (take(queue, 1) != 1)
			fail("a task of a lower level came first");
	}
	free(queue);
	finish("tables take turns");
}

/* Workers get tasks of their own database and of kinds that they do. */
static void
test_databases(void)
{
	TsdbTaskQueue *queue = make_queue(1000);
	uint32_t	last[11] = {0};

	for (uint32_t i = 1; i <= 1000; i++)
		(void) add(queue, key(i % 2, i % 10 + 1, i), TSDB_LEVEL_NORMAL, i);
	(void) tsdb_task_queue_ripen(queue, 2000);
	for (int i = 0; i < 1000; i++)
	{
		uint32_t	database = (uint32_t) (draw() % 10) + 1;
		uint32_t	table = take(queue, database);

		if (table == 0 ? last[database] < 991 - 1 : (table % 10 + 1 != database || table <= last[database]))
			fail("database %u: task %u after %u", database, table, last[database]);
		if (table != 0)
			last[database] = table;
	}
	if (take(queue, 11) != 0)
		fail("a task of a database that has none");
	if (!tsdb_task_queue_check(queue))
		fail("the queue is not in order");

	free(queue);
	queue = make_queue(4);
	(void) add(queue, key(0, 1, 1), TSDB_LEVEL_URGENT, 0);
	(void) add(queue, key(3, 1, 2), TSDB_LEVEL_LOWEST, 0);
	(void) tsdb_task_queue_ripen(queue, 0);
	if (tsdb_task_queue_take(queue, 1, 1 << 4) != TSDB_TASK_NONE ||
		at(queue, tsdb_task_queue_take(queue, 1, 1 << 3))->key.table != 2)
		fail("the kind that was asked for");
	free(queue);
	finish("databases and kinds");
}

/* Anything in any order: against an array that is searched. */
static void
test_model(void)
{
	enum
	{
		ROOM = 60
	};
	TsdbTaskQueue *queue = make_queue(ROOM);
	TsdbTaskSlot model[ROOM];
	int64_t		now = 0;

	memset(model, 0, sizeof(model));
	for (int step = 0; step < 200000; step++)
	{
		int			slot = (int) (draw() % ROOM);
		TsdbTaskKey of = key(draw() % 2, 1 + (uint32_t) (draw() % 3), 1 + (uint32_t) (draw() % 20));
		TsdbTaskLevel level = (TsdbTaskLevel) (draw() % TSDB_TASK_LEVELS);
		int64_t		due = now - SECOND + (int64_t) (draw() % (60 * SECOND));
		int			found;
		int64_t		first = TSDB_TASK_NEVER;

		now += (int64_t) (draw() % SECOND);
		switch (draw() % 5)
		{
			case 0:
				found = tsdb_task_queue_add(queue, &of);
				if (found == TSDB_TASK_NONE)
				{
					if (tsdb_task_queue_used(queue) != ROOM)
						fail("no room, with %d tasks", tsdb_task_queue_used(queue));
					break;
				}
				if (model[found].state != TSDB_TASK_FREE)
					fail("a slot was given twice");
				model[found].key = of;
				model[found].state = TSDB_TASK_RESTING;
				break;
			case 1:
				if (model[slot].state == TSDB_TASK_FREE)
					break;
				tsdb_task_queue_remove(queue, slot);
				model[slot].state = TSDB_TASK_FREE;
				break;
			case 2:
				if (model[slot].state == TSDB_TASK_FREE)
					break;
				tsdb_task_queue_schedule(queue, slot, level, due);
				model[slot].state = TSDB_TASK_WAITING;
				model[slot].due = due;
				model[slot].level = level;
				break;
			case 3:
				for (int i = 0; i < ROOM; i++)
				{
					if (model[i].state == TSDB_TASK_WAITING && model[i].due <= now)
						model[i].state = TSDB_TASK_READY;
					else if (model[i].state == TSDB_TASK_WAITING && model[i].due < first)
						first = model[i].due;
				}
				if (tsdb_task_queue_ripen(queue, now) != first)
					fail("the next one is due at another time");
				break;
			case 4:
				found = tsdb_task_queue_take(queue, of.database, UINT32_C(1) << of.kind);
				for (int i = 0; i < ROOM; i++)
				{
					if (model[i].state == TSDB_TASK_READY && model[i].key.database == of.database &&
						model[i].key.kind == of.kind &&
						(found == TSDB_TASK_NONE || at(queue, i)->order < at(queue, found)->order))
						fail("another one comes first");
				}
				if (found == TSDB_TASK_NONE)
					break;
				if (model[found].state != TSDB_TASK_READY || model[found].key.database != of.database ||
					model[found].key.kind != of.kind)
					fail("a task was taken that must not be");
				model[found].state = TSDB_TASK_RUNNING;
				break;
		}

		/* by their keys, as many as there are */
		found = 0;
		for (int i = 0; i < ROOM; i++)
		{
			const TsdbTaskSlot *task = at(queue, i);

			if (task->state != model[i].state)
				fail("slot %d is in state %d, not %d", i, task->state, model[i].state);
			if (task->state == TSDB_TASK_READY &&
				(task->order < task->due + task->level * TSDB_TASK_AGE_STEP ||
				 task->order > task->due + task->level * TSDB_TASK_AGE_STEP + ROOM * TSDB_TASK_TURN))
				fail("an order that does not follow from level and time");
			found += model[i].state != TSDB_TASK_FREE && model[i].key.kind == of.kind &&
				model[i].key.database == of.database && model[i].key.table == of.table;
		}
		for (int i = tsdb_task_queue_find(queue, &of); i != TSDB_TASK_NONE; i = tsdb_task_queue_find_next(queue, i))
			found--;
		if (found != 0)
			fail("%d tasks of a key were not found", found);
		if (step % 16 == 0 && !tsdb_task_queue_check(queue))
			fail("the queue is not in order");
		if (!good)
			break;
	}
	free(queue);
	finish("anything in any order");
}

int
main(void)
{
	test_bounds();
	test_due();
	test_thousand();
	test_starvation();
	test_turns();
	test_databases();
	test_model();
	return summary();
}
