/*-------------------------------------------------------------------------
 *
 * dashboard_client.c
 *		Plays its part of a trace of queries, each when it is due, and notes what it took.
 *
 *	dashboard_client TRACE OUT START SPEED [TOUCHES]
 *
 * TRACE has a line a query: microseconds of trace time, a tab, who asks, a tab, a statement.  START is the
 * Unix time of the trace's beginning, in seconds; SPEED how many seconds of the trace are one of ours.  A
 * query that is due while another runs waits for its end, as it would for a connection of a pool.
 *
 * OUT gets a line a query: its number, late and elapsed microseconds, rows, a digest of them that does not
 * depend on their order; and in the end "# cpu SECONDS queries N": what the backend has used.
 *
 * With TOUCHES, the session's setting tsdb.trace_cache is on: after each query, outside of what is timed
 * and of the CPU that is counted, the vectors that it looked up are taken from tsdb.take_cache_trace() and
 * written to that file: 16 bytes each, as struct Touch.
 *
 * Results are binary, as drivers want them.  Where to connect is said by the environment.
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

typedef struct Touch
{
	uint32_t	query;
	uint16_t	column;
	char		how;			/* h hit, p hit of what was prefetched, s found in the spill cache, m missed */
	char		pad;
	uint64_t	generation;		/* of the chunk */
} Touch;

static PGconn *conn;
static char schedstat[64];

static double
now(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* CPU seconds of the backend, which is exact while it waits for us. */
static double
backend_cpu(void)
{
	unsigned long long nanoseconds = 0;
	FILE	   *file = fopen(schedstat, "r");

	if (file == NULL || fscanf(file, "%llu", &nanoseconds) != 1)
		nanoseconds = 0;
	if (file != NULL)
		fclose(file);
	return nanoseconds / 1e9;
}

static PGresult *
run(const char *sql, ExecStatusType wanted)
{
	PGresult   *result = PQexecParams(conn, sql, 0, NULL, NULL, NULL, NULL, 1);

	if (PQresultStatus(result) != wanted)
	{
		fprintf(stderr, "%s\n%s", sql, PQerrorMessage(conn));
		exit(1);
	}
	return result;
}

/* FNV-1a of each row, added up. */
static uint64_t
digest(const PGresult *result)
{
	uint64_t	sum = 0;

	for (int row = 0; row < PQntuples(result); row++)
	{
		uint64_t	hash = UINT64_C(14695981039346656037);

		for (int i = 0; i < PQnfields(result); i++)
		{
			const char *value = PQgetvalue(result, row, i);
			int			length = PQgetlength(result, row, i);

			hash = (hash ^ (uint64_t) (PQgetisnull(result, row, i) + 2)) * UINT64_C(1099511628211);
			for (int b = 0; b < length; b++)
				hash = (hash ^ (unsigned char) value[b]) * UINT64_C(1099511628211);
		}
		sum += hash;
	}
	return sum;
}

static void
write_touches(uint32_t query, FILE *out)
{
	PGresult   *result = PQexecPrepared(conn, "touches", 0, NULL, NULL, NULL, 1);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		fprintf(stderr, "tsdb.take_cache_trace(): %s", PQerrorMessage(conn));
		exit(1);
	}
	for (int row = 0; row < PQntuples(result); row++)
	{
		Touch		touch = {.query = query};
		uint32_t	half[2];
		uint16_t	column;

		memcpy(half, PQgetvalue(result, row, 0), 8);
		memcpy(&column, PQgetvalue(result, row, 1), 2);
		touch.generation = (uint64_t) ntohl(half[0]) << 32 | ntohl(half[1]);
		touch.column = ntohs(column);
		touch.how = *PQgetvalue(result, row, 2);
		fwrite(&touch, sizeof(touch), 1, out);
	}
	PQclear(result);
}

int
main(int argc, char **argv)
{
	FILE	   *trace,
			   *out,
			   *touches = NULL;
	char	   *line = NULL;
	size_t		allocated = 0;
	double		start,
				speed,
				cpu,
				uncounted = 0;
	uint32_t	n = 0;

	if (argc < 5 || (trace = fopen(argv[1], "r")) == NULL || (out = fopen(argv[2], "w")) == NULL ||
		(argc > 5 && (touches = fopen(argv[5], "wb")) == NULL))
	{
		fprintf(stderr, "usage: dashboard_client TRACE OUT START SPEED [TOUCHES]\n");
		return 2;
	}
	start = atof(argv[3]);
	speed = atof(argv[4]);
	conn = PQconnectdb("");
	if (PQstatus(conn) != CONNECTION_OK)
	{
		fprintf(stderr, "%s", PQerrorMessage(conn));
		return 1;
	}
	snprintf(schedstat, sizeof(schedstat), "/proc/%d/schedstat", PQbackendPID(conn));
	if (touches != NULL)
	{
		PQclear(run("SET tsdb.trace_cache = on", PGRES_COMMAND_OK));
		PQclear(PQprepare(conn, "touches", "SELECT generation, \"column\", how FROM tsdb.take_cache_trace()", 0, NULL));
	}

	cpu = backend_cpu();
	while (getline(&line, &allocated, trace) > 0)
	{
		char	   *sql = strrchr(line, '\t');
		double		due = start + atof(line) / 1e6 / speed;
		double		late = now(CLOCK_REALTIME) - due;
		double		begin;
		PGresult   *result;

		if (sql == NULL)
			continue;
		while (late < 0)
		{
			struct timespec wait = {.tv_sec = (time_t) -late, .tv_nsec = (long) ((-late - (time_t) -late) * 1e9)};

			nanosleep(&wait, NULL);
			late = now(CLOCK_REALTIME) - due;
		}
		begin = now(CLOCK_MONOTONIC);
		result = run(sql + 1, PGRES_TUPLES_OK);
		fprintf(out, "%u\t%.0f\t%.0f\t%d\t%016" PRIx64 "\n", n, late * 1e6, (now(CLOCK_MONOTONIC) - begin) * 1e6,
				PQntuples(result), digest(result));
		PQclear(result);
		if (touches != NULL)
		{
			double		before = backend_cpu();

			write_touches(n, touches);
			uncounted += backend_cpu() - before;
		}
		n++;
	}
	fprintf(out, "# cpu %.6f queries %u\n", backend_cpu() - cpu - uncounted, n);
	free(line);
	PQfinish(conn);
	return fclose(out) != 0 || (touches != NULL && fclose(touches) != 0) || fclose(trace) != 0;
}
