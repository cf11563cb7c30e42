/*
 * pace.c
 *		Being gentle to others while working in the background.
 */
#include "postgres.h"

#include "worker/pace.h"

#include "access/xlog.h"
#include "miscadmin.h"

#define PACE_WAL_BYTES		(16 * 1024) /* written before it is flushed */
#define PACE_NAP_US			3000

static bool in_background = false;
static XLogRecPtr flushed = InvalidXLogRecPtr;

void
tsdb_pace_begin(bool background)
{
	in_background = background;
}

void
tsdb_pace(void)
{
	if (!in_background || XactLastRecEnd < flushed + PACE_WAL_BYTES)
		return;
	XLogFlush(XactLastRecEnd);
	flushed = XactLastRecEnd;
	pg_usleep(PACE_NAP_US);
	CHECK_FOR_INTERRUPTS();
}
