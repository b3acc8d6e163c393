//! Pools of addresses and ports, and limits of parts of a device: what a diagnosis says of them, and in which figures.

use cliffwatch_model::CounterClass::{Pressure, Refused};
use cliffwatch_model::{Bound, Pattern, PoolAddresses, Remedy, Role, Setting, TableKind, Unit};

use super::diagnosis::found;
use super::lab::Lab;

/// A gateway whose provider documents so many ports towards one destination.
fn gateway(limit: u64, unit: Unit) -> Lab {
    let mut lab = pool(TableKind::SnatPorts, limit, unit);
    lab.bound(Bound::PerDestination);
    lab
}

fn pool(kind: TableKind, limit: u64, unit: Unit) -> Lab {
    let mut lab = Lab::on("gw", "somebodys", &[]);
    let mut key = (*lab.table().table).clone();
    key.kind = kind;
    let table = lab.table();
    (table.table, table.unit) = (key.into(), unit);
    lab.limit(limit);
    lab
}

fn addresses(lab: &mut Lab) -> (PoolAddresses, String) {
    let grow = lab.remedies().into_iter().find_map(|(pattern, remedy)| match remedy {
        Remedy::GrowPool { addresses, .. } if pattern == Pattern::PortExhaustion => {
            Some((addresses?, remedy.plain().title))
        }
        _ => None,
    });
    grow.unwrap_or_else(|| panic!("{:?}", lab.remedies()))
}

#[test]
fn addresses_are_counted_in_what_the_provider_documents() {
    let mut lab = gateway(55_000, Unit::Connections);
    lab.run("50000x30", &[("failed", Refused, "0x20 0+9x9")]);
    let (more, title) = addresses(&mut lab);
    assert_eq!(more, PoolAddresses { per_address: 55_000, present: 1, add: 3, at_most: Some(8) });
    assert!(
        title.ends_with("add 3 public address(es) of 55000 ports each to the 1 there are (it may have 8)"),
        "{title}"
    );
    let mut lab = gateway(64_512 * 2, Unit::Ports);
    lab.run("50000x30", &[("failed", Refused, "0x20 0+9x9")]);
    assert_eq!(
        addresses(&mut lab).0,
        PoolAddresses { per_address: 64_512, present: 2, add: 2, at_most: Some(16) }
    );
}

#[test]
fn no_more_addresses_are_advised_than_there_may_be() {
    let mut lab = gateway(64_512 * 14, Unit::Ports);
    lab.run("500000x30", &[("failed", Refused, "0x20 0+9x9")]);
    let (more, title) = addresses(&mut lab);
    assert_eq!((more.present, more.add), (14, 2));
    assert!(
        title.contains("as many as it may have (it may have 16)") && title.contains("another gateway"),
        "{title}"
    );
    let mut lab = gateway(55_000 * 8, Unit::Connections);
    lab.run("400000x30", &[("failed", Refused, "0x20 0+9x9")]);
    let (more, title) = addresses(&mut lab);
    assert_eq!((more.present, more.add), (8, 0));
    assert!(title.contains("are all that it may have"), "{title}");
    // Over zones each may have more.
    let mut lab = gateway(55_000 * 8, Unit::Connections);
    let mut key = (*lab.table().table).clone();
    key.part = [("zone".into(), "a".into())].into();
    lab.table().table = key.into();
    lab.run("400000x30", &[("failed", Refused, "0x20 0+9x9")]);
    assert_eq!(addresses(&mut lab).0.at_most, Some(32));
}

#[test]
fn a_pool_without_ports_at_a_low_fill_is_told_to_widen() {
    let mut lab = pool(TableKind::NatPool, 64_512, Unit::Ports);
    lab.run("3000x30", &[("alloc_fail", Refused, "0x20 0+9x9")]);
    assert_eq!(lab.diagnosis().pattern, Pattern::PortExhaustion);
    assert_eq!(lab.remedies(), [(Pattern::PortExhaustion, Remedy::WidenPool { per_address: 64_512 })]);
}

#[test]
fn an_address_that_is_filled_first_and_a_low_tier_are_no_trouble() {
    let mut first = pool(TableKind::NatPool, 64_512, Unit::Ports);
    first.table().role = Role::Member;
    let mut low = pool(TableKind::NatPool, 511, Unit::Ports);
    let mut key = (*low.table().table).clone();
    key.part = [("tier".into(), "1-511".into())].into();
    low.table().table = key.into();
    for (mut lab, full) in [(first, "64512x60"), (low, "511x60")] {
        lab.run(full, &[]);
        let diagnosis = lab.diagnosis();
        assert_eq!((diagnosis.pattern, diagnosis.severity), (Pattern::Calm, None), "{diagnosis:#?}");
        assert!(diagnosis.summary.contains("says nothing of the pool"), "{}", diagnosis.summary);
        assert!(lab.remedies().is_empty(), "{:?}", lab.remedies());
    }
}

#[test]
fn a_part_of_a_device_with_a_limit_of_its_own_may_have_a_higher_one() {
    let mut lab = pool(TableKind::Sessions, 100_000, Unit::Sessions);
    lab.table().role = Role::Member;
    lab.run("20000x30 100000x20", &[("throttled", Refused, "0x35 0+9x14")]);
    let raise = (Pattern::HardFull, Remedy::RaiseLimit { peak: 100_000, entries: 400_000 });
    assert!(lab.remedies().contains(&raise), "{:?}", lab.remedies());
}

#[test]
fn a_limit_that_was_lowered_long_ago_explains_a_table_that_is_full_for_it() {
    let mut lab = Lab::new();
    lab.interval = 60;
    lab.limit(4_000);
    lab.run("910x30", &[("drop", Refused, "0")]);
    lab.limit(1_000);
    lab.run("910x150", &[("drop", Refused, "0")]);
    let diagnosis = lab.diagnosis();
    assert!(
        found(&diagnosis, Pattern::LimitLowered).summary.ends_with("to 1,000 entries, 2 h ago"),
        "{diagnosis:#?}"
    );
    assert_eq!(
        lab.remedies()[0],
        (Pattern::LimitLowered, Remedy::RestoreLimit { before: 4_000, now: 1_000 })
    );
}

#[test]
fn too_few_buckets_are_told_though_the_limit_is_right() {
    let mut lab = Lab::new();
    lab.limit(400_000);
    lab.settings = [("nf_conntrack_buckets".to_owned(), Setting::Number(16_384))].into();
    lab.run("50000x60", &[("drop", Refused, "0"), ("found", Pressure, "0")]);
    let more = Remedy::AddBuckets { buckets: 16_384, limit: 400_000, advised: 100_000 };
    assert_eq!(lab.remedies(), [(Pattern::HashSick, more)]);
}
