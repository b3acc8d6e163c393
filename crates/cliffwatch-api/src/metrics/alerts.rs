use cliffwatch_model::{AlertEvent, AlertState, Severity};

use super::text::{Exposition, Kind, Labels};
use crate::list::count;
use crate::snapshot::Snapshot;

pub(crate) fn render(out: &mut Exposition, snapshot: &Snapshot) {
    let firing: Vec<&AlertEvent> =
        snapshot.alerts.iter().map(|alert| &**alert).filter(|it| is_firing(it)).collect();
    let help = "1 for each alert that fires, is recovering, or can no longer be measured.";
    let mut each = out.family("cliffwatch_alert_firing", Kind::Gauge, help);
    for alert in &firing {
        let labels = Labels::default()
            .with("rule", &alert.rule)
            .with("device", alert.device.as_str())
            .with_known("table", alert.table.as_deref())
            .with("severity", alert.severity.as_str());
        each.sample(&labels, 1.0);
    }
    let mut sums =
        out.family("cliffwatch_alerts_firing", Kind::Gauge, "The same alerts, counted by severity.");
    for severity in Severity::ALL {
        let number = firing.iter().filter(|alert| alert.severity == *severity).count();
        let labels = Labels::default().with("severity", severity.as_str());
        sums.known(&labels, u64::try_from(number).ok().map(count));
    }
}

/// Recovering is not yet over, and no data is not "resolved": both go on as they were.
fn is_firing(alert: &AlertEvent) -> bool {
    matches!(alert.state, AlertState::Firing | AlertState::Recovering | AlertState::Stale)
}
