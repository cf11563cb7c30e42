/*
 * directory_numbers.h
 *		Chunk numbers: how many are in use, and their recycling.
 *
 * A number is the place of a directory tuple (see chunk_tid.h).  When the tuple
 * is dead and pruned, its line pointer stays dead until no index has an entry for
 * the chunk's rows any more; only then is it set free for a new chunk.
 */
#ifndef TSDB_STORE_DIRECTORY_NUMBERS_H
#define TSDB_STORE_DIRECTORY_NUMBERS_H

#include "nodes/bitmapset.h"
#include "store/storage.h"

/* How many chunk numbers are in use, those of dead chunks included. */
extern uint32 tsdb_directory_used(TsdbStorage *storage);

/* Numbers of chunks whose line pointer is dead: their index entries may go. */
extern Bitmapset *tsdb_directory_dead(TsdbStorage *storage);

/* Set those line pointers free for new chunks. */
extern void tsdb_directory_recycle(TsdbStorage *storage, const Bitmapset *dead);

#endif							/* TSDB_STORE_DIRECTORY_NUMBERS_H */
