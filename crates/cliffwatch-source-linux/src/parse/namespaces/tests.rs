use cliffwatch_model::{Reading, TableState, Timestamp};
use cliffwatch_source::Settings;
use cliffwatch_source::testkit::plain_target;

use crate::parse::Decoder;

const BOOT: &str = "==> /proc/sys/kernel/random/boot_id <==\nca684a96-8fa4-4968-89fc-788f4936bfeb\n";
const COLUMNS: &str = "columns entries drop early_drop\n";
const DOCKER: &str =
    "/system.slice/docker-3f9ad07c4f7bb3a9e21a6b0d1c8f44e2a1b2c3d4e5f60718293a4b5c6d7e8f90.scope";
const OTHER: &str =
    "/system.slice/docker-aaaad07c4f7bb3a9e21a6b0d1c8f44e2a1b2c3d4e5f60718293a4b5c6d7e8f90.scope";

/// A device, from one reply to the next.
struct Device {
    decoder: Decoder,
    now: u64,
}

impl Device {
    fn new() -> Self {
        Self::with(r#"{"namespaces":true}"#)
    }

    fn with(settings: &str) -> Self {
        let platform = cliffwatch_model::Platform::new("linux").unwrap();
        let mut target = plain_target("gw", &platform, None);
        target.settings = Settings::new(serde_json::from_str(settings).unwrap());
        Self { decoder: Decoder::new(&target).unwrap(), now: 1_000 }
    }

    fn reply(&mut self, sections: &str) -> Reading {
        let host = "==> /proc/sys/net/netfilter/nf_conntrack_count <==\n5\n\
                    ==> /proc/sys/net/netfilter/nf_conntrack_max <==\n1000\n\
                    ==> /proc/net/stat/nf_conntrack <==\nentries drop early_drop\n5 0 0\n";
        let reply = format!("{BOOT}{host}{sections}==> end <==\n");
        self.decoder.decode(reply.as_bytes(), Timestamp::from_secs(1_700_000_000), None).unwrap()
    }

    /// A census a minute after the one before.
    fn census(&mut self, lines: &str) -> Reading {
        self.now += 6_000;
        let walk = format!("walk net/stat/nf_conntrack 11 10.00 10.05 - 90 0\nnow {}\nownnet 70\n", self.now);
        self.reply(&format!("==> namespaces <==\n{walk}{COLUMNS}{lines}"))
    }

    fn poll(&mut self, lines: &str) -> Reading {
        self.reply(&format!("==> namespace readers <==\n{COLUMNS}{lines}"))
    }
}

/// `NAME used drop`, of the tables beside the host's; `-` where the counter was not told.
fn tables(reading: &Reading) -> Vec<String> {
    let line = |sample: &cliffwatch_model::Sample| {
        let drop = sample.counters.iter().find(|(name, _)| name.as_str() == "drop");
        let drop = drop.map_or("-".to_owned(), |(_, counter)| counter.value().to_string());
        format!("{} {} {drop}", sample.table.scope.name, sample.used.unwrap())
    };
    reading.samples.iter().skip(1).map(line).collect()
}

fn is_complete(reading: &Reading) -> bool {
    reading.complete.iter().any(|group| group.as_str() == "namespaces")
}

fn ns(inode: u64, pid: u32, start: u64, executed: &str, row: &str, group: &str) -> String {
    format!("ns {inode}\t{pid}\t{start}\t\t{executed}\t{row}\t{group}\t\n")
}

#[test]
fn each_namespace_has_the_kernels_one_limit() {
    let mut device = Device::new();
    let reading = device.census(&format!(
        "run 77\tblue\n{}{}{}{}",
        ns(12, 900, 500, "", "1f4 2 1.0=3", DOCKER),
        ns(13, 901, 500, "blue", "a 2", "/user.slice"),
        ns(14, 902, 500, "", "1 2", "/"),
        ns(11, 1, 1, "", "5 2", "/init.scope"),
    ));
    assert_eq!(tables(&reading), ["docker-3f9ad07c4f7b 500 3", "blue 10 0", "inode-14 1 0"]);
    let sample = &reading.samples[1];
    assert_eq!((sample.capacity.unwrap().limit.get(), sample.sheds_at), (1_000, Some(950)));
    assert_eq!(
        (sample.state, sample.table.path().as_str()),
        (TableState::Tracking, "netns/docker-3f9ad07c4f7b/conntrack/nf_conntrack")
    );
    assert!(is_complete(&reading) && reading.faults.is_empty(), "{:?}", reading.faults);
    assert_eq!(reading.load.figures["namespaces"].to_bits(), 4.0_f64.to_bits());
    assert_eq!(reading.load.figures["namespace_census_ms"].to_bits(), 50.0_f64.to_bits());
}

#[test]
fn the_poll_between_believes_a_process_only_in_the_namespace_it_was_found_in() {
    let mut device = Device::new();
    device.census(&(ns(12, 900, 500, "", "1 2", DOCKER) + &ns(13, 901, 500, "", "1 2", OTHER)));
    let reading = device.poll("12\t900\t2 2\n13\t900\t3 2\n12\t901\t4 2\n99\t7\t5 2\n");
    assert_eq!(tables(&reading), ["docker-3f9ad07c4f7b 2 0"]);
    assert!(!is_complete(&reading), "the others are not gone");
    let broken = device.poll("12\t900\tjunk\n");
    assert_eq!((tables(&broken).len(), broken.faults.len()), (0, 1));
}

#[test]
fn a_namespace_that_never_held_anything_is_no_table_until_it_does() {
    let mut device = Device::new();
    let first = device.census(&ns(12, 900, 500, "", "0 2", DOCKER));
    assert!(tables(&first).is_empty() && is_complete(&first));
    assert_eq!(first.load.figures["namespaces_untracked"].to_bits(), 1.0_f64.to_bits());
    assert_eq!(tables(&device.poll("12\t900\t7 2 1.0=2\n")), ["docker-3f9ad07c4f7b 7 2"]);
    let empty = device.poll("12\t900\t0 2\n");
    assert_eq!(
        (tables(&empty), empty.samples[1].state),
        (vec!["docker-3f9ad07c4f7b 0 0".into()], TableState::Unknown)
    );
}

#[test]
fn a_reader_that_exits_leaves_the_namespace_its_name_and_its_counters() {
    let mut device = Device::new();
    device.census("");
    let born = device.census(&ns(12, 900, device.now + 100, "", "5 2 1.0=3", DOCKER));
    let epoch = born.samples[1].epoch.clone().unwrap();
    assert_eq!(epoch.as_str(), format!("netns:12:{}", device.now - 6_000 + 100));
    // Another process, older or younger than the last census, without a container's name.
    for start in [50, device.now + 10] {
        let next = device.census(&ns(12, 950, start, "", "6 2 1.0=4", "/"));
        assert_eq!(tables(&next), ["docker-3f9ad07c4f7b 6 4"]);
        assert_eq!(next.samples[1].epoch.as_ref(), Some(&epoch));
    }
    assert_eq!(tables(&device.poll("12\t950\t7 2 1.0=4\n")), ["docker-3f9ad07c4f7b 7 4"]);
}

#[test]
fn an_inode_that_the_kernel_gave_away_again_is_another_namespace() {
    let mut device = Device::new();
    device.census("");
    let one = device.census(&ns(12, 900, device.now + 1, "", "5 2 1.0=3", DOCKER));
    let two = device.census(&ns(12, 990, device.now + 1, "", "1 2 1.0=1", OTHER));
    assert_eq!(tables(&two), ["docker-aaaad07c4f7b 1 1"]);
    assert_ne!(one.samples[1].epoch, two.samples[1].epoch);
    // The same container, started again: its counters went back.
    let three = device.census(&ns(12, 995, device.now + 1, "", "1 2", OTHER));
    assert_eq!(tables(&three), ["docker-aaaad07c4f7b 1 0"]);
    assert!(three.samples[1].epoch.is_some() && three.samples[1].epoch != two.samples[1].epoch);
}

#[test]
fn the_history_of_a_namespace_that_may_be_old_is_no_event() {
    let mut device = Device::new();
    // Nobody runs in `blue`; somebody enters it later.
    let first = device.census("run 77\tblue\n");
    assert!(first.faults[0].message.contains("at least 1 of the 1"), "{:?}", first.faults);
    assert!(first.faults[0].hint.as_ref().unwrap().contains("cliffwatch-netns \"\""), "{:?}", first.faults);
    let entered =
        device.census(&format!("run 77\tblue\n{}", ns(12, 900, device.now + 1, "blue", "5 2 1.0=3e7", "")));
    assert_eq!(tables(&entered), ["blue 5 -"]);
    assert!(entered.faults.is_empty() && entered.samples[1].epoch.is_none());
    assert_eq!(tables(&device.poll("12\t900\t5 2 1.0=3e7\n")), ["blue 5 999"]);
    // One that is made after a census is new.
    let made = device.census(&format!(
        "run 77\tblue\nrun 78\tred\n{}{}",
        ns(12, 900, 500, "blue", "5 2 1.0=3e7", ""),
        ns(13, 901, device.now + 1, "red", "5 2 1.0=4", "")
    ));
    assert_eq!(tables(&made), ["blue 5 999", "red 5 4"]);
    // A process without a container may have entered an old namespace, and so may one of a container that has its own.
    device.census(&ns(16, 920, 20, "", "5 2", OTHER));
    let entered = device.census(&format!(
        "{}{}{}",
        ns(16, 920, 20, "", "5 2", OTHER),
        ns(17, 921, device.now + 1, "", "5 2 1.0=3e7", "/user.slice"),
        ns(18, 922, device.now + 1, "", "5 2 1.0=3e7", OTHER),
    ));
    assert_eq!(tables(&entered), ["docker-aaaad07c4f7b 5 0", "inode-17 5 -", "docker-aaaad07c4f7b-18 5 -"]);
    // A process that began before the last census brought no new namespace.
    let older = device.census(&ns(15, 10, 20, "", "5 2 1.0=4", DOCKER));
    assert_eq!(tables(&older), ["docker-3f9ad07c4f7b 5 -"]);
}

#[test]
fn of_two_that_claim_a_name_none_is_believed_unless_it_had_it_before() {
    let claims = |row: &str| {
        format!("run 77\tblue\n{}{}", ns(12, 900, 500, "blue", row, ""), ns(13, 901, 501, "blue", row, ""))
    };
    assert_eq!(tables(&Device::new().census(&claims("1 2"))), ["inode-12 1 0", "inode-13 1 0"]);
    let mut device = Device::new();
    device.census(&format!("run 77\tblue\n{}", ns(12, 900, 500, "blue", "1 2", "")));
    assert_eq!(tables(&device.census(&claims("1 2"))), ["blue 1 0", "inode-13 1 -"]);
    // A name that is not there, is the login's own, or is only what every sysfs is called.
    let mut device = Device::new();
    let lines =
        ns(12, 900, 500, "nowhere", "1 2", "") + "run 70\town\n" + &ns(13, 901, 500, "own", "1 2", "");
    assert_eq!(tables(&device.census(&lines)), ["inode-12 1 0", "inode-13 1 0"]);
}

#[test]
fn one_name_is_given_once() {
    let mut device = Device::new();
    let twice = ns(12, 900, 700, "", "1 2", DOCKER) + &ns(13, 901, 500, "", "1 2", DOCKER);
    assert_eq!(tables(&device.census(&twice)), ["docker-3f9ad07c4f7b-12 1 0", "docker-3f9ad07c4f7b 1 0"]);
    let host = format!("run 77\thost\n{}", ns(12, 900, 500, "host", "1 2", ""));
    assert_eq!(tables(&Device::new().census(&host)), ["host-12 1 0"]);
    assert_eq!(tables(&Device::new().census(&ns(12, 1, 0, "", "1 2", "/init.scope"))), ["init 1 0"]);
}

#[test]
fn root_sees_which_name_it_is_and_a_pods_own_says_more() {
    let pod = "/kubepods/burstable/pod0a1b2c3d-1111-2222-3333-444455556666/x";
    let mut device = Device::new();
    let reading = device.census(&format!(
        "run 77\tblue\nrun 78\tcni-0a1b2c3d-1111-2222-3333-444455556666\nrun 79\tred\n\
         ns 12\t900\t500\t77\tred\t1 2\t/system.slice/x.service\t\nns 13\t901\t500\t78\t\t1 2\t{pod}\t\n"
    ));
    assert_eq!(tables(&reading), ["blue 1 0", "pod-0a1b2c3d-1111-2222-3333-444455556666 1 0"]);
    assert!(
        reading.faults[0].message.contains("at least 1 of the 3"),
        "`red` has nobody: {:?}",
        reading.faults
    );
    assert_eq!(device.decoder.namespace_of(77), Some("blue"));
    assert_eq!((device.decoder.namespace_of(70), device.decoder.namespace_of(79)), (Some("host"), None));
}

#[test]
fn a_census_that_may_have_missed_one_makes_nothing_gone() {
    let line = ns(12, 900, 500, "", "1 2", DOCKER);
    let cases = [
        "==> namespaces <==\nhidden\nwalk net/stat/nf_conntrack 11 1.00 1.01 - 9 0\nnow 9\n",
        "==> namespaces <==\nwalk net/stat/nf_conntrack 11 1.00 3.01 time 900 0\nnow 9\n",
        "==> namespaces <==\nwalk net/stat/nf_conntrack 11 1.00 3.01 - 900 17\nnow 9\n",
        "==> namespaces <==\nwalk net/stat/nf_conntrack 11 1.00 3.01 - 900 0\nnow 9\nleft 3\n",
        "==> namespaces <==\nwalk net/stat/nf_conntrack 11 1.00 3.01 - 900 0\nnow 9\nns junk\n",
        "==> namespaces <==\nwalk net/dev 11 1.00 3.01 - 900 0\nnow 9\nns 13\t7\t8\t\t\t\t\t\n",
        "==> namespaces <==\nsh: 1: awk: not found\n",
        "==> namespaces <==\n",
        "==> namespaces <== denied\n==> namespaces <==\nwalk",
    ];
    for case in cases {
        let mut device = Device::new();
        device.census(&line);
        let reading = device.reply(case);
        assert!(!is_complete(&reading) && reading.faults.len() == 1, "{case}: {:?}", reading.faults);
        assert_eq!(device.poll("").faults.len(), 1, "it holds until the next census: {case}");
        assert_eq!(tables(&device.poll("12\t900\t2 2\n")), ["docker-3f9ad07c4f7b 2 0"], "{case}");
        assert!(device.census(&line).faults.is_empty());
    }
    // A process that ended while it was read: its namespace may live on.
    let mut device = Device::new();
    device.census(&line);
    let reading = device.census("ns 12\t900\t\t\t\t\t\t\n");
    assert!(!is_complete(&reading) && reading.faults.is_empty() && tables(&reading).is_empty());
}

#[test]
fn without_the_file_only_namespaces_that_are_there_are_missed() {
    let mut device = Device::new();
    let alone = device.reply("==> namespaces <==\nwalk net/dev 11 1.00 3.01 - 900 0\nnow 9\n");
    assert!(alone.faults.is_empty(), "{:?}", alone.faults);
    let two = "ns 13\t7\t8\t\t\t\t\t\nns 14\t7\t8\t\t\t\t\t\n";
    let reading =
        device.reply(&format!("==> namespaces <==\nwalk net/dev 11 1.00 3.01 - 900 0\nnow 9\n{two}"));
    assert!(
        reading.faults[0].message.contains("2 other network namespaces were not read"),
        "{:?}",
        reading.faults
    );
}

#[test]
fn what_root_reads_completes_what_the_login_sees() {
    let mut device = Device::with(r#"{"namespaces":"sudo"}"#);
    let own = format!(
        "==> namespaces <==\nwalk net/stat/nf_conntrack 11 1.00 1.01 - 9 0\nnow 9\n{COLUMNS}{}",
        ns(12, 900, 5, "", "1 2", "")
    );
    let root = "==> cliffwatch-netns <==\nwalk net/stat/nf_conntrack 11 1.00 1.01 - 9 0\nnow 9\nrun 77\tblue\nrun 78\tred\n\
                columns entries drop early_drop\nns 12\t901\t5\t77\t\t2 2\t\t\nns 13\t0\t\t78\t\t3 2 1.0=4\t\t\n";
    let reading = device.reply(&(own.clone() + root));
    assert_eq!(tables(&reading), ["blue 2 0", "red 3 4"]);
    assert!(is_complete(&reading) && reading.faults.is_empty(), "{:?}", reading.faults);
    assert_eq!(tables(&device.poll("12\t900\t7 2\n")), ["blue 7 0"]);
    let refused = device.reply(&(own + "==> cliffwatch-netns <==\nsudo: a password is required\n"));
    assert!(refused.faults[0].hint.as_ref().unwrap().contains("NOPASSWD: /usr/local/sbin/cliffwatch-netns"));
    assert!(!is_complete(&refused), "what the login sees alone proves nothing here");
}

#[test]
fn a_host_that_tracks_nothing_misses_nothing_and_false_asks_for_none() {
    let section = "==> namespaces <==\nhidden\n";
    let mut off = Device::with(r#"{"namespaces":false}"#);
    assert!(off.reply(section).faults.is_empty());
    let mut device = Device::new();
    let bare = format!(
        "{BOOT}==> /proc/sys/net/netfilter/nf_conntrack_count <== missing\n\
         ==> /proc/sys/net/netfilter/nf_conntrack_max <== missing\n{section}==> end <==\n"
    );
    let reading = device.decoder.decode(bare.as_bytes(), Timestamp::from_secs(1), None).unwrap();
    assert!(reading.faults.is_empty(), "{:?}", reading.faults);
}

#[test]
fn what_comes_and_goes_is_forgotten() {
    let mut device = Device::new();
    for round in 0..200_u64 {
        let lines: String =
            (0..50).map(|n| ns(1_000 + round * 50 + n, 900, device.now, "", "1 2", "")).collect();
        assert_eq!(tables(&device.census(&lines)).len(), 50);
        assert_eq!(device.decoder.namespaces.known(), 50);
    }
    // Where no census is whole they are kept for a while, and never more than a fixed number.
    for round in 0..200_u64 {
        let lines: String =
            (0..50).map(|n| ns(90_000 + round * 50 + n, 900, device.now, "", "1 2", "")).collect();
        device.census(&("ns junk\n".to_owned() + &lines));
        assert!(device.decoder.namespaces.known() <= 4_000);
    }
    assert!(device.decoder.namespaces.known() > 2_000);
}
