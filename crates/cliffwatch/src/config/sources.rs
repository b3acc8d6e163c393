use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use cliffwatch_api::LISTEN_DEFAULT;
use cliffwatch_model::PollerName;
use cliffwatch_source::SecretRef;
use cliffwatch_store::StoreUrl;

use super::environment::{
    ENV_ALLOW_PLAINTEXT, ENV_DATA_DIR, ENV_INVENTORY, ENV_LISTEN, ENV_POLLER, ENV_RULES, ENV_STORE,
    ENV_STORE_PASSWORD_FILE, Environment,
};
use super::file::TokenFile;
use super::{Given, Origin, Token};
use crate::diagnostics::{Problem, Report};
use crate::inventory::NamedPath;
use crate::value::{SecretSpec, check_secret};
use crate::yaml::{At, OneOrMany};

/// What is the inventory when none is named: those of these that exist.
const INVENTORY: [&str; 2] = ["inventory.yaml", "inventory.d"];
/// The rules when none are named, where it exists.
const RULES: &str = "rules.yaml";
/// The history when none is named.
const STORE: &str = "cliffwatch.db";
/// Our name when none is given.
const POLLER: &str = "main";

/// What the command line says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    pub config: Option<PathBuf>,
    pub inventory: Vec<PathBuf>,
    pub rules: Vec<PathBuf>,
    pub store: Option<String>,
    pub listen: Option<String>,
}

/// Everything that may say a value.
pub(super) struct Sources<'a> {
    pub flags: &'a Flags,
    pub env: Environment<'a>,
    /// The folder that relative paths in the file start from.
    pub folder: &'a Path,
    /// Whether secrets are looked at where they are kept.
    pub secrets: bool,
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

    pub(super) fn poller(&self, file: Option<At<String>>, report: &mut Report) -> Given<PollerName> {
        let given = self.text(None, ENV_POLLER, file).unwrap_or_else(|| Given::default(POLLER.to_owned()));
        parsed(given, report, |text| PollerName::new(text).map_err(|error| (error.to_string(), None)))
            .unwrap_or_else(|| {
                #[expect(clippy::expect_used, reason = "the constant is a valid name")]
                Given::default(PollerName::new(POLLER).expect("a plain word is a name"))
            })
    }

    pub(super) fn listen(&self, file: Option<At<String>>, report: &mut Report) -> Given<SocketAddr> {
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

    pub(super) fn allow_plaintext(&self, file: Option<At<bool>>, report: &mut Report) -> Given<bool> {
        let read = |text: &str| {
            bool::from_str(text).map_err(|_| (format!("expected `true` or `false`, found `{text}`"), None))
        };
        let variable =
            self.text(None, ENV_ALLOW_PLAINTEXT, None).and_then(|given| parsed(given, report, read));
        variable.or_else(|| file.map(Given::from)).unwrap_or_else(|| Given::default(false))
    }

    pub(super) fn store(&self, file: Option<At<String>>, report: &mut Report) -> Given<StoreUrl> {
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

    pub(super) fn store_password(
        &self,
        file: Option<At<SecretSpec>>,
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

    pub(super) fn data_dir(&self, file: Option<At<String>>, store: &StoreUrl) -> Given<PathBuf> {
        let beside_store = match store {
            StoreUrl::Sqlite(path) => path.parent().unwrap_or(Path::new("")).to_path_buf(),
            StoreUrl::Postgres(_) => PathBuf::new(),
        };
        match self.text(None, ENV_DATA_DIR, file) {
            Some(given) => Given::new(given.value.into(), given.origin),
            None => Given::default(beside_store),
        }
    }

    pub(super) fn inventory(&self, file: OneOrMany<At<String>>) -> Given<Vec<NamedPath>> {
        let given = self.paths("--inventory", &self.flags.inventory, ENV_INVENTORY, file);
        given.unwrap_or_else(|| Given::default(self.existing(&INVENTORY)))
    }

    pub(super) fn rules(&self, file: OneOrMany<At<String>>) -> Given<Vec<NamedPath>> {
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

    pub(super) fn tokens(&self, files: Vec<TokenFile>, report: &mut Report) -> Vec<Token> {
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
