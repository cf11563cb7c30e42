/*
 * compact_between_steps.c
 *	  Makes isolationtester compact every tsdb table before every step.
 *
 * The setting tsdb.compact_always compacts when a statement starts outside of a
 * transaction block. Isolation tests keep their transactions open, so that it would
 * find little to do there. This library is preloaded into isolationtester, whose steps
 * all pass through PQsendQuery(): before a step is sent, a connection of its own compacts
 * all tables, as a compaction worker may at any moment. Steps, permutations and what is
 * printed stay the tester's own.
 *
 * A table that a step has locked against compaction is passed over: waiting for the
 * lock would wait for a step that only the tester can start. What compaction reports
 * otherwise goes to the server's log, where the caller of the tests looks for it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libpq-fe.h"

typedef int (*SendQuery) (PGconn *conn, const char *query);

static PGconn *compactor = NULL;

/*
 * Opens the connection to the tester's database. It comes about at the first step, when
 * the tester has all its connections.
 */
static void
connect_compactor(PGconn *tester)
{
	const char *const keywords[] = {"host", "port", "dbname", "user", "application_name", NULL};
	const char *const values[] = {PQhost(tester), PQport(tester), PQdb(tester), PQuser(tester),
	"compact_between_steps", NULL};

	compactor = PQconnectdbParams(keywords, values, 0);
	if (PQstatus(compactor) != CONNECTION_OK)
	{
		fprintf(stderr, "compact_between_steps: %s", PQerrorMessage(compactor));
		exit(1);
	}
	PQclear(PQexec(compactor, "SET lock_timeout = '10ms'"));
	PQclear(PQexec(compactor, "SET client_min_messages = error"));
}

/* Compacts each table that is a tsdb table now, each in a transaction of its own. */
static void
compact_all(void)
{
	PGresult   *tables;

	tables = PQexec(compactor,
					"SELECT format('SELECT tsdb.compact(%s::oid::regclass)', c.oid)"
					"  FROM pg_catalog.pg_class c"
					"  JOIN pg_catalog.pg_am a ON a.oid = c.relam"
					" WHERE a.amname = 'tsdb' AND c.relkind IN ('r', 'm')"
					"   AND c.relpersistence <> 't'");
	for (int i = 0; i < PQntuples(tables); i++)
		PQclear(PQexec(compactor, PQgetvalue(tables, i, 0)));
	PQclear(tables);
}

int
PQsendQuery(PGconn *conn, const char *query)
{
	static SendQuery send = NULL;

	if (send == NULL)
		*(void **) &send = dlsym(RTLD_NEXT, "PQsendQuery");

	/* libpq itself sends through here as well: for the compactor's own statements */
	if (conn != compactor)
	{
		if (compactor == NULL)
			connect_compactor(conn);
		compact_all();
	}
	return send(conn, query);
}
