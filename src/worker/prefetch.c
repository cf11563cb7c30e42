/*
 * prefetch.c
 *		Loading what is expected to be read: from the log of accesses to tasks for workers.
 */
#include "postgres.h"

#include "worker/prefetch.h"

#include "cache/access_log.h"
#include "cache/access_trace.h"
#include "cache/working_set.h"
#include "lockfree/ring.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "stats/shared_memory.h"
#include "storage/fd.h"
#include "storage/shmem.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "worker/launcher.h"
#include "worker/pool.h"
#include "worker/schedule.h"

/* accesses taken at once, and in one round */
#define TAKEN			64
#define TAKEN_A_ROUND	1024

/* milliseconds until the launcher looks again by itself */
#define LOOK_AGAIN		5

/* tasks a second, and at once */
#define PREFETCH_RATE	200
#define PREFETCH_BURST	100

/* predictions whose time is yet to come; more are dropped */
#define WAITING_MAX		1024

/* reports of workers that nobody has read; more are lost */
#define REPORTS			1024

typedef struct Report
{
	uint32		promise;
	uint32		vectors;
} Report;

typedef struct PatternCounters
{
	pg_atomic_uint64 predicted;
	pg_atomic_uint64 came;
	pg_atomic_uint64 failed;
	pg_atomic_uint64 throttled;
	pg_atomic_uint64 loaded;
	pg_atomic_uint64 used;
} PatternCounters;

static PatternCounters *counters = NULL;	/* of each pattern; the launcher writes */
static TsdbRing *reports = NULL;

static double confidence = TSDB_PREDICT_CONFIDENCE_DEFAULT;
static char *trace_name = NULL;

/* of the launcher */
static TsdbPredictor *predictor = NULL;
static TsdbPrediction *waiting = NULL;
static int	nwaiting = 0;
static double tokens = PREFETCH_BURST;
static TimestampTz tokens_at = 0;
static TimestampTz passed_at = 0;

/* ---- orders ---- */

static Size
order_bytes(int nranks, int nhashes, int ncolumns)
{
	return sizeof(TsdbPrefetchOrder) + nranks * sizeof(uint64) + nhashes * sizeof(uint32) +
		ncolumns * sizeof(int16);
}

/*
 * Write an order for the series [first, end) of what is expected, if they are known one by one, else for all.
 */
static Size
write_order(TsdbPrefetchOrder *order, const TsdbPrediction *prediction, int first, int end)
{
	const TsdbAccess *access = &prediction->access;
	char	   *to = (char *) (order + 1);
	int			nranks = access->paired ? end - first : access->nranks;
	int			nhashes = access->paired ? end - first : access->nhashes;

	/* then series are told from others of a shard less well */
	if (order_bytes(nranks, nhashes, access->ncolumns) > TSDB_TASK_PAYLOAD_MAX)
		nhashes = 0;
	memset(order, 0, TSDB_TASK_PAYLOAD_MAX);
	order->from = access->from;
	order->to = access->to;
	order->key = access->key;
	order->promise = prediction->promise;
	order->time = access->time;
	order->rank = access->rank;
	order->nranks = nranks;
	order->nhashes = nhashes;
	order->ncolumns = access->ncolumns;
	order->paired = access->paired && nhashes > 0;
	order->edges = access->edges;
	memcpy(to, access->ranks + first, nranks * sizeof(uint64));
	to += nranks * sizeof(uint64);
	memcpy(to, access->hashes + first, nhashes * sizeof(uint32));
	to += nhashes * sizeof(uint32);
	memcpy(to, access->columns, access->ncolumns * sizeof(int16));
	return order_bytes(nranks, nhashes, access->ncolumns);
}

StaticAssertDecl(sizeof(TsdbPrefetchOrder) + TSDB_ACCESS_SERIES_MAX * sizeof(uint64) +
				 TSDB_ACCESS_COLUMNS_MAX * sizeof(int16) <= TSDB_TASK_PAYLOAD_MAX + 8,
				 "an order without hashes");

void
tsdb_prefetch_order_read(const TsdbPrefetchOrder *order, TsdbAccess *access)
{
	const char *from = (const char *) (order + 1);

	memset(access, 0, sizeof(*access));
	access->from = order->from;
	access->to = order->to;
	access->key = order->key;
	access->time = order->time;
	access->rank = order->rank;
	access->nranks = order->nranks;
	access->nhashes = order->nhashes;
	access->ncolumns = order->ncolumns;
	access->paired = order->paired;
	access->edges = order->edges;
	memcpy(access->ranks, from, order->nranks * sizeof(uint64));
	from += order->nranks * sizeof(uint64);
	memcpy(access->hashes, from, order->nhashes * sizeof(uint32));
	from += order->nhashes * sizeof(uint32);
	memcpy(access->columns, from, order->ncolumns * sizeof(int16));
}

/* ---- tasks ---- */

/* Add the tasks of a prediction that is due; one as a rule, more if it is of many series. */
static void
add_tasks(const TsdbPrediction *prediction)
{
	const TsdbAccess *access = &prediction->access;
	TsdbTask	task;
	int			step = Max(access->nranks, 1);

	memset(&task, 0, sizeof(task));
	task.kind = TSDB_TASK_PREFETCH;
	task.level = prediction->pattern == TSDB_PATTERN_REFRESH ? TSDB_LEVEL_NORMAL : TSDB_LEVEL_HIGH;
	task.dboid = access->database;
	task.relid = access->table;
	while (access->paired && step > 1 &&
		   order_bytes(step, step, access->ncolumns) > TSDB_TASK_PAYLOAD_MAX)
		step--;
	for (int first = 0; first == 0 || first < access->nranks; first += step)
	{
		if (tokens < 1)
			return;
		tokens--;
		task.payload_bytes = write_order((TsdbPrefetchOrder *) task.payload.bytes, prediction,
										 first, Min(first + step, access->nranks));
		if (!tsdb_task_add(&task))
			return;
		if (!access->paired)
			return;
	}
}

/* Add what is due, and tell when the next one is. */
static void
add_due(TimestampTz now, TimestampTz *wake)
{
	int			kept = 0;

	for (int i = 0; i < nwaiting; i++)
	{
		if (waiting[i].due <= now)
			add_tasks(&waiting[i]);
		else
		{
			*wake = Min(*wake, waiting[i].due);
			waiting[kept++] = waiting[i];
		}
	}
	nwaiting = kept;
}

/* ---- the launcher's round ---- */

/* Write accesses to the trace.  What goes wrong is told once, until the setting changes. */
static void
trace(const TsdbAccess *accesses, uint32 count)
{
	static char *failed = NULL;
	char		line[TSDB_ACCESS_LINE_MAX];
	FILE	   *file;
	bool		good;

	if (trace_name == NULL || trace_name[0] == '\0' ||
		(failed != NULL && strcmp(failed, trace_name) == 0))
		return;
	file = AllocateFile(trace_name, PG_BINARY_A);
	good = file != NULL;
	if (good && (fseeko(file, 0, SEEK_END) != 0 ||
				 ftello(file) >= (pgoff_t) TSDB_ACCESS_TRACE_MAX * 1024 * 1024))
	{
		errno = EFBIG;
		good = false;
	}
	for (uint32 i = 0; good && i < count; i++)
	{
		size_t		length = tsdb_access_trace_write(&accesses[i], line);

		good = fwrite(line, 1, length, file) == length;
	}
	if (file != NULL && FreeFile(file) != 0)
		good = false;
	if (!good)
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write to file \"%s\": %m", trace_name),
				 errdetail("Accesses are not traced any more.")));
		if (failed != NULL)
			pfree(failed);
		failed = MemoryContextStrdup(TopMemoryContext, trace_name);
	}
}

static void
publish_counts(void)
{
	for (int i = 0; i < TSDB_PATTERNS; i++)
	{
		TsdbPatternCounts counts;

		tsdb_predict_counts(predictor, i, &counts);
		pg_atomic_write_u64(&counters[i].predicted, counts.predicted);
		pg_atomic_write_u64(&counters[i].came, counts.came);
		pg_atomic_write_u64(&counters[i].failed, counts.failed);
		pg_atomic_write_u64(&counters[i].throttled, counts.throttled);
		pg_atomic_write_u64(&counters[i].loaded, counts.loaded);
		pg_atomic_write_u64(&counters[i].used, counts.used);
	}
}

static void
read_reports(void)
{
	Report		report;

	while (tsdb_ring_pop(reports, &report, sizeof(report)))
		tsdb_predict_loaded(predictor, report.promise, report.vectors);
}

/* Learn from an access, and note what is expected now. */
static void
learn(const TsdbAccess *access)
{
	TsdbPrediction predictions[TSDB_PREDICTIONS_MAX];
	int			count = tsdb_predict_access(predictor, access, confidence, predictions);

	for (int i = 0; i < count && nwaiting < WAITING_MAX; i++)
		waiting[nwaiting++] = predictions[i];
}

static void
start_predictor(void)
{
	predictor = tsdb_predict_init(MemoryContextAlloc(TopMemoryContext, tsdb_predict_bytes()));
	waiting = MemoryContextAlloc(TopMemoryContext, WAITING_MAX * sizeof(TsdbPrediction));
}

static void
prefetch_round(TimestampTz now, TimestampTz *wake)
{
	TsdbAccess	accesses[TAKEN];
	uint32		taken = 0;
	uint32		count;

	if (!tsdb_enable_prefetch)
		nwaiting = 0;
	tokens = Min(PREFETCH_BURST, tokens + (now - tokens_at) * (PREFETCH_RATE / 1000000.0));
	tokens_at = now;
	if (predictor != NULL)
		read_reports();
	while (taken < TAKEN_A_ROUND && (count = tsdb_access_log_take(accesses, TAKEN)) > 0)
	{
		if (predictor == NULL)
			start_predictor();
		taken += count;
		trace(accesses, count);
		for (uint32 i = 0; i < count && tsdb_enable_prefetch; i++)
			learn(&accesses[i]);
	}
	if (predictor != NULL)
	{
		if (now - passed_at >= USECS_PER_SEC)
		{
			tsdb_predict_pass(predictor, now);
			passed_at = now;
		}
		add_due(now, wake);
		publish_counts();
	}
	if (taken > 0)
		*wake = Min(*wake, TimestampTzPlusMilliseconds(now, LOOK_AGAIN));
	else if (!tsdb_access_log_rest())
		*wake = Min(*wake, now);
}

/* ---- others ---- */

void
tsdb_prefetch_loaded(uint32 promise, uint32 vectors)
{
	Report		report = {.promise = promise,.vectors = vectors};

	if (reports != NULL && vectors > 0)
		(void) tsdb_ring_push(reports, &report, sizeof(report));
}

bool
tsdb_prefetch_counts(TsdbPattern pattern, TsdbPatternCounts *counts)
{
	if (counters == NULL)
		return false;
	counts->predicted = pg_atomic_read_u64(&counters[pattern].predicted);
	counts->came = pg_atomic_read_u64(&counters[pattern].came);
	counts->failed = pg_atomic_read_u64(&counters[pattern].failed);
	counts->throttled = pg_atomic_read_u64(&counters[pattern].throttled);
	counts->loaded = pg_atomic_read_u64(&counters[pattern].loaded);
	counts->used = pg_atomic_read_u64(&counters[pattern].used);
	return true;
}

/* ---- start ---- */

static void
request(void)
{
	RequestAddinShmemSpace(TSDB_PATTERNS * sizeof(PatternCounters));
	RequestAddinShmemSpace(tsdb_ring_bytes(REPORTS, sizeof(Report)) + TSDB_RING_ALIGN);
}

static void
startup(void)
{
	void	   *memory;
	bool		found;

	counters = ShmemInitStruct("tsdb prefetch counters", TSDB_PATTERNS * sizeof(PatternCounters),
							   &found);
	for (int i = 0; i < TSDB_PATTERNS && !found; i++)
	{
		pg_atomic_init_u64(&counters[i].predicted, 0);
		pg_atomic_init_u64(&counters[i].came, 0);
		pg_atomic_init_u64(&counters[i].failed, 0);
		pg_atomic_init_u64(&counters[i].throttled, 0);
		pg_atomic_init_u64(&counters[i].loaded, 0);
		pg_atomic_init_u64(&counters[i].used, 0);
	}
	memory = ShmemInitStruct("tsdb prefetch reports",
							 tsdb_ring_bytes(REPORTS, sizeof(Report)) + TSDB_RING_ALIGN, &found);
	memory = (void *) TYPEALIGN(TSDB_RING_ALIGN, memory);
	reports = found ? memory : tsdb_ring_init(memory, REPORTS, sizeof(Report));
}

void
tsdb_prefetch_init(void)
{
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	DefineCustomRealVariable("tsdb.prefetch_confidence",
							 "Sets how likely it must be that something is read next for it to be loaded.",
							 "From 0 to 1. Lower values load more, of which less is used.",
							 &confidence, TSDB_PREDICT_CONFIDENCE_DEFAULT,
							 TSDB_PREDICT_CONFIDENCE_MIN, TSDB_PREDICT_CONFIDENCE_MAX,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("tsdb.access_trace",
							   "Names a file to which it is written what queries ask for.",
							   "For bench/predict. Series are written as numbers, from which their names cannot be told.",
							   &trace_name, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY | GUC_NOT_IN_SAMPLE,
							   NULL, NULL, NULL);
	tsdb_launcher_add_round(prefetch_round);
	tsdb_access_log_wake = tsdb_schedule_wake_launcher;
	tsdb_shared_memory_add(request, startup);
}
