-- The history. Users read the views of 0002, never these tables.
--
-- Times are integer microseconds since 1970-01-01T00:00:00Z, durations integer nanoseconds. Counts of 64
-- unsigned bits are kept in the same 64 bits, signed. Text that holds lists or maps is JSON, kept as text so
-- that what is read is what was written. Names sort by byte, so that both engines list alike. There are no
-- foreign keys: one writer keeps the references, and retention removes what nothing refers to any more.

CREATE TABLE poller (
    poller_ref integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    used_at bigint NOT NULL
);

CREATE TABLE device (
    device_ref integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    platform text NOT NULL,
    address text,
    labels text NOT NULL,
    interval_ns bigint,
    timeout_ns bigint,
    ha_peer text,
    depends_on text NOT NULL,
    retired_at bigint,
    used_at bigint NOT NULL
);

-- The identity of a table; `part` as people read it, `part_pairs` as a map.
CREATE TABLE session_table (
    table_ref integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_ref integer NOT NULL,
    table_id text COLLATE "C" NOT NULL UNIQUE,
    scope_kind text NOT NULL,
    scope_name text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    protocol text,
    part text,
    part_pairs text,
    used_at bigint NOT NULL
);
CREATE INDEX session_table_device ON session_table (device_ref);

CREATE TABLE counter (
    counter_ref integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    label text COLLATE "C" NOT NULL UNIQUE,
    name text NOT NULL,
    class text NOT NULL,
    kind text NOT NULL,
    used_at bigint NOT NULL
);

-- What rarely changes from one poll of a device to the next, kept once. `digest` is over the rest.
CREATE TABLE poll_context (
    context_ref integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest text COLLATE "C" NOT NULL UNIQUE,
    platform text NOT NULL,
    interval_ns bigint NOT NULL,
    lag_ns bigint NOT NULL,
    epoch text,
    complete text,
    device_settings text,
    used_at bigint NOT NULL
);

-- What rarely changes from one sample of a table to the next, kept once. `counters` lists [name, class, kind]
-- in the order of the samples' values.
CREATE TABLE sample_context (
    context_ref integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest text COLLATE "C" NOT NULL UNIQUE,
    unit text NOT NULL,
    group_name text NOT NULL,
    state text NOT NULL,
    role text NOT NULL,
    epoch text,
    capacity_origin text,
    capacity_bound text,
    capacity_reason text,
    counters text,
    used_at bigint NOT NULL
);

-- `tables` lists the samples that the poll read as [table_ref, observed_at, revision], `gone` lists table_refs.
CREATE TABLE poll (
    seq bigint NOT NULL,
    started_at bigint NOT NULL,
    finished_at bigint NOT NULL,
    held_ms double precision,
    device_ref integer NOT NULL,
    poller_ref integer NOT NULL,
    context_ref integer NOT NULL,
    late boolean NOT NULL,
    trigger text NOT NULL,
    outcome text NOT NULL,
    error_message text,
    error_hint text,
    tables text,
    gone text,
    load text,
    new_connection text,
    evidence text,
    faults text,
    PRIMARY KEY (device_ref, poller_ref, seq)
);
CREATE INDEX poll_finished_at ON poll (finished_at);
CREATE INDEX poll_device ON poll (device_ref, finished_at);
-- For conditions on the view's finished_at: a block range index costs next to nothing.
CREATE INDEX poll_time ON poll USING brin (to_timestamp(finished_at::double precision / 1000000))
    WITH (pages_per_range = 32, autosummarize = on);

-- Append-only: a correction is a new revision. `increases` counts its rows in `increase`.
CREATE TABLE sample (
    observed_at bigint NOT NULL,
    seq bigint NOT NULL,
    used bigint,
    capacity_limit bigint,
    sheds_at bigint,
    setup_rate double precision,
    teardown_rate double precision,
    table_ref integer NOT NULL,
    revision integer NOT NULL,
    poller_ref integer NOT NULL,
    context_ref integer NOT NULL,
    marks integer NOT NULL,
    increases integer NOT NULL,
    counter_values text,
    PRIMARY KEY (table_ref, observed_at, revision)
);
-- Nearly empty: lets the views see cheaply that a sample has no newer revision.
CREATE INDEX sample_revised ON sample (table_ref, observed_at, revision) WHERE revision > 0;
CREATE INDEX sample_time ON sample USING brin (to_timestamp(observed_at::double precision / 1000000))
    WITH (pages_per_range = 32, autosummarize = on);

-- Only what is not zero. In the order of time, because the question is what was refused lately, and where.
CREATE TABLE increase (
    observed_at bigint NOT NULL,
    seq bigint NOT NULL,
    amount bigint NOT NULL,
    paired bigint NOT NULL,
    over_seconds bigint NOT NULL,
    table_ref integer NOT NULL,
    revision integer NOT NULL,
    ordinal integer NOT NULL,
    counter_ref integer NOT NULL,
    poller_ref integer NOT NULL,
    PRIMARY KEY (observed_at, table_ref, revision, ordinal)
);
CREATE INDEX increase_time ON increase USING brin (to_timestamp(observed_at::double precision / 1000000))
    WITH (pages_per_range = 32, autosummarize = on);

-- The newest sample of each live table. The free space lets a row move within its page (HOT updates).
CREATE TABLE latest (
    table_ref integer PRIMARY KEY,
    revision integer NOT NULL,
    observed_at bigint NOT NULL
) WITH (fillfactor = 50);

-- Hourly summaries of samples that retention removed. `increases` lists [name, class, amount].
CREATE TABLE rollup (
    started_at bigint NOT NULL,
    used bigint,
    capacity_limit bigint,
    sheds_at bigint,
    utilization double precision,
    setup_rate double precision,
    teardown_rate double precision,
    table_ref integer NOT NULL,
    context_ref integer NOT NULL,
    readings bigint NOT NULL,
    increases text,
    PRIMARY KEY (table_ref, started_at)
);

-- Where a poller stands on a device: its last poll, and what Ingest remembers after it.
CREATE TABLE progress (
    device_ref integer NOT NULL,
    poller_ref integer NOT NULL,
    seq bigint NOT NULL,
    finished_at bigint NOT NULL,
    succeeded_at bigint,
    outcome text NOT NULL,
    memory text,
    PRIMARY KEY (device_ref, poller_ref)
) WITH (fillfactor = 50);

CREATE TABLE rule_progress (
    device_ref integer NOT NULL,
    poller_ref integer NOT NULL,
    seq bigint NOT NULL,
    PRIMARY KEY (device_ref, poller_ref)
) WITH (fillfactor = 50);

-- `table_id` is empty for the state of the device itself.
CREATE TABLE rule_state (
    device_ref integer NOT NULL,
    poller_ref integer NOT NULL,
    table_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    state text NOT NULL,
    PRIMARY KEY (device_ref, poller_ref, table_id)
) WITH (fillfactor = 50);

-- Where an alert stands: its newest event.
CREATE TABLE alert (
    alert_id text COLLATE "C" PRIMARY KEY,
    seq bigint NOT NULL,
    onset bigint NOT NULL,
    at bigint NOT NULL,
    is_open boolean NOT NULL
);
CREATE INDEX alert_onset ON alert (onset, alert_id);
CREATE INDEX alert_open ON alert (alert_id) WHERE is_open;
CREATE INDEX alert_closed ON alert (at) WHERE NOT is_open;

CREATE TABLE alert_event (
    alert_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    id text NOT NULL,
    fingerprint text NOT NULL,
    incident_id text,
    at bigint NOT NULL,
    onset bigint NOT NULL,
    rule text NOT NULL,
    severity text NOT NULL,
    previous_severity text,
    device text NOT NULL,
    table_id text,
    table_path text,
    labels text NOT NULL,
    state text NOT NULL,
    value double precision,
    threshold double precision,
    unit text NOT NULL,
    summary text NOT NULL,
    evidence text NOT NULL,
    told boolean NOT NULL,
    PRIMARY KEY (alert_id, seq)
);
