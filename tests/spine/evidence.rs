//! Who fills a table and what to change, from the alert to the answer of the API.

use std::collections::BTreeMap;

use cliffwatch_tests::{
    ConntrackLock, History, Inventory, Kind, Need, Netns, Plan, Rules, Service, Setup, Sshd, needs, run,
};
use serde_json::Value;

const DEVICE: &str = "nat-gw-3";
const LIMIT: u64 = 600;
/// What `cliffwatch access` says that it needs.
const ALLOWED: &str = "/usr/sbin/conntrack -L -o extended";
/// Without one, an alert is all that there is.
const SETTINGS: &str = "settings: { namespaces: false, evidence: true }";

#[test]
fn an_alert_names_the_source_that_fills_the_table_and_what_to_change() {
    let listing = [Need::Program("sudo"), Need::Program("conntrack")];
    if !needs(&[ConntrackLock::NEEDS, Netns::NEEDS, Sshd::NEEDS, History::NEEDS, &listing]) {
        return;
    }
    let netns = Netns::new(Rules::default());
    let Some(_lock) = ConntrackLock::lower(LIMIT, None) else { return };
    let sshd = Sshd::inside_with_sudo(&netns, ALLOWED);
    let service = Service::start(Setup {
        inventory: Inventory::new().with(DEVICE, &sshd).and(SETTINGS).to_string(),
        rules: crate::filling::RULES.to_owned(),
        ..Setup::default()
    });
    service.wait_polled(DEVICE);
    let tcp = u32::try_from(LIMIT).expect("a small number") * 2;
    let _flows = netns.open_flows(Plan { tcp, kind: Kind::Assured, ..Plan::default() });
    let alert = service.wait_alert(DEVICE, "refusing", "firing");
    let path = format!("/api/v1/alerts/{}", alert.alert_id);
    let detail = service.wait("what was gathered", || {
        let detail = service.http().get(&path).json();
        item(&detail, "top_sources").is_some().then_some(detail)
    });

    let sources = item(&detail, "top_sources").expect("sources");
    let (address, entries) = fullest_source(&netns);
    assert_eq!(sources["addresses"][0]["address"], address, "{sources}");
    let told = sources["addresses"][0]["entries"].as_u64().expect("a number");
    assert!(told * 10 >= entries * 9, "{told} of {entries}");
    let shares = item(&detail, "shares").expect("shares");
    assert!(shares["assured"].as_f64().expect("a share") > 0.9, "{shares}");
    let fixes = detail["fixes"].as_array().expect("fixes");
    let mut lines = fixes.iter().flat_map(|fix| fix["now"].as_array().expect("lines"));
    let raised = lines.find_map(|line| {
        let (_, number) = line.as_str()?.split_once("nf_conntrack_max=")?;
        number.trim_matches(['"', '\'']).parse::<u64>().ok()
    });
    let raised = raised.unwrap_or_else(|| panic!("no limit in {fixes:?}"));
    assert!((LIMIT * 7 / 2..=LIMIT * 4).contains(&raised), "four times the peak: {raised}");
    assert_eq!(sshd.logins(), 1, "it is asked on the session that is held");
}

/// What was gathered under this name.
fn item(detail: &Value, what: &str) -> Option<Value> {
    let items = detail["gathered"].as_array()?;
    Some(items.iter().find(|item| item["what"] == what)?["value"].clone())
}

/// Counted by ourselves, from the kernel's own list.
fn fullest_source(netns: &Netns) -> (String, u64) {
    let list = run(netns.exec("conntrack").arg("-L"));
    let mut sources: BTreeMap<String, u64> = BTreeMap::new();
    for line in list.lines() {
        let source = line.split_whitespace().find_map(|word| word.strip_prefix("src="));
        *sources.entry(source.expect("a source").to_owned()).or_default() += 1;
    }
    sources.into_iter().max_by_key(|(_, entries)| *entries).expect("entries")
}
