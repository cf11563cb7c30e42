/*
 * ring_plot.c
 *		Draws millions of items a second, on a logarithmic scale.
 */
#include "ring_plot.h"

#include <math.h>
#include <stdio.h>

#define ROW			46
#define TOP			46
#define NAMES		150
#define PANEL		560
#define BAR			11
#define LINES_MAX	32

typedef struct Line
{
	char		name[64];
	double		ns[3];			/* textbook, single, batch */
} Line;

static Line lines[LINES_MAX];
static int	nlines;

void
ring_plot_add(const char *shape, int bytes, double textbook, double single, double batch)
{
	Line	   *line = &lines[nlines];

	if (nlines == LINES_MAX)
		return;
	nlines++;
	snprintf(line->name, sizeof(line->name), "%s, %d bytes", shape, bytes);
	line->ns[0] = textbook;
	line->ns[1] = single;
	line->ns[2] = batch;
}

/* Where a rate lies between 1 and 10,000 million items a second. */
static double
rate_width(double ns)
{
	double		share = log10(fmax(1e3 / ns, 1)) / 4;

	return fmin(share, 1) * PANEL;
}

bool
ring_plot_write(const char *path)
{
	static const char *const colors[] = {"#9a9a9a", "#b8cfe4", "#1f4e79"};
	FILE	   *file = fopen(path, "w");

	if (file == NULL)
		return false;
	fprintf(file, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
			"font-family=\"sans-serif\" font-size=\"11\">\n"
			"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
			"<text x=\"%d\" y=\"18\">million items a second, 1 to 10,000, and as a ratio to the first: "
			"textbook queue (grey), ring one by one (light), ring 32 at a time (dark)</text>\n",
			NAMES + PANEL + 120, TOP + nlines * ROW + 10, NAMES);
	for (int i = 0; i < nlines; i++)
	{
		double		y = TOP + i * ROW;

		fprintf(file, "<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\">%s</text>\n", NAMES - 8,
				y + 2 * BAR - 1, lines[i].name);
		for (int j = 0; j < 3; j++, y += BAR + 1)
		{
			double		width = rate_width(lines[i].ns[j]);

			fprintf(file, "<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n"
					"<text x=\"%.1f\" y=\"%.1f\">%.1f (%.2f)</text>\n",
					NAMES, y, width, BAR, colors[j], NAMES + width + 4, y + BAR - 2,
					1e3 / lines[i].ns[j], lines[i].ns[0] / lines[i].ns[j]);
		}
	}
	fprintf(file, "</svg>\n");
	return fclose(file) == 0;
}
