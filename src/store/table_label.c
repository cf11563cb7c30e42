/*
 * table_label.c
 *		The words of a table's security labels, and those that it has.
 */
#include "postgres.h"

#include "store/table_label.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_seclabel.h"
#include "commands/seclabel.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

/* The number at the start of text, of at most that many digits; returns what comes after
 * it, or NULL if there is none. */
static const char *
parse_number(const char *text, size_t max_digits, int *number)
{
	size_t		digits = strspn(text, "0123456789");

	if (digits < 1 || digits > max_digits)
		return NULL;
	*number = atoi(text);
	return text + digits;
}

TsdbLabelRole
tsdb_label_parse_column(const char *text, int *position)
{
	static const char *const series_words[] = {"series", "segmentby"};

	*position = 0;
	if (pg_strcasecmp(text, "time") == 0 || pg_strcasecmp(text, "partition_column") == 0)
		return TSDB_LABEL_TIME;
	if (pg_strncasecmp(text, "orderby", 7) == 0 && (text[7] == '\0' || text[7] == ' '))
		return TSDB_LABEL_NOTHING;
	for (int i = 0; i < lengthof(series_words); i++)
	{
		int			length = strlen(series_words[i]);
		const char *rest = text + length;

		if (pg_strncasecmp(text, series_words[i], length) != 0)
			continue;
		if (*rest == '\0')
			return TSDB_LABEL_SERIES;
		if (*rest++ != ' ')
			break;
		rest = parse_number(rest, 4, position);
		if (rest != NULL && *rest == '\0' && *position > 0)
			return TSDB_LABEL_SERIES;
		*position = 0;
		break;
	}
	return TSDB_LABEL_UNKNOWN;
}

/* One of the phrases of a table's label; false if it is none or contradicts another. */
static bool
parse_phrase(const char *phrase, TsdbTableLabel *label)
{
	static const char after[] = "cold after ";

	if (pg_strcasecmp(phrase, "no time") == 0 && !label->no_time)
		return label->no_time = true;
	if (pg_strcasecmp(phrase, "no series") == 0 && !label->no_series)
		return label->no_series = true;
	if (label->cold_stated)
		return false;
	label->cold_stated = true;
	label->cold_age = -1;
	if (pg_strcasecmp(phrase, "cold never") == 0)
		return true;
	if (pg_strncasecmp(phrase, after, strlen(after)) != 0)
		return false;
	phrase = parse_number(phrase + strlen(after), 9, &label->cold_age);
	return phrase != NULL && pg_strcasecmp(phrase, " s") == 0;
}

bool
tsdb_label_parse_table(const char *text, TsdbTableLabel *label)
{
	char	   *phrase = pstrdup(text);

	memset(label, 0, sizeof(*label));
	for (;;)
	{
		char	   *comma = strchr(phrase, ',');

		if (comma != NULL)
			*comma = '\0';
		if (!parse_phrase(phrase, label))
		{
			memset(label, 0, sizeof(*label));
			return false;
		}
		if (comma == NULL)
			return true;
		phrase = comma + 1 + strspn(comma + 1, " ");
	}
}

char *
tsdb_label_format_table(const TsdbTableLabel *label)
{
	StringInfoData text;

	initStringInfo(&text);
	if (label->no_time)
		appendStringInfoString(&text, ", no time");
	if (label->no_series)
		appendStringInfoString(&text, ", no series");
	if (label->cold_stated && label->cold_age < 0)
		appendStringInfoString(&text, ", cold never");
	else if (label->cold_stated)
		appendStringInfo(&text, ", cold after %d s", label->cold_age);
	return text.len > 0 ? text.data + strlen(", ") : NULL;
}

void
tsdb_label_read(Oid relid, TsdbTableLabels *labels)
{
	Relation	catalog = table_open(SecLabelRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	int			room = 8;

	memset(labels, 0, sizeof(*labels));
	labels->columns = palloc(sizeof(TsdbColumnLabel) * room);

	ScanKeyInit(&keys[0], Anum_pg_seclabel_objoid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pg_seclabel_classoid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(RelationRelationId));
	scan = systable_beginscan(catalog, SecLabelObjectIndexId, true, NULL, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		FormData_pg_seclabel *form = (FormData_pg_seclabel *) GETSTRUCT(tuple);
		TsdbColumnLabel *column;
		bool		isnull;
		Datum		datum;
		char	   *word;

		datum = heap_getattr(tuple, Anum_pg_seclabel_provider, RelationGetDescr(catalog),
							 &isnull);
		word = TextDatumGetCString(datum);
		if (strcmp(word, TSDB_LABEL_PROVIDER) != 0)
			continue;
		datum = heap_getattr(tuple, Anum_pg_seclabel_label, RelationGetDescr(catalog),
							 &isnull);
		word = TextDatumGetCString(datum);

		if (form->objsubid == 0)
		{
			labels->has_table_label = true;
			(void) tsdb_label_parse_table(word, &labels->table);
			continue;
		}
		if (labels->ncolumns == room)
		{
			room *= 2;
			labels->columns = repalloc(labels->columns, sizeof(TsdbColumnLabel) * room);
		}
		column = &labels->columns[labels->ncolumns++];
		column->attno = form->objsubid;
		column->role = tsdb_label_parse_column(word, &column->position);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

void
tsdb_label_write(Oid relid, AttrNumber attno, const char *text)
{
	ObjectAddress object;

	ObjectAddressSubSet(object, RelationRelationId, relid, attno);
	SetSecurityLabel(&object, TSDB_LABEL_PROVIDER, text);
}
