use crate::diagnostics::{Problem, Report};
use crate::yaml::nearest;

/// What the environment says.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(super) const ENV_CONFIG: &str = "CLIFFWATCH_CONFIG";
pub(super) const ENV_POLLER: &str = "CLIFFWATCH_POLLER";
pub(super) const ENV_LISTEN: &str = "CLIFFWATCH_LISTEN";
pub(super) const ENV_STORE: &str = "CLIFFWATCH_STORE";
pub(super) const ENV_STORE_PASSWORD_FILE: &str = "CLIFFWATCH_STORE_PASSWORD_FILE";
pub(super) const ENV_DATA_DIR: &str = "CLIFFWATCH_DATA_DIR";
pub(super) const ENV_INVENTORY: &str = "CLIFFWATCH_INVENTORY";
pub(super) const ENV_RULES: &str = "CLIFFWATCH_RULES";
pub(super) const ENV_ALLOW_PLAINTEXT: &str = "CLIFFWATCH_ALLOW_PLAINTEXT";

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
