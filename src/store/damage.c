/*
 * damage.c
 *		Going on after damaged data was found.
 */
#include "postgres.h"

#include "store/damage.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "store/attempt.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#define KNOWN_MAX	10000			/* things remembered; then memory starts afresh */

typedef struct KnownKey
{
	uint64		thing;
	Oid			storage;
	uint32		unused;
} KnownKey;

bool
tsdb_damage_is(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_DATA_CORRUPTED ||
		sqlerrcode == ERRCODE_INDEX_CORRUPTED ||
		sqlerrcode == ERRCODE_IO_ERROR ||
		sqlerrcode == ERRCODE_UNDEFINED_FILE;
}

ErrorData *
tsdb_damage_catch(void (*work) (void *arg), void *arg, bool any_internal)
{
	ErrorData  *error;

	if (IsInParallelMode())
	{
		work(arg);
		return NULL;
	}

	error = tsdb_attempt(work, arg);

	/* whoever catches it next expects the subtransaction that it began */
	if (error != NULL && !tsdb_damage_is(error->sqlerrcode) &&
		!(any_internal && error->sqlerrcode == ERRCODE_INTERNAL_ERROR))
		ReThrowError(error);
	return error;
}

static HTAB *known = NULL;

bool
tsdb_damage_remember(Oid storage, uint64 thing)
{
	KnownKey		key = {.thing = thing,.storage = storage};
	bool		found;

	if (known != NULL && hash_get_num_entries(known) >= KNOWN_MAX)
	{
		hash_destroy(known);
		known = NULL;
	}
	if (known == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(KnownKey),.entrysize = sizeof(KnownKey)};

		control.hcxt = TopMemoryContext;
		known = hash_create("tsdb known damage", 64, &control,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	hash_search(known, &key, HASH_ENTER, &found);
	return !found;
}

bool
tsdb_damage_is_known(Oid storage, uint64 thing)
{
	KnownKey		key = {.thing = thing,.storage = storage};

	return known != NULL && hash_search(known, &key, HASH_FIND, NULL) != NULL;
}
