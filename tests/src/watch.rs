//! What a running service says of devices and alerts, over REST and in its log.

use std::time::Duration;

use cliffwatch_model::Timestamp;
use serde_json::Value;

use crate::eventually::eventually;
use crate::service::Service;

/// Some intervals of a lab's device, a rule's `for`, a pause after failed logins, and a loaded machine.
const SOON: Duration = Duration::from_secs(60);

/// An open alert as REST gives it.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Alert {
    /// The device that it is about.
    pub device: String,
    /// The rule.
    pub rule: String,
    /// `pending`, `firing`, …
    pub state: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// The same as long as the alert lives.
    pub alert_id: String,
    /// Transitions so far.
    pub seq: u64,
}

/// An alert event as the service told people: a line of its log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Told {
    /// The event's id.
    pub id: String,
    /// When the line was written, by the machine's clock.
    pub at: Timestamp,
}

impl Service {
    /// The open alerts, in the order of device and rule. The service tells them from memory, without its store.
    pub fn alerts(&self) -> Vec<Alert> {
        let text = |alert: &Value, name: &str| alert[name].as_str().unwrap_or_default().to_owned();
        let answer = self.http().get("/api/v1/alerts?state=open&limit=200").json();
        let items = answer["items"].as_array().unwrap_or_else(|| panic!("no items in {answer}"));
        let mut alerts: Vec<Alert> = items
            .iter()
            .map(|alert| Alert {
                device: text(alert, "device"),
                rule: text(alert, "rule"),
                state: text(alert, "state"),
                severity: text(alert, "severity"),
                alert_id: text(alert, "alert_id"),
                seq: alert["seq"].as_u64().expect("a number"),
            })
            .collect();
        alerts.sort();
        alerts
    }

    /// The open alert of this rule on this device.
    pub fn alert(&self, device: &str, rule: &str) -> Option<Alert> {
        self.alerts().into_iter().find(|alert| alert.device == device && alert.rule == rule)
    }

    /// Waits until the rule's alert on the device is in this state.
    ///
    /// # Panics
    ///
    /// When it is not within a minute; so do the others.
    pub fn wait_alert(&self, device: &str, rule: &str, state: &str) -> Alert {
        let what = format!("{rule} of {device} to be {state}");
        self.wait(&what, || self.alert(device, rule).filter(|alert| alert.state == state))
    }

    /// Waits until no alert of the rule is open on the device.
    pub fn wait_closed(&self, device: &str, rule: &str) {
        self.wait(&format!("{rule} of {device} to end"), || self.alert(device, rule).is_none().then_some(()));
    }

    /// Waits until the newest poll of the device has this outcome.
    pub fn wait_outcome(&self, device: &str, outcome: &str) {
        let what = format!("a poll of {device} that is {outcome}");
        self.wait(&what, || (self.outcome(device)? == outcome).then_some(()));
    }

    /// Waits for the next poll of the device that reads something.
    pub fn wait_polled(&self, device: &str) {
        let last = || self.http().get(&format!("/api/v1/devices/{device}")).json()["last_success_at"].clone();
        let before = last();
        let what = format!("a good poll of {device}");
        self.wait(&what, || Some(last()).filter(|last| last.is_string() && *last != before));
    }

    /// The same for several devices.
    pub fn wait_all_polled(&self, devices: &[&str]) {
        devices.iter().for_each(|device| self.wait_polled(device));
    }

    /// How the newest poll of the device went.
    pub fn outcome(&self, device: &str) -> Option<String> {
        let answer = self.http().get(&format!("/api/v1/devices/{device}")).json();
        answer["last_outcome"].as_str().map(str::to_owned)
    }

    /// Looks again and again.
    pub fn wait<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> T {
        eventually(SOON, what, look)
    }

    /// The value of one series of `/metrics`, by the beginning of its line.
    pub fn metric(&self, series: &str) -> Option<f64> {
        let metrics = self.http().get("/metrics").body;
        let line = metrics.lines().find(|line| line.starts_with(series))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Every event that was told, in order, over all its starts.
    pub fn told(&self) -> Vec<Told> {
        let log = self.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let told = lines.filter(|line| line["message"] == "Alert.");
        told.map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or_else(|| panic!("no {name} in {line}"));
            let at = Timestamp::parse(text("timestamp")).expect("a time");
            Told { id: text("id").to_owned(), at }
        })
        .collect()
    }
}
