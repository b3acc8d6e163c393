use std::collections::BTreeMap;
use std::sync::Arc;

use cliffwatch_model::DeviceName;
use cliffwatch_source::{Credential, Expansion, SecretError, SecretRef};

use super::file::CredentialFile;
use super::layer::warn_later;
use super::parts::{Part, Parts};
use crate::diagnostics::{Position, Problem, Report};
use crate::value::{Later, SecretSpec, check_secret};
use crate::yaml::{At, nearest, read};

/// The logins of the inventory, by name.
#[derive(Debug)]
pub(super) struct Logins {
    by_name: BTreeMap<String, Option<Login>>,
    check_secrets: bool,
}

#[derive(Debug)]
struct Login {
    credential: Arc<Credential>,
    /// Where it is defined.
    at: Position,
    secrets: Vec<At<SecretRef>>,
    /// Whether `{device}` or `{label.NAME}` in it must be filled in.
    varies: bool,
}

impl Logins {
    pub(super) fn read(parts: &Parts<'_>, check_secrets: bool, report: &mut Report) -> Self {
        let mut by_name = BTreeMap::new();
        for (name, part) in &parts.credentials {
            let login = read::<CredentialFile>(part.node, report).map(|file| login(name, part, file, report));
            if let Some(login) = login.as_ref().filter(|login| check_secrets && !login.varies) {
                for secret in &login.secrets {
                    check_secret(&secret.value, secret.at, &format!("credential `{name}`"), report);
                }
            }
            by_name.insert((*name).to_owned(), login);
        }
        Self { by_name, check_secrets }
    }

    /// The login of this name, filled in for a device; nothing where it is wrong, which was said.
    pub(super) fn of(
        &self,
        name: &At<String>,
        device: &DeviceName,
        labels: &BTreeMap<String, String>,
        report: &mut Report,
    ) -> Option<Arc<Credential>> {
        let Some(login) = self.by_name.get(&name.value) else {
            unknown_name("credential", "credentials", name, self.by_name.keys().map(String::as_str), report);
            return None;
        };
        let login = login.as_ref()?;
        if !login.varies {
            return Some(Arc::clone(&login.credential));
        }
        let whose = format!("device `{device}`, credential `{}`", name.value);
        let filled = match fill(login, Expansion { device: device.as_str(), labels }) {
            Ok(filled) => filled,
            Err(error) => {
                report.push(Problem::error(name.at, format!("{whose}: {error}")));
                return None;
            }
        };
        if self.check_secrets {
            for secret in [&filled.private_key, &filled.passphrase, &filled.password].into_iter().flatten() {
                check_secret(secret, name.at, &whose, report);
            }
        }
        Some(Arc::new(filled))
    }

    /// Where the login of this name is defined.
    pub(super) fn place(&self, name: &str) -> Option<Position> {
        self.by_name.get(name)?.as_ref().map(|login| login.at)
    }
}

fn fill(login: &Login, expansion: Expansion<'_>) -> Result<Credential, SecretError> {
    let fill = |secret: &Option<SecretRef>| secret.as_ref().map(|secret| expansion.apply(secret)).transpose();
    let plain = &login.credential;
    Ok(Credential {
        private_key: fill(&plain.private_key)?,
        passphrase: fill(&plain.passphrase)?,
        password: fill(&plain.password)?,
        ..Credential::clone(plain)
    })
}

fn login(name: &str, part: &Part<'_>, file: CredentialFile, report: &mut Report) -> Login {
    warn_unused(&file, report);
    let resolve = |spec: Option<At<SecretSpec>>| spec.map(|spec| spec.map(|spec| spec.resolve(part.folder)));
    let (key, passphrase, password) =
        (resolve(file.private_key), resolve(file.passphrase), resolve(file.password));
    let reference = |secret: &Option<At<SecretRef>>| secret.as_ref().map(|secret| secret.value.clone());
    let credential = Credential {
        name: name.into(),
        username: file.username.map(|username| username.value),
        private_key: reference(&key),
        passphrase: reference(&passphrase),
        password: reference(&password),
        agent: file.agent.unwrap_or(false),
    };
    let secrets: Vec<At<SecretRef>> = [key, passphrase, password].into_iter().flatten().collect();
    let varies = secrets.iter().any(|secret| has_placeholder(&secret.value));
    Login { credential: Arc::new(credential), at: part.at, secrets, varies }
}

fn warn_unused(file: &CredentialFile, report: &mut Report) {
    let later = |spec: &Option<At<SecretSpec>>| spec.as_ref().map(|spec| At { value: Later, at: spec.at });
    let keys = [
        ("api_key", later(&file.api_key)),
        ("token", later(&file.token)),
        ("external_id", later(&file.external_id)),
        ("client_secret", later(&file.client_secret)),
        ("role_arn", file.role_arn),
        ("profile", file.profile),
        ("tenant_id", file.tenant_id),
        ("client_id", file.client_id),
        ("managed_identity", file.managed_identity),
        ("workload_identity", file.workload_identity),
        ("proxy", file.proxy),
    ];
    warn_later(keys, report);
}

fn has_placeholder(secret: &SecretRef) -> bool {
    match secret {
        SecretRef::File(path) => path.to_string_lossy().contains('{'),
        SecretRef::Env(name) => name.contains('{'),
        SecretRef::Command(words) => words.iter().any(|word| word.contains('{')),
    }
}

/// Reports a reference to a name that does not exist.
pub(super) fn unknown_name<'a>(
    what: &str,
    section: &str,
    name: &At<String>,
    known: impl Iterator<Item = &'a str>,
    report: &mut Report,
) {
    // Comparing with every name is worth it only for what is shown.
    let close = report.has_room().then(|| nearest(&name.value, known)).flatten();
    let hint = match close {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("define it under `{section}:`"),
    };
    report.push(Problem::error(name.at, format!("{what} `{}` does not exist", name.value)).hint(hint));
}
