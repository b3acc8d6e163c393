use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{DeviceSettings, Fix, Platform, Reading, Remedy, Timestamp};
use cliffwatch_source::{
    Access, DecodeError, HubStatus, OpenError, Opened, Problem, SettingsError, SourceFactory, Target, Weight,
};
use cliffwatch_transport::ssh::{HostKeyPolicy, SshHub};

use crate::access;
use crate::config::LinuxSettings;
use crate::evidence::Questions;
use crate::local::Local;
use crate::login::{self, Plan};
use crate::parse::Decoder;
use crate::source::{Held, LinuxSource, Way};

/// A poll costs a host well under a millisecond.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// The file of a captured answer, without `.txt`.
const EVIDENCE: &str = "evidence";

/// Captured replies of one folder: an hour of 10 s polls.
const CAPTURES_MAX: usize = 360;

/// The platform `linux`.
#[derive(Debug)]
pub struct LinuxFactory {
    hub: Arc<SshHub>,
}

impl LinuxFactory {
    /// The platform, on the process's SSH sessions.
    pub fn new(hub: Arc<SshHub>) -> Self {
        Self { hub }
    }
}

impl SourceFactory for LinuxFactory {
    fn platform(&self) -> Platform {
        #[expect(clippy::expect_used, reason = "the constant is a valid name")]
        Platform::new("linux").expect("a plain word is a platform")
    }

    fn interval_min(&self) -> Duration {
        INTERVAL_MIN
    }

    fn check(&self, target: &Target) -> Vec<Problem> {
        let settings = target.settings.read::<LinuxSettings>();
        let mut problems = Vec::new();
        problems.extend(settings.err().map(error));
        if login::is_local(target) {
            problems.extend(needless_for_local(target));
            return problems;
        }
        problems.extend(login::errors(target).into_iter().map(error));
        if login::host_key(target.ssh.host_key.as_ref(), "host_key") == Ok(HostKeyPolicy::Unset) {
            problems.push(Problem { weight: Weight::Unpinned, ..error(missing_host_key(target)) });
        }
        if target.ssh.legacy {
            problems
                .push(warning("ssh.legacy", "key exchanges and ciphers with known weaknesses are allowed"));
        }
        problems
    }

    fn open(&self, target: &Target) -> Result<Opened, OpenError> {
        let settings = target.settings.read::<LinuxSettings>()?;
        let questions = questions(target)?;
        let decoder = Decoder::new(target)?;
        let way = if login::is_local(target) {
            Way::Local(Local::new(&settings))
        } else {
            let plan = Plan::new(target)?;
            let login = plan.target()?;
            Way::Ssh(Box::new(Held::new(Arc::clone(&self.hub), plan, login)))
        };
        let source = LinuxSource::new(way, &settings, questions, decoder);
        Ok(Opened { source: Arc::new(source), pushed: None })
    }

    fn access(&self) -> Vec<Access> {
        access::of_platform()
    }

    fn access_of(&self, target: &Target) -> Vec<Access> {
        access::of_device(target)
    }

    fn fix(&self, remedy: &Remedy, settings: &DeviceSettings) -> Option<Fix> {
        Some(crate::remedy::fix(remedy, settings))
    }

    fn dials(&self, address: Option<&str>) -> bool {
        address.is_some_and(|address| address != login::LOCAL)
    }

    fn hubs(&self) -> Vec<HubStatus> {
        let open = self.hub.open_breakers();
        let count = u64::try_from(open.len()).unwrap_or(u64::MAX);
        let warnings = open.into_iter().map(|breaker| breaker.message).collect();
        vec![HubStatus { hub: "ssh", figures: BTreeMap::from([("open_breakers", count)]), warnings }]
    }

    fn decode(
        &self,
        folder: &Path,
        target: &Target,
        observed_at: Timestamp,
    ) -> Result<Vec<Reading>, DecodeError> {
        let mut decoder = Decoder::new(target)?;
        let mut readings = Vec::new();
        for path in captured(folder)? {
            let reply = read(&path)?;
            readings.push(if path.file_stem().is_some_and(|stem| stem == EVIDENCE) {
                let evidence = match questions(target)? {
                    Some(questions) => questions.about(decoder.own_table().id(), None).answer(&reply)?,
                    None => Vec::new(),
                };
                Reading { evidence, ..Reading::default() }
            } else {
                decoder.decode(&reply, observed_at, None)?
            });
        }
        Ok(readings)
    }
}

/// How the device may be asked who fills its tables.
fn questions(target: &Target) -> Result<Option<Questions>, SettingsError> {
    let evidence = target.settings.read::<LinuxSettings>()?.evidence;
    let login = target.credential.as_ref().and_then(|credential| credential.username.clone());
    Ok(Questions::new(evidence, login.unwrap_or_else(|| "LOGIN".to_owned())))
}

/// The captured replies of a folder, in the order of their names: `reply.txt`, or `01-….txt`, `02-….txt`; and
/// `evidence.txt`, the answer to a question about the login's own table.
fn captured(folder: &Path) -> Result<Vec<PathBuf>, DecodeError> {
    let file = |source| DecodeError::File { file: folder.display().to_string(), source };
    let mut replies = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(file)? {
        let path = entry.map_err(file)?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            replies.push(path);
        }
    }
    replies.sort();
    replies.truncate(CAPTURES_MAX);
    if replies.is_empty() {
        let missing = std::io::Error::new(std::io::ErrorKind::NotFound, "no captured reply: no *.txt in it");
        return Err(file(missing));
    }
    Ok(replies)
}

fn read(path: &Path) -> Result<Vec<u8>, DecodeError> {
    std::fs::read(path).map_err(|source| DecodeError::File { file: path.display().to_string(), source })
}

fn needless_for_local(target: &Target) -> Option<Problem> {
    let needless = target.credential.is_some() || target.jump.is_some() || target.ssh.host_key.is_some();
    needless.then(|| {
        warning("address", "`local` is read without SSH: credential, host_key and jump_host have no effect")
    })
}

fn missing_host_key(target: &Target) -> SettingsError {
    let address = login::address(target.device.address.as_deref());
    let command = match &address {
        Ok(address) => format!("ssh-keyscan -p {} {} | ssh-keygen -lf -", address.port(), address.host()),
        Err(_) => "ssh-keyscan HOST | ssh-keygen -lf -".to_owned(),
    };
    SettingsError::new(
        "host_key",
        format!(
            "without it no login is made: write `host_key: \"SHA256:…\"` (shown by `{command}`; compare it \
             with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the device), or `known_hosts: FILE`"
        ),
    )
}

fn error(error: SettingsError) -> Problem {
    Problem { field: error.field, message: error.message, weight: Weight::Error }
}

fn warning(field: &str, message: &str) -> Problem {
    Problem { field: field.to_owned(), message: message.to_owned(), weight: Weight::Warning }
}
