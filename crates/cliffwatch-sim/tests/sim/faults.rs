//! Faults as the adapter meets them.

use std::time::Duration;

use cliffwatch_model::ErrorKind;
use cliffwatch_sim::{Fault, Share, Span};

use crate::lab::{Lab, poll, poll_within};

const SHORT: Duration = Duration::from_secs(1);

async fn kind_at_first(fault: Fault) -> ErrorKind {
    let lab = Lab::of(&[&[Span::always(fault)]]);
    poll_within(&*lab.open("gw-1"), SHORT).await.unwrap_err().kind
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_the_login() {
    for (fault, kind) in [
        (Fault::Hung, ErrorKind::Timeout),
        (Fault::TableFull, ErrorKind::Timeout),
        (Fault::RefusesLogin, ErrorKind::Auth),
        (Fault::Closes, ErrorKind::Unreachable),
        (Fault::OtherHostKey, ErrorKind::HostKey),
        (Fault::Garbage, ErrorKind::Parse),
    ] {
        assert_eq!(kind_at_first(fault).await, kind, "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_table_spares_the_held_session() {
    let lab = Lab::of(&[&[]]);
    let held = lab.open("gw-1");
    poll(&*held).await.unwrap();
    assert_eq!(lab.fleet.break_down(&Share::All, Fault::TableFull), 1);
    assert_eq!(poll_within(&*lab.open("gw-1"), SHORT).await.unwrap_err().kind, ErrorKind::Timeout);
    poll(&*held).await.unwrap();
    assert_eq!(lab.fleet.heal(&Share::All), 1);
    poll(&*lab.open("gw-1")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_device_answers_nobody_and_the_others_do_not_care() {
    let lab = Lab::of(&[&[], &[]]);
    let (hung, well) = (lab.open("gw-1"), lab.open("gw-2"));
    poll(&*hung).await.unwrap();
    poll(&*well).await.unwrap();
    lab.fleet.break_down(&Share::Named("gw-1".into()), Fault::Hung);
    assert_eq!(poll_within(&*hung, SHORT).await.unwrap_err().kind, ErrorKind::Timeout);
    poll_within(&*well, SHORT).await.unwrap();
    lab.fleet.heal(&Share::All);
    poll(&*lab.open("gw-1")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_is_cut_while_it_is_open() {
    let lab = Lab::of(&[&[]]);
    let source = lab.open("gw-1");
    poll(&*source).await.unwrap();
    lab.fleet.break_down(&Share::All, Fault::Closes);
    let error = poll_within(&*source, SHORT).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error:?}");
    assert_eq!(lab.fleet.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_device_is_slow_and_right() {
    let delay = Duration::from_millis(300);
    let lab = Lab::of(&[&[Span::always(Fault::Slow(delay))]]);
    let reading = poll(&*lab.open("gw-1")).await.unwrap();
    assert!(reading.reachability.held_ms.unwrap() >= 300.0 && reading.faults.is_empty());
}
