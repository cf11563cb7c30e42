-- IN (SELECT …) of a small table as a list of values: the same answers as a join, and as heap

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
LOAD 'tsdb';
RESET client_min_messages;
CREATE SCHEMA in_list;
SET search_path = in_list, public;
SET TIME ZONE 'UTC';
SET jit = off;
SET max_parallel_workers_per_gather = 0;

CREATE TABLE h (ts timestamptz NOT NULL, device int, v float8, host text);
INSERT INTO h SELECT '2024-01-01'::timestamptz + i * '1 min'::interval, nullif(i % 8, 7), i / 8.0, 'host' || i % 8
	FROM generate_series(1, 9000) i;
CREATE TABLE m (LIKE h) USING tsdb;
SELECT tsdb.set_key('m', 'ts', '{device}');
INSERT INTO m SELECT * FROM h;
SELECT tsdb.compact('m');
INSERT INTO h SELECT ts, device, -v, host FROM h WHERE v < 10;
INSERT INTO m SELECT ts, device, -v, host FROM m WHERE v < 10;
CREATE TABLE tags (id int, big bigint, host text);
INSERT INTO tags SELECT i, i, 'host' || i FROM generate_series(0, 20) i;
INSERT INTO tags VALUES (NULL, NULL, 'none'), (3, 3, 'again'), (3, 3, 'again');
ANALYZE h;
ANALYZE m;
ANALYZE tags;

-- rows of the answer, rows that differ from heap's with and without lists, and whether one was made
CREATE FUNCTION ask(query text, OUT answer bigint, OUT differ bigint, OUT without bigint, OUT list bool)
LANGUAGE plpgsql AS $$
DECLARE
	compare text;
	plan text;
BEGIN
	query := replace(replace(query, '%', '%%'), '$t', '%1$s');
	EXECUTE 'EXPLAIN (FORMAT json) ' || format(query, 'm') INTO plan;
	list := plan LIKE '%= ANY ($%';
	EXECUTE format('SELECT count(*) FROM (%s) x', format(query, 'm')) INTO answer;
	compare := format('SELECT count(*) FROM ((%1$s EXCEPT ALL %2$s) UNION ALL (%2$s EXCEPT ALL %1$s)) d',
		format(query, 'm'), format(query, 'h'));
	EXECUTE compare INTO differ;
	SET LOCAL tsdb.enable_in_list = off;
	EXECUTE compare INTO without;
	SET LOCAL tsdb.enable_in_list = on;
END $$;
SELECT query, a.* FROM unnest(ARRAY[
	'SELECT * FROM $t WHERE device IN (SELECT id FROM tags WHERE host = ''host2'')',
	'SELECT device, count(*), avg(v) FROM $t WHERE device IN (SELECT id FROM tags WHERE host IN (''host2'', ''host5'')) GROUP BY device',
	'SELECT * FROM $t WHERE device IN (SELECT id FROM tags WHERE host = ''nobody'')',
	'SELECT * FROM $t WHERE device IN (SELECT id FROM tags WHERE host = ''none'')',
	'SELECT count(*) FROM $t WHERE device IN (SELECT id FROM tags WHERE host = ''again'')',
	'SELECT * FROM $t WHERE device IN (SELECT id FROM tags)',
	'SELECT * FROM $t WHERE device IN (SELECT big FROM tags WHERE id < 3) AND ts < ''2024-01-02''',
	'SELECT * FROM $t WHERE device = ANY (SELECT id FROM tags WHERE id > 5) OR v < 3',
	'SELECT * FROM $t WHERE device NOT IN (SELECT id FROM tags WHERE id = 4)',
	'SELECT * FROM $t WHERE device < ANY (SELECT id FROM tags WHERE id = 2)',
	'SELECT * FROM $t WHERE device < ALL (SELECT id FROM tags WHERE id = 2)',
	'SELECT * FROM $t WHERE host IN (SELECT host FROM tags WHERE id = 3)',
	'SELECT * FROM $t WHERE (device, host) IN (SELECT id, host FROM tags)',
	'SELECT * FROM $t x WHERE device IN (SELECT id FROM tags WHERE tags.host = x.host)',
	'SELECT * FROM $t WHERE device IN (SELECT id FROM tags ORDER BY id DESC LIMIT 16)',
	'SELECT * FROM $t WHERE device IN (SELECT max(id) - 18 FROM tags)',
	'SELECT * FROM $t WHERE device + 1 IN (SELECT id FROM tags WHERE id = 2)',
	'SELECT * FROM $t WHERE device IN (SELECT id FROM tags WHERE id IN (SELECT big FROM tags WHERE host = ''host1''))',
	'SELECT * FROM $t WHERE device IN (SELECT id FROM tags WHERE id = 2 UNION SELECT 3)',
	'SELECT t.*, n FROM $t t, (SELECT count(*) n FROM $t WHERE device IN (SELECT id FROM tags WHERE id = 1)) x WHERE device IN (SELECT id FROM tags WHERE id = 2)',
	'(WITH c AS MATERIALIZED (SELECT * FROM $t WHERE device IN (SELECT id FROM tags WHERE id = 6)) SELECT host, sum(v) FROM c GROUP BY host)'
]) query, ask(query) a;

-- what others must not see of the small table stays unseen
CREATE ROLE in_list_reader;
GRANT USAGE ON SCHEMA in_list TO in_list_reader;
GRANT SELECT ON m, tags TO in_list_reader;
ALTER TABLE tags ENABLE ROW LEVEL SECURITY;
CREATE POLICY low ON tags USING (id < 3);
SET ROLE in_list_reader;
SELECT device, count(*) FROM m WHERE device IN (SELECT id FROM tags WHERE host LIKE 'host%') GROUP BY device ORDER BY device;
RESET ROLE;
REVOKE SELECT ON tags FROM in_list_reader;
SET ROLE in_list_reader;
SELECT count(*) FROM m WHERE device IN (SELECT id FROM tags);
RESET ROLE;
PREPARE of_host(text) AS SELECT count(*) FROM m WHERE device IN (SELECT id FROM tags WHERE host = $1);
EXECUTE of_host('host1');
SET plan_cache_mode = force_generic_plan;
EXECUTE of_host('host2');
UPDATE tags SET id = 7 WHERE host = 'host2';
EXECUTE of_host('host2');
EXPLAIN (COSTS off) EXECUTE of_host('host2');

SET client_min_messages = warning;
DROP SCHEMA in_list CASCADE;
DROP ROLE in_list_reader;
