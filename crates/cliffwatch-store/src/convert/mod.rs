//! The model's nouns as rows and back, side by side, so that nothing is written that is not read.

mod alert;
mod identity;
mod poll;
mod sample;

use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};

pub(crate) use alert::{alert_record, event, event_record};
pub(crate) use identity::{
    StoredDevice, StoredTable, counter_label, described_device, device_record, named_device, table_record,
};
pub(crate) use poll::{
    Names, PollRefs, RawPollContext, StoredPoll, StoredPollContext, dangling, observation, poll_context,
    poll_digest, poll_record,
};
pub(crate) use sample::{
    RawSampleContext, SampleKey, SampleRefs, StoredIncrease, StoredSample, StoredSampleContext,
    increase_records, sample_context, sample_digest, sample_record, table_observation,
};

/// Nanoseconds for the database; 292 years at most.
fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn from_nanos(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// The key of a context: the first 128 bits of SHA-256 over its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ContextDigest(u128);

impl ContextDigest {
    /// Reads 32 hex digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        u128::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for ContextDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Collects fields, each so that none runs into the next. They are hashed at once: that is several times
/// faster than hashing field by field.
struct Digester(Vec<u8>);

impl Digester {
    /// Bytes of a usual context: a dozen counters.
    const USUAL_BYTES: usize = 512;

    fn new() -> Self {
        Self(Vec::with_capacity(Self::USUAL_BYTES))
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn optional(&mut self, text: Option<&str>) {
        self.0.push(u8::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn number(&mut self, number: i64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    /// How many items of a list, or bytes of a text, follow.
    fn count(&mut self, count: usize) {
        self.0.extend_from_slice(&count.to_be_bytes());
    }

    fn finish(self) -> ContextDigest {
        let whole: [u8; 32] = Sha256::digest(&self.0).into();
        ContextDigest(whole.iter().take(16).fold(0, |digest, byte| digest << 8 | u128::from(*byte)))
    }
}
