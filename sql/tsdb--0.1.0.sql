/* tsdb 0.1.0 */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION tsdb" to load this file. \quit

CREATE SCHEMA tsdb;
COMMENT ON SCHEMA tsdb IS 'administration of tsdb tables';
GRANT USAGE ON SCHEMA tsdb TO PUBLIC;

CREATE SCHEMA _tsdb;
COMMENT ON SCHEMA _tsdb IS 'internal relations of tsdb tables: chunks live here';

-- access methods

CREATE FUNCTION _tsdb.table_handler(internal)
RETURNS table_am_handler
LANGUAGE C STRICT
AS 'MODULE_PATHNAME', 'tsdb_table_handler';
COMMENT ON FUNCTION _tsdb.table_handler(internal) IS 'handler of access method tsdb';

CREATE ACCESS METHOD tsdb TYPE TABLE HANDLER _tsdb.table_handler;
COMMENT ON ACCESS METHOD tsdb IS 'tables that keep time series compressed';

CREATE FUNCTION _tsdb.internal_handler(internal)
RETURNS table_am_handler
LANGUAGE C STRICT
AS 'MODULE_PATHNAME', 'tsdb_internal_handler';
COMMENT ON FUNCTION _tsdb.internal_handler(internal) IS 'handler of access method tsdb_internal';

CREATE ACCESS METHOD tsdb_internal TYPE TABLE HANDLER _tsdb.internal_handler;
COMMENT ON ACCESS METHOD tsdb_internal IS 'relations behind tsdb tables; not for tables of users';

CREATE FUNCTION _tsdb.is_internal(relation oid)
RETURNS boolean
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tsdb_is_internal';
COMMENT ON FUNCTION _tsdb.is_internal(oid) IS
	'is this a relation behind a tsdb table? keeps such out of pg_publication_tables';

CREATE FUNCTION _tsdb.key_handler(internal)
RETURNS index_am_handler
LANGUAGE C STRICT
AS 'MODULE_PATHNAME', 'tsdb_key_handler';
COMMENT ON FUNCTION _tsdb.key_handler(internal) IS 'handler of access method tsdb_key';

CREATE ACCESS METHOD tsdb_key TYPE INDEX HANDLER _tsdb.key_handler;
COMMENT ON ACCESS METHOD tsdb_key IS
	'indexes of tsdb tables, unique if wanted, that have no entries of compressed rows';

-- An operator class of tsdb_key for each type that has a default one of btree, with the same
-- operators and functions.
DO $$
DECLARE
	family record;
	class record;
	items text;
BEGIN
	FOR family IN
		SELECT DISTINCT f.oid, f.opfname
		FROM pg_catalog.pg_opfamily f
		JOIN pg_catalog.pg_opclass c ON c.opcfamily = f.oid
		JOIN pg_catalog.pg_am a ON a.oid = f.opfmethod
		WHERE a.amname = 'btree' AND f.opfnamespace = 'pg_catalog'::pg_catalog.regnamespace
			AND c.opcdefault
		ORDER BY f.opfname
	LOOP
		EXECUTE pg_catalog.format('CREATE OPERATOR FAMILY _tsdb.%I USING tsdb_key', family.opfname);
		EXECUTE pg_catalog.format('COMMENT ON OPERATOR FAMILY _tsdb.%I USING tsdb_key IS %L',
			family.opfname, 'operators of btree''s family ' || family.opfname);

		SELECT pg_catalog.string_agg(item, ', ' ORDER BY item) INTO items
		FROM (
			SELECT pg_catalog.format('OPERATOR %s %s', o.amopstrategy,
					o.amopopr::pg_catalog.regoperator)
			FROM pg_catalog.pg_amop o
			WHERE o.amopfamily = family.oid AND o.amoppurpose = 's'
			UNION ALL
			SELECT pg_catalog.format('FUNCTION %s (%s, %s) %s', p.amprocnum,
					p.amproclefttype::pg_catalog.regtype, p.amprocrighttype::pg_catalog.regtype,
					p.amproc::pg_catalog.regprocedure)
			FROM pg_catalog.pg_amproc p
			WHERE p.amprocfamily = family.oid AND p.amprocnum IN (1, 2, 4)
		) i (item);
		EXECUTE pg_catalog.format('ALTER OPERATOR FAMILY _tsdb.%I USING tsdb_key ADD %s',
			family.opfname, items);

		FOR class IN
			SELECT c.opcname, c.opcintype::pg_catalog.regtype AS type
			FROM pg_catalog.pg_opclass c
			WHERE c.opcfamily = family.oid AND c.opcdefault
			ORDER BY c.opcname
		LOOP
			EXECUTE pg_catalog.format(
				'CREATE OPERATOR CLASS _tsdb.%I DEFAULT FOR TYPE %s USING tsdb_key FAMILY _tsdb.%I AS STORAGE %s',
				class.opcname, class.type, family.opfname, class.type);
			EXECUTE pg_catalog.format('COMMENT ON OPERATOR CLASS _tsdb.%I USING tsdb_key IS %L',
				class.opcname, 'order of btree''s class ' || class.opcname);
		END LOOP;
	END LOOP;
END $$;

-- administration

CREATE FUNCTION tsdb.compact("table" regclass)
RETURNS bigint
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tsdb_compact';
COMMENT ON FUNCTION tsdb.compact(regclass) IS
	'move the rows of the row store to chunks and merge chunks, in this transaction; returns rows moved';

CREATE FUNCTION tsdb.verify(
	"table" regclass, check_indexes boolean DEFAULT true,
	OUT verified regclass, OUT part text, OUT relation regclass, OUT chunk bigint,
	OUT "column" name, OUT "row" integer, OUT place tid, OUT fault text)
RETURNS SETOF record
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE ROWS 10 COST 100000
AS 'MODULE_PATHNAME', 'tsdb_verify';
COMMENT ON FUNCTION tsdb.verify(regclass, boolean) IS
	'reads a tsdb table and all that stands behind it, and returns a row for each fault; no row if all is well';

CREATE FUNCTION tsdb.drop_damaged_chunk("table" regclass, chunk bigint)
RETURNS bigint
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tsdb_drop_chunk';
COMMENT ON FUNCTION tsdb.drop_damaged_chunk(regclass, bigint) IS
	'removes a chunk that cannot be read; returns how many rows it had, null if that is not known';

CREATE FUNCTION tsdb.drop_orphaned_pieces("table" regclass)
RETURNS bigint
LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tsdb_drop_orphans';
COMMENT ON FUNCTION tsdb.drop_orphaned_pieces(regclass) IS
	'removes what is left in the shards of chunks that the directory has lost; returns how many pieces';

CREATE FUNCTION tsdb.table_size("table" regclass)
RETURNS bigint
LANGUAGE C STRICT VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tsdb_table_size';
COMMENT ON FUNCTION tsdb.table_size(regclass) IS
	'bytes of a tsdb table on disk: row store, chunks and out-of-line values, without indexes';

CREATE FUNCTION tsdb.table_info(
	"table" regclass,
	OUT time_column name, OUT series_columns name[], OUT chunks bigint,
	OUT chunk_rows bigint, OUT row_store_bytes bigint, OUT total_bytes bigint,
	OUT cold_age interval)
RETURNS record
LANGUAGE C STRICT VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tsdb_table_info';
COMMENT ON FUNCTION tsdb.table_info(regclass) IS
	'how a tsdb table is ordered and what it consists of';

CREATE FUNCTION tsdb.column_info(
	"table" regclass,
	OUT "column" name, OUT codec text, OUT chunks bigint, OUT "values" bigint,
	OUT bytes bigint)
RETURNS SETOF record
LANGUAGE C STRICT VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tsdb_column_info';
COMMENT ON FUNCTION tsdb.column_info(regclass) IS
	'encoded size of each column of a tsdb table, by codec';

CREATE FUNCTION tsdb.chunk_info(
	"table" regclass,
	OUT chunk bigint, OUT shard integer, OUT level integer, OUT "rows" integer,
	OUT segments integer, OUT min_time bigint, OUT max_time bigint,
	OUT stream_bytes integer, OUT body_bytes integer, OUT cold boolean)
RETURNS SETOF record
LANGUAGE C STRICT VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tsdb_chunk_info';
COMMENT ON FUNCTION tsdb.chunk_info(regclass) IS
	'the chunks of a tsdb table; times in the time column''s own unit, microseconds or days since 2000-01-01';

CREATE VIEW tsdb.tables AS
SELECT c.oid::regclass AS "table", i.*
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_am a ON a.oid = c.relam
CROSS JOIN LATERAL tsdb.table_info(c.oid) i
WHERE a.amname = 'tsdb' AND c.relkind IN ('r', 'm')
	AND NOT pg_catalog.pg_is_other_temp_schema(c.relnamespace)
	AND pg_catalog.has_table_privilege(c.oid, 'SELECT');
COMMENT ON VIEW tsdb.tables IS
	'tsdb tables that you may read: order, chunks, rows in chunks, bytes on disk';

CREATE VIEW tsdb.columns AS
SELECT c.oid::regclass AS "table", i."column", i.codec, i.chunks, i."values", i.bytes,
	pg_catalog.round(8.0 * i.bytes / NULLIF(i."values", 0), 2) AS bits_per_value
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_am a ON a.oid = c.relam
CROSS JOIN LATERAL tsdb.column_info(c.oid) i
WHERE a.amname = 'tsdb' AND c.relkind IN ('r', 'm')
	AND NOT pg_catalog.pg_is_other_temp_schema(c.relnamespace)
	AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
	AND NOT pg_catalog.row_security_active(c.oid);
COMMENT ON VIEW tsdb.columns IS
	'codecs and encoded sizes of the columns of tsdb tables whose rows you may all read';

CREATE VIEW tsdb.chunks AS
SELECT c.oid::regclass AS "table", i.*
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_am a ON a.oid = c.relam
CROSS JOIN LATERAL tsdb.chunk_info(c.oid) i
WHERE a.amname = 'tsdb' AND c.relkind IN ('r', 'm')
	AND NOT pg_catalog.pg_is_other_temp_schema(c.relnamespace)
	AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
	AND NOT pg_catalog.row_security_active(c.oid);
COMMENT ON VIEW tsdb.chunks IS
	'chunks of the tsdb tables whose rows you may all read';

GRANT SELECT ON tsdb.tables, tsdb.columns, tsdb.chunks TO PUBLIC;

CREATE FUNCTION tsdb.set_key("table" regclass, "time" name DEFAULT NULL, series name[] DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tsdb_set_table_key';
COMMENT ON FUNCTION tsdb.set_key(regclass, name, name[]) IS
	'states the time column and the series key of a table; what is null is inferred, what is empty is none';

-- background workers

CREATE FUNCTION tsdb.get_progress_compaction(
	OUT pid integer, OUT datid oid, OUT relid oid, OUT phase text,
	OUT rows_done bigint, OUT rows_total bigint, OUT chunks_written bigint,
	OUT started_at timestamptz)
RETURNS SETOF record
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tsdb_progress_compaction';
COMMENT ON FUNCTION tsdb.get_progress_compaction() IS
	'what each running compaction is doing, in all databases';

CREATE VIEW tsdb.progress_compaction AS
SELECT p.pid, p.datid, d.datname, p.relid, p.phase, p.rows_done, p.rows_total,
	p.chunks_written, p.started_at
FROM tsdb.get_progress_compaction() p
LEFT JOIN pg_catalog.pg_database d ON d.oid = p.datid;
COMMENT ON VIEW tsdb.progress_compaction IS
	'one row per running compaction, by a background worker or by tsdb.compact()';

CREATE FUNCTION tsdb.get_stat_workers(
	OUT worker integer, OUT pid integer, OUT datid oid, OUT relid oid,
	OUT state text, OUT started_at timestamptz, OUT tables bigint,
	OUT batches bigint, OUT rows_moved bigint, OUT vacuums bigint,
	OUT errors bigint, OUT last_error text, OUT last_error_at timestamptz,
	OUT last_error_datid oid, OUT last_error_relid oid)
RETURNS SETOF record
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tsdb_stat_workers';
COMMENT ON FUNCTION tsdb.get_stat_workers() IS
	'what each background worker does and has done since the server started';

CREATE VIEW tsdb.stat_workers AS
SELECT w.worker, w.pid, w.datid, d.datname, w.relid, w.state, w.started_at,
	w.tables, w.batches, w.rows_moved, w.vacuums, w.errors, w.last_error,
	w.last_error_at, e.datname AS last_error_datname, w.last_error_relid
FROM tsdb.get_stat_workers() w
LEFT JOIN pg_catalog.pg_database d ON d.oid = w.datid
LEFT JOIN pg_catalog.pg_database e ON e.oid = w.last_error_datid;
COMMENT ON VIEW tsdb.stat_workers IS
	'one row per background worker of the pool that has ever run; counters outlive the process';

CREATE FUNCTION tsdb.get_stat_tasks(
	OUT kind text, OUT priority text, OUT state text, OUT pid integer,
	OUT datid oid, OUT relid oid, OUT since timestamptz, OUT due timestamptz,
	OUT tries integer, OUT "rows" bigint, OUT last_error text,
	OUT last_error_at timestamptz)
RETURNS SETOF record
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'tsdb_stat_tasks';
COMMENT ON FUNCTION tsdb.get_stat_tasks() IS
	'what background workers have to do and are doing, in all databases';

CREATE VIEW tsdb.stat_tasks AS
SELECT t.kind, t.priority, t.state, t.pid, t.datid, d.datname, t.relid, t.since,
	t.due, t.tries, t."rows", t.last_error, t.last_error_at
FROM tsdb.get_stat_tasks() t
LEFT JOIN pg_catalog.pg_database d ON d.oid = t.datid;
COMMENT ON VIEW tsdb.stat_tasks IS
	'one row per background task that waits for its time or a worker, or runs';

CREATE FUNCTION tsdb.get_stat_prefetch(
	OUT pattern text, OUT predicted bigint, OUT came_true bigint, OUT failed bigint,
	OUT throttled bigint, OUT vectors bigint, OUT vectors_used bigint)
RETURNS SETOF record
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'tsdb_stat_prefetch';
COMMENT ON FUNCTION tsdb.get_stat_prefetch() IS 'what became of predictions of what is read next';
CREATE VIEW tsdb.stat_prefetch AS
SELECT p.pattern, p.predicted, p.came_true, p.failed, p.throttled, p.vectors, p.vectors_used
FROM tsdb.get_stat_prefetch() p;
COMMENT ON VIEW tsdb.stat_prefetch IS
	'one row per pattern by which it is predicted what is read next; no row if the library is not preloaded';

GRANT SELECT ON tsdb.progress_compaction, tsdb.stat_workers, tsdb.stat_tasks, tsdb.stat_prefetch
	TO PUBLIC;

-- ingest

CREATE FUNCTION tsdb.ingest("table" regclass, VARIADIC "rows" "any") RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsdb_ingest';
COMMENT ON FUNCTION tsdb.ingest(regclass, "any") IS
	'inserts a row, rows as JSON, or rows as an array for each column, many clients'' in one commit';

CREATE FUNCTION tsdb.ingest_flush("table" regclass DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsdb_ingest_flush';
COMMENT ON FUNCTION tsdb.ingest_flush(regclass) IS
	'waits until all rows that tsdb.ingest() accepted before are committed';

CREATE TABLE tsdb.dead_letters (
	at timestamptz NOT NULL,
	"table" regclass NOT NULL,
	table_name text NOT NULL,
	sent_by oid NOT NULL,
	sqlstate text NOT NULL,
	message text NOT NULL,
	detail text,
	"row" jsonb NOT NULL) USING heap;
COMMENT ON TABLE tsdb.dead_letters IS
	'rows that tsdb.ingest() accepted with tsdb.ingest_durability = async and that could not be written';
COMMENT ON COLUMN tsdb.dead_letters.at IS 'when that was found';
COMMENT ON COLUMN tsdb.dead_letters."table" IS 'the table that it was for';
COMMENT ON COLUMN tsdb.dead_letters.table_name IS 'the table''s name then, with its schema';
COMMENT ON COLUMN tsdb.dead_letters.sent_by IS 'role that ingested the row';
COMMENT ON COLUMN tsdb.dead_letters.sqlstate IS 'code of the error';
COMMENT ON COLUMN tsdb.dead_letters.message IS 'the error';
COMMENT ON COLUMN tsdb.dead_letters.detail IS 'and its detail';
COMMENT ON COLUMN tsdb.dead_letters."row" IS 'the row, by names of columns';
SELECT pg_catalog.pg_extension_config_dump('tsdb.dead_letters', '');

-- A dead letter may be read, and removed, by whoever may read, and delete from, the table.
ALTER TABLE tsdb.dead_letters ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON tsdb.dead_letters FOR SELECT
	USING (pg_catalog.has_table_privilege("table"::oid, 'SELECT')
		AND NOT pg_catalog.row_security_active("table"::oid));
CREATE POLICY deleters ON tsdb.dead_letters FOR DELETE
	USING (pg_catalog.has_table_privilege("table"::oid, 'DELETE')
		AND NOT pg_catalog.row_security_active("table"::oid));
GRANT SELECT, DELETE ON tsdb.dead_letters TO PUBLIC;

-- the working set

CREATE FUNCTION tsdb.get_stat_cache(
	OUT level text, OUT size bigint, OUT bytes bigint, OUT vectors bigint, OUT pins bigint,
	OUT hits bigint, OUT misses bigint, OUT inserts bigint, OUT refused bigint, OUT evictions bigint,
	OUT prefetched bigint, OUT prefetch_used bigint, OUT prefetch_wasted bigint,
	OUT hit_ns_p50 bigint, OUT hit_ns_p95 bigint, OUT hit_ns_p99 bigint,
	OUT miss_ns_p50 bigint, OUT miss_ns_p95 bigint, OUT miss_ns_p99 bigint)
RETURNS SETOF record
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'tsdb_stat_cache';
COMMENT ON FUNCTION tsdb.get_stat_cache() IS 'counters of the levels of the cache';
CREATE VIEW tsdb.stat_cache AS
SELECT c.level, c.size, c.bytes, c.vectors, c.pins, c.hits, c.misses,
	pg_catalog.round(100.0 * c.hits / NULLIF(c.hits + c.misses, 0), 2) AS hit_percent,
	c.inserts, c.refused, c.evictions, c.prefetched, c.prefetch_used, c.prefetch_wasted,
	c.hit_ns_p50, c.hit_ns_p95, c.hit_ns_p99, c.miss_ns_p50, c.miss_ns_p95, c.miss_ns_p99
FROM tsdb.get_stat_cache() c;
COMMENT ON VIEW tsdb.stat_cache IS
	'one row per level of the cache of decoded columns; no row if there is none; times in nanoseconds';

CREATE FUNCTION tsdb.get_stat_cache_columns(
	OUT relid oid, OUT attnum smallint, OUT hits bigint, OUT spill_hits bigint, OUT misses bigint)
RETURNS SETOF record
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'tsdb_stat_cache_columns';
COMMENT ON FUNCTION tsdb.get_stat_cache_columns() IS
	'how often columns of tables of this database were looked for in the cache';
CREATE VIEW tsdb.stat_cache_columns AS
SELECT s.relid, n.nspname AS schemaname, c.relname, a.attname, s.hits, s.spill_hits, s.misses
FROM tsdb.get_stat_cache_columns() s
JOIN pg_catalog.pg_class c ON c.oid = s.relid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = s.relid AND a.attnum = s.attnum AND NOT a.attisdropped;
COMMENT ON VIEW tsdb.stat_cache_columns IS
	'one row per column of this database that was looked for in the cache since the server started';

CREATE FUNCTION tsdb.stat_cache_session(
	OUT hits bigint, OUT spill_hits bigint, OUT misses bigint)
RETURNS SETOF record
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED ROWS 1 AS 'MODULE_PATHNAME', 'tsdb_stat_cache_session';
COMMENT ON FUNCTION tsdb.stat_cache_session() IS
	'how often this session has looked for a column in the cache, parallel workers not counted';

CREATE FUNCTION tsdb.get_cache_contents(
	OUT relid oid, OUT attnum smallint, OUT vectors bigint, OUT bytes bigint, OUT pins bigint,
	OUT hot bigint, OUT prefetched bigint)
RETURNS SETOF record
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'tsdb_cache_contents';
COMMENT ON FUNCTION tsdb.get_cache_contents() IS 'what the cache holds of this database';
CREATE VIEW tsdb.cache_contents AS
SELECT k.relid, n.nspname AS schemaname, c.relname, a.attname,
	k.vectors, k.bytes, k.pins, k.hot, k.prefetched
FROM tsdb.get_cache_contents() k
LEFT JOIN pg_catalog.pg_class c ON c.oid = k.relid
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = k.relid AND a.attnum = k.attnum AND NOT a.attisdropped;
COMMENT ON VIEW tsdb.cache_contents IS
	'what the cache holds of this database, one row per column; those without a name are of tables that are no more, and are evicted in time';

GRANT SELECT ON tsdb.stat_cache, tsdb.stat_cache_columns, tsdb.cache_contents TO PUBLIC;

CREATE FUNCTION tsdb.cache_reset()
RETURNS void
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'tsdb_cache_reset';
COMMENT ON FUNCTION tsdb.cache_reset() IS
	'empties the cache of decoded columns, but for what is in use, and sets its counters to zero';
REVOKE EXECUTE ON FUNCTION tsdb.cache_reset() FROM PUBLIC;

CREATE FUNCTION tsdb.prewarm(
	"table" regclass, columns name[] DEFAULT NULL, older_than "any" DEFAULT NULL, newer_than "any" DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tsdb_prewarm';
COMMENT ON FUNCTION tsdb.prewarm(regclass, name[], "any", "any") IS
	'decodes columns of a table, of a range of time, into the cache as far as there is room; returns how many vectors are there now';

CREATE FUNCTION tsdb.get_stat_ingest(
	OUT datid oid, OUT shard integer, OUT batches_pushed bigint, OUT rows_pushed bigint,
	OUT rows_drained bigint, OUT rows_waiting bigint, OUT full_waits bigint, OUT handed_back bigint,
	OUT batch_rows_p50 bigint, OUT batch_rows_p95 bigint, OUT batch_rows_p99 bigint,
	OUT push_us_p50 bigint, OUT push_us_p95 bigint, OUT push_us_p99 bigint,
	OUT ack_us_p50 bigint, OUT ack_us_p95 bigint, OUT ack_us_p99 bigint)
RETURNS SETOF record
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'tsdb_stat_ingest';
COMMENT ON FUNCTION tsdb.get_stat_ingest() IS 'counters of the rings of all databases';
CREATE VIEW tsdb.stat_ingest AS
SELECT i.datid, d.datname, i.shard, i.batches_pushed, i.rows_pushed, i.rows_drained, i.rows_waiting,
	i.full_waits, i.handed_back, i.batch_rows_p50, i.batch_rows_p95, i.batch_rows_p99,
	i.push_us_p50, i.push_us_p95, i.push_us_p99, i.ack_us_p50, i.ack_us_p95, i.ack_us_p99
FROM tsdb.get_stat_ingest() i
LEFT JOIN pg_catalog.pg_database d ON d.oid = i.datid;
COMMENT ON VIEW tsdb.stat_ingest IS
	'one row per ring: what tsdb.ingest() pushed and the worker took; times in microseconds';

CREATE FUNCTION tsdb.get_stat_ingest_tables(
	OUT relid oid, OUT rows_pushed bigint, OUT rows_drained bigint, OUT rows_direct bigint,
	OUT rows_dead bigint, OUT rows_discarded bigint)
RETURNS SETOF record
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'tsdb_stat_ingest_tables';
COMMENT ON FUNCTION tsdb.get_stat_ingest_tables() IS 'what tables of this database got by tsdb.ingest()';
CREATE VIEW tsdb.stat_ingest_tables AS
SELECT t.relid, n.nspname AS schemaname, c.relname, t.rows_pushed, t.rows_drained, t.rows_direct,
	t.rows_dead, t.rows_discarded
FROM tsdb.get_stat_ingest_tables() t
LEFT JOIN pg_catalog.pg_class c ON c.oid = t.relid
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace;
COMMENT ON VIEW tsdb.stat_ingest_tables IS
	'one row per table of this database that tsdb.ingest() was called for since the server started';

CREATE FUNCTION tsdb.get_stat_ingest_pool(
	OUT pool text, OUT block_bytes integer, OUT blocks integer, OUT used integer, OUT fresh bigint,
	OUT reused bigint, OUT spilled bigint, OUT refused bigint)
RETURNS SETOF record
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'tsdb_stat_ingest_pool';
COMMENT ON FUNCTION tsdb.get_stat_ingest_pool() IS 'use of the memory that rows of tsdb.ingest() travel in';
CREATE VIEW tsdb.stat_ingest_pool AS
SELECT pool, block_bytes, blocks, used, fresh, reused, spilled, refused
FROM tsdb.get_stat_ingest_pool();
COMMENT ON VIEW tsdb.stat_ingest_pool IS
	'blocks of memory for rows of tsdb.ingest(): in the ring by size, and in all sessions';

CREATE FUNCTION tsdb.get_stat_ingest_workers(
	OUT datid oid, OUT pid integer, OUT state text, OUT transactions bigint, OUT retries bigint,
	OUT last_error text, OUT last_error_at timestamptz)
RETURNS SETOF record
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'tsdb_stat_ingest_workers';
COMMENT ON FUNCTION tsdb.get_stat_ingest_workers() IS 'the workers that empty the rings';
CREATE VIEW tsdb.stat_ingest_workers AS
SELECT w.datid, d.datname, w.pid, w.state, w.transactions, w.retries, w.last_error, w.last_error_at
FROM tsdb.get_stat_ingest_workers() w
LEFT JOIN pg_catalog.pg_database d ON d.oid = w.datid;
COMMENT ON VIEW tsdb.stat_ingest_workers IS
	'one row per database that ingests by the ring, with the worker that empties its rings';

GRANT SELECT ON tsdb.stat_ingest, tsdb.stat_ingest_tables, tsdb.stat_ingest_pool,
	tsdb.stat_ingest_workers TO PUBLIC;

-- the working set

CREATE FUNCTION tsdb.take_cache_trace(OUT generation bigint, OUT "column" smallint, OUT how "char")
RETURNS SETOF record
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'tsdb_take_cache_trace';
COMMENT ON FUNCTION tsdb.take_cache_trace() IS
	'what this session has looked up since the last call, if tsdb.trace_cache is on: h hit, p hit of what was prefetched, s spilled, m missed';

-- time-series functions, in the schema of the extension

CREATE FUNCTION time_bucket(bucket_width smallint, ts smallint) RETURNS smallint
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsdb_time_bucket_int2';
COMMENT ON FUNCTION time_bucket(smallint, smallint) IS
	'begin of the bucket that a value lies in';
CREATE FUNCTION time_bucket(bucket_width smallint, ts smallint, "offset" smallint) RETURNS smallint
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsdb_time_bucket_int2';
COMMENT ON FUNCTION time_bucket(smallint, smallint, smallint) IS
	'begin of the bucket that a value lies in; buckets are counted from the offset';

CREATE FUNCTION time_bucket(bucket_width integer, ts integer) RETURNS integer
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsdb_time_bucket_int4';
COMMENT ON FUNCTION time_bucket(integer, integer) IS
	'begin of the bucket that a value lies in';
CREATE FUNCTION time_bucket(bucket_width integer, ts integer, "offset" integer) RETURNS integer
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsdb_time_bucket_int4';
COMMENT ON FUNCTION time_bucket(integer, integer, integer) IS
	'begin of the bucket that a value lies in; buckets are counted from the offset';

CREATE FUNCTION time_bucket(bucket_width bigint, ts bigint) RETURNS bigint
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsdb_time_bucket_int8';
COMMENT ON FUNCTION time_bucket(bigint, bigint) IS
	'begin of the bucket that a value lies in';
CREATE FUNCTION time_bucket(bucket_width bigint, ts bigint, "offset" bigint) RETURNS bigint
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsdb_time_bucket_int8';
COMMENT ON FUNCTION time_bucket(bigint, bigint, bigint) IS
	'begin of the bucket that a value lies in; buckets are counted from the offset';

CREATE FUNCTION time_bucket(bucket_width interval, ts timestamp) RETURNS timestamp
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsdb_time_bucket_timestamp';
COMMENT ON FUNCTION time_bucket(interval, timestamp) IS
	'begin of the bucket that a time lies in';
CREATE FUNCTION time_bucket(bucket_width interval, ts timestamp, origin timestamp) RETURNS timestamp
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsdb_time_bucket_timestamp';
COMMENT ON FUNCTION time_bucket(interval, timestamp, timestamp) IS
	'begin of the bucket that a time lies in; buckets are counted from the origin';
CREATE FUNCTION time_bucket(bucket_width interval, ts timestamp, "offset" interval) RETURNS timestamp
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsdb_time_bucket_timestamp_offset';
COMMENT ON FUNCTION time_bucket(interval, timestamp, interval) IS
	'begin of the bucket that a time lies in; all buckets are shifted by the offset';

CREATE FUNCTION time_bucket(bucket_width interval, ts timestamptz) RETURNS timestamptz
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsdb_time_bucket_timestamp';
COMMENT ON FUNCTION time_bucket(interval, timestamptz) IS
	'begin of the bucket that a time lies in, in UTC';
CREATE FUNCTION time_bucket(bucket_width interval, ts timestamptz, origin timestamptz) RETURNS timestamptz
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsdb_time_bucket_timestamp';
COMMENT ON FUNCTION time_bucket(interval, timestamptz, timestamptz) IS
	'begin of the bucket that a time lies in, in UTC; buckets are counted from the origin';
CREATE FUNCTION time_bucket(bucket_width interval, ts timestamptz, "offset" interval) RETURNS timestamptz
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsdb_time_bucket_timestamp_offset';
COMMENT ON FUNCTION time_bucket(interval, timestamptz, interval) IS
	'begin of the bucket that a time lies in, in UTC; all buckets are shifted by the offset';
CREATE FUNCTION time_bucket(bucket_width interval, ts timestamptz, timezone text,
	origin timestamptz DEFAULT NULL, "offset" interval DEFAULT NULL) RETURNS timestamptz
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsdb_time_bucket_timestamp_zone';
COMMENT ON FUNCTION time_bucket(interval, timestamptz, text, timestamptz, interval) IS
	'begin of the bucket that a time lies in, by the clock of a time zone';

CREATE FUNCTION time_bucket(bucket_width interval, ts date) RETURNS date
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsdb_time_bucket_date';
COMMENT ON FUNCTION time_bucket(interval, date) IS
	'begin of the bucket that a date lies in';
CREATE FUNCTION time_bucket(bucket_width interval, ts date, origin date) RETURNS date
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsdb_time_bucket_date';
COMMENT ON FUNCTION time_bucket(interval, date, date) IS
	'begin of the bucket that a date lies in; buckets are counted from the origin';
CREATE FUNCTION time_bucket(bucket_width interval, ts date, "offset" interval) RETURNS date
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT AS 'MODULE_PATHNAME', 'tsdb_time_bucket_date_offset';
COMMENT ON FUNCTION time_bucket(interval, date, interval) IS
	'begin of the bucket that a date lies in; all buckets are shifted by the offset';

-- time_bucket_gapfill(), locf(), interpolate()

CREATE FUNCTION _tsdb.gapfill_support(internal) RETURNS internal
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsdb_gapfill_support';
COMMENT ON FUNCTION _tsdb.gapfill_support(internal) IS
	'planner support of time_bucket_gapfill, locf and interpolate';
CREATE FUNCTION _tsdb.gapfill_column_support(internal) RETURNS internal
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsdb_gapfill_column_support';
COMMENT ON FUNCTION _tsdb.gapfill_column_support(internal) IS
	'planner support of _tsdb.gapfill_column';
CREATE FUNCTION _tsdb.gapfill_column(anyelement) RETURNS anyelement
LANGUAGE C VOLATILE PARALLEL SAFE SUPPORT _tsdb.gapfill_column_support
AS 'MODULE_PATHNAME', 'tsdb_gapfill_column';
COMMENT ON FUNCTION _tsdb.gapfill_column(anyelement) IS
	'a column with filled gaps, into whose query no condition may be moved';

CREATE FUNCTION time_bucket_gapfill(bucket_width smallint, ts smallint, start smallint DEFAULT NULL,
	finish smallint DEFAULT NULL) RETURNS smallint
LANGUAGE C STABLE PARALLEL SAFE SUPPORT _tsdb.gapfill_support
AS 'MODULE_PATHNAME', 'tsdb_gapfill_bucket_int2';
COMMENT ON FUNCTION time_bucket_gapfill(smallint, smallint, smallint, smallint) IS
	'begin of the bucket that an integer lies in; in GROUP BY, empty buckets are shown too';
CREATE FUNCTION time_bucket_gapfill(bucket_width integer, ts integer, start integer DEFAULT NULL,
	finish integer DEFAULT NULL) RETURNS integer
LANGUAGE C STABLE PARALLEL SAFE SUPPORT _tsdb.gapfill_support
AS 'MODULE_PATHNAME', 'tsdb_gapfill_bucket_int4';
COMMENT ON FUNCTION time_bucket_gapfill(integer, integer, integer, integer) IS
	'begin of the bucket that an integer lies in; in GROUP BY, empty buckets are shown too';
CREATE FUNCTION time_bucket_gapfill(bucket_width bigint, ts bigint, start bigint DEFAULT NULL,
	finish bigint DEFAULT NULL) RETURNS bigint
LANGUAGE C STABLE PARALLEL SAFE SUPPORT _tsdb.gapfill_support
AS 'MODULE_PATHNAME', 'tsdb_gapfill_bucket_int8';
COMMENT ON FUNCTION time_bucket_gapfill(bigint, bigint, bigint, bigint) IS
	'begin of the bucket that an integer lies in; in GROUP BY, empty buckets are shown too';
CREATE FUNCTION time_bucket_gapfill(bucket_width interval, ts date, start date DEFAULT NULL,
	finish date DEFAULT NULL) RETURNS date
LANGUAGE C STABLE PARALLEL SAFE SUPPORT _tsdb.gapfill_support
AS 'MODULE_PATHNAME', 'tsdb_gapfill_bucket_date';
COMMENT ON FUNCTION time_bucket_gapfill(interval, date, date, date) IS
	'begin of the bucket that a date lies in; in GROUP BY, empty buckets are shown too';
CREATE FUNCTION time_bucket_gapfill(bucket_width interval, ts timestamp, start timestamp DEFAULT NULL,
	finish timestamp DEFAULT NULL) RETURNS timestamp
LANGUAGE C STABLE PARALLEL SAFE SUPPORT _tsdb.gapfill_support
AS 'MODULE_PATHNAME', 'tsdb_gapfill_bucket_timestamp';
COMMENT ON FUNCTION time_bucket_gapfill(interval, timestamp, timestamp, timestamp) IS
	'begin of the bucket that a time lies in; in GROUP BY, empty buckets are shown too';
CREATE FUNCTION time_bucket_gapfill(bucket_width interval, ts timestamptz, start timestamptz DEFAULT NULL,
	finish timestamptz DEFAULT NULL) RETURNS timestamptz
LANGUAGE C STABLE PARALLEL SAFE SUPPORT _tsdb.gapfill_support
AS 'MODULE_PATHNAME', 'tsdb_gapfill_bucket_timestamp';
COMMENT ON FUNCTION time_bucket_gapfill(interval, timestamptz, timestamptz, timestamptz) IS
	'begin of the bucket that a time lies in, in UTC; in GROUP BY, empty buckets are shown too';
CREATE FUNCTION time_bucket_gapfill(bucket_width interval, ts timestamptz, timezone text, start timestamptz DEFAULT NULL,
	finish timestamptz DEFAULT NULL) RETURNS timestamptz
LANGUAGE C STABLE PARALLEL SAFE SUPPORT _tsdb.gapfill_support
AS 'MODULE_PATHNAME', 'tsdb_gapfill_bucket_zone';
COMMENT ON FUNCTION time_bucket_gapfill(interval, timestamptz, text, timestamptz, timestamptz) IS
	'begin of the bucket that a time lies in, by the clock of a time zone; in GROUP BY, empty buckets are shown too';

CREATE FUNCTION locf(value anyelement, prev anyelement DEFAULT NULL, treat_null_as_missing boolean DEFAULT false)
RETURNS anyelement
LANGUAGE C STABLE PARALLEL SAFE SUPPORT _tsdb.gapfill_support
AS 'MODULE_PATHNAME', 'tsdb_gapfill_locf';
COMMENT ON FUNCTION locf(anyelement, anyelement, boolean) IS
	'value, in rows that time_bucket_gapfill adds that of the row before; before the first row prev';
CREATE FUNCTION interpolate(value smallint, prev record DEFAULT NULL, next record DEFAULT NULL)
RETURNS smallint
LANGUAGE C STABLE PARALLEL SAFE SUPPORT _tsdb.gapfill_support
AS 'MODULE_PATHNAME', 'tsdb_gapfill_interpolate';
COMMENT ON FUNCTION interpolate(smallint, record, record) IS
	'value, in rows that time_bucket_gapfill adds on the line between the rows around, or prev and next: (time, value)';
CREATE FUNCTION interpolate(value integer, prev record DEFAULT NULL, next record DEFAULT NULL)
RETURNS integer
LANGUAGE C STABLE PARALLEL SAFE SUPPORT _tsdb.gapfill_support
AS 'MODULE_PATHNAME', 'tsdb_gapfill_interpolate';
COMMENT ON FUNCTION interpolate(integer, record, record) IS
	'value, in rows that time_bucket_gapfill adds on the line between the rows around, or prev and next: (time, value)';
CREATE FUNCTION interpolate(value bigint, prev record DEFAULT NULL, next record DEFAULT NULL)
RETURNS bigint
LANGUAGE C STABLE PARALLEL SAFE SUPPORT _tsdb.gapfill_support
AS 'MODULE_PATHNAME', 'tsdb_gapfill_interpolate';
COMMENT ON FUNCTION interpolate(bigint, record, record) IS
	'value, in rows that time_bucket_gapfill adds on the line between the rows around, or prev and next: (time, value)';
CREATE FUNCTION interpolate(value real, prev record DEFAULT NULL, next record DEFAULT NULL)
RETURNS real
LANGUAGE C STABLE PARALLEL SAFE SUPPORT _tsdb.gapfill_support
AS 'MODULE_PATHNAME', 'tsdb_gapfill_interpolate';
COMMENT ON FUNCTION interpolate(real, record, record) IS
	'value, in rows that time_bucket_gapfill adds on the line between the rows around, or prev and next: (time, value)';
CREATE FUNCTION interpolate(value double precision, prev record DEFAULT NULL, next record DEFAULT NULL)
RETURNS double precision
LANGUAGE C STABLE PARALLEL SAFE SUPPORT _tsdb.gapfill_support
AS 'MODULE_PATHNAME', 'tsdb_gapfill_interpolate';
COMMENT ON FUNCTION interpolate(double precision, record, record) IS
	'value, in rows that time_bucket_gapfill adds on the line between the rows around, or prev and next: (time, value)';

-- first(), last()

CREATE FUNCTION _tsdb.first_step(internal, anyelement, "any") RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsdb_first_step';
COMMENT ON FUNCTION _tsdb.first_step(internal, anyelement, "any") IS 'step of aggregate first';
CREATE FUNCTION _tsdb.last_step(internal, anyelement, "any") RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsdb_last_step';
COMMENT ON FUNCTION _tsdb.last_step(internal, anyelement, "any") IS 'step of aggregate last';
CREATE FUNCTION _tsdb.first_combine(internal, internal) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsdb_first_combine';
COMMENT ON FUNCTION _tsdb.first_combine(internal, internal) IS 'combines states of aggregate first';
CREATE FUNCTION _tsdb.last_combine(internal, internal) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsdb_last_combine';
COMMENT ON FUNCTION _tsdb.last_combine(internal, internal) IS 'combines states of aggregate last';
CREATE FUNCTION _tsdb.first_last_serialize(internal) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsdb_first_last_serialize';
COMMENT ON FUNCTION _tsdb.first_last_serialize(internal) IS
	'writes a state of aggregate first or last for another process';
CREATE FUNCTION _tsdb.first_last_deserialize(bytea, internal) RETURNS internal
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsdb_first_last_deserialize';
COMMENT ON FUNCTION _tsdb.first_last_deserialize(bytea, internal) IS
	'reads a state of aggregate first or last from another process';
CREATE FUNCTION _tsdb.first_last_result(internal, anyelement, "any") RETURNS anyelement
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsdb_first_last_result';
COMMENT ON FUNCTION _tsdb.first_last_result(internal, anyelement, "any") IS
	'result of aggregates first and last';

CREATE AGGREGATE first(value anyelement, "time" "any") (
	SFUNC = _tsdb.first_step, STYPE = internal, FINALFUNC = _tsdb.first_last_result,
	FINALFUNC_EXTRA, COMBINEFUNC = _tsdb.first_combine,
	SERIALFUNC = _tsdb.first_last_serialize, DESERIALFUNC = _tsdb.first_last_deserialize,
	PARALLEL = SAFE);
COMMENT ON AGGREGATE first(anyelement, "any") IS
	'value of the row with the smallest time; rows without a time do not count';
CREATE AGGREGATE last(value anyelement, "time" "any") (
	SFUNC = _tsdb.last_step, STYPE = internal, FINALFUNC = _tsdb.first_last_result,
	FINALFUNC_EXTRA, COMBINEFUNC = _tsdb.last_combine,
	SERIALFUNC = _tsdb.first_last_serialize, DESERIALFUNC = _tsdb.first_last_deserialize,
	PARALLEL = SAFE);
COMMENT ON AGGREGATE last(anyelement, "any") IS
	'value of the row with the largest time; rows without a time do not count';

-- histogram()

CREATE FUNCTION _tsdb.histogram_step(internal, double precision, double precision, double precision, integer)
RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsdb_histogram_step';
COMMENT ON FUNCTION _tsdb.histogram_step(internal, double precision, double precision, double precision, integer) IS
	'step of aggregate histogram';
CREATE FUNCTION _tsdb.histogram_combine(internal, internal) RETURNS internal
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsdb_histogram_combine';
COMMENT ON FUNCTION _tsdb.histogram_combine(internal, internal) IS
	'combines states of aggregate histogram';
CREATE FUNCTION _tsdb.histogram_serialize(internal) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsdb_histogram_serialize';
COMMENT ON FUNCTION _tsdb.histogram_serialize(internal) IS
	'writes a state of aggregate histogram for another process';
CREATE FUNCTION _tsdb.histogram_deserialize(bytea, internal) RETURNS internal
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsdb_histogram_deserialize';
COMMENT ON FUNCTION _tsdb.histogram_deserialize(bytea, internal) IS
	'reads a state of aggregate histogram from another process';
CREATE FUNCTION _tsdb.histogram_result(internal) RETURNS integer[]
LANGUAGE C IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsdb_histogram_result';
COMMENT ON FUNCTION _tsdb.histogram_result(internal) IS 'result of aggregate histogram';

CREATE AGGREGATE histogram(value double precision, min double precision, max double precision, nbuckets integer) (
	SFUNC = _tsdb.histogram_step, STYPE = internal, FINALFUNC = _tsdb.histogram_result,
	COMBINEFUNC = _tsdb.histogram_combine, SERIALFUNC = _tsdb.histogram_serialize,
	DESERIALFUNC = _tsdb.histogram_deserialize, PARALLEL = SAFE);
COMMENT ON AGGREGATE histogram(double precision, double precision, double precision, integer) IS
	'counts of values below min, in nbuckets ranges of equal width, and from max on';

-- tables

CREATE FUNCTION approximate_row_count(relation regclass) RETURNS bigint
LANGUAGE C STRICT VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'tsdb_approximate_row_count';
COMMENT ON FUNCTION approximate_row_count(regclass) IS
	'rows that the planner expects in a table and its partitions, without reading them';

CREATE FUNCTION drop_chunks(
	relation regclass, older_than "any" DEFAULT NULL, newer_than "any" DEFAULT NULL,
	OUT chunks bigint, OUT "rows" bigint)
RETURNS record
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tsdb_drop_chunks';
COMMENT ON FUNCTION drop_chunks(regclass, "any", "any") IS
	'deletes rows older than a time, not older than another, or between; chunks that lie whole there without reading them';
