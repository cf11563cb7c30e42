/*
 * predict_generate.c
 *		A day at the dashboards, made up from a seed.
 *
 * One table of 10,000 series.  A dashboard is four panels, queries of one series and one range that read different
 * columns, a twentieth of a second apart.
 *
 *	- Users open the dashboard of a series (drawn by Zipf's law), for the last 3, 6 or 12 hours.  They look at
 *	  it for some seconds, and then turn pages: back (in half of the cases), forward, or they zoom in; a direction is
 *	  kept with a chance of 85 %; after a while they turn to another series.
 *	- Every fourth user compares: his panels are the same query for the four series of a rack (4k to 4k + 3).
 *	- Walls refresh the dashboard of a series every 30 seconds, for the last 6 hours.
 *	- Once an hour a report reads all series of the last hour.
 *	- Noise reads one panel of a series and a range that are drawn evenly.
 */
#include "predict_generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SECOND		INT64_C(1000000)
#define HOUR		(3600 * SECOND)
#define START		(INT64_C(24 * 365 * 25) * HOUR)
#define SERIES		10000
#define PANELS		4

typedef enum AgentKind
{
	AGENT_USER,
	AGENT_WALL,
	AGENT_REPORT,
	AGENT_NOISE
} AgentKind;

typedef struct Agent
{
	AgentKind	kind;
	int64_t		next;			/* when it acts */
	int			panel;			/* to be asked for next */
	int			series;
	int64_t		from;
	int64_t		to;
	int			direction;		/* of the pages: 1, -1; 0: none */
	int			left;			/* things that a user does with this series */
	bool		compares;
} Agent;

static uint64_t state;
static double zipf[SERIES];

static double
draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (double) ((state * UINT64_C(0x2545F4914F6CDD1D)) >> 11) / 9007199254740992.0;
}

static int64_t
wait_about(double seconds)
{
	return (int64_t) (-log(1 - draw()) * seconds * SECOND) + SECOND / 20;
}

static int
draw_series(void)
{
	double		at = draw() * zipf[SERIES - 1];
	int			low = 0;
	int			high = SERIES - 1;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (zipf[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
ask(const Agent *agent, void (*take) (const TsdbAccess *access, void *arg), void *arg)
{
	TsdbAccess	access;

	memset(&access, 0, sizeof(access));
	access.at = agent->next;
	access.database = 1;
	access.table = 1;
	access.time = 1;
	access.from = agent->from;
	access.to = agent->to - 1;
	access.shape = agent->compares ? 50 : agent->panel + 1;
	access.columns[access.ncolumns++] = 1;
	if (agent->kind == AGENT_REPORT)
	{
		access.shape = 100;
		access.columns[access.ncolumns++] = 3;
	}
	else
	{
		access.rank = 2;
		access.ranks[access.nranks++] = 1 +
			(agent->compares ? agent->series / PANELS * PANELS + agent->panel : agent->series);
		access.columns[access.ncolumns++] = 3 + (agent->compares ? 0 : agent->panel);
		access.columns[access.ncolumns++] = 3 + (agent->compares ? 1 : PANELS + agent->panel);
	}
	take(&access, arg);
}

static void
open_dashboard(Agent *agent)
{
	static const int hours[] = {3, 6, 12};

	agent->series = draw_series();
	agent->to = agent->next;
	agent->from = agent->to - hours[(int) (draw() * 3)] * HOUR;
	agent->direction = 0;
	agent->left = 2 + (int) (-log(1 - draw()) * 6);
}

/* What a user does next. */
static void
go_on(Agent *agent)
{
	int64_t		width = agent->to - agent->from;

	agent->next += wait_about(8);
	if (agent->left-- == 0)
	{
		open_dashboard(agent);
		return;
	}
	if (agent->direction == 0 || draw() > 0.85)
	{
		double		what = draw();

		agent->direction = what < 0.5 ? -1 : what < 0.75 ? 1 : 0;
	}
	if (agent->direction == 0)
	{
		agent->from += width / 4;
		agent->to -= width / 4;
	}
	else
	{
		agent->from += agent->direction * width;
		agent->to += agent->direction * width;
	}
}

static void
act(Agent *agent, void (*take) (const TsdbAccess *access, void *arg), void *arg)
{
	switch (agent->kind)
	{
		case AGENT_USER:
		case AGENT_WALL:
			ask(agent, take, arg);
			agent->next += SECOND / 20;
			if (++agent->panel < PANELS)
				return;
			agent->panel = 0;
			if (agent->kind == AGENT_USER)
				go_on(agent);
			else
			{
				agent->next += 30 * SECOND - PANELS * (SECOND / 20);
				agent->to = agent->next;
				agent->from = agent->to - 6 * HOUR;
			}
			break;
		case AGENT_REPORT:
			ask(agent, take, arg);
			agent->next += HOUR;
			agent->from += HOUR;
			agent->to += HOUR;
			break;
		case AGENT_NOISE:
			agent->panel = (int) (draw() * PANELS);
			agent->series = (int) (draw() * SERIES);
			agent->from = agent->next - (int64_t) (draw() * 1000 * HOUR) - HOUR;
			agent->to = agent->from + (int64_t) (draw() * 12 * HOUR) + HOUR;
			ask(agent, take, arg);
			break;
	}
}

void
tsdb_predict_generate(const TsdbMadeDay *day,
					  void (*take) (const TsdbAccess *access, void *arg), void *arg)
{
	int			count = day->users + day->walls + 2;
	Agent	   *agents = calloc(count, sizeof(Agent));
	int64_t		end = START + (int64_t) (day->hours * HOUR);
	double		sum = 0;

	state = day->seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
	for (int i = 0; i < SERIES; i++)
		zipf[i] = sum += 1.0 / (i + 1);
	for (int i = 0; i < count; i++)
	{
		Agent	   *agent = &agents[i];

		agent->next = START + wait_about(5);
		if (i < day->users)
		{
			agent->compares = i % 4 == 3;
			open_dashboard(agent);
		}
		else if (i < day->users + day->walls)
		{
			agent->kind = AGENT_WALL;
			agent->series = draw_series();
		}
		else
			agent->kind = i == count - 1 ? AGENT_NOISE : AGENT_REPORT;
		if (agent->kind != AGENT_USER)
		{
			agent->to = agent->next;
			agent->from = agent->to - (agent->kind == AGENT_REPORT ? 1 : 6) * HOUR;
		}
	}
	for (;;)
	{
		Agent	   *first = &agents[0];

		for (int i = 1; i < count; i++)
		{
			if (agents[i].next < first->next)
				first = &agents[i];
		}
		if (first->next >= end)
			break;
		if (first->kind == AGENT_NOISE)
		{
			if (day->noise > 0)
				act(first, take, arg);
			first->next += day->noise > 0 ? wait_about(1 / day->noise) : 1000 * HOUR;
		}
		else
			act(first, take, arg);
	}
	free(agents);
}
