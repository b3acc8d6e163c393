-- What a host behind the device saw of new connections through it, as JSON.
ALTER TABLE poll ADD COLUMN canary TEXT;

DROP VIEW polls;

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
    json_extract(p.new_connection, '$.waited_ms') AS new_waited_ms,
    json_extract(p.canary, '$.from') AS canary_from,
    json_extract(p.canary, '$.target') AS canary_target,
    json_extract(p.canary, '$.held') AS canary_held,
    json_extract(p.canary, '$.held_ms') AS canary_held_ms,
    json_extract(p.canary, '$.new.connect_ms') AS canary_connect_ms,
    json_extract(p.canary, '$.new.error') AS canary_error,
    json_extract(p.canary, '$.new.waited_ms') AS canary_waited_ms,
    COALESCE(p.evidence, '[]') AS evidence,
    COALESCE(p.faults, '[]') AS faults
FROM poll AS p
JOIN device AS d ON d.device_ref = p.device_ref
JOIN poller AS w ON w.poller_ref = p.poller_ref
JOIN poll_context AS x ON x.context_ref = p.context_ref;
