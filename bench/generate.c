/*-------------------------------------------------------------------------
 *
 * generate.c
 *		Writes the rows of the benchmarks to standard output, ready for COPY.
 *
 *	generate cpu     the TSBS "cpu-only" devops workload: every host reports ten
 *					 gauges at each tick, rows interleaved by time
 *	generate tags    the hosts of that workload: id, hostname, region, ...
 *	generate narrow  (ts, series_id, value), the shape of a metrics store
 *	generate metrics the same with three values a row
 *
 * A gauge is TSBS's clamped random walk: it starts anywhere in 0..100, a step is
 * normal(0, 1), and it stops at the bounds.  TSBS stores the walk truncated to an
 * integer; --decimals 2 stores it rounded to two decimals instead.
 *
 * The same arguments give the same bytes on every machine, and a host's rows do
 * not depend on how many other hosts there are.  To promise that, the walk is kept
 * in integers, in units of 2^-16, and a normal step is the sum of twelve uniform
 * 16-bit numbers: variance 12/12 = 1, and no libm whose last bit may differ.  Each
 * host has a random stream of its own (xoshiro256++, seeded by splitmix64).
 *
 * Plain C11, no dependencies: cc -O2 -o generate generate.c
 *
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GAUGES_MAX 10

/* 100.0, the upper bound of a gauge, in the walk's unit of 2^-16. */
#define WALK_MAX (INT32_C(100) << 16)

/* PostgreSQL counts microseconds from 2000-01-01, Unix seconds from 1970. */
#define PG_EPOCH INT64_C(946684800)

typedef enum Format
{
	FORMAT_TEXT,
	FORMAT_CSV,
	FORMAT_BINARY
} Format;

typedef struct Options
{
	int64_t		series;			/* hosts of cpu and tags, series of others */
	int64_t		seconds;		/* length of the time range */
	int64_t		interval;		/* seconds between two ticks */
	int64_t		start;			/* Unix time of the first tick */
	uint64_t	seed;
	int			decimals;		/* 0 or 2 */
	Format		format;
} Options;

/* One host or series: its random stream and the states of its walks. */
typedef struct Series
{
	uint64_t	rng[4];
	int32_t		walk[GAUGES_MAX];
} Series;


/*
 * Output.  A row is put together in a buffer that is written when nearly full; no
 * row is longer than ROW_MAX.
 */

#define BUFFER_SIZE (1 << 20)
#define ROW_MAX 512

static char buffer[BUFFER_SIZE + ROW_MAX];
static size_t buffered;

static void
flush_output(void)
{
	if (fwrite(buffer, 1, buffered, stdout) != buffered || fflush(stdout) != 0)
	{
		perror("generate");
		exit(1);
	}
	buffered = 0;
}

static inline void
put_char(char c)
{
	buffer[buffered++] = c;
}

static inline void
put_bytes(const char *bytes, size_t length)
{
	memcpy(buffer + buffered, bytes, length);
	buffered += length;
}

static inline void
put_unsigned(uint64_t value)
{
	char		digits[20];
	size_t		n = 0;

	do
		digits[n++] = (char) ('0' + value % 10);
	while (value /= 10);
	while (n > 0)
		put_char(digits[--n]);
}

/* The value is in hundredths; trailing zeros are left out, as PostgreSQL does. */
static inline void
put_hundredths(int32_t value)
{
	put_unsigned((uint64_t) (value / 100));
	if (value % 100 == 0)
		return;
	put_char('.');
	put_char((char) ('0' + value % 100 / 10));
	if (value % 10 != 0)
		put_char((char) ('0' + value % 10));
}

/* Big-endian, as binary COPY wants it. */
static inline void
put_int(uint64_t value, int bytes)
{
	for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
		put_char((char) (value >> shift));
}

static inline void
put_binary_field(uint64_t value, int bytes)
{
	put_int((uint64_t) bytes, 4);
	put_int(value, bytes);
}


/*
 * The random walk.
 */

static uint64_t
splitmix64(uint64_t *state)
{
	uint64_t	z = (*state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* xoshiro256++ (Blackman and Vigna, 2019). */
static inline uint64_t
next_random(uint64_t s[4])
{
	uint64_t	sum = s[0] + s[3];
	uint64_t	result = ((sum << 23) | (sum >> 41)) + s[0];
	uint64_t	t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = (s[3] << 45) | (s[3] >> 19);
	return result;
}

/* A step of normal(0, 1) in units of 2^-16, by the central limit. */
static inline int32_t
normal_step(uint64_t rng[4])
{
	int32_t		sum = 0;

	for (int i = 0; i < 3; i++)
	{
		uint64_t	r = next_random(rng);

		sum += (int32_t) (r & 0xFFFF) + (int32_t) (r >> 16 & 0xFFFF)
			+ (int32_t) (r >> 32 & 0xFFFF) + (int32_t) (r >> 48);
	}
	return sum - 12 * 0x8000 + 6;	/* the mean of twelve is 12 * 0x7FFF.8 */
}

static inline void
walk_step(Series *series, int gauges)
{
	for (int i = 0; i < gauges; i++)
	{
		int32_t		next = series->walk[i] + normal_step(series->rng);

		series->walk[i] = next < 0 ? 0 : next > WALK_MAX ? WALK_MAX : next;
	}
}

/* The value that is stored, in hundredths. */
static inline int32_t
stored_value(int32_t walk, int decimals)
{
	if (decimals == 0)
		return (walk >> 16) * 100;
	return (int32_t) (((int64_t) walk * 100 + 0x8000) >> 16);
}

static void
seed_stream(uint64_t rng[4], uint64_t seed, int64_t number)
{
	uint64_t	state = seed;

	state = splitmix64(&state) ^ (uint64_t) number;
	for (int i = 0; i < 4; i++)
		rng[i] = splitmix64(&state);
}

static Series *
make_series(const Options *opt, int gauges)
{
	Series	   *all = malloc((size_t) opt->series * sizeof(Series));

	if (all == NULL)
	{
		fprintf(stderr, "generate: out of memory\n");
		exit(1);
	}
	for (int64_t i = 0; i < opt->series; i++)
	{
		seed_stream(all[i].rng, opt->seed, i);
		for (int g = 0; g < gauges; g++)
			all[i].walk[g] = (int32_t) (next_random(all[i].rng) % (WALK_MAX + 1));
	}
	return all;
}


/*
 * cpu, narrow and metrics are one program: (time, series number, gauges ...) at each tick.
 */

static void
put_row_text(const Options *opt, const char *time, size_t time_length,
			 int64_t number, const Series *series, int gauges)
{
	char		separator = opt->format == FORMAT_CSV ? ',' : '\t';

	put_bytes(time, time_length);
	put_char(separator);
	put_unsigned((uint64_t) number);
	for (int g = 0; g < gauges; g++)
	{
		put_char(separator);
		put_hundredths(stored_value(series->walk[g], opt->decimals));
	}
	put_char('\n');
}

static void
put_row_binary(const Options *opt, int64_t unix_time,
			   int64_t number, const Series *series, int gauges)
{
	put_int((uint64_t) (2 + gauges), 2);
	put_binary_field((uint64_t) ((unix_time - PG_EPOCH) * 1000000), 8);
	put_binary_field((uint64_t) number, 4);
	for (int g = 0; g < gauges; g++)
	{
		double		value = stored_value(series->walk[g], opt->decimals) / 100.0;
		uint64_t	bits;

		memcpy(&bits, &value, sizeof(bits));
		put_binary_field(bits, 8);
	}
}

static void
generate_rows(const Options *opt, int gauges)
{
	Series	   *all = make_series(opt, gauges);

	if (opt->format == FORMAT_BINARY)
		put_bytes("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);

	for (int64_t t = 0; t < opt->seconds; t += opt->interval)
	{
		int64_t		unix_time = opt->start + t;
		time_t		clock = (time_t) unix_time;
		char		time[64];
		size_t		time_length = strftime(time, sizeof(time), "%Y-%m-%d %H:%M:%S+00",
										   gmtime(&clock));

		for (int64_t i = 0; i < opt->series; i++)
		{
			walk_step(&all[i], gauges);
			if (opt->format == FORMAT_BINARY)
				put_row_binary(opt, unix_time, i + 1, &all[i], gauges);
			else
				put_row_text(opt, time, time_length, i + 1, &all[i], gauges);
			if (buffered >= BUFFER_SIZE)
				flush_output();
		}
	}

	if (opt->format == FORMAT_BINARY)
		put_int(0xFFFF, 2);
	flush_output();
	free(all);
}


/*
 * tags: the choices that TSBS makes for a host.  Text and CSV only.
 */

static const char *const datacenters[] = {
	"us-east-1a", "us-east-1b", "us-east-1c", "us-east-1e", "us-west-1a", "us-west-1b",
	"us-west-2a", "us-west-2b", "us-west-2c", "eu-west-1a", "eu-west-1b", "eu-west-1c",
	"eu-central-1a", "eu-central-1b", "ap-southeast-1a", "ap-southeast-1b",
	"ap-southeast-2a", "ap-southeast-2b", "ap-northeast-1a", "ap-northeast-1c",
	"sa-east-1a", "sa-east-1b", "sa-east-1c"
};
static const char *const systems[] = {"Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"};
static const char *const architectures[] = {"x64", "x86"};
static const char *const teams[] = {"SF", "NYC", "LON", "CHI"};
static const char *const environments[] = {"production", "staging", "test"};

#define CHOOSE(rng, choices) \
	((choices)[next_random(rng) % (sizeof(choices) / sizeof((choices)[0]))])

static void
generate_tags(const Options *opt)
{
	char		separator = opt->format == FORMAT_CSV ? ',' : '\t';

	for (int64_t i = 0; i < opt->series; i++)
	{
		uint64_t	rng[4];
		const char *datacenter;
		const char *fields[9];
		char		rack[4];
		char		service[4];
		char		version[4];

		/* A stream apart from the host's walks. */
		seed_stream(rng, ~opt->seed, i);

		datacenter = CHOOSE(rng, datacenters);
		snprintf(rack, sizeof(rack), "%d", (int) (next_random(rng) % 100));
		snprintf(service, sizeof(service), "%d", (int) (next_random(rng) % 20));
		snprintf(version, sizeof(version), "%d", (int) (next_random(rng) % 2));
		fields[0] = datacenter;
		fields[1] = rack;
		fields[2] = CHOOSE(rng, systems);
		fields[3] = CHOOSE(rng, architectures);
		fields[4] = CHOOSE(rng, teams);
		fields[5] = service;
		fields[6] = version;
		fields[7] = CHOOSE(rng, environments);
		fields[8] = NULL;

		put_unsigned((uint64_t) (i + 1));
		put_char(separator);
		put_bytes("host_", 5);
		put_unsigned((uint64_t) i);
		put_char(separator);
		/* A region is its data center's name without the last letter. */
		put_bytes(datacenter, strlen(datacenter) - 1);
		for (int f = 0; fields[f] != NULL; f++)
		{
			put_char(separator);
			put_bytes(fields[f], strlen(fields[f]));
		}
		put_char('\n');
		if (buffered >= BUFFER_SIZE)
			flush_output();
	}
	flush_output();
}


static void
usage(void)
{
	fprintf(stderr,
			"usage: generate cpu|tags|narrow|metrics [options] > file\n"
			"  --series N          hosts, or series (default 10)\n"
			"  --hours N           length of the time range (default 1)\n"
			"  --interval SECONDS  time between two ticks (default 10)\n"
			"  --start UNIXTIME    first tick (default 1451606400, 2016-01-01 UTC)\n"
			"  --seed N            (default 1)\n"
			"  --decimals 0|2      of the values (default 0 for cpu, 2 for others)\n"
			"  --format F          text (default), csv or binary, as COPY calls them\n");
	exit(2);
}

static int64_t
parse_number(const char *text, int64_t min, int64_t max)
{
	char	   *end;
	long long	value = strtoll(text, &end, 10);

	if (end == text || *end != '\0' || value < min || value > max)
	{
		fprintf(stderr, "generate: \"%s\" is not a number in %" PRId64 "..%" PRId64 "\n",
				text, min, max);
		exit(2);
	}
	return value;
}

int
main(int argc, char **argv)
{
	Options		opt = {
		.series = 10, .seconds = 3600, .interval = 10, .start = 1451606400,
		.seed = 1, .decimals = -1, .format = FORMAT_TEXT
	};

	if (argc < 2 || argc % 2 != 0)
		usage();
	for (int i = 2; i < argc; i += 2)
	{
		const char *name = argv[i];
		const char *value = argv[i + 1];

		if (strcmp(name, "--series") == 0)
			opt.series = parse_number(value, 1, INT32_MAX);
		else if (strcmp(name, "--hours") == 0)
			opt.seconds = parse_number(value, 1, 1000000) * 3600;
		else if (strcmp(name, "--interval") == 0)
			opt.interval = parse_number(value, 1, 1000000);
		else if (strcmp(name, "--start") == 0)
			opt.start = parse_number(value, 0, INT64_C(100000000000));
		else if (strcmp(name, "--seed") == 0)
			opt.seed = (uint64_t) parse_number(value, 0, INT64_MAX);
		else if (strcmp(name, "--decimals") == 0 && strcmp(value, "0") == 0)
			opt.decimals = 0;
		else if (strcmp(name, "--decimals") == 0 && strcmp(value, "2") == 0)
			opt.decimals = 2;
		else if (strcmp(name, "--format") == 0 && strcmp(value, "text") == 0)
			opt.format = FORMAT_TEXT;
		else if (strcmp(name, "--format") == 0 && strcmp(value, "csv") == 0)
			opt.format = FORMAT_CSV;
		else if (strcmp(name, "--format") == 0 && strcmp(value, "binary") == 0)
			opt.format = FORMAT_BINARY;
		else
			usage();
	}

	if (strcmp(argv[1], "cpu") == 0)
	{
		if (opt.decimals < 0)
			opt.decimals = 0;
		generate_rows(&opt, GAUGES_MAX);
	}
	else if (strcmp(argv[1], "narrow") == 0 || strcmp(argv[1], "metrics") == 0)
	{
		if (opt.decimals < 0)
			opt.decimals = 2;
		generate_rows(&opt, argv[1][0] == 'n' ? 1 : 3);
	}
	else if (strcmp(argv[1], "tags") == 0 && opt.format != FORMAT_BINARY)
		generate_tags(&opt);
	else
		usage();
	return 0;
}
