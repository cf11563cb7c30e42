/*
 * box_tree.h
 *		A static tree of boxes: which of them overlap a given one?
 *
 * Built at once by halving the boxes at the median of one dimension after the
 * other, as a k-d tree is, with the bounds of both halves kept; eight boxes a
 * leaf.  Chunks that were sorted together hardly overlap, so a search for a
 * point goes down a path or two.
 */
#ifndef TSDB_STORE_BOX_TREE_H
#define TSDB_STORE_BOX_TREE_H

#define TSDB_BOX_DIMENSIONS		4

/* Bounds are included. */
typedef struct TsdbKeyBox
{
	uint64		low[TSDB_BOX_DIMENSIONS];
	uint64		high[TSDB_BOX_DIMENSIONS];
} TsdbKeyBox;

typedef struct TsdbBoxTree TsdbBoxTree;

/* A search that is under way; plain memory, nothing to end. */
typedef struct TsdbBoxSearch
{
	const TsdbBoxTree *tree;
	const TsdbKeyBox *box;
	int			depth;
	uint32		stack[64];		/* nodes to visit */
	uint32		next;			/* items of the leaf at hand */
	uint32		end;
} TsdbBoxSearch;

/* Palloc'd in the current context; the boxes must outlive it. */
extern TsdbBoxTree *tsdb_box_tree_build(const TsdbKeyBox *boxes, uint32 count,
										int ndimensions);

extern void tsdb_box_search_begin(const TsdbBoxTree *tree, const TsdbKeyBox *box,
								  TsdbBoxSearch *search);

/* The next box that overlaps, by its place in the array. */
extern bool tsdb_box_search_next(TsdbBoxSearch *search, uint32 *item);

#endif							/* TSDB_STORE_BOX_TREE_H */
