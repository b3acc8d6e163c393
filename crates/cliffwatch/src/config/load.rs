use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cliffwatch_api::TlsFiles;

use super::environment::{ENV_CONFIG, Environment};
use super::file::{ConfigFile, RetentionFile};
use super::sources::{Flags, Sources};
use super::{Config, Given, Origin, Retention, access, maintenance};
use crate::diagnostics::{Problem, Report};
use crate::value::Span;
use crate::yaml::{self, At};

/// The file that is read when none is named.
const CONFIG_FILE: &str = "cliffwatch.yaml";

const DAY: Duration = Duration::from_secs(86_400);

/// Reads the configuration. It is good for use only when the report has no error.
/// `secrets` tells whether they are looked at where they are kept.
pub(crate) fn load(flags: &Flags, env: Environment<'_>, secrets: bool, report: &mut Report) -> Config {
    let (file, folder) = read_file(flags, env, report);
    warn_later(&file, report);
    let sources = Sources { flags, env, folder: &folder, secrets };
    let store = sources.store(file.store, report);
    let timezone = maintenance::timezone(file.timezone, report);
    let maintenance = maintenance::maintenance(file.maintenance.0, &timezone.value, report);
    let config = Config {
        poller: sources.poller(file.poller, report),
        only: file.only.map_or_else(|| Given::default(BTreeMap::new()), Given::from),
        listen: sources.listen(file.listen, report),
        tls: file.tls.map(|tls| {
            let file = |path: At<String>| folder.join(path.value);
            let value = TlsFiles {
                cert: file(tls.value.cert),
                key: file(tls.value.key),
                client_ca: tls.value.client_ca.map(file),
            };
            Given::new(value, Origin::File(tls.at))
        }),
        allow_plaintext: sources.allow_plaintext(file.allow_plaintext, report),
        store_password: sources.store_password(file.store_password, report),
        data_dir: sources.data_dir(file.data_dir, &store.value),
        store,
        inventory: sources.inventory(file.inventory),
        rules: sources.rules(file.rules),
        retention: retention(file.retention, report),
        timezone,
        maintenance,
        tokens: sources.tokens(file.auth.tokens, report),
        metrics: file
            .auth
            .metrics
            .map_or_else(|| Given::default(super::MetricsAccess::default()), Given::from),
    };
    access::check(&config, report);
    config
}

/// The file's contents, and the folder that relative paths in it start from.
fn read_file(flags: &Flags, env: Environment<'_>, report: &mut Report) -> (ConfigFile, PathBuf) {
    let named = flags.config.clone().or_else(|| env(ENV_CONFIG).map(PathBuf::from));
    let path = match named {
        Some(path) => path,
        None if Path::new(CONFIG_FILE).exists() => PathBuf::from(CONFIG_FILE),
        None => return (ConfigFile::default(), PathBuf::new()),
    };
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let node = yaml::load(&path, None, report);
    (node.and_then(|node| yaml::read(&node, report)).unwrap_or_default(), folder)
}

fn warn_later(file: &ConfigFile, report: &mut Report) {
    let keys = [("syslog", file.syslog), ("notify", file.notify)];
    for (key, later) in keys {
        if let Some(later) = later {
            let message = format!("`{key}` is not in this version yet: it has no effect");
            report.push(Problem::warning(later.at, message));
        }
    }
    if let Some(rollups) = file.retention.rollups {
        let message = "`retention.rollups` is not in this version yet: no hourly summaries are made";
        report.push(Problem::warning(rollups.at, message));
    }
}

fn retention(file: RetentionFile, report: &mut Report) -> Retention {
    let mut span = |given: Option<At<Span>>, days: u32| match given {
        Some(zero) if zero.value.0.is_zero() => {
            report.push(Problem::error(zero.at, "nothing would be kept").hint("write at least `1h`"));
            Given::default(Span(DAY * days))
        }
        Some(given) => Given::from(given),
        None => Given::default(Span(DAY * days)),
    };
    Retention {
        samples: span(file.samples, 30),
        rollups: span(file.rollups, 400),
        polls: span(file.polls, 30),
        events: span(file.events, 400),
    }
}
