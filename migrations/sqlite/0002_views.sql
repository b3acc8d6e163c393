-- What users, their scripts and their dashboards read: stable names and columns, the same in both engines.
-- Times are ISO 8601 text in UTC with microseconds, lists and maps JSON text. A count beyond 2^63-1 is shown as 2^63-1. Null is "not known", never 0.

-- One row for each device that is or was polled; retired_at is set once it left the inventory.
CREATE VIEW devices AS
SELECT
    d.name AS device,
    d.platform,
    d.address,
    d.labels AS labels,
    d.interval_ns / 1000000000.0 AS interval_seconds,
    d.timeout_ns / 1000000000.0 AS timeout_seconds,
    d.ha_peer,
    d.depends_on AS depends_on,
    strftime('%Y-%m-%dT%H:%M:%S', d.retired_at / 1000000, 'unixepoch') || printf('.%06dZ', d.retired_at % 1000000) AS retired_at,
    strftime('%Y-%m-%dT%H:%M:%S', g.finished_at / 1000000, 'unixepoch') || printf('.%06dZ', g.finished_at % 1000000) AS last_poll_at,
    g.outcome AS last_outcome,
    strftime('%Y-%m-%dT%H:%M:%S', g.succeeded_at / 1000000, 'unixepoch') || printf('.%06dZ', g.succeeded_at % 1000000) AS last_success_at
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
    strftime('%Y-%m-%dT%H:%M:%S', s.observed_at / 1000000, 'unixepoch') || printf('.%06dZ', s.observed_at % 1000000) AS observed_at,
    s.revision,
    CASE WHEN s.used < 0 THEN 9223372036854775807 ELSE s.used END AS used,
    CASE WHEN s.capacity_limit < 0 THEN 9223372036854775807 ELSE s.capacity_limit END AS capacity_limit,
    x.capacity_origin,
    x.capacity_bound,
    x.capacity_reason,
    CAST((CASE WHEN s.used < 0 THEN 9223372036854775807 ELSE s.used END) AS REAL)
        / (CASE WHEN s.capacity_limit < 0 THEN 9223372036854775807 ELSE s.capacity_limit END) AS utilization,
    CASE WHEN s.sheds_at < 0 THEN 9223372036854775807 ELSE s.sheds_at END AS sheds_at,
    s.setup_rate,
    s.teardown_rate,
    (
        SELECT json_group_object(json_extract(c.value, '$[0]'), v.value)
        FROM json_each(x.counters) AS c
        JOIN json_each(s.counter_values) AS v ON v.key = c.key
    ) AS counters,
    w.name AS poller,
    s.seq
-- CROSS: SQLite keeps this order; without statistics it would read every sample.
FROM latest AS l
CROSS JOIN sample AS s ON s.table_ref = l.table_ref AND s.observed_at = l.observed_at AND s.revision = l.revision
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
    strftime('%Y-%m-%dT%H:%M:%S', s.observed_at / 1000000, 'unixepoch') || printf('.%06dZ', s.observed_at % 1000000) AS observed_at,
    s.revision,
    CASE WHEN s.used < 0 THEN 9223372036854775807 ELSE s.used END AS used,
    CASE WHEN s.capacity_limit < 0 THEN 9223372036854775807 ELSE s.capacity_limit END AS capacity_limit,
    x.capacity_origin,
    x.capacity_bound,
    x.capacity_reason,
    CAST((CASE WHEN s.used < 0 THEN 9223372036854775807 ELSE s.used END) AS REAL)
        / (CASE WHEN s.capacity_limit < 0 THEN 9223372036854775807 ELSE s.capacity_limit END) AS utilization,
    CASE WHEN s.sheds_at < 0 THEN 9223372036854775807 ELSE s.sheds_at END AS sheds_at,
    s.setup_rate,
    s.teardown_rate,
    (
        SELECT json_group_object(json_extract(c.value, '$[0]'), v.value)
        FROM json_each(x.counters) AS c
        JOIN json_each(s.counter_values) AS v ON v.key = c.key
    ) AS counters,
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
    strftime('%Y-%m-%dT%H:%M:%S', s.observed_at / 1000000, 'unixepoch') || printf('.%06dZ', s.observed_at % 1000000) AS observed_at,
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
    strftime('%Y-%m-%dT%H:%M:%S', p.started_at / 1000000, 'unixepoch') || printf('.%06dZ', p.started_at % 1000000) AS started_at,
    strftime('%Y-%m-%dT%H:%M:%S', p.finished_at / 1000000, 'unixepoch') || printf('.%06dZ', p.finished_at % 1000000) AS finished_at,
    x.interval_ns / 1000000000.0 AS interval_seconds,
    p.late,
    x.lag_ns / 1000000000.0 AS lag_seconds,
    p.outcome,
    p.error_message,
    p.error_hint,
    x.epoch,
    COALESCE(x.complete, '[]') AS complete,
    COALESCE(p.load, '{}') AS load,
    COALESCE(x.device_settings, '{}') AS device_settings,
    p.held_ms,
    json_extract(p.new_connection, '$.connect_ms') AS new_connect_ms,
    json_extract(p.new_connection, '$.error') AS new_error,
    COALESCE(p.evidence, '[]') AS evidence,
    COALESCE(p.faults, '[]') AS faults
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
    strftime('%Y-%m-%dT%H:%M:%S', e.onset / 1000000, 'unixepoch') || printf('.%06dZ', e.onset % 1000000) AS onset,
    strftime('%Y-%m-%dT%H:%M:%S', e.at / 1000000, 'unixepoch') || printf('.%06dZ', e.at % 1000000) AS at,
    e.rule,
    e.severity,
    e.previous_severity,
    e.device,
    e.table_id,
    e.table_path,
    e.labels AS labels,
    e.state,
    e.value,
    e.threshold,
    e.unit,
    e.summary,
    e.evidence AS evidence,
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
    strftime('%Y-%m-%dT%H:%M:%S', e.onset / 1000000, 'unixepoch') || printf('.%06dZ', e.onset % 1000000) AS onset,
    strftime('%Y-%m-%dT%H:%M:%S', e.at / 1000000, 'unixepoch') || printf('.%06dZ', e.at % 1000000) AS at,
    e.rule,
    e.severity,
    e.previous_severity,
    e.device,
    e.table_id,
    e.table_path,
    e.labels AS labels,
    e.state,
    e.value,
    e.threshold,
    e.unit,
    e.summary,
    e.evidence AS evidence,
    e.told
FROM alert_event AS e;
