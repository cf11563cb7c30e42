/*
 * ingest_client.c
 *		Sends the rows of a binary COPY file to a server, some at a time.
 *
 *		ingest_client MODE FILE ROWS CONNINFO [SET ...]
 *
 * Each call sends ROWS rows and waits for the answer:
 *
 *		values		INSERT ... VALUES (...), (...), ... as text
 *		unnest		INSERT ... SELECT FROM unnest($1, $2, ...), prepared, arrays in binary
 *		arrays		SELECT tsdb.ingest('cpu', $1, $2, ...), prepared, arrays in binary
 *		bytes		the same, arrays declared as bytea
 *		insert		INSERT ... VALUES ($1, $2, ...), prepared; ROWS of them in a pipeline
 *		rows		SELECT tsdb.ingest('cpu', ROW($1, $2, ...)), prepared; ROWS of them in a pipeline
 *
 * The rows are those of the table cpu: timestamptz, int4, ten float8.  The file is read before
 * the clock starts.  Prints the number of rows, and the seconds.  Other arguments are statements
 * that are run first.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libpq-fe.h"

#define COLUMNS			12
#define HEADER_BYTES	19
#define PG_EPOCH		946684800	/* 2000-01-01 in seconds of Unix */

/* OIDs that PostgreSQL has never changed */
#define TIMESTAMPTZ_OID	1184
#define INT4_OID		23
#define FLOAT8_OID		701

typedef struct Column
{
	const char *name;			/* of the type */
	uint32_t	oid;
	int			bytes;
} Column;

typedef struct Rows
{
	char	   *bytes;			/* of all columns, one column after the other */
	size_t		start[COLUMNS];
	size_t		count;
} Rows;

/* What a column is sent as. */
typedef enum Form
{
	SINGLE_VALUES,
	ARRAYS,
	BYTES						/* the same bytes as of an array */
} Form;

static Column columns[COLUMNS];

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "ingest_client: %s: %s\n", what, why);
	exit(1);
}

static void *
allocate(size_t bytes)
{
	void	   *memory = malloc(bytes);

	if (memory == NULL)
		die("memory", "there is no more");
	return memory;
}

static uint64_t
get_int(const char *from, int bytes)
{
	uint64_t	value = 0;

	for (int i = 0; i < bytes; i++)
		value = value << 8 | (uint8_t) from[i];
	return value;
}

static char *
put_int(char *to, uint64_t value, int bytes)
{
	for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
		*to++ = (char) (value >> shift);
	return to;
}

static void
define_columns(void)
{
	columns[0] = (Column) {"timestamptz", TIMESTAMPTZ_OID, 8};
	columns[1] = (Column) {"int4", INT4_OID, 4};
	for (int i = 2; i < COLUMNS; i++)
		columns[i] = (Column) {"float8", FLOAT8_OID, 8};
}

/* Reads the file, and sorts its fields by columns. */
static Rows
read_rows(const char *path)
{
	size_t		row_bytes = 2;
	size_t		file_bytes;
	size_t		start = 0;
	char	   *file;
	const char *from;
	Rows		rows;
	FILE	   *in = fopen(path, "rb");

	if (in == NULL || fseek(in, 0, SEEK_END) != 0)
		die(path, "cannot be read");
	file_bytes = (size_t) ftell(in);
	rewind(in);
	file = allocate(file_bytes);
	if (fread(file, 1, file_bytes, in) != file_bytes)
		die(path, "cannot be read");
	fclose(in);

	for (int i = 0; i < COLUMNS; i++)
		row_bytes += 4 + (size_t) columns[i].bytes;
	if (file_bytes < HEADER_BYTES + 2 || (file_bytes - HEADER_BYTES - 2) % row_bytes != 0)
		die(path, "has other columns");
	rows.count = (file_bytes - HEADER_BYTES - 2) / row_bytes;
	rows.bytes = allocate(file_bytes);
	for (int i = 0; i < COLUMNS; i++)
	{
		rows.start[i] = start;
		start += rows.count * (size_t) columns[i].bytes;
	}

	from = file + HEADER_BYTES;
	for (size_t row = 0; row < rows.count; row++)
	{
		from += 2;
		for (int i = 0; i < COLUMNS; i++)
		{
			size_t		bytes = (size_t) columns[i].bytes;

			if (get_int(from, 4) != bytes)
				die(path, "has other columns");
			memcpy(rows.bytes + rows.start[i] + row * bytes, from + 4, bytes);
			from += 4 + bytes;
		}
	}
	free(file);
	return rows;
}

static const char *
field(const Rows *rows, int column, size_t row)
{
	return rows->bytes + rows->start[column] + row * (size_t) columns[column].bytes;
}

/* A statement for all columns: head, then first, between and last around each parameter. */
static char *
statement(const char *head, Form form, const char *tail)
{
	char	   *sql = allocate(4096);
	char	   *to = sql + sprintf(sql, "%s", head);

	for (int i = 0; i < COLUMNS; i++)
		to += sprintf(to, "%s$%d::%s%s", i ? ", " : "", i + 1, form == BYTES ? "bytea" : columns[i].name,
					  form == ARRAYS ? "[]" : "");
	sprintf(to, "%s", tail);
	return sql;
}

static void
expect(PGconn *conn, PGresult *result, ExecStatusType wanted)
{
	if (PQresultStatus(result) != wanted)
		die("the server says", result ? PQresultErrorMessage(result) : PQerrorMessage(conn));
	PQclear(result);
}

static void
send_values(PGconn *conn, const Rows *rows, size_t first, size_t count)
{
	char	   *sql = allocate(64 + count * COLUMNS * 32);
	char	   *to = sql + sprintf(sql, "INSERT INTO cpu VALUES ");

	for (size_t row = first; row < first + count; row++)
	{
		time_t		clock = (time_t) ((int64_t) get_int(field(rows, 0, row), 8) / 1000000 + PG_EPOCH);

		to += strftime(to, 40, row > first ? ",('%Y-%m-%d %H:%M:%S+00'" : "('%Y-%m-%d %H:%M:%S+00'", gmtime(&clock));
		to += sprintf(to, ",%d", (int) get_int(field(rows, 1, row), 4));
		for (int i = 2; i < COLUMNS; i++)
		{
			uint64_t	bits = get_int(field(rows, i, row), 8);
			double		value;

			memcpy(&value, &bits, sizeof(value));
			to += sprintf(to, ",%.15g", value);
		}
		*to++ = ')';
	}
	*to = '\0';
	expect(conn, PQexec(conn, sql), PGRES_COMMAND_OK);
	free(sql);
}

/* One array per column, in the format of array_recv(). */
static void
send_arrays(PGconn *conn, const Rows *rows, size_t first, size_t count, ExecStatusType wanted)
{
	const char *values[COLUMNS];
	int			lengths[COLUMNS];
	int			formats[COLUMNS];

	for (int i = 0; i < COLUMNS; i++)
	{
		int			bytes = columns[i].bytes;
		char	   *array = allocate(20 + count * (size_t) (4 + bytes));
		char	   *to = array;

		to = put_int(to, 1, 4);	/* dimensions */
		to = put_int(to, 0, 4);	/* nulls */
		to = put_int(to, columns[i].oid, 4);
		to = put_int(to, count, 4);
		to = put_int(to, 1, 4);	/* lower bound */
		for (size_t row = first; row < first + count; row++)
		{
			to = put_int(to, (uint64_t) bytes, 4);
			memcpy(to, field(rows, i, row), (size_t) bytes);
			to += bytes;
		}
		values[i] = array;
		lengths[i] = (int) (to - array);
		formats[i] = 1;
	}
	expect(conn, PQexecPrepared(conn, "call", COLUMNS, values, lengths, formats, 1), wanted);
	for (int i = 0; i < COLUMNS; i++)
		free((char *) values[i]);
}

static void
send_pipeline(PGconn *conn, const Rows *rows, size_t first, size_t count, ExecStatusType wanted)
{
	const char *values[COLUMNS];
	int			lengths[COLUMNS];
	int			formats[COLUMNS];

	for (size_t row = first; row < first + count; row++)
	{
		for (int i = 0; i < COLUMNS; i++)
		{
			values[i] = field(rows, i, row);
			lengths[i] = columns[i].bytes;
			formats[i] = 1;
		}
		if (!PQsendQueryPrepared(conn, "call", COLUMNS, values, lengths, formats, 1))
			die("the connection", PQerrorMessage(conn));
	}
	if (!PQpipelineSync(conn))
		die("the connection", PQerrorMessage(conn));
	for (size_t row = 0; row < count; row++)
	{
		expect(conn, PQgetResult(conn), wanted);
		PQgetResult(conn);		/* the null that ends it */
	}
	expect(conn, PQgetResult(conn), PGRES_PIPELINE_SYNC);
}

int
main(int argc, char **argv)
{
	const char *mode;
	char	   *sql = NULL;
	bool		pipeline = false;
	ExecStatusType wanted = PGRES_COMMAND_OK;
	struct timespec before;
	struct timespec after;
	size_t		per_call;
	PGconn	   *conn;
	Rows		rows;

	if (argc < 5)
		die("usage", "ingest_client values|unnest|arrays|bytes|insert|rows FILE ROWS CONNINFO [STATEMENT ...]");
	mode = argv[1];
	define_columns();
	rows = read_rows(argv[2]);
	per_call = strtoul(argv[3], NULL, 10);
	if (per_call == 0)
		die(argv[3], "is no number of rows");

	conn = PQconnectdb(argv[4]);
	if (PQstatus(conn) != CONNECTION_OK)
		die("the connection", PQerrorMessage(conn));
	for (int i = 5; i < argc; i++)
		expect(conn, PQexec(conn, argv[i]), PGRES_COMMAND_OK);

	if (strcmp(mode, "unnest") == 0)
		sql = statement("INSERT INTO cpu SELECT * FROM unnest(", ARRAYS, ")");
	else if (strcmp(mode, "arrays") == 0)
		sql = statement("SELECT tsdb.ingest('cpu', ", ARRAYS, ")");
	else if (strcmp(mode, "bytes") == 0)
		sql = statement("SELECT tsdb.ingest('cpu', ", BYTES, ")");
	else if (strcmp(mode, "insert") == 0)
		sql = statement("INSERT INTO cpu VALUES (", SINGLE_VALUES, ")");
	else if (strcmp(mode, "rows") == 0)
		sql = statement("SELECT tsdb.ingest('cpu', ROW(", SINGLE_VALUES, "))");
	else if (strcmp(mode, "values") != 0)
		die(mode, "is no mode");
	if (sql != NULL)
	{
		expect(conn, PQprepare(conn, "call", sql, 0, NULL), PGRES_COMMAND_OK);
		if (strncmp(sql, "SELECT", 6) == 0)
			wanted = PGRES_TUPLES_OK;
		free(sql);
	}
	if (strcmp(mode, "insert") == 0 || strcmp(mode, "rows") == 0)
		pipeline = PQenterPipelineMode(conn);

	clock_gettime(CLOCK_MONOTONIC, &before);
	for (size_t row = 0; row < rows.count; row += per_call)
	{
		size_t		count = rows.count - row < per_call ? rows.count - row : per_call;

		if (pipeline)
			send_pipeline(conn, &rows, row, count, wanted);
		else if (strcmp(mode, "values") == 0)
			send_values(conn, &rows, row, count);
		else
			send_arrays(conn, &rows, row, count, wanted);
	}
	clock_gettime(CLOCK_MONOTONIC, &after);
	PQfinish(conn);
	printf("%zu %.6f\n", rows.count, (double) (after.tv_sec - before.tv_sec) + (after.tv_nsec - before.tv_nsec) / 1e9);
	return 0;
}
