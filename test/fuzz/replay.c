/*
 * replay.c
 *		Feeds a fuzzer a corpus, and a fixed number of inputs derived from it.
 *
 *		replay MUTATIONS [DIRECTORY]
 *
 * Every file of the directory is tried as it is.  Then MUTATIONS inputs are
 * made from them (from nothing, if there are none) by overwriting, cutting and
 * adding bytes; the same ones in every run.  Under a sanitizer, an input that
 * fails is left in the file replay.crash of the current directory.  This is no
 * substitute for a coverage-guided fuzzer, which takes the same entry point and
 * corpus.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_BYTES_MAX		(64 * 1024)
#define INPUTS_MAX			4096

typedef struct Input
{
	uint8_t    *bytes;
	size_t		size;
} Input;

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern void __sanitizer_set_death_callback(void (*callback) (void)) __attribute__((weak));

static Input inputs[INPUTS_MAX];
static int	ninputs;
static uint64_t random_state = 0x9E3779B97F4A7C15;

/* xorshift64* (Vigna 2016); below a bound, slightly biased. */
static uint32_t
random_below(uint32_t bound)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t) ((random_state * 0x2545F4914F6CDD1D) >> 33) % bound;
}

static const uint8_t *current;
static size_t current_size;

static void
save_current(void)
{
	FILE	   *file = fopen("replay.crash", "wb");

	if (file != NULL)
	{
		fwrite(current, 1, current_size, file);
		fclose(file);
	}
}

/* The fuzzer gets a copy of exactly the right size, so that sanitizers see
 * every read past its end. */
static void
try(const uint8_t *bytes, size_t size)
{
	uint8_t    *exact = malloc(size + (size == 0));

	memcpy(exact, bytes, size);
	current = exact;
	current_size = size;
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static void
load(const char *directory)
{
	DIR		   *dir = opendir(directory);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL && ninputs < INPUTS_MAX)
	{
		char		path[4096];
		FILE	   *file;
		Input	   *input = &inputs[ninputs];

		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (entry->d_name[0] == '.' || (file = fopen(path, "rb")) == NULL)
			continue;
		input->bytes = malloc(INPUT_BYTES_MAX);
		input->size = fread(input->bytes, 1, INPUT_BYTES_MAX, file);
		fclose(file);
		ninputs++;
	}
	if (dir != NULL)
		closedir(dir);
}

/* Changes a few places of an input; returns its new size. */
static size_t
mutate(uint8_t *bytes, size_t size)
{
	int			changes = 1 + random_below(8);

	while (changes-- > 0)
	{
		size_t		at = size > 0 ? random_below((uint32_t) size) : 0;

		switch (random_below(5))
		{
			case 0:				/* a bit */
				if (size > 0)
					bytes[at] ^= 1 << random_below(8);
				break;
			case 1:				/* a byte, often an extreme one */
				if (size > 0)
					bytes[at] = "\x00\x01\x7f\x80\xff"[random_below(5)];
				break;
			case 2:				/* any byte */
				if (size > 0)
					bytes[at] = (uint8_t) random_below(256);
				break;
			case 3:				/* cut the end */
				size = at;
				break;
			case 4:				/* more at the end */
				for (uint32_t more = random_below(64); more > 0 && size < INPUT_BYTES_MAX; more--)
					bytes[size++] = (uint8_t) random_below(256);
				break;
		}
	}
	return size;
}

int
main(int argc, char **argv)
{
	static uint8_t bytes[INPUT_BYTES_MAX];
	long		mutations = argc > 1 ? atol(argv[1]) : 0;

	if (argc > 2)
		load(argv[2]);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(save_current);
	for (int i = 0; i < ninputs; i++)
		try(inputs[i].bytes, inputs[i].size);
	for (long i = 0; i < mutations; i++)
	{
		size_t		size = 0;

		if (ninputs > 0)
		{
			const Input *seed = &inputs[random_below(ninputs)];

			size = seed->size;
			memcpy(bytes, seed->bytes, size);
		}
		try(bytes, mutate(bytes, size));
	}
	for (int i = 0; i < ninputs; i++)
		free(inputs[i].bytes);
	printf("%d files and %ld inputs made from them\n", ninputs, mutations);
	return 0;
}
