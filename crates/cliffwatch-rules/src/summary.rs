//! Numbers as people read them, and the sentence of an event.

use std::time::Duration;

use cliffwatch_model::{AlertState, CapacityOrigin, CapacityReason, TableObservation};

use crate::table::TableView;

/// `236001` as `236,001`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 new connection`, `2 new connections`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A duration in the unit a person would choose: `45 s`, `5 min`, `3 h`, `2 days`.
pub(crate) fn spoken(span: Duration) -> String {
    match span.as_secs() {
        s @ 0..120 if s != 60 => format!("{s} s"),
        s @ 0..7_200 => format!("{} min", s / 60),
        s @ 0..172_800 => format!("{} h", s / 3_600),
        s => format!("{} days", s / 86_400),
    }
}

/// What is used, of which limit, and who says so.
pub(crate) fn fill(view: &TableView<'_>) -> String {
    let reading = view.reading;
    let unit = reading.unit;
    match (reading.used, reading.capacity, view.fill_percent()) {
        (Some(used), Ok(capacity), Some(percent)) => format!(
            "{} of {} {unit} ({percent:.1} %, limit {})",
            grouped(used),
            grouped(capacity.limit.get()),
            origin(capacity.origin)
        ),
        (Some(used), Err(reason), _) => format!("{} {unit} (limit {})", grouped(used), absent(reason)),
        (None, Ok(capacity), _) => {
            format!("an unknown number of {} {unit}", grouped(capacity.limit.get()))
        }
        _ => format!("an unknown number of {unit}"),
    }
}

/// Who says what the limit is.
pub(crate) fn origin(origin: CapacityOrigin) -> &'static str {
    match origin {
        CapacityOrigin::Reported => "reported by the device",
        CapacityOrigin::Configured => "configured in the inventory",
        CapacityOrigin::Documented => "documented by the vendor",
    }
}

fn absent(reason: CapacityReason) -> &'static str {
    match reason {
        CapacityReason::Unlimited => "none",
        CapacityReason::NotTold => "not told by the device",
        CapacityReason::NotRead => "not read yet",
        CapacityReason::Denied => "not readable with this login",
        CapacityReason::Unsupported => "unknown on this device",
    }
}

/// The counters of a class that rose: `drop +12, insert_failed +3`.
pub(crate) fn rises(reading: &TableObservation, class: cliffwatch_model::CounterClass) -> String {
    let of_class = reading.increases.iter().filter(|increase| increase.class == class);
    let rises: Vec<String> =
        of_class.map(|increase| format!("{} +{}", increase.counter, grouped(increase.amount))).collect();
    rises.join(", ")
}

/// The sentence of an event: where, what, and what became of it.
pub(crate) fn sentence(
    device: &str,
    table: Option<&str>,
    text: &str,
    state: AlertState,
    aged: Duration,
) -> String {
    let mut sentence = device.to_owned();
    if let Some(table) = table {
        sentence.push(' ');
        sentence.push_str(table);
    }
    if !text.is_empty() {
        sentence.push_str(": ");
        sentence.push_str(text);
    }
    let age = spoken(aged);
    match state {
        AlertState::Pending => {}
        AlertState::Firing if aged.is_zero() => {}
        AlertState::Firing => sentence.push_str(&format!(" for {age}")),
        AlertState::Recovering => sentence.push_str(&format!("; recovering after {age}")),
        AlertState::Resolved => sentence.push_str(&format!("; over after {age}")),
        AlertState::Stale => sentence.push_str("; neither confirmed nor over"),
        AlertState::Gone => sentence.push_str(&format!("; closed after {age}")),
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1_000, 236_001, u64::MAX].map(grouped),
            ["0", "999", "1,000", "236,001", "18,446,744,073,709,551,615"]
        );
        assert_eq!(counted(1, "entry", "entries"), "1 entry");
    }

    #[test]
    fn durations_are_spoken() {
        let text = |s| spoken(Duration::from_secs(s));
        assert_eq!(
            [0, 45, 60, 90, 300, 5_400, 7_200, 200_000].map(text),
            ["0 s", "45 s", "1 min", "90 s", "5 min", "90 min", "2 h", "2 days"]
        );
    }
}
