//! Observations go in and come out as they were.

use cliffwatch_store::{HistoryQuery, PageRequest};

use crate::common::fixtures::*;
use crate::common::home::Home;

pub async fn a_rich_observation_is_read_as_it_was_written(home: &Home<'_>) {
    let store = home.open().await;
    let committed = store.commit(&batch([rich()])).await.unwrap();
    assert_eq!((committed.polls, committed.samples, committed.increases), (1, 2, 2));
    let page = store.observations(&HistoryQuery::default(), &PageRequest::default()).await.unwrap();
    assert_eq!(page.items, [rich()]);
    assert_eq!(page.next, None);
}
