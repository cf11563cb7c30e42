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
 *	time SQL	run it by the extended protocol, without parameters, and read its result row by row
 *	text SQL	the same in the text format, written as CSV to the file named on the command line
 *
 * Answers each by a line: "done MILLISECONDS", from sending the statement to having the whole result,
 * or "failed SQLSTATE MESSAGE".  The first line is "ready PID", the backend's.  Where to connect is
 * said by the environment, as for any program of libpq.
 *
 * libpq keeps a result whole, which takes it longer than some servers take to send it; drivers that hand
 * out rows as they come do not.  So the messages of a timed statement are written and read here, on the
 * connection that libpq has opened: each field's length is looked at, its bytes are let go.
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

/* ---- results kept whole, as text ---- */

static void
write_result(PGconn *conn, const char *sql, const char *path)
{
	double		start = now_ms();
	PGresult   *result = PQexec(conn, sql);
	double		elapsed = now_ms() - start;
	ExecStatusType status = PQresultStatus(result);

	if (status == PGRES_TUPLES_OK && write_csv(result, path) != 0)
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

/* ---- results read row by row, binary ---- */

typedef struct Reader
{
	int			socket;
	size_t		start;			/* of what is not yet looked at */
	size_t		end;
	size_t		allocated;
	char	   *data;
} Reader;

static _Noreturn void
lose_connection(const char *what)
{
	printf("failed 08006 %s: %s\n", what, strerror(errno));
	fflush(stdout);
	exit(1);
}

/* After a call that transferred n bytes: wait if it would have waited, as libpq's sockets do not. */
static void
check_transfer(int socket, ssize_t n, short event)
{
	struct pollfd wanted = {.fd = socket, .events = event};

	if (n > 0 || (n < 0 && errno == EINTR))
		return;
	if (n == 0 || errno != EAGAIN || (poll(&wanted, 1, -1) < 0 && errno != EINTR))
		lose_connection("the connection is lost");
}

/* The next bytes that the server sends. */
static char *
read_bytes(Reader *reader, size_t bytes)
{
	while (reader->end - reader->start < bytes)
	{
		ssize_t		n;

		memmove(reader->data, reader->data + reader->start, reader->end - reader->start);
		reader->end -= reader->start;
		reader->start = 0;
		if (bytes > reader->allocated)
		{
			reader->allocated = bytes;
			reader->data = realloc(reader->data, bytes);
			if (reader->data == NULL)
				lose_connection("out of memory");
		}
		n = read(reader->socket, reader->data + reader->end, reader->allocated - reader->end);
		check_transfer(reader->socket, n, POLLIN);
		if (n > 0)
			reader->end += (size_t) n;
	}
	reader->start += bytes;
	return reader->data + reader->start - bytes;
}

static uint32_t
number_at(const char *at)
{
	uint32_t	number;

	memcpy(&number, at, sizeof(number));
	return ntohl(number);
}

/* Add a message of a type, whose body ends with a string, to what is sent. */
static char *
add_message(char *at, char type, const char *body, size_t bytes)
{
	uint32_t	length = htonl((uint32_t) (bytes + sizeof(length)));

	*at = type;
	memcpy(at + 1, &length, sizeof(length));
	memcpy(at + 1 + sizeof(length), body, bytes);
	return at + 1 + sizeof(length) + bytes;
}

/* Parse, bind with binary results, describe, execute, sync. */
static void
send_statement(int socket, const char *sql)
{
	size_t		length = strlen(sql);
	char	   *parse = calloc(1, length + 4);
	char	   *all = malloc(length + 128);
	char	   *end;

	if (parse == NULL || all == NULL)
		lose_connection("out of memory");
	memcpy(parse + 1, sql, length); /* no name before it, no parameters after it */
	end = add_message(all, 'P', parse, length + 4);
	end = add_message(end, 'B', "\0\0\0\0\0\0\0\1\0\1", 10);
	end = add_message(end, 'D', "P\0", 2);
	end = add_message(end, 'E', "\0\0\0\0\0", 5);
	end = add_message(end, 'S', "", 0);
	for (char *at = all; at < end;)
	{
		ssize_t		n = write(socket, at, (size_t) (end - at));

		check_transfer(socket, n, POLLOUT);
		if (n > 0)
			at += n;
	}
	free(parse);
	free(all);
}

/* The fields of an error: a letter and a string each. */
static void
print_error(const char *body, size_t bytes)
{
	const char *sqlstate = "08006";
	const char *message = "";

	for (const char *at = body; at < body + bytes && *at != '\0'; at += strlen(at) + 1)
	{
		if (*at == 'C')
			sqlstate = at + 1;
		else if (*at == 'M')
			message = at + 1;
	}
	printf("failed %s ", sqlstate);
	print_line(message);
}

static void
walk_row(const char *body, size_t bytes)
{
	const char *at = body + 2;

	while (at < body + bytes)
	{
		uint32_t	length = number_at(at);

		at += sizeof(length) + (length == UINT32_MAX ? 0 : length);
	}
	if (at != body + bytes)
		lose_connection("a row's fields are longer than it");
}

static void
time_statement(Reader *reader, const char *sql)
{
	double		start = now_ms();
	int			failed = 0;

	send_statement(reader->socket, sql);
	for (;;)
	{
		char	   *header = read_bytes(reader, 5);
		char		type = header[0];
		size_t		bytes = number_at(header + 1) - sizeof(uint32_t);
		char	   *body = read_bytes(reader, bytes);

		if (type == 'D')
			walk_row(body, bytes);
		else if (type == 'E')
		{
			failed = 1;
			print_error(body, bytes);
		}
		else if (type == 'Z')
			break;
	}
	if (!failed)
		printf("done %.4f\n", now_ms() - start);
}

int
main(int argc, char **argv)
{
	PGconn	   *conn = PQconnectdb("");
	char	   *line = NULL;
	size_t		allocated = 0;
	Reader		reader = {0};

	if (argc != 2 || PQstatus(conn) != CONNECTION_OK)
	{
		fprintf(stderr, "usage: client FILE.csv, and a server to connect to\n%s",
				PQerrorMessage(conn));
		return 1;
	}
	reader.socket = PQsocket(conn);
	reader.allocated = 1 << 16;
	reader.data = malloc(reader.allocated);
	printf("ready %d\n", PQbackendPID(conn));
	fflush(stdout);
	while (getline(&line, &allocated, stdin) > 0)
	{
		if (strncmp(line, "time ", 5) == 0)
			time_statement(&reader, line + 5);
		else if (strncmp(line, "text ", 5) == 0)
			write_result(conn, line + 5, argv[1]);
		else
			printf("failed 08P01 a request is not understood\n");
		fflush(stdout);
	}
	free(line);
	free(reader.data);
	PQfinish(conn);
	return 0;
}
