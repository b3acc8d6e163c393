use crate::convert::{PollRefs, SampleKey, SampleRefs, increase_records, poll_record, sample_record};
use crate::records::{IncreaseRecord, PollRecord, SampleRecord};
use crate::write::ids::{Contexts, Ids};
use crate::{Batch, StoreError};

type Rows = (Vec<PollRecord>, Vec<SampleRecord>, Vec<IncreaseRecord>);

/// The rows of history of a batch.
pub(super) fn rows(batch: &Batch, ids: &Ids, contexts: &[Contexts]) -> Result<Rows, StoreError> {
    let mut polls = Vec::with_capacity(batch.observations.len());
    let mut samples = Vec::with_capacity(batch.observations.len());
    let mut increases = Vec::new();
    for (o, contexts) in batch.observations.iter().zip(contexts) {
        let poller = ids.poller(o.header.poller.as_str())?;
        let mut read = Vec::with_capacity(o.tables.len());
        for (table, context) in o.tables.iter().zip(&contexts.tables) {
            let refs = SampleRefs {
                table: ids.table(table.id)?,
                poller,
                context: ids.sample_context(*context)?,
                seq: o.header.seq.cast_signed(),
            };
            let sample = sample_record(table, &refs)?;
            read.push(SampleKey(sample.table_ref, sample.observed_at, sample.revision));
            samples.push(sample);
            for increase in increase_records(table, &refs, |label| ids.counter(label)) {
                increases.push(increase?);
            }
        }
        let refs = PollRefs {
            device: ids.device(o.header.device.as_str())?,
            poller,
            context: ids.poll_context(contexts.poll)?,
            tables: read,
            gone: o.gone.iter().map(|key| ids.table(key.id())).collect::<Result<_, _>>()?,
        };
        polls.push(poll_record(o, &refs)?);
    }
    Ok((polls, samples, increases))
}
