//! The columns of every table that is written in bulk; see `migrations/*/0001_tables.sql` for their meaning.

use crate::row::{record, row};

record! {
    PollerRecord = "poller" { name: String, used_at: i64, }
}

record! {
    /// A device as its polls name it.
    NamedDevice = "device" {
        name: String,
        platform: String,
        labels: String,
        depends_on: String,
        used_at: i64,
    }
}

record! {
    /// A device as the inventory describes it.
    DescribedDevice = "device" {
        name: String,
        platform: String,
        address: Option<String>,
        labels: String,
        interval_ns: Option<i64>,
        timeout_ns: Option<i64>,
        ha_peer: Option<String>,
        depends_on: String,
        used_at: i64,
    }
}

record! {
    TableRecord = "session_table" {
        device_ref: i32,
        table_id: String,
        scope_kind: String,
        scope_name: String,
        kind: String,
        name: String,
        protocol: Option<String>,
        part: Option<String>,
        part_pairs: Option<String>,
        used_at: i64,
    }
}

record! {
    CounterRecord = "counter" { label: String, name: String, class: String, kind: String, used_at: i64, }
}

record! {
    PollContext = "poll_context" {
        digest: String,
        platform: String,
        interval_ns: i64,
        lag_ns: i64,
        epoch: Option<String>,
        complete: Option<String>,
        device_settings: Option<String>,
        used_at: i64,
    }
}

record! {
    SampleContext = "sample_context" {
        digest: String,
        unit: String,
        group_name: String,
        state: String,
        role: String,
        epoch: Option<String>,
        capacity_origin: Option<String>,
        capacity_bound: Option<String>,
        capacity_reason: Option<String>,
        counters: Option<String>,
        used_at: i64,
    }
}

record! {
    PollRecord = "poll" {
        seq: i64,
        started_at: i64,
        finished_at: i64,
        held_ms: Option<f64>,
        device_ref: i32,
        poller_ref: i32,
        context_ref: i32,
        late: bool,
        trigger: String,
        outcome: String,
        error_message: Option<String>,
        error_hint: Option<String>,
        tables: Option<String>,
        gone: Option<String>,
        load: Option<String>,
        new_connection: Option<String>,
        canary: Option<String>,
        evidence: Option<String>,
        faults: Option<String>,
    }
}

record! {
    SampleRecord = "sample" {
        observed_at: i64,
        seq: i64,
        used: Option<i64>,
        capacity_limit: Option<i64>,
        sheds_at: Option<i64>,
        setup_rate: Option<f64>,
        teardown_rate: Option<f64>,
        table_ref: i32,
        revision: i32,
        poller_ref: i32,
        context_ref: i32,
        marks: i32,
        increases: i32,
        counter_values: Option<String>,
    }
}

record! {
    IncreaseRecord = "increase" {
        observed_at: i64,
        seq: i64,
        amount: i64,
        paired: i64,
        over_seconds: i64,
        table_ref: i32,
        revision: i32,
        ordinal: i32,
        counter_ref: i32,
        poller_ref: i32,
    }
}

record! {
    LatestRecord = "latest" { table_ref: i32, revision: i32, observed_at: i64, }
}

record! {
    RollupRecord = "rollup" {
        started_at: i64,
        used: Option<i64>,
        capacity_limit: Option<i64>,
        sheds_at: Option<i64>,
        utilization: Option<f64>,
        setup_rate: Option<f64>,
        teardown_rate: Option<f64>,
        table_ref: i32,
        context_ref: i32,
        readings: i64,
        increases: Option<String>,
    }
}

record! {
    ProgressRecord = "progress" {
        device_ref: i32,
        poller_ref: i32,
        seq: i64,
        finished_at: i64,
        succeeded_at: Option<i64>,
        outcome: String,
        memory: Option<String>,
    }
}

record! {
    RuleProgress = "rule_progress" { device_ref: i32, poller_ref: i32, seq: i64, }
}

record! {
    RuleRecord = "rule_state" {
        device_ref: i32,
        poller_ref: i32,
        table_id: String,
        seq: i64,
        state: String,
    }
}

record! {
    AlertRecord = "alert" { alert_id: String, seq: i64, onset: i64, at: i64, is_open: bool, }
}

record! {
    EventRecord = "alert_event" {
        alert_id: String,
        seq: i64,
        id: String,
        fingerprint: String,
        incident_id: Option<String>,
        at: i64,
        onset: i64,
        rule: String,
        severity: String,
        previous_severity: Option<String>,
        device: String,
        table_id: Option<String>,
        table_path: Option<String>,
        labels: String,
        state: String,
        value: Option<f64>,
        threshold: Option<f64>,
        unit: String,
        summary: String,
        evidence: String,
        told: bool,
    }
}

row! {
    /// A key of a row and the number that stands for it.
    KeyRef { key: String, reference: i32, }
}
