-- first() and last(): nulls, ties, types, windows, parallel queries, large values

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
RESET client_min_messages;
SET TIME ZONE 'UTC';

-- rows without a time do not count, a null value does; nothing gives null
SELECT first(v, t), last(v, t) FROM (VALUES ('a', 1), ('b', 3), (NULL, 2), ('z', NULL)) x (v, t);
SELECT first(v, t) IS NULL AS first_is_null, last(v, t) FROM (VALUES (NULL, 1), ('b', 3)) x (v, t);
SELECT first(v, t), last(v, t) IS NULL AS last_is_null FROM (VALUES ('a', 1), (NULL, 3)) x (v, t);
SELECT first(v, t) IS NULL AS a, last(v, t) IS NULL AS b FROM (VALUES ('a', NULL::int), ('b', NULL)) x (v, t);
SELECT first(1, 1) IS NULL AS a, last(1, 1) IS NULL AS b WHERE false;
-- of equal times the first that arrives
SELECT first(v, t), last(v, t) FROM (VALUES ('a', 1), ('b', 1), ('c', 0), ('d', 2), ('e', 2), ('f', 0)) x (v, t);
-- infinity, NaN
SELECT first(v, t), last(v, t) FROM (VALUES (1, 'infinity'::timestamptz), (2, now()), (3, '-infinity')) x (v, t);
SELECT first(v, t), last(v, t) FROM (VALUES (1, 'NaN'::float8), (2, 0), (3, '-Infinity'), (4, 'Infinity')) x (v, t);
-- FILTER, DISTINCT, ORDER BY, HAVING, a collation
SELECT last(v, t) FILTER (WHERE t < 3), last(DISTINCT v, t), last(v, t ORDER BY v DESC)
FROM (VALUES ('a', 1), ('b', 2), ('c', 3), ('d', 3)) x (v, t);
SELECT t % 2 AS odd, last(t, t) FROM generate_series(1, 9) t GROUP BY 1 HAVING last(t, t) > 8;
SELECT last(v, v COLLATE "C") AS c, first(v, v COLLATE "C") FROM (VALUES ('a'), ('B'), ('c'), ('D')) x (v);

-- every kind of type, as value and as time, against array_agg
CREATE TYPE mood AS ENUM ('low', 'middle', 'high');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE typed (g int, i int, b bool, i8 bigint, f float8, n numeric, x text, c char(5), u uuid, ts timestamptz,
	d date, p point, a int[], ta text[], e mood, o positive, r pair, rr pair[], j jsonb, l name, iv interval, y bytea,
	nr int4range)
	USING tsdb;
INSERT INTO typed
SELECT i % 7, i, i % 2 = 0, i, i / 3.0, i * 1.1, repeat(i::text, i % 50), i, md5(i::text)::uuid, '2024-01-01'::timestamptz + i * '1 s'::interval,
	'2024-01-01'::date + i, point(i, -i), ARRAY[i, NULL, i + 1], ARRAY[i::text, NULL], (enum_range(NULL::mood))[i % 3 + 1], i + 1,
	(i, 'x' || i)::pair, ARRAY[(i, 'y')::pair, NULL], jsonb_build_object('i', i), 'n' || i, i * '1 min'::interval, decode(md5(i::text), 'hex'),
	int4range(i, i + 5)
FROM generate_series(1, 2500) i ORDER BY md5(i::text);
INSERT INTO typed (g, i) SELECT 3, i FROM generate_series(2501, 2600) i;
SELECT tsdb.compact('typed');
INSERT INTO typed (g, i, x, n) VALUES (1, 3000, 'newest', 17), (2, -1, 'oldest', 18);
ANALYZE typed;

CREATE FUNCTION compare_with_array_agg(relation text) RETURNS TABLE (value name, differences bigint)
LANGUAGE plpgsql AS $$
BEGIN
	FOR value IN SELECT attname FROM pg_attribute WHERE attrelid = relation::regclass AND attnum > 0 ORDER BY attnum
	LOOP
		EXECUTE format($q$
			WITH wanted AS (
				SELECT g, (array_agg(%1$I::text ORDER BY i))[1] AS f, (array_agg(%1$I::text ORDER BY i DESC))[1] AS l
				FROM %2$s GROUP BY g),
			got AS (SELECT g, first(%1$I, i)::text AS f, last(%1$I, i)::text AS l FROM %2$s GROUP BY g)
			SELECT count(*) FROM wanted FULL JOIN got USING (g)
			WHERE wanted.f IS DISTINCT FROM got.f OR wanted.l IS DISTINCT FROM got.l$q$, value, relation)
		INTO differences;
		RETURN NEXT;
	END LOOP;
END $$;
SELECT * FROM compare_with_array_agg('typed') WHERE differences <> 0;
-- as times; what has no order is refused
SELECT first(i, i8), last(i, f), last(i, n), last(i, x COLLATE "C"), last(i, d), last(i, ts), last(i, iv), first(i, e)
	= ANY (array_agg(i) FILTER (WHERE e = 'low')) AS e, last(i, a), last(i, r), last(i, o), last(i, nr) FROM typed;
SELECT last(i, p) FROM typed;
SELECT last(i, 'x') FROM typed;
SELECT last(NULL, i) IS NULL AS unknown_is_text FROM typed;

-- parallel: the state goes from process to process
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT first(x, i), last(x, i) FROM typed;
SELECT * FROM compare_with_array_agg('typed') WHERE differences <> 0;
SELECT first(x, i), last(x, i), last(x, ts), first((i, n, NULL), i) AS record, last(ARRAY[(i, 'a')], i) AS records,
	last(typed, i) AS whole_row FROM typed;
SELECT g, last(x, i), last(NULL::text, i) IS NULL AS null, last(x, NULL::int) IS NULL AS never FROM typed WHERE g < 4 GROUP BY g ORDER BY g;
-- the same with a subtree where all times are null in most processes
SELECT last(i, ts) FROM typed WHERE i > 2490;
SET parallel_leader_participation = off;
SELECT last(i, ts), first(x, ts) FROM typed WHERE i >= 2490;
RESET parallel_leader_participation;
RESET max_parallel_workers_per_gather;

-- partitionwise, and several sorted groups
CREATE TABLE parts (g int, i int, x text) PARTITION BY LIST (g);
CREATE TABLE part_0 PARTITION OF parts FOR VALUES IN (0, 1, 2) USING tsdb;
CREATE TABLE part_1 PARTITION OF parts FOR VALUES IN (3, 4, 5, 6) USING heap;
INSERT INTO parts SELECT g, i, x FROM typed;
SELECT tsdb.compact('parts') > 0;
ANALYZE parts;
SET enable_partitionwise_aggregate = on;
SELECT * FROM compare_with_array_agg('parts') WHERE differences <> 0;
SELECT last(x, i) FROM parts;
SET enable_hashagg = off;
SELECT * FROM compare_with_array_agg('parts') WHERE differences <> 0;
RESET enable_hashagg;
SELECT g IS NULL AS total, count(*), last(x, i) FROM parts WHERE g < 3 GROUP BY ROLLUP (g) ORDER BY g;

-- windows: the result of a row stays what it was when the state moves on
SELECT i, last(x, t) OVER (ORDER BY i) AS running, first(x, t) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS moving,
	last(x, t) OVER (PARTITION BY i % 2) AS part
FROM (VALUES (1, 5, 'five'), (2, 7, 'seven and more'), (3, 6, 'six'), (4, NULL, 'none'), (5, 9, NULL), (6, 10, 'ten')) v (i, t, x)
ORDER BY i;
SELECT count(*) FROM (
	SELECT i, last(i::text, i) OVER w AS l, first(x, i) OVER w AS f, lag(x, 2) OVER (ORDER BY i) AS f_wanted
	FROM typed WHERE i BETWEEN 1 AND 2500 WINDOW w AS (ORDER BY i ROWS 2 PRECEDING)) s
WHERE l <> i::text OR i > 2 AND f IS DISTINCT FROM f_wanted;

-- values of out-of-line, compressed and expanded kinds, shrinking and growing
CREATE TABLE large (i int, x text) USING tsdb;
ALTER TABLE large ALTER x SET STORAGE EXTERNAL;
INSERT INTO large SELECT i, repeat(chr(97 + i % 26), CASE WHEN i % 3 = 0 THEN 10 ELSE i * 500 END) FROM generate_series(1, 60) i;
SELECT tsdb.compact('large');
INSERT INTO large SELECT i, repeat(chr(97 + i % 26), CASE WHEN i % 3 = 0 THEN 10 ELSE i * 500 END) FROM generate_series(61, 90) i;
SELECT length(first(x, i)), md5(last(x, i)) = md5(repeat('m', 10)) AS last, length(last(x, -i)), length(last(x, i % 89)) FROM large;
SET max_parallel_workers_per_gather = 2;
SELECT length(first(x, i)), md5(last(x, i)) = md5(repeat('m', 10)) AS last, length(last(x, -i)), length(last(x, i % 89)) FROM large;
RESET max_parallel_workers_per_gather;
DO $$
DECLARE
	expanded int[] := ARRAY[1, 2];
	got int[];
BEGIN
	expanded[3] := 3;
	SELECT last(expanded || i, i) INTO got FROM generate_series(1, 3) i;
	RAISE INFO '%', got;
	SELECT first(expanded, i) INTO got FROM generate_series(1, 3) i;
	expanded[1] := 17;
	RAISE INFO '%', got;
END $$;
-- better rows leak nothing: two hundred values of 1 MB
SELECT length(last(x, i)), (SELECT sum(total_bytes) < 50000000 FROM pg_backend_memory_contexts) AS small
FROM (SELECT i, repeat('x', 1000000 + i) AS x FROM generate_series(1, 200) i OFFSET 0) s;

-- what the planner may rely on; support functions cannot be called
SELECT a.aggfnoid, p.proparallel, p.provolatile, a.aggkind, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn
FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid
WHERE p.proname IN ('first', 'last', 'histogram') ORDER BY 1;

DROP TABLE typed, parts, large;
DROP FUNCTION compare_with_array_agg;
DROP TYPE mood, pair;
DROP DOMAIN positive;
