//! What a run left in the store, held against what must be true of every run.

use std::time::Duration;

use cliffwatch_model::Timestamp;
use cliffwatch_tests::History;
use cliffwatch_tests::truths::{Event, assert_never_failed, assert_polls_whole, longest_gap};

/// Polls come each second; a loaded machine may be late.
const GAP_MAX: Duration = Duration::from_secs(4);

/// The instant at which the alert last came into a state.
pub(crate) fn at(events: &[Event], state: &str) -> Timestamp {
    let last = events.iter().rfind(|event| event.state == state);
    last.unwrap_or_else(|| panic!("never {state}: {events:?}")).at
}

/// The held session reported all the time: every poll is there once, every one read the table, and none came late.
pub(crate) fn assert_unbroken(history: &History, device: &str) {
    assert_polls_whole(history, device);
    assert_never_failed(history, device);
    let gap = longest_gap(history, device);
    assert!(gap < GAP_MAX, "a gap of {gap:?}");
}
