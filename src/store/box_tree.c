/*
 * box_tree.c
 *		A static tree of boxes: which of them overlap a given one?
 */
#include "postgres.h"

#include "store/box_tree.h"

#include "utils/memutils.h"

#define LEAF_BOXES	8

/* Nodes are in preorder: the left half of a node comes right after it. */
typedef struct BoxNode
{
	TsdbKeyBox	bounds;
	uint32		first;			/* of order[] */
	uint32		count;
	uint32		right;			/* node of the right half; 0 for a leaf */
} BoxNode;

struct TsdbBoxTree
{
	const TsdbKeyBox *boxes;
	int			ndimensions;
	uint32		nnodes;
	BoxNode    *nodes;
	uint32	   *order;			/* the boxes, leaf after leaf */
};

static uint64
center(const TsdbKeyBox *box, int dimension)
{
	return box->low[dimension] / 2 + box->high[dimension] / 2;
}

/* Let order[middle] be what sorting would put there, smaller ones before it. */
static void
partition(const TsdbBoxTree *tree, uint32 *order, int64 first, int64 last, int64 middle,
		  int dimension)
{
	while (first < last)
	{
		uint64		pivot = center(&tree->boxes[order[first + (last - first) / 2]], dimension);
		int64		low = first;
		int64		high = last;

		while (low <= high)
		{
			while (center(&tree->boxes[order[low]], dimension) < pivot)
				low++;
			while (center(&tree->boxes[order[high]], dimension) > pivot)
				high--;
			if (low <= high)
			{
				uint32		swap = order[low];

				order[low++] = order[high];
				order[high--] = swap;
			}
		}
		if (middle <= high)
			last = high;
		else if (middle >= low)
			first = low;
		else
			return;
	}
}

/* The first dimension from "dimension" on, in turn, in which the boxes of a
 * node lie apart. */
static int
choose_dimension(const TsdbBoxTree *tree, const BoxNode *node, int dimension)
{
	for (int tried = 0; tried < tree->ndimensions; tried++)
	{
		uint64		one = center(&tree->boxes[tree->order[node->first]], dimension);

		for (uint32 i = 1; i < node->count; i++)
		{
			if (center(&tree->boxes[tree->order[node->first + i]], dimension) != one)
				return dimension;
		}
		dimension = (dimension + 1) % tree->ndimensions;
	}
	return dimension;
}

static void
build_node(TsdbBoxTree *tree, uint32 first, uint32 count, int dimension)
{
	BoxNode    *node = &tree->nodes[tree->nnodes++];
	uint32		half = count / 2;

	node->first = first;
	node->count = count;
	node->right = 0;
	node->bounds = tree->boxes[tree->order[first]];
	for (uint32 i = 1; i < count; i++)
	{
		const TsdbKeyBox *box = &tree->boxes[tree->order[first + i]];

		for (int d = 0; d < tree->ndimensions; d++)
		{
			node->bounds.low[d] = Min(node->bounds.low[d], box->low[d]);
			node->bounds.high[d] = Max(node->bounds.high[d], box->high[d]);
		}
	}
	if (count <= LEAF_BOXES || tree->ndimensions == 0)
		return;

	dimension = choose_dimension(tree, node, dimension);
	partition(tree, tree->order, first, first + count - 1, first + half, dimension);
	dimension = (dimension + 1) % tree->ndimensions;
	build_node(tree, first, half, dimension);
	node->right = tree->nnodes;
	build_node(tree, first + half, count - half, dimension);
}

TsdbBoxTree *
tsdb_box_tree_build(const TsdbKeyBox *boxes, uint32 count, int ndimensions)
{
	TsdbBoxTree *tree = palloc0(sizeof(TsdbBoxTree));

	tree->boxes = boxes;
	tree->ndimensions = ndimensions;
	if (count == 0)
		return tree;

	/* Leaves hold at least half of LEAF_BOXES, and inner nodes are fewer. */
	tree->nodes = MemoryContextAllocHuge(CurrentMemoryContext,
										 (2 * ((Size) count / (LEAF_BOXES / 2)) + 1) *
										 sizeof(BoxNode));
	tree->order = MemoryContextAllocHuge(CurrentMemoryContext, count * sizeof(uint32));
	for (uint32 i = 0; i < count; i++)
		tree->order[i] = i;
	build_node(tree, 0, count, 0);
	return tree;
}

static bool
overlaps(const TsdbKeyBox *a, const TsdbKeyBox *b, int ndimensions)
{
	for (int d = 0; d < ndimensions; d++)
	{
		if (a->high[d] < b->low[d] || a->low[d] > b->high[d])
			return false;
	}
	return true;
}

void
tsdb_box_search_begin(const TsdbBoxTree *tree, const TsdbKeyBox *box, TsdbBoxSearch *search)
{
	search->tree = tree;
	search->box = box;
	search->depth = 0;
	search->next = search->end = 0;
	if (tree->nnodes > 0)
		search->stack[search->depth++] = 0;
}

bool
tsdb_box_search_next(TsdbBoxSearch *search, uint32 *item)
{
	const TsdbBoxTree *tree = search->tree;

	for (;;)
	{
		uint32		place;
		const BoxNode *node;

		while (search->next < search->end)
		{
			*item = tree->order[search->next++];
			if (overlaps(&tree->boxes[*item], search->box, tree->ndimensions))
				return true;
		}
		if (search->depth == 0)
			return false;
		place = search->stack[--search->depth];
		node = &tree->nodes[place];
		if (!overlaps(&node->bounds, search->box, tree->ndimensions))
			continue;
		if (node->right != 0)
		{
			/* Depth grows by one a level, and levels are halvings. */
			search->stack[search->depth++] = node->right;
			search->stack[search->depth++] = place + 1;
		}
		else
		{
			search->next = node->first;
			search->end = node->first + node->count;
		}
	}
}
