//! One look at a host for the operator who is about to watch it: what can be read, which right is missing,
//! who answers there, and what a poll costs on both ends.

mod checks;
mod cost;
mod identity;
mod redact;
mod scripts;
mod tiers;

use cliffwatch_source::{Captured, Fact, ProbeContext, ProbeReport};
use cliffwatch_transport::ssh::{SshError, SshStatus};
use tokio::time::Instant;

use crate::config::LinuxSettings;
use crate::fetch::Part;
use crate::parse::Sections;
use crate::paths;
use crate::source::{Held, LinuxSource, Way};
use checks::Checks;
#[cfg(test)]
pub(crate) use scripts::SCRIPTS;
pub(crate) use scripts::{COST, EVIDENCE, RIGHTS};

/// Statistics columns that are not shown: they are dead on current kernels or count something else than
/// their name says, and a 0 would look healthy.
const DEAD_COLUMNS: [&str; 9] = [
    "searched",
    "new",
    "ignore",
    "delete",
    "delete_list",
    "insert",
    "expect_new",
    "expect_create",
    "expect_delete",
];

pub(crate) async fn probe(source: &LinuxSource, cx: &ProbeContext<'_>) -> ProbeReport {
    let (settings, login) = source.settings().await;
    let mut report = ProbeReport::default();
    let checks = match source.way() {
        Way::Local(_) => Checks::of_this_machine(settings).await,
        Way::Ssh(held) => match checks_over(held, settings, cx).await {
            Ok(checks) => {
                let status = held.session().status();
                report.identities = identity::trusted(held.plan(), &status).into_iter().collect();
                report.facts = session_facts(&status);
                checks
            }
            Err(error) => {
                report.identities = identity::refused(held.plan(), &error);
                report.error = Some(error.into());
                return report;
            }
        },
    };
    match source.read(Some(Part::All), &cx.poll).await {
        Err(error) => report.error = Some(error),
        Ok(all) => {
            report.facts.extend(device_facts(&all.sections));
            report.tiers = tiers::of(&all.reading, &checks, settings, &login);
            let measured = cost::measure(source, cx).await;
            if cx.capture {
                report.captured = captured(&all.sections, measured.last.as_ref());
            }
            report.cost = measured.cost;
            report.reading = Some(all.reading);
        }
    }
    report
}

async fn checks_over(
    held: &Held,
    settings: LinuxSettings,
    cx: &ProbeContext<'_>,
) -> Result<Checks, SshError> {
    let mut checks = Checks::default();
    for script in scripts::wanted(settings) {
        let reply = held.ask(script, Instant::now() + cx.poll.deadline).await?;
        checks.read(&reply.stdout);
    }
    Ok(checks)
}

fn session_facts(status: &SshStatus) -> Vec<Fact> {
    let mode = status.mode.map(|mode| mode.as_str().to_owned());
    let named = [
        ("ssh server", status.server_version.clone()),
        ("key exchange", status.key_exchange.clone()),
        ("cipher", status.cipher.clone()),
        ("session", mode),
    ];
    let facts = named.into_iter().filter_map(|(name, value)| Some(Fact { name, value: value? }));
    let warnings =
        status.warnings.iter().map(|warning| Fact { name: "warning", value: (*warning).to_owned() });
    facts.chain(warnings).collect()
}

/// What the reply to a full poll says of the kernel.
fn device_facts(sections: &Sections) -> Vec<Fact> {
    let fact = |name, value: String| Fact { name, value };
    let mut facts = Vec::new();
    if let Some(release) = sections.text(paths::KERNEL) {
        facts.push(fact("kernel", release.trim().to_owned()));
    }
    if let Some(path) = paths::MAX.into_iter().find(|path| sections.text(path).is_some()) {
        facts.push(fact("limit from", format!("{path}: one limit for all network namespaces of the host")));
    }
    let set_up =
        "new connections per second: no kernel since 4.9 counts them, so that the set-up rate is null";
    facts.push(fact("cannot be shown", set_up.to_owned()));
    let header = paths::STAT.into_iter().find_map(|path| sections.text(path)?.lines().next());
    let shown =
        |column: &&str| header.is_some_and(|header| header.split_whitespace().any(|name| name == *column));
    let dead: Vec<&str> = DEAD_COLUMNS.into_iter().filter(shown).collect();
    if !dead.is_empty() {
        let why = "dead on current kernels, or not what their names say";
        facts.push(fact("cannot be shown", format!("statistics columns {}: {why}", dead.join(", "))));
    }
    facts
}

/// The replies of a full and of an ordinary poll, as `decode` reads them.
fn captured(all: &Sections, fast: Option<&Sections>) -> Vec<Captured> {
    let mut redaction = redact::Redaction::default();
    let mut file = |name: &str, sections| Captured { file: name.to_owned(), text: redaction.text(sections) };
    let mut files = vec![file("01-all.txt", all)];
    files.extend(fast.map(|fast| file("02-fast.txt", fast)));
    files
}
