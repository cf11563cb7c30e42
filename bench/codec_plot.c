/*
 * codec_plot.c
 *		Draws two panels: bits a value beside zstd's, and speeds (logarithmic).
 */
#include "codec_plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "csv_table.h"

#define ROW			30
#define TOP			46
#define NAMES		200
#define PANEL		380
#define GAP			40
#define NOTES		420
#define BAR			9

static PlotBar *bars;
static int	nbars;

void
plot_add(const PlotBar *bar)
{
	bars = must(realloc(bars, ((size_t) nbars + 1) * sizeof(PlotBar)));
	bars[nbars++] = *bar;
}

/* Text with the characters that XML keeps for itself written as entities. */
static void
print_text(FILE *file, double x, double y, const char *anchor, const char *text)
{
	fprintf(file, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"%s\">", x, y, anchor);
	for (; *text != '\0'; text++)
		if (*text == '<' || *text == '>' || *text == '&')
			fprintf(file, "&#%d;", *text);
		else
			fputc(*text, file);
	fprintf(file, "</text>\n");
}

static void
print_bar(FILE *file, double x, double y, double width, const char *color, double value)
{
	char		label[32];

	snprintf(label, sizeof(label), value < 10 ? "%.2f" : "%.1f", value);
	fprintf(file, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n",
			x, y, width, BAR, color);
	print_text(file, x + width + 4, y + BAR - 1, "start", label);
}

/* Where a speed lies between 0.01 and 100 GB/s. */
static double
speed_width(double speed)
{
	double		share = (log10(fmax(speed, 0.01)) + 2) / 4;

	return fmin(share, 1) * (PANEL - GAP);
}

bool
plot_write(const char *path)
{
	FILE	   *file = fopen(path, "w");
	double		most = 1;
	double		speeds = NAMES + PANEL + GAP;

	if (file == NULL)
		return false;
	for (int i = 0; i < nbars; i++)
		most = fmax(most, fmax(bars[i].bits, bars[i].zstd_bits));
	fprintf(file, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
			"font-family=\"sans-serif\" font-size=\"11\">\n"
			"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
			NAMES + 2 * (PANEL + GAP) + NOTES, TOP + nbars * ROW + 10);
	print_text(file, NAMES, 18, "start", "bits a value: codec (dark), zstd-3 (light)");
	print_text(file, speeds, 18, "start",
			   "GB/s of raw values, 0.01 to 100: decode (dark), encode (light)");
	for (int i = 0; i < nbars; i++)
	{
		const PlotBar *bar = &bars[i];
		double		y = TOP + i * ROW;

		print_text(file, NAMES - 8, y + BAR + 2, "end", bar->name);
		print_bar(file, NAMES, y, bar->bits / most * (PANEL - GAP), "#1f4e79", bar->bits);
		print_bar(file, NAMES, y + BAR + 1, bar->zstd_bits / most * (PANEL - GAP), "#b8cfe4",
				  bar->zstd_bits);
		print_bar(file, speeds, y, speed_width(bar->decode), "#1f4e79", bar->decode);
		print_bar(file, speeds, y + BAR + 1, speed_width(bar->encode), "#b8cfe4", bar->encode);
		print_text(file, speeds + PANEL + GAP, y + BAR + 2, "start", bar->note);
	}
	fprintf(file, "</svg>\n");
	return fclose(file) == 0;
}
