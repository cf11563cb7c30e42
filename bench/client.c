/*-------------------------------------------------------------------------
 *
 * client.c
 *		A client of the benchmarks that takes results as applications' drivers do: binary.
 *
 * Forty thousand rows of ten gauges take PostgreSQL longer to print as text than to find.  Drivers
 * (pgx, which TSBS uses, JDBC, Npgsql, …) therefore ask for the binary format; psql cannot.
 *
 * Reads requests from standard input, a line each: what to do, a blank, a statement.
 *
 *	time SQL	run it by the extended protocol, without parameters, and fetch its result
 *	text SQL	the same in the text format, written as CSV to the file named on the command line
 *
 * Answers each by a line: "done MILLISECONDS", from sending the statement to having the whole result,
 * or "failed SQLSTATE MESSAGE".  The first line is "ready PID", the backend's.  Where to connect is
 * said by the environment, as for any program of libpq.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

static double
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* A message as one line. */
static void
print_line(const char *text)
{
	for (; *text != '\0'; text++)
		putchar(*text == '\n' ? ' ' : *text);
	putchar('\n');
}

static void
write_field(FILE *out, const char *text)
{
	if (strpbrk(text, ",\"\r\n") == NULL)
	{
		fputs(text, out);
		return;
	}
	putc('"', out);
	for (; *text != '\0'; text++)
	{
		if (*text == '"')
			putc('"', out);
		putc(*text, out);
	}
	putc('"', out);
}

/* Null is written as psql does: as nothing. */
static int
write_csv(const PGresult *result, const char *path)
{
	FILE	   *out = fopen(path, "w");
	int			nfields = PQnfields(result);

	if (out == NULL)
		return -1;
	for (int row = -1; row < PQntuples(result); row++)
	{
		for (int i = 0; i < nfields; i++)
		{
			if (i > 0)
				putc(',', out);
			write_field(out, row < 0 ? PQfname(result, i) : PQgetvalue(result, row, i));
		}
		putc('\n', out);
	}
	return fclose(out);
}

static void
run(PGconn *conn, const char *sql, const char *path)
{
	double		start = now_ms();
	PGresult   *result = PQexecParams(conn, sql, 0, NULL, NULL, NULL, NULL, path == NULL);
	double		elapsed = now_ms() - start;
	ExecStatusType status = PQresultStatus(result);

	if (status == PGRES_TUPLES_OK && path != NULL && write_csv(result, path) != 0)
		printf("failed 58030 the result cannot be written\n");
	else if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		printf("done %.4f\n", elapsed);
	else
	{
		const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

		printf("failed %s ", sqlstate != NULL ? sqlstate : "08006");
		print_line(PQerrorMessage(conn));
	}
	PQclear(result);
}

int
main(int argc, char **argv)
{
	PGconn	   *conn = PQconnectdb("");
	char	   *line = NULL;
	size_t		allocated = 0;

	if (argc != 2 || PQstatus(conn) != CONNECTION_OK)
	{
		fprintf(stderr, "usage: client FILE.csv, and a server to connect to\n%s",
				PQerrorMessage(conn));
		return 1;
	}
	printf("ready %d\n", PQbackendPID(conn));
	fflush(stdout);
	while (getline(&line, &allocated, stdin) > 0)
	{
		if (strncmp(line, "time ", 5) == 0)
			run(conn, line + 5, NULL);
		else if (strncmp(line, "text ", 5) == 0)
			run(conn, line + 5, argv[1]);
		else
			printf("failed 08P01 a request is not understood\n");
		fflush(stdout);
	}
	free(line);
	PQfinish(conn);
	return 0;
}
