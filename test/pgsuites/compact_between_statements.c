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
 * done. A table that a statement has locked against compaction is passed over: waiting
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

#define APPLICATION_NAME "compact_between_statements"

typedef int (*SendQuery) (PGconn *conn, const char *query);

static PGconn *compactor = NULL;
static char database[64];		/* that compactor is connected to */
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

/* Compacts each table that is a tsdb table now, each in a transaction of its own. */
static void
compact_all(PGconn *client)
{
	PGresult   *tables;

	if (PQstatus(compactor) != CONNECTION_OK || strcmp(database, PQdb(client)) != 0)
		connect_compactor(client);

	tables = PQexec(compactor,
					"SELECT format('SELECT tsdb.compact(%s::oid::regclass)', c.oid)"
					"  FROM pg_catalog.pg_class c"
					"  JOIN pg_catalog.pg_am a ON a.oid = c.relam"
					" WHERE a.amname = 'tsdb' AND c.relkind IN ('r', 'm')"
					"   AND c.relpersistence <> 't'"
					"   AND pg_catalog.pg_relation_size(c.oid) > 0");
	for (int i = 0; i < PQntuples(tables); i++)
		PQclear(PQexec(compactor, PQgetvalue(tables, i, 0)));
	PQclear(tables);
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
			compact_all(conn);
		written = may_write(query);
		inside = false;
	}
	return send(conn, query);
}
