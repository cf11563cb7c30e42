/*
 * chunk_body_fuzz.c
 *		Any bytes as a body: refused, or accepted and then written and read alike.
 */
#include <stdint.h>
#include <stdlib.h>

#include "chunk/chunk_body.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TsdbBodyHead head;
	TsdbBodyHead head2;
	TsdbBodyColumn *columns;
	uint8_t    *again;
	size_t		used;
	size_t		column_bytes;

	if (tsdb_body_parse_head(data, size, &head) != NULL)
		return 0;
	columns = malloc((head.natts + 1) * sizeof(TsdbBodyColumn));
	if (tsdb_body_parse_columns(&head, data + head.head_bytes,
								size - head.head_bytes, columns) == NULL)
	{
		size_t		room = TSDB_BODY_HEAD_BYTES_MAX +
			(size_t) head.natts * TSDB_BODY_COLUMN_BYTES_MAX;

		again = malloc(room);
		used = tsdb_body_write_head(&head, again);
		if (tsdb_body_parse_head(again, used, &head2) != NULL)
			abort();
		column_bytes = tsdb_body_write_columns(&head2, columns, again + used);
		if (used + column_bytes > room ||
			tsdb_body_parse_columns(&head2, again + used, column_bytes, columns) != NULL)
			abort();
		free(again);
	}
	free(columns);
	return 0;
}
