-- The history. Users read the views of 0002, never these tables.
--
-- Times are integer microseconds since 1970-01-01T00:00:00Z, durations integer nanoseconds. Counts of 64
-- unsigned bits are kept in the same 64 bits, signed. Text that holds lists or maps is JSON, kept as text so
-- that what is read is what was written. Names sort by byte, so that both engines list alike. There are no
-- foreign keys: one writer keeps the references, and retention removes what nothing refers to any more.
-- Tables of small rows are clustered by their key (WITHOUT ROWID), so that a table's day lies together.

CREATE TABLE poller (
    poller_ref INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    used_at INTEGER NOT NULL
);

CREATE TABLE device (
    device_ref INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    platform TEXT NOT NULL,
    address TEXT,
    labels TEXT NOT NULL,
    interval_ns INTEGER,
    timeout_ns INTEGER,
    ha_peer TEXT,
    depends_on TEXT NOT NULL,
    retired_at INTEGER,
    used_at INTEGER NOT NULL
);

-- The identity of a table; `part` as people read it, `part_pairs` as a map.
CREATE TABLE session_table (
    table_ref INTEGER PRIMARY KEY,
    device_ref INTEGER NOT NULL,
    table_id TEXT NOT NULL UNIQUE,
    scope_kind TEXT NOT NULL,
    scope_name TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    protocol TEXT,
    part TEXT,
    part_pairs TEXT,
    used_at INTEGER NOT NULL
);
CREATE INDEX session_table_device ON session_table (device_ref);

CREATE TABLE counter (
    counter_ref INTEGER PRIMARY KEY,
    label TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    class TEXT NOT NULL,
    kind TEXT NOT NULL,
    used_at INTEGER NOT NULL
);

-- What rarely changes from one poll of a device to the next, kept once. `digest` is over the rest.
CREATE TABLE poll_context (
    context_ref INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    platform TEXT NOT NULL,
    interval_ns INTEGER NOT NULL,
    lag_ns INTEGER NOT NULL,
    epoch TEXT,
    complete TEXT,
    device_settings TEXT,
    used_at INTEGER NOT NULL
);

-- What rarely changes from one sample of a table to the next, kept once. `counters` lists [name, class, kind]
-- in the order of the samples' values.
CREATE TABLE sample_context (
    context_ref INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    unit TEXT NOT NULL,
    group_name TEXT NOT NULL,
    state TEXT NOT NULL,
    role TEXT NOT NULL,
    epoch TEXT,
    capacity_origin TEXT,
    capacity_bound TEXT,
    capacity_reason TEXT,
    counters TEXT,
    used_at INTEGER NOT NULL
);

-- `tables` lists the samples that the poll read as [table_ref, observed_at, revision], `gone` lists table_refs.
CREATE TABLE poll (
    seq INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    held_ms REAL,
    device_ref INTEGER NOT NULL,
    poller_ref INTEGER NOT NULL,
    context_ref INTEGER NOT NULL,
    late BOOLEAN NOT NULL,
    trigger TEXT NOT NULL,
    outcome TEXT NOT NULL,
    error_message TEXT,
    error_hint TEXT,
    tables TEXT,
    gone TEXT,
    load TEXT,
    new_connection TEXT,
    evidence TEXT,
    faults TEXT,
    PRIMARY KEY (device_ref, poller_ref, seq)
) WITHOUT ROWID;
CREATE INDEX poll_finished_at ON poll (finished_at);
CREATE INDEX poll_device ON poll (device_ref, finished_at);

-- Append-only: a correction is a new revision. `increases` counts its rows in `increase`.
CREATE TABLE sample (
    observed_at INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    used INTEGER,
    capacity_limit INTEGER,
    sheds_at INTEGER,
    setup_rate REAL,
    teardown_rate REAL,
    table_ref INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    poller_ref INTEGER NOT NULL,
    context_ref INTEGER NOT NULL,
    marks INTEGER NOT NULL,
    increases INTEGER NOT NULL,
    counter_values TEXT,
    PRIMARY KEY (table_ref, observed_at, revision)
) WITHOUT ROWID;
-- Nearly empty: lets the views see cheaply that a sample has no newer revision.
CREATE INDEX sample_revised ON sample (table_ref, observed_at, revision) WHERE revision > 0;

-- Only what is not zero. In the order of time, because the question is what was refused lately, and where.
CREATE TABLE increase (
    observed_at INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    paired INTEGER NOT NULL,
    over_seconds INTEGER NOT NULL,
    table_ref INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    counter_ref INTEGER NOT NULL,
    poller_ref INTEGER NOT NULL,
    PRIMARY KEY (observed_at, table_ref, revision, ordinal)
) WITHOUT ROWID;
-- For conditions on the view's observed_at: the same expression.
CREATE INDEX increase_time ON increase (
    (strftime('%Y-%m-%dT%H:%M:%S', observed_at / 1000000, 'unixepoch') || printf('.%06dZ', observed_at % 1000000))
);

-- The newest sample of each live table.
CREATE TABLE latest (
    table_ref INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    observed_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Hourly summaries of samples that retention removed. `increases` lists [name, class, amount].
CREATE TABLE rollup (
    started_at INTEGER NOT NULL,
    used INTEGER,
    capacity_limit INTEGER,
    sheds_at INTEGER,
    utilization REAL,
    setup_rate REAL,
    teardown_rate REAL,
    table_ref INTEGER NOT NULL,
    context_ref INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    increases TEXT,
    PRIMARY KEY (table_ref, started_at)
) WITHOUT ROWID;

-- Where a poller stands on a device: its last poll, and what Ingest remembers after it.
CREATE TABLE progress (
    device_ref INTEGER NOT NULL,
    poller_ref INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    succeeded_at INTEGER,
    outcome TEXT NOT NULL,
    memory TEXT,
    PRIMARY KEY (device_ref, poller_ref)
);

CREATE TABLE rule_progress (
    device_ref INTEGER NOT NULL,
    poller_ref INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (device_ref, poller_ref)
) WITHOUT ROWID;

-- `table_id` is empty for the state of the device itself.
CREATE TABLE rule_state (
    device_ref INTEGER NOT NULL,
    poller_ref INTEGER NOT NULL,
    table_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (device_ref, poller_ref, table_id)
);

-- Where an alert stands: its newest event.
CREATE TABLE alert (
    alert_id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    onset INTEGER NOT NULL,
    at INTEGER NOT NULL,
    is_open BOOLEAN NOT NULL
) WITHOUT ROWID;
CREATE INDEX alert_onset ON alert (onset, alert_id);
CREATE INDEX alert_open ON alert (alert_id) WHERE is_open;
CREATE INDEX alert_closed ON alert (at) WHERE NOT is_open;

CREATE TABLE alert_event (
    alert_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    incident_id TEXT,
    at INTEGER NOT NULL,
    onset INTEGER NOT NULL,
    rule TEXT NOT NULL,
    severity TEXT NOT NULL,
    previous_severity TEXT,
    device TEXT NOT NULL,
    table_id TEXT,
    table_path TEXT,
    labels TEXT NOT NULL,
    state TEXT NOT NULL,
    value REAL,
    threshold REAL,
    unit TEXT NOT NULL,
    summary TEXT NOT NULL,
    evidence TEXT NOT NULL,
    told BOOLEAN NOT NULL,
    PRIMARY KEY (alert_id, seq)
);
