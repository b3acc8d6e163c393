//! What must not go wrong when something else does: the real binary beside real parts that are killed, stopped, changed or
//! made to lie.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a part of a test that fails, fails the test; figures are for people"
)]

mod clock;
mod crash;
mod database;
mod devices;
mod reload;

/// The built-in rules in a hurry: an alert fires at the first poll that shows its cause, and ends two seconds after the last.
const RULES: &str = "
- { id: utilization-critical, for: 0s, hold: 2s }
- { id: utilization-high, enabled: false }
- { id: refusing, hold: 2s }
- { id: clock-step, hold: 0s }
- { id: store-down, enabled: false }
- { id: poll-lag, enabled: false }
";
