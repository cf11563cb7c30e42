/*
 * cache_plot.c
 *		Draws million lookups a second, and the share of lookups that took longer than a time.
 */
#include "cache_plot.h"

#include <math.h>
#include <stdio.h>

#define NAMES		170
#define WIDTH		560
#define ROW			26
#define BAR			16
#define TOP			40
#define CURVES		260			/* height */
#define BARS_MAX	16
#define CURVES_MAX	4
#define NS_MIN		10.0
#define NS_MAX		4000.0
#define SHARE_MIN	1e-5

static const char *const colors[CURVES_MAX] = {"#1f4e79", "#c0504d", "#7f7f7f", "#9bbb59"};

static struct
{
	char		name[64];
	double		fastest;
	double		median;
}			bars[BARS_MAX];
static int	nbars;

static struct
{
	char		name[64];
	double		longer[4096];	/* share that took longer than so many nanoseconds */
	int			buckets;
}			curves[CURVES_MAX];
static int	ncurves;

void
cache_plot_rate(const char *name, const char *mode, double fastest, double median)
{
	if (nbars == BARS_MAX)
		return;
	snprintf(bars[nbars].name, sizeof(bars[nbars].name), "%s, %s", name, mode);
	bars[nbars].fastest = fastest;
	bars[nbars++].median = median;
}

void
cache_plot_histogram(const char *name, const uint64_t *histogram, int buckets)
{
	uint64_t	all = 0;
	uint64_t	below = 0;

	if (ncurves == CURVES_MAX || buckets > 4096)
		return;
	snprintf(curves[ncurves].name, sizeof(curves[ncurves].name), "%s", name);
	curves[ncurves].buckets = buckets;
	for (int i = 0; i < buckets; i++)
		all += histogram[i];
	for (int i = 0; i < buckets; i++)
	{
		below += histogram[i];
		curves[ncurves].longer[i] = (double) (all - below) / (double) (all > 0 ? all : 1);
	}
	ncurves++;
}

static double
ns_at(double ns)
{
	return NAMES + log(fmax(ns, NS_MIN) / NS_MIN) / log(NS_MAX / NS_MIN) * WIDTH;
}

static double
share_at(double share, double top)
{
	return top + log(fmax(share, SHARE_MIN)) / log(SHARE_MIN) * CURVES;
}

static void
draw_curves(FILE *file, double top)
{
	static const int marks[] = {10, 20, 50, 100, 200, 500, 1000, 2000, 4000};
	static const char *const shares[] = {"all", "10 %", "1 %", "0.1 %", "0.01 %", "0.001 %"};

	fprintf(file, "<text x=\"%d\" y=\"%.0f\">share of single lookups that took longer than so many nanoseconds "
			"(with the reading of the clock)</text>\n", NAMES, top - 14);
	for (int i = 0; i < 6; i++)
		fprintf(file, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n"
				"<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", NAMES, NAMES + WIDTH,
				top + i * CURVES / 5.0, top + i * CURVES / 5.0, NAMES - 8, top + i * CURVES / 5.0 + 4,
				shares[i]);
	for (unsigned i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		fprintf(file, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n"
				"<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%d</text>\n", ns_at(marks[i]),
				ns_at(marks[i]), top, top + CURVES, ns_at(marks[i]), top + CURVES + 16, marks[i]);
	for (int i = 0; i < ncurves; i++)
	{
		fprintf(file, "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"%s\" points=\"", colors[i]);
		for (int j = (int) NS_MIN; j < curves[i].buckets - 1; j++)
			fprintf(file, "%.1f,%.1f ", ns_at(j + 1), share_at(curves[i].longer[j], top));
		fprintf(file, "\"/>\n<text x=\"%d\" y=\"%.0f\" fill=\"%s\">%s</text>\n", NAMES + WIDTH - 120,
				top + 18 + 16 * i, colors[i], curves[i].name);
	}
}

bool
cache_plot_write(const char *path)
{
	FILE	   *file = fopen(path, "w");
	double		most = 1;
	double		top = TOP + nbars * ROW + 60;

	if (file == NULL)
		return false;
	for (int i = 0; i < nbars; i++)
		most = fmax(most, bars[i].fastest);
	fprintf(file, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
			"font-family=\"sans-serif\" font-size=\"11\">\n"
			"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
			"<text x=\"%d\" y=\"20\">million lookups with pin and unpin a second: "
			"median (dark), fastest round (light)</text>\n", NAMES + WIDTH + 60, top + CURVES + 40,
			NAMES);
	for (int i = 0; i < nbars; i++)
	{
		double		y = TOP + i * ROW;

		fprintf(file, "<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\">%s</text>\n"
				"<rect x=\"%d\" y=\"%.0f\" width=\"%.1f\" height=\"%d\" fill=\"#b8cfe4\"/>\n"
				"<rect x=\"%d\" y=\"%.0f\" width=\"%.1f\" height=\"%d\" fill=\"#1f4e79\"/>\n"
				"<text x=\"%.1f\" y=\"%.0f\">%.1f</text>\n", NAMES - 8, y + BAR - 4, bars[i].name, NAMES,
				y, bars[i].fastest / most * WIDTH, BAR, NAMES, y, bars[i].median / most * WIDTH, BAR,
				NAMES + bars[i].fastest / most * WIDTH + 4, y + BAR - 4, bars[i].median);
	}
	draw_curves(file, top);
	fprintf(file, "</svg>\n");
	return fclose(file) == 0;
}
