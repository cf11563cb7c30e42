-- Heap under the name of tsdb, for checking the tests themselves and for making the expected
-- output of isolation specs: what heap answers is what tsdb has to answer.
--
-- The stand-in for compaction takes the locks that compaction takes: the table's, and those of
-- the rows that it moves (it leaves alone what somebody else has locked).

CREATE ACCESS METHOD tsdb TYPE TABLE HANDLER heap_tableam_handler;
CREATE SCHEMA tsdb;

CREATE FUNCTION tsdb.compact(relation regclass) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = relation) = 'm' THEN
        RETURN 0;
    END IF;
    EXECUTE format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', relation);
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = relation) THEN
        RETURN 0;
    END IF;
    EXECUTE format('SELECT count(*) FROM (SELECT 1 FROM %s FOR UPDATE SKIP LOCKED) s', relation);
    RETURN 0;
END $$;

CREATE FUNCTION tsdb.verify(relation regclass) RETURNS TABLE (fault text)
LANGUAGE sql AS 'SELECT NULL::text WHERE false';

CREATE FUNCTION tsdb.table_size(relation regclass) RETURNS bigint
LANGUAGE sql AS 'SELECT pg_table_size(relation)';

-- The time column is called ts; see src/sql/drop_chunks.c for the lock.
CREATE FUNCTION drop_chunks(relation regclass, older_than timestamptz, OUT chunks bigint, OUT "rows" bigint)
LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') = 'read committed' THEN
        EXECUTE format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', relation);
    END IF;
    chunks := 0;
    EXECUTE format('DELETE FROM %s WHERE ts < $1', relation) USING older_than;
    GET DIAGNOSTICS "rows" = ROW_COUNT;
END $$;
