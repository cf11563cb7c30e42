-- tsdb.cold_age: chunks of old rows are packed tighter, and hold the same rows

SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS tsdb;
RESET client_min_messages;
SET tsdb.direct_load_rows = 0;	-- compaction is what is tested
SET TIME ZONE 'UTC';

-- samples of every kind of column, the same in every run
CREATE FUNCTION samples(first int, last int)
RETURNS TABLE (ts timestamptz, device int, load float8, total numeric, hits bigint, note text, tags jsonb)
LANGUAGE sql AS $$
	SELECT '2024-01-01'::timestamptz + i * '10 s'::interval, i % 5,
		50 + (abs(hashint4(i)) % 11) * (abs(hashint4(-i)) % 13) * (abs(hashint4(i + 1)) % 7) / 10.0,
		i + (abs(hashint4(i)) % 1000) / 1000.0, i * 7 + (abs(hashint4(i)) % 11) * (abs(hashint4(-i)) % 10),
		'state ' || abs(hashint4(i / 3)) % 4, CASE WHEN i % 9 > 0 THEN jsonb_build_object('n', i % 4) END
	FROM generate_series(first, last) i $$;
CREATE FUNCTION differences(a regclass, b regclass) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM ((SELECT * FROM %1$s EXCEPT ALL SELECT * FROM %2$s) UNION ALL (SELECT * FROM %2$s EXCEPT ALL SELECT * FROM %1$s)) d', a, b) INTO n;
	RETURN n;
END $$;
CREATE FUNCTION bytes(t regclass) RETURNS bigint LANGUAGE sql AS $$
	SELECT sum(stream_bytes) FROM tsdb.chunk_info(t) $$;
-- chunks that are cold, and that are not
CREATE FUNCTION cold(t regclass, OUT cold bigint, OUT rows_cold bigint, OUT fast bigint, OUT rows_fast bigint) LANGUAGE sql AS $$
	SELECT count(*) FILTER (WHERE cold), sum(rows) FILTER (WHERE cold),
		count(*) FILTER (WHERE NOT cold), sum(rows) FILTER (WHERE NOT cold) FROM tsdb.chunk_info(t) $$;

CREATE TABLE h AS SELECT * FROM samples(1, 20000);
CREATE TABLE fast (LIKE h) USING tsdb;
CREATE TABLE packed (LIKE h) USING tsdb WITH (tsdb.series = 'device', tsdb.cold_age = '0');
INSERT INTO fast SELECT * FROM h;
INSERT INTO packed SELECT * FROM h;
CREATE INDEX ON packed (device, ts);
SELECT tsdb.compact('fast'), tsdb.compact('packed');
SELECT fast = 0 AS all_cold, rows_cold FROM cold('packed');
SELECT cold = 0 AS none_cold, rows_fast FROM cold('fast');
SELECT bytes('packed') < bytes('fast') * 0.95 AS smaller;
SELECT differences('packed', 'h'), differences('fast', 'h');
SELECT "table", series_columns, cold_age FROM tsdb.tables WHERE "table" IN ('fast'::regclass, 'packed'::regclass) ORDER BY 1;

-- chunks that are there are encoded anew, with their marks folded in; nothing is done twice
ALTER TABLE fast SET (tsdb.cold_age = '0 s');
DELETE FROM fast WHERE hits % 50 = 0; DELETE FROM h WHERE hits % 50 = 0;
UPDATE fast SET note = 'changed' WHERE hits % 61 = 0; UPDATE h SET note = 'changed' WHERE hits % 61 = 0;
SELECT tsdb.compact('fast') > 0 AS moved;
SELECT fast = 0 AS all_cold, rows_cold = (SELECT count(*) FROM h) AS all_rows FROM cold('fast');
SELECT differences('fast', 'h');
SELECT array_agg(chunk ORDER BY chunk) AS before FROM tsdb.chunk_info('fast') \gset
SELECT tsdb.compact('fast');
SELECT array_agg(chunk ORDER BY chunk) = :'before' AS untouched FROM tsdb.chunk_info('fast');
SELECT * FROM tsdb.verify('fast');
SELECT * FROM tsdb.verify('packed', true);

-- what is cold stays so when the option goes; what is written then is not
ALTER TABLE packed RESET (tsdb.cold_age);
INSERT INTO packed SELECT * FROM samples(20001, 22000);
SELECT tsdb.compact('packed');
SELECT cold > 0 AS cold, fast > 0 AS fast, rows_fast FROM cold('packed');

-- a chunk is cold if its newest row is old enough; now() is that of the transaction
CREATE TABLE aging (ts timestamptz, device int, v float8) USING tsdb WITH (tsdb.cold_age = '7 days');
INSERT INTO aging SELECT now() - interval '10 days' + i * '10 s'::interval, 1, i FROM generate_series(1, 10000) i;
INSERT INTO aging SELECT now() - interval '6 days' + i * '10 s'::interval, 2, i FROM generate_series(1, 5000) i;
SELECT tsdb.compact('aging');
SELECT rows_cold > 9000 AS old_ones, rows_fast >= 5000 AS young_ones FROM cold('aging');
ALTER TABLE aging SET (tsdb.cold_age = '5 days 16 hours');
SELECT tsdb.compact('aging');
SELECT rows_cold > 10000 AS more, rows_fast > 0 AS not_all FROM cold('aging');
-- infinity never comes, and without a time there is no age
INSERT INTO aging SELECT 'infinity', 3, i FROM generate_series(1, 1000) i;
INSERT INTO aging SELECT NULL, 4, i FROM generate_series(1, 1000) i;
INSERT INTO aging SELECT '-infinity', 5, i FROM generate_series(1, 1000) i;
SELECT tsdb.compact('aging');
SELECT count(*) FILTER (WHERE NOT cold) > 0 AS fast FROM tsdb.chunk_info('aging') WHERE max_time IS NULL OR max_time = 9223372036854775807;
SELECT count(*), sum(v) FROM aging;

-- other time columns
CREATE TABLE days (day date, device int, v int) USING tsdb WITH (tsdb.cold_age = '30 days');
INSERT INTO days SELECT current_date - 1500 + i % 1400, i / 1400, i FROM generate_series(0, 4199) i;
CREATE TABLE local (ts timestamp, v int) USING tsdb WITH (tsdb.cold_age = '30 days');
INSERT INTO local SELECT localtimestamp - interval '40 days' + i * interval '1 s', i FROM generate_series(1, 3000) i;
CREATE TABLE numbers (ts bigint, v int) USING tsdb WITH (tsdb.cold_age = '30 days');
INSERT INTO numbers SELECT i, i FROM generate_series(1, 3000) i;
CREATE TABLE timeless (v int) USING tsdb WITH (tsdb.cold_age = 0);
INSERT INTO timeless SELECT i FROM generate_series(1, 3000) i;
SELECT t, tsdb.compact(t), c.rows_cold, c.rows_fast FROM unnest('{days,local,numbers,timeless}'::regclass[]) t, cold(t) c;
SELECT t, c.rows_cold, c.rows_fast FROM unnest('{days,local,numbers,timeless}'::regclass[]) t, cold(t) c;

-- partitions follow their parent
CREATE TABLE parent (ts timestamptz, v int) PARTITION BY RANGE (ts) WITH (tsdb.cold_age = '30 days');
CREATE TABLE part1 PARTITION OF parent FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') USING tsdb;
CREATE TABLE part2 PARTITION OF parent FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') USING tsdb WITH (tsdb.cold_age = never);
SELECT "table", cold_age FROM tsdb.tables WHERE "table" IN ('part1'::regclass, 'part2'::regclass) ORDER BY 1;
INSERT INTO parent SELECT '2024-01-01'::timestamptz + i * interval '1 hour', i FROM generate_series(1, 12000) i;
SELECT tsdb.compact('part1'), tsdb.compact('part2');
SELECT p, c.rows_cold, c.rows_fast FROM unnest('{part1,part2}'::regclass[]) p, cold(p) c;
ALTER TABLE part2 RESET (tsdb.cold_age);
SELECT cold_age FROM tsdb.table_info('part2');

-- what is stated is a label of the table, beside what else is
ALTER TABLE aging SET (tsdb.series = '');
SELECT objtype, objname, label FROM pg_seclabels WHERE provider = 'tsdb' AND objname IN ('aging', 'packed.device', 'packed', 'part2', 'parent') ORDER BY 2;
ALTER TABLE aging RESET (tsdb.series, tsdb.cold_age);
ALTER TABLE parent SET (tsdb.time = 'ts', tsdb.cold_age = 'never');
SECURITY LABEL FOR tsdb ON TABLE packed IS 'no series, cold after 90 s';
SELECT objtype, objname, label FROM pg_seclabels WHERE provider = 'tsdb' AND objname IN ('aging', 'packed.device', 'packed', 'part2', 'parent', 'parent.ts') ORDER BY 2;
SELECT cold_age FROM tsdb.table_info('packed');

-- refused
ALTER TABLE packed SET (tsdb.cold_age = 'soon');
ALTER TABLE packed SET (tsdb.cold_age = '-1 day');
ALTER TABLE packed SET (tsdb.cold_age = '100 years');
ALTER TABLE packed SET (tsdb.cold_age);
ALTER TABLE packed SET (tsdb.cold_age = '1 day', tsdb.cold_age = '2 days');
ALTER TABLE h SET (tsdb.cold_age = '1 day');
SECURITY LABEL FOR tsdb ON TABLE packed IS 'cold';
SECURITY LABEL FOR tsdb ON TABLE packed IS 'cold after 1 day';
SECURITY LABEL FOR tsdb ON TABLE packed IS 'cold never, cold after 5 s';
SET tsdb.cold_age = '1 day';

DROP TABLE h, fast, packed, aging, days, local, numbers, timeless, parent;
DROP FUNCTION samples, differences, bytes, cold;
