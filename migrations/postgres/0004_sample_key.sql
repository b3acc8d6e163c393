-- A table's rows lie apart in the heap, one in each block, because they are written in the order of time. So the
-- key carries what a chart needs, and a day is read from a few dozen blocks of the index alone, as far as vacuum
-- has marked the heap as visible: it comes by after every 2 % of new rows.
--
-- Rebuilds the key under a lock: polls wait in memory meanwhile.
ALTER TABLE sample
    DROP CONSTRAINT sample_pkey,
    ADD PRIMARY KEY (table_ref, observed_at, revision)
        INCLUDE (used, capacity_limit, sheds_at, setup_rate, teardown_rate, context_ref, increases);
ALTER TABLE sample SET (autovacuum_vacuum_insert_scale_factor = 0.02);
