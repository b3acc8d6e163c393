use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use cliffwatch_api::{LISTEN_DEFAULT, TlsFiles};
use cliffwatch_model::PollerName;
use cliffwatch_source::SecretRef;
use cliffwatch_store::StoreUrl;

use super::file::{ConfigFile, RetentionFile, TokenFile};
use super::{Config, Given, Origin, Retention, Token, access};
use crate::diagnostics::{Problem, Report};
use crate::inventory::NamedPath;
use crate::value::{Span, check_secret};
use crate::yaml::{self, At, OneOrMany, nearest};

/// The file that is read when none is named.
const CONFIG_FILE: &str = "cliffwatch.yaml";
/// What is the inventory when none is named: those of these that exist.
const INVENTORY: [&str; 2] = ["inventory.yaml", "inventory.d"];
/// The rules when none are named, where it exists.
const RULES: &str = "rules.yaml";
/// The history when none is named.
const STORE: &str = "cliffwatch.db";
/// Our name when none is given.
const POLLER: &str = "main";

const DAY: Duration = Duration::from_secs(86_400);

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    pub config: Option<PathBuf>,
    pub inventory: Vec<PathBuf>,
    pub rules: Vec<PathBuf>,
    pub store: Option<String>,
    pub listen: Option<String>,
}

/// What the environment says.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

const ENV_CONFIG: &str = "CLIFFWATCH_CONFIG";
const ENV_POLLER: &str = "CLIFFWATCH_POLLER";
const ENV_LISTEN: &str = "CLIFFWATCH_LISTEN";
const ENV_STORE: &str = "CLIFFWATCH_STORE";
const ENV_STORE_PASSWORD_FILE: &str = "CLIFFWATCH_STORE_PASSWORD_FILE";
const ENV_DATA_DIR: &str = "CLIFFWATCH_DATA_DIR";
const ENV_INVENTORY: &str = "CLIFFWATCH_INVENTORY";
const ENV_RULES: &str = "CLIFFWATCH_RULES";
const ENV_ALLOW_PLAINTEXT: &str = "CLIFFWATCH_ALLOW_PLAINTEXT";

/// The variables that are read, with the logging's.
const VARIABLES: [&str; 10] = [
    ENV_CONFIG,
    ENV_POLLER,
    ENV_LISTEN,
    ENV_STORE,
    ENV_STORE_PASSWORD_FILE,
    ENV_DATA_DIR,
    ENV_INVENTORY,
    ENV_RULES,
    ENV_ALLOW_PLAINTEXT,
    crate::logging::VARIABLE,
];

/// Warns of variables that look like a misspelt one of ours.
pub(crate) fn check_variables<'a>(names: impl IntoIterator<Item = &'a str>, report: &mut Report) {
    for name in names.into_iter().filter(|name| name.starts_with("CLIFFWATCH_") && !VARIABLES.contains(name))
    {
        if let Some(known) = nearest(name, VARIABLES) {
            report.push(
                Problem::warning(
                    None,
                    format!("environment variable `{name}` is not known and has no effect"),
                )
                .hint(format!("did you mean `{known}`?")),
            );
        }
    }
}

/// Reads the configuration. It is good for use only when the report has no error.
/// `secrets` tells whether they are looked at where they are kept.
pub(crate) fn load(flags: &Flags, env: Environment<'_>, secrets: bool, report: &mut Report) -> Config {
    let (file, folder) = read_file(flags, env, report);
    warn_later(&file, report);
    let sources = Sources { flags, env, folder: &folder, secrets };
    let store = sources.store(file.store, report);
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
    let keys = [
        ("syslog", file.syslog),
        ("notify", file.notify),
        ("timezone", file.timezone),
        ("maintenance", file.maintenance),
    ];
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

/// Everything that may say a value.
struct Sources<'a> {
    flags: &'a Flags,
    env: Environment<'a>,
    folder: &'a Path,
    secrets: bool,
}

impl Sources<'_> {
    /// The text of a value from the one that outranks the others.
    fn text(
        &self,
        flag: Option<(&'static str, &String)>,
        variable: &'static str,
        file: Option<At<String>>,
    ) -> Option<Given<String>> {
        if let Some((name, text)) = flag {
            return Some(Given::new(text.clone(), Origin::Flag(name)));
        }
        let variable = (self.env)(variable).map(|text| Given::new(text, Origin::Environment(variable)));
        variable.or_else(|| file.map(Given::from))
    }

    fn poller(&self, file: Option<At<String>>, report: &mut Report) -> Given<PollerName> {
        let given = self.text(None, ENV_POLLER, file).unwrap_or_else(|| Given::default(POLLER.to_owned()));
        parsed(given, report, |text| PollerName::new(text).map_err(|error| (error.to_string(), None)))
            .unwrap_or_else(|| {
                #[expect(clippy::expect_used, reason = "the constant is a valid name")]
                Given::default(PollerName::new(POLLER).expect("a plain word is a name"))
            })
    }

    fn listen(&self, file: Option<At<String>>, report: &mut Report) -> Given<SocketAddr> {
        let flag = self.flags.listen.as_ref().map(|text| ("--listen", text));
        let given = self.text(flag, ENV_LISTEN, file);
        let read = |text: &str| {
            let text =
                text.strip_prefix("localhost:").map_or(text.to_owned(), |port| format!("127.0.0.1:{port}"));
            let hint = "write IP:PORT, such as `127.0.0.1:8473` or `[::1]:8473`";
            text.parse()
                .map_err(|_| (format!("`{text}` is not an address to listen on"), Some(hint.to_owned())))
        };
        given.and_then(|given| parsed(given, report, read)).unwrap_or_else(|| Given::default(LISTEN_DEFAULT))
    }

    fn allow_plaintext(&self, file: Option<At<bool>>, report: &mut Report) -> Given<bool> {
        let read = |text: &str| {
            bool::from_str(text).map_err(|_| (format!("expected `true` or `false`, found `{text}`"), None))
        };
        let variable =
            self.text(None, ENV_ALLOW_PLAINTEXT, None).and_then(|given| parsed(given, report, read));
        variable.or_else(|| file.map(Given::from)).unwrap_or_else(|| Given::default(false))
    }

    fn store(&self, file: Option<At<String>>, report: &mut Report) -> Given<StoreUrl> {
        let flag = self.flags.store.as_ref().map(|text| ("--store", text));
        let read = |text: &str| {
            text.parse::<StoreUrl>().map_err(|error| {
                let error = error.to_string();
                let hint = error.contains("password").then(|| {
                    format!("write `store: postgres://user@host/db` and `store_password: {{ file: … }}` (or set {ENV_STORE_PASSWORD_FILE})")
                });
                (error, hint.or_else(|| Some("write `sqlite:FILE` or `postgres://user@host/db`".to_owned())))
            })
        };
        self.text(flag, ENV_STORE, file)
            .and_then(|given| parsed(given, report, read))
            .unwrap_or_else(|| Given::default(StoreUrl::Sqlite(STORE.into())))
    }

    fn store_password(
        &self,
        file: Option<At<crate::value::SecretSpec>>,
        report: &mut Report,
    ) -> Option<Given<SecretRef>> {
        let variable = (self.env)(ENV_STORE_PASSWORD_FILE).map(|path| {
            Given::new(SecretRef::File(path.into()), Origin::Environment(ENV_STORE_PASSWORD_FILE))
        });
        let password =
            variable.or_else(|| file.map(|spec| Given::from(spec.map(|spec| spec.resolve(self.folder)))))?;
        if self.secrets {
            check_secret(&password.value, password.origin.at(), "the store's password", report);
        }
        Some(password)
    }

    fn data_dir(&self, file: Option<At<String>>, store: &StoreUrl) -> Given<PathBuf> {
        let beside_store = match store {
            StoreUrl::Sqlite(path) => path.parent().unwrap_or(Path::new("")).to_path_buf(),
            StoreUrl::Postgres(_) => PathBuf::new(),
        };
        match self.text(None, ENV_DATA_DIR, file) {
            Some(given) => Given::new(given.value.into(), given.origin),
            None => Given::default(beside_store),
        }
    }

    fn inventory(&self, file: OneOrMany<At<String>>) -> Given<Vec<NamedPath>> {
        let given = self.paths("--inventory", &self.flags.inventory, ENV_INVENTORY, file);
        given.unwrap_or_else(|| Given::default(self.existing(&INVENTORY)))
    }

    fn rules(&self, file: OneOrMany<At<String>>) -> Given<Vec<NamedPath>> {
        let given = self.paths("--rules", &self.flags.rules, ENV_RULES, file);
        given.unwrap_or_else(|| Given::default(self.existing(&[RULES])))
    }

    fn paths(
        &self,
        flag: &'static str,
        flags: &[PathBuf],
        variable: &'static str,
        file: OneOrMany<At<String>>,
    ) -> Option<Given<Vec<NamedPath>>> {
        let unplaced = |path: PathBuf| NamedPath { path, at: None };
        if !flags.is_empty() {
            return Some(Given::new(flags.iter().cloned().map(unplaced).collect(), Origin::Flag(flag)));
        }
        if let Some(list) = (self.env)(variable) {
            let paths = std::env::split_paths(&list).map(unplaced).collect();
            return Some(Given::new(paths, Origin::Environment(variable)));
        }
        let first = file.0.first()?.at;
        let placed = |path: At<String>| NamedPath { path: self.folder.join(path.value), at: Some(path.at) };
        Some(Given::new(file.0.into_iter().map(placed).collect(), Origin::File(first)))
    }

    fn existing(&self, names: &[&str]) -> Vec<NamedPath> {
        let paths = names.iter().map(|name| self.folder.join(name));
        paths.filter(|path| path.exists()).map(|path| NamedPath { path, at: None }).collect()
    }

    fn tokens(&self, files: Vec<TokenFile>, report: &mut Report) -> Vec<Token> {
        let mut tokens: Vec<Token> = Vec::new();
        for file in files {
            let name = file.name.value;
            if tokens.iter().any(|token| token.name == name) {
                let message = format!("duplicate token `{name}`");
                report.push(Problem::error(file.name.at, message).hint("each token has a name of its own"));
            }
            let secret = Given::from(file.secret.map(|spec| spec.resolve(self.folder)));
            if self.secrets {
                check_secret(&secret.value, secret.origin.at(), &format!("token `{name}`"), report);
            }
            tokens.push(Token { name, scope: file.scope, secret });
        }
        tokens
    }
}

/// The value of a text, or a problem that names its origin.
fn parsed<T>(
    given: Given<String>,
    report: &mut Report,
    read: impl FnOnce(&str) -> Result<T, (String, Option<String>)>,
) -> Option<Given<T>> {
    match read(&given.value) {
        Ok(value) => Some(Given::new(value, given.origin)),
        Err((message, hint)) => {
            let message = match given.origin {
                Origin::File(_) | Origin::Default => message,
                origin => format!("{origin}: {message}"),
            };
            report.push(Problem { hint, ..Problem::error(given.origin.at(), message) });
            None
        }
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
