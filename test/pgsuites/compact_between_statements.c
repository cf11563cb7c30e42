/*
 * compact_between_statements.c
 *	  Makes psql and isolationtester compact every tsdb table between statements.
 *
 * Preloaded into a client, whose statements all pass through PQsendQuery(): before one
 * is sent, a connection of its own compacts all tables that have a row store, as a
 * compaction worker may at any moment, also while transactions are open. What the client
 * does and prints stays its own.
 *
 * After a statement that writes nothing there is nothing new to compact, and none is
 * done. Where there are many tables, those are compacted whose name, or whose partition
 * root's name, occurs in a recent statement that writes, and all from time to time. A table that a statement has locked against compaction is passed over: waiting
 * for the lock would wait for something that only the client can do. What compaction
 * reports otherwise goes to the server's log, where the caller of the tests looks for it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "libpq-fe.h"

/* So many tables are compacted always. */
#define FEW_TABLES "30"

#define APPLICATION_NAME "compact_between_statements"

typedef int (*SendQuery) (PGconn *conn, const char *query);

static PGconn *compactor = NULL;
static char database[64];		/* that compactor is connected to */
static char recent[16384];		/* statements that write, since all tables were compacted */
static size_t recent_length = 0;
static bool inside = false;		/* compactor's own statements come by, too */
static bool written = true;		/* since the last compaction */

/* Connects to the client's database as the user that the tests were started as. */
static void
connect_compactor(PGconn *client)
{
	const char *const keywords[] = {"host", "port", "dbname", "user", "application_name", NULL};
	const char *const values[] = {PQhost(client), PQport(client), PQdb(client),
	getenv("PGUSER"), APPLICATION_NAME, NULL};

	PQfinish(compactor);
	compactor = PQconnectdbParams(keywords, values, 0);
	snprintf(database, sizeof(database), "%s", PQdb(client));
	PQclear(PQexec(compactor, "SET lock_timeout = '10ms'"));
	PQclear(PQexec(compactor, "SET client_min_messages = error"));
}

/* Compacts tables that are tsdb tables now, each in a transaction of its own. */
static void
compact_tables(PGconn *client)
{
	bool		all = recent_length + 1 >= sizeof(recent);
	const char *const values[] = {all ? "" : recent, all ? "t" : "f"};
	PGresult   *tables;

	if (PQstatus(compactor) != CONNECTION_OK || strcmp(database, PQdb(client)) != 0)
		connect_compactor(client);

	tables = PQexecParams(compactor,
						  "WITH tables AS MATERIALIZED ("
						  "  SELECT c.oid, c.relname FROM pg_catalog.pg_class c"
						  "    JOIN pg_catalog.pg_am a ON a.oid = c.relam"
						  "   WHERE a.amname = 'tsdb' AND c.relkind IN ('r', 'm')"
						  "     AND c.relpersistence <> 't'),"
						  " named AS MATERIALIZED ("
						  "  SELECT t.oid, $2::bool OR (SELECT count(*) FROM tables) <= " FEW_TABLES
						  "      OR strpos($1, t.relname) > 0 OR coalesce(strpos($1, r.relname) > 0, false) AS is_named"
						  "    FROM tables t"
						  "    LEFT JOIN pg_catalog.pg_class r ON r.oid = pg_catalog.pg_partition_root(t.oid))"
						  " SELECT format('SELECT tsdb.compact(%s::oid::regclass)', oid) FROM named"
						  "  WHERE is_named AND pg_catalog.pg_relation_size(oid) > 0",
						  2, NULL, values, NULL, NULL, 0);
	for (int i = 0; i < PQntuples(tables); i++)
		PQclear(PQexec(compactor, PQgetvalue(tables, i, 0)));
	PQclear(tables);
	if (all)
		recent_length = 0;
}

/* Keeps a statement that writes; when they are too many, all tables are due. */
static void
keep(const char *query)
{
	int			length = snprintf(recent + recent_length, sizeof(recent) - recent_length, "%s\n", query);

	recent_length += length;
	if (recent_length + 1 > sizeof(recent))
		recent_length = sizeof(recent) - 1;
}

/* Whether a statement can be one that leaves something to compact. */
static bool
may_write(const char *query)
{
	static const char *const readers[] = {"select", "explain", "show", "set ", "reset",
	"values", "fetch", "declare", "begin", "prepare", "comment", "analyze"};

	query += strspn(query, " \t\n(");
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
		if (strncasecmp(query, readers[i], strlen(readers[i])) == 0)
			return false;
	return true;
}

int
PQsendQuery(PGconn *conn, const char *query)
{
	static SendQuery send = NULL;

	if (send == NULL)
		*(void **) &send = dlsym(RTLD_NEXT, "PQsendQuery");

	if (!inside)
	{
		inside = true;
		if (written && PQstatus(conn) == CONNECTION_OK)
			compact_tables(conn);
		written = may_write(query);
		if (written)
			keep(query);
		inside = false;
	}
	return send(conn, query);
}
