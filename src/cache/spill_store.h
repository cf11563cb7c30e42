/*
 * spill_store.h
 *		The spill cache's file and its index: vectors that left the working set, compressed.
 *
 *		file:	| header, 4 kB | index as it was at a clean shutdown | log of records |
 *
 *		record, 64 bytes and what follows, at a multiple of 64 bytes
 *		 0       8            16         24       28        32    36     40       44       48        56
 *		| sum | generation | db, st. | column | method | tag | bytes | stored | magic | address | zero | contents
 *
 * The log is a ring: a record is written behind the one before, over the oldest ones.  The index, in
 * shared memory, is a table of buckets of TSDB_SPILL_BUCKET slots: the hash of a key, and the position in the log.
 *
 * Nothing has to be right but the record.  A key has one contents for ever (cache/vector_cache.h), so whatever record has
 * the key and is whole is what is wanted, however it got there, and any other is a miss.  So:
 *
 *	- There are no locks.  Room is claimed by advancing the head (compare-and-swap); the record is written, then its
 *	  slot.  Slots are two words, written one after the other: what two processes make of one slot is
 *	  a position with another key's record, which the reader sees.
 *	- Who reads a record while it is overwritten finds that its sum is wrong.
 *	- A slot whose record was overwritten is told by its position, which counts all bytes ever written.
 *	- A process that dies while it writes leaves bytes that no slot names.
 *
 * The sum goes over all of the record, and begins with the identity of the cluster: system identifier,
 * timeline, version of this format, of the contents' format.  So another cluster's record is none of ours, even if
 * the file was exchanged while the server runs.  It has 64 bits, of which each step is a bijection: a change of
 * any one word is found for certain, others but for one in 2^64.
 *
 * After a restart the file is used only if it was closed: the header says so, with the sum of the saved index.  It is marked as open
 * before anything else is done.  After a crash nobody knows what was in the memory that records were
 * made from, so then, as with another cluster's or a damaged header, all is forgotten: the index is empty, which is enough.
 *
 * Compression.  An entry is mostly words of 8 bytes.  They are written byte plane by byte plane and then given to zstd, level -1:
 * 5 to 15 µs for 8 kB, 5 µs to undo, to a fifth to four fifths.  Without the planes zstd takes two or three times as
 * long, and is smaller for decimal floats only.
 *
 * Writing is done by who evicts, at once, into the operating system's cache: compression and one write are about as
 * much as the decoding that a hit saves, and what a worker would have to be handed would be a copy of the same size.
 * Read and write calls, not a mapping, because a page of a mapping that the disk cannot give or take is a SIGBUS, which ends the server; the
 * calls return an error, and the store goes off.
 *
 * What is put.  An entry that was used, or that leaves the working set for the second time, is worth a write;
 * one that is in the newer half of the log already is not written again.
 *
 * Plain C11 but for the calls given; no server headers.
 */
#ifndef TSDB_CACHE_SPILL_STORE_H
#define TSDB_CACHE_SPILL_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cache/vector_cache.h"

#define TSDB_SPILL_VERSION		1
#define TSDB_SPILL_BYTES_MIN	((uint64_t) 1024 * 1024)
#define TSDB_SPILL_BYTES_MAX	((uint64_t) 1 << 44)
#define TSDB_SPILL_BUCKET		8
#define TSDB_SPILL_UNIT			64
#define TSDB_SPILL_HEADER		4096

/* Calls on the file; true: all bytes were read or written. */
typedef struct TsdbSpillFile
{
	void	   *arg;
	bool		(*read) (void *arg, void *buffer, size_t bytes, uint64_t offset);
	bool		(*write) (void *arg, const void *buffer, size_t bytes, uint64_t offset);
	bool		(*sync) (void *arg);

	/* The store has gone off, because a call returned false; once. */
	void		(*failed) (void *arg);
} TsdbSpillFile;

/* Whose file it is. */
typedef struct TsdbSpillIdentity
{
	uint64_t	system;
	uint32_t	timeline;
	uint32_t	contents;		/* version of what the entries' bytes mean */
} TsdbSpillIdentity;

/* What was found in a file that was there. */
typedef enum TsdbSpillLoad
{
	TSDB_SPILL_LOADED,
	TSDB_SPILL_NEW,				/* nothing, or not of this version or size */
	TSDB_SPILL_FOREIGN,			/* another cluster's, or timeline's */
	TSDB_SPILL_OPEN,			/* it was not closed */
	TSDB_SPILL_DAMAGED,
	TSDB_SPILL_FAILED			/* it cannot be read or written: off */
} TsdbSpillLoad;

struct TsdbSpillShared;

/* A store as one process has it. */
typedef struct TsdbSpillStore
{
	struct TsdbSpillShared *shared;
	TsdbSpillFile file;
	uint64_t	seed;			/* of sums */
	uint32_t	entry_max;
	unsigned char *record;		/* scratch: the record that is written, */
	unsigned char *found;		/* the one that was found, */
	unsigned char *planes;		/* and bytes of an entry, plane by plane */
	void	   *compressor;
	void	   *decompressor;
} TsdbSpillStore;

/* A record that was found; it lies in the process's scratch memory until the next is looked for. */
typedef struct TsdbSpilled
{
	uint32_t	bytes;
	uint32_t	tag;
	uint64_t	address;		/* where the contents lay when they were put, for contents that point into themselves */
} TsdbSpilled;

typedef struct TsdbSpillCounts
{
	bool		on;
	uint64_t	bytes;			/* of the log in use */
	uint64_t	hits;
	uint64_t	misses;
	uint64_t	puts;			/* records written */
	uint64_t	bytes_put;
	uint64_t	skipped;		/* evicted, and not worth a write */
	uint64_t	damaged;		/* records that were not what they should be */
} TsdbSpillCounts;

/* Shared memory for a file of so many bytes: 1 % of it.  0 if that is out of bounds. */
extern size_t tsdb_spill_store_bytes(uint64_t file_bytes);

/* Make a store that is off and empty, in memory so large, aligned to TSDB_VECTOR_CACHE_ALIGN. */
extern bool tsdb_spill_store_init(void *memory, uint64_t file_bytes);

/* Scratch memory that a process needs for entries up to entry_max. */
extern size_t tsdb_spill_store_scratch_bytes(uint32_t entry_max);

/* To be done in each process; false if there is no memory. */
extern bool tsdb_spill_store_attach(TsdbSpillStore *store, void *memory, void *scratch,
									uint32_t entry_max, const TsdbSpillIdentity *identity,
									const TsdbSpillFile *file);
extern void tsdb_spill_store_detach(TsdbSpillStore *store);

/* Look at the file, take over what it has, mark it as open, and go on.  By one process, before others come. */
extern TsdbSpillLoad tsdb_spill_store_open(TsdbSpillStore *store,
										   const TsdbSpillIdentity *identity);

/* Save the index and mark the file as closed; off after that.  By one process, after others have gone. */
extern bool tsdb_spill_store_close(TsdbSpillStore *store, const TsdbSpillIdentity *identity);

extern bool tsdb_spill_store_is_on(const TsdbSpillStore *store);

/* Forget everything. */
extern void tsdb_spill_store_clear(TsdbSpillStore *store);

/* An entry leaves the working set.  used: somebody has asked for it while it was there. */
extern void tsdb_spill_store_put(TsdbSpillStore *store, const TsdbVectorKey *key, uint32_t tag,
								 const void *data, uint32_t bytes, bool used);

/* Read a record and check it. */
extern bool tsdb_spill_store_find(TsdbSpillStore *store, const TsdbVectorKey *key,
								  TsdbSpilled *found);

/* Copy the contents of the record found last.  False if they are damaged; then data is undefined. */
extern bool tsdb_spill_store_copy(TsdbSpillStore *store, void *data);

extern void tsdb_spill_store_counts(const TsdbSpillStore *store, TsdbSpillCounts *counts);

/* How many records are there; an estimate, for which all slots are looked at. */
extern uint64_t tsdb_spill_store_entries(const TsdbSpillStore *store);

#endif							/* TSDB_CACHE_SPILL_STORE_H */
