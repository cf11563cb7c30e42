-- Creates the extension and loads the demo's tables, each as tsdb and as heap.

\set QUIET on
\set ON_ERROR_STOP on
SET client_min_messages = warning;

CREATE EXTENSION IF NOT EXISTS tsdb;
DROP TABLE IF EXISTS machine_metrics, machine_metrics_heap, weather, weather_heap;

\set ECHO queries

CREATE TABLE machine_metrics (
    ts      timestamptz NOT NULL,
    host    text,
    metric  text,
    value   double precision
) USING tsdb;

CREATE TABLE weather (
    location       text,
    date           date NOT NULL,
    precipitation  real,
    temp_max       real,
    temp_min       real,
    wind           real,
    weather        text
) USING tsdb;

\set ECHO none
\echo 'loading machine_metrics and weather ...'
\copy machine_metrics FROM PROGRAM 'gzip -dc demo/machine_metrics.csv.gz' WITH (FORMAT csv, HEADER)
\copy weather FROM PROGRAM 'gzip -dc demo/weather.csv.gz' WITH (FORMAT csv, HEADER)

\echo 'copying both to heap for comparison ...'
CREATE TABLE machine_metrics_heap (LIKE machine_metrics) USING heap;
INSERT INTO machine_metrics_heap SELECT * FROM machine_metrics;
CREATE TABLE weather_heap (LIKE weather) USING heap;
INSERT INTO weather_heap SELECT * FROM weather;

\echo 'compacting ...'
\o /dev/null
SELECT tsdb.compact('machine_metrics');
SELECT tsdb.compact('weather');
\o
VACUUM ANALYZE machine_metrics;
VACUUM ANALYZE weather;
VACUUM ANALYZE machine_metrics_heap;
VACUUM ANALYZE weather_heap;
