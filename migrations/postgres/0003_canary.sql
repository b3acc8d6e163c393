-- What a host behind the device saw of new connections through it, as JSON.
ALTER TABLE poll ADD COLUMN canary text;

DROP VIEW polls;

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
    (p.new_connection::jsonb ->> 'waited_ms')::double precision AS new_waited_ms,
    p.canary::jsonb ->> 'from' AS canary_from,
    p.canary::jsonb ->> 'target' AS canary_target,
    p.canary::jsonb ->> 'held' AS canary_held,
    (p.canary::jsonb ->> 'held_ms')::double precision AS canary_held_ms,
    (p.canary::jsonb -> 'new' ->> 'connect_ms')::double precision AS canary_connect_ms,
    p.canary::jsonb -> 'new' ->> 'error' AS canary_error,
    (p.canary::jsonb -> 'new' ->> 'waited_ms')::double precision AS canary_waited_ms,
    COALESCE(p.evidence::jsonb, '[]'::jsonb) AS evidence,
    COALESCE(p.faults::jsonb, '[]'::jsonb) AS faults
FROM poll AS p
JOIN device AS d ON d.device_ref = p.device_ref
JOIN poller AS w ON w.poller_ref = p.poller_ref
JOIN poll_context AS x ON x.context_ref = p.context_ref;
