/*
 * workers.c
 *		Runs a function in several threads, or in several processes that share memory.
 */
#include "workers.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct Worker
{
	int			number;
	WorkerFunction function;
	void	   *shared;
	pthread_t	thread;
	pid_t		pid;
} Worker;

static void *
run_thread(void *argument)
{
	Worker	   *worker = argument;

	worker->function(worker->number, worker->shared);
	return NULL;
}

bool
run_workers(int n, bool processes, WorkerFunction function, void *shared)
{
	Worker		workers[WORKERS_MAX];
	bool		all = true;

	fflush(stdout);
	for (int i = 0; i < n; i++)
	{
		workers[i] = (Worker) {.number = i, .function = function, .shared = shared};
		if (!processes)
		{
			if (pthread_create(&workers[i].thread, NULL, run_thread, &workers[i]) != 0)
				abort();
			continue;
		}
		workers[i].pid = fork();
		if (workers[i].pid < 0)
			abort();
		if (workers[i].pid == 0)
		{
			function(i, shared);
			_exit(0);
		}
	}
	for (int i = 0; i < n; i++)
	{
		int			status = 0;

		if (!processes)
			pthread_join(workers[i].thread, NULL);
		else if (waitpid(workers[i].pid, &status, 0) < 0 || status != 0)
			all = false;
	}
	return all;
}

void *
shared_memory(size_t bytes)
{
	void	   *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
	{
		perror("mmap");
		abort();
	}
	return memory;
}

void
let_others(int *turns)
{
	if (++*turns % 16 == 0)
		sched_yield();
}

double
seconds_now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double) at.tv_sec + (double) at.tv_nsec * 1e-9;
}
