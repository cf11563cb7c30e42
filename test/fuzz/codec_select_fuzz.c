/*
 * codec_select_fuzz.c
 *		Any range selects, and any selection sums, as the rows themselves do.
 *
 * The vector is made of the input but for its last nine bytes, which say what
 * is looked for and where.
 */
#include "select_check.h"

#define QUESTION_BYTES	9

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *question = data + size - QUESTION_BYTES;
	uint32_t	low;
	uint32_t	high;
	size_t		data_bytes;
	TsdbVector	vector;

	if (size <= VECTOR_HEAD_BYTES + QUESTION_BYTES || data[0] % 8 % 5 + 1 >= TSDB_VECTOR_FIXED)
		return 0;
	memcpy(&low, question, 4);
	memcpy(&high, question + 4, 4);
	vector = make_vector(data, size - QUESTION_BYTES, &data_bytes);
	check_select(&vector, level_of(data), low, high, question[8]);
	return 0;
}
