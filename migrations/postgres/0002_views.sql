-- What users, their scripts and their dashboards read: stable names and columns, the same in both engines.
-- Times are timestamptz, lists and maps jsonb. A count beyond 2^63-1 is shown as 2^63-1. Null is "not known", never 0.

-- One row for each device that is or was polled; retired_at is set once it left the inventory.
CREATE VIEW devices AS
SELECT
    d.name AS device,
    d.platform,
    d.address,
    d.labels::jsonb AS labels,
    d.interval_ns::double precision / 1000000000 AS interval_seconds,
    d.timeout_ns::double precision / 1000000000 AS timeout_seconds,
    d.ha_peer,
    d.depends_on::jsonb AS depends_on,
    to_timestamp(d.retired_at::double precision / 1000000) AS retired_at,
    to_timestamp(g.finished_at::double precision / 1000000) AS last_poll_at,
    g.outcome AS last_outcome,
    to_timestamp(g.succeeded_at::double precision / 1000000) AS last_success_at
FROM device AS d
LEFT JOIN (
    SELECT
        device_ref,
        finished_at,
        outcome,
        max(succeeded_at) OVER (PARTITION BY device_ref) AS succeeded_at,
        row_number() OVER (PARTITION BY device_ref ORDER BY finished_at DESC, poller_ref) AS place
    FROM progress
) AS g ON g.device_ref = d.device_ref AND g.place = 1;

-- The latest reading of each table that exists now.
CREATE VIEW session_tables_now AS
SELECT
    d.name AS device,
    d.platform AS platform,
    t.table_id,
    t.scope_kind,
    t.scope_name,
    t.kind,
    t.name,
    t.protocol,
    t.part,
    x.unit,
    x.group_name,
    x.state,
    x.role,
    x.epoch,
    to_timestamp(s.observed_at::double precision / 1000000) AS observed_at,
    s.revision,
    CASE WHEN s.used < 0 THEN 9223372036854775807 ELSE s.used END AS used,
    CASE WHEN s.capacity_limit < 0 THEN 9223372036854775807 ELSE s.capacity_limit END AS capacity_limit,
    x.capacity_origin,
    x.capacity_bound,
    x.capacity_reason,
    (CASE WHEN s.used < 0 THEN 9223372036854775807 ELSE s.used END)::double precision
        / (CASE WHEN s.capacity_limit < 0 THEN 9223372036854775807 ELSE s.capacity_limit END) AS utilization,
    CASE WHEN s.sheds_at < 0 THEN 9223372036854775807 ELSE s.sheds_at END AS sheds_at,
    s.setup_rate,
    s.teardown_rate,
    COALESCE((
        SELECT jsonb_object_agg(c.counter ->> 0, v.total)
        FROM jsonb_array_elements(x.counters::jsonb) WITH ORDINALITY AS c (counter, place)
        JOIN jsonb_array_elements(s.counter_values::jsonb) WITH ORDINALITY AS v (total, place) USING (place)
    ), '{}') AS counters,
    w.name AS poller,
    s.seq
FROM latest AS l
JOIN sample AS s ON s.table_ref = l.table_ref AND s.observed_at = l.observed_at AND s.revision = l.revision
JOIN session_table AS t ON t.table_ref = s.table_ref
JOIN device AS d ON d.device_ref = t.device_ref
JOIN poller AS w ON w.poller_ref = s.poller_ref
JOIN sample_context AS x ON x.context_ref = s.context_ref;

-- Every reading in its highest revision.
CREATE VIEW samples AS
SELECT
    d.name AS device,
    d.platform AS platform,
    t.table_id,
    t.scope_kind,
    t.scope_name,
    t.kind,
    t.name,
    t.protocol,
    t.part,
    x.unit,
    x.group_name,
    x.state,
    x.role,
    x.epoch,
    to_timestamp(s.observed_at::double precision / 1000000) AS observed_at,
    s.revision,
    CASE WHEN s.used < 0 THEN 9223372036854775807 ELSE s.used END AS used,
    CASE WHEN s.capacity_limit < 0 THEN 9223372036854775807 ELSE s.capacity_limit END AS capacity_limit,
    x.capacity_origin,
    x.capacity_bound,
    x.capacity_reason,
    (CASE WHEN s.used < 0 THEN 9223372036854775807 ELSE s.used END)::double precision
        / (CASE WHEN s.capacity_limit < 0 THEN 9223372036854775807 ELSE s.capacity_limit END) AS utilization,
    CASE WHEN s.sheds_at < 0 THEN 9223372036854775807 ELSE s.sheds_at END AS sheds_at,
    s.setup_rate,
    s.teardown_rate,
    COALESCE((
        SELECT jsonb_object_agg(c.counter ->> 0, v.total)
        FROM jsonb_array_elements(x.counters::jsonb) WITH ORDINALITY AS c (counter, place)
        JOIN jsonb_array_elements(s.counter_values::jsonb) WITH ORDINALITY AS v (total, place) USING (place)
    ), '{}') AS counters,
    w.name AS poller,
    s.seq
FROM sample AS s
JOIN session_table AS t ON t.table_ref = s.table_ref
JOIN device AS d ON d.device_ref = t.device_ref
JOIN poller AS w ON w.poller_ref = s.poller_ref
JOIN sample_context AS x ON x.context_ref = s.context_ref
WHERE NOT EXISTS (
    SELECT 1 FROM sample AS newer
    WHERE newer.table_ref = s.table_ref AND newer.observed_at = s.observed_at
        AND newer.revision > s.revision AND newer.revision > 0
);

-- By how much a counter rose, and over how many seconds; only what is not zero. `paired` of `delta` is told by
-- another counter as well, so sum(delta - paired) counts each lost connection once.
CREATE VIEW counter_increases AS
SELECT
    d.name AS device,
    d.platform AS platform,
    t.table_id,
    t.scope_kind,
    t.scope_name,
    t.kind,
    t.name,
    t.protocol,
    t.part,
    c.name AS counter,
    c.class,
    c.kind AS counter_kind,
    to_timestamp(s.observed_at::double precision / 1000000) AS observed_at,
    s.revision,
    CASE WHEN s.amount < 0 THEN 9223372036854775807 ELSE s.amount END AS delta,
    CASE WHEN s.paired < 0 THEN 9223372036854775807 ELSE s.paired END AS paired,
    s.over_seconds,
    w.name AS poller,
    s.seq
FROM increase AS s
JOIN session_table AS t ON t.table_ref = s.table_ref
JOIN device AS d ON d.device_ref = t.device_ref
JOIN poller AS w ON w.poller_ref = s.poller_ref
JOIN counter AS c ON c.counter_ref = s.counter_ref;

-- Every attempt to read a device. `outcome` is ok, partial or the kind of failure.
CREATE VIEW polls AS
SELECT
    d.name AS device,
    x.platform,
    w.name AS poller,
    p.seq,
    p.trigger,
    to_timestamp(p.started_at::double precision / 1000000) AS started_at,
    to_timestamp(p.finished_at::double precision / 1000000) AS finished_at,
    x.interval_ns::double precision / 1000000000 AS interval_seconds,
    p.late,
    x.lag_ns::double precision / 1000000000 AS lag_seconds,
    p.outcome,
    p.error_message,
    p.error_hint,
    x.epoch,
    COALESCE(x.complete::jsonb, '[]'::jsonb) AS complete,
    COALESCE(p.load::jsonb, '{}'::jsonb) AS load,
    COALESCE(x.device_settings::jsonb, '{}'::jsonb) AS device_settings,
    p.held_ms,
    (p.new_connection::jsonb ->> 'connect_ms')::double precision AS new_connect_ms,
    p.new_connection::jsonb ->> 'error' AS new_error,
    COALESCE(p.evidence::jsonb, '[]'::jsonb) AS evidence,
    COALESCE(p.faults::jsonb, '[]'::jsonb) AS faults
FROM poll AS p
JOIN device AS d ON d.device_ref = p.device_ref
JOIN poller AS w ON w.poller_ref = p.poller_ref
JOIN poll_context AS x ON x.context_ref = p.context_ref;

-- Where each alert stands: its newest event.
CREATE VIEW alerts AS
SELECT
    e.alert_id,
    e.seq,
    e.fingerprint,
    e.incident_id,
    to_timestamp(e.onset::double precision / 1000000) AS onset,
    to_timestamp(e.at::double precision / 1000000) AS at,
    e.rule,
    e.severity,
    e.previous_severity,
    e.device,
    e.table_id,
    e.table_path,
    e.labels::jsonb AS labels,
    e.state,
    e.value,
    e.threshold,
    e.unit,
    e.summary,
    e.evidence::jsonb AS evidence,
    e.told,
    a.is_open
FROM alert AS a
JOIN alert_event AS e ON e.alert_id = a.alert_id AND e.seq = a.seq;

-- Every transition of every alert.
CREATE VIEW alert_events AS
SELECT
    e.id,
    e.alert_id,
    e.seq,
    e.fingerprint,
    e.incident_id,
    to_timestamp(e.onset::double precision / 1000000) AS onset,
    to_timestamp(e.at::double precision / 1000000) AS at,
    e.rule,
    e.severity,
    e.previous_severity,
    e.device,
    e.table_id,
    e.table_path,
    e.labels::jsonb AS labels,
    e.state,
    e.value,
    e.threshold,
    e.unit,
    e.summary,
    e.evidence::jsonb AS evidence,
    e.told
FROM alert_event AS e;
