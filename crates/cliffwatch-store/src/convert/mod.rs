//! The model's nouns as rows and back, side by side, so that nothing is written that is not read.

mod alert;
mod identity;
mod poll;
mod sample;

use std::time::Duration;

use sha2::{Digest, Sha256};

pub(crate) use alert::{alert_record, event, event_record};
pub(crate) use identity::{
    StoredDevice, StoredTable, counter_label, described_device, device_record, named_device, table_record,
};
pub(crate) use poll::{
    Names, PollRefs, StoredPoll, StoredPollContext, dangling, observation, poll_context, poll_record,
};
pub(crate) use sample::{
    RawSampleContext, SampleKey, SampleRefs, StoredIncrease, StoredSample, StoredSampleContext,
    increase_records, sample_context, sample_record, table_observation,
};

/// Nanoseconds for the database; 292 years at most.
fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn from_nanos(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// The first 128 bits of SHA-256 over fields, each with its length before it so that none runs into the next.
fn digest<'a>(fields: impl IntoIterator<Item = Option<&'a str>>) -> String {
    let mut hash = Sha256::new();
    for field in fields {
        match field {
            None => hash.update([0]),
            Some(text) => {
                hash.update([1]);
                hash.update(text.len().to_be_bytes());
                hash.update(text.as_bytes());
            }
        }
    }
    let whole: [u8; 32] = hash.finalize().into();
    whole.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
