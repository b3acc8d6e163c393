//! What a test needs of the machine, and what happens where it is not there.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use crate::command::program;

/// With this set, a test that lacks something fails instead of skipping: CI must not pass by doing nothing.
const NO_SKIP: &str = "CLIFFWATCH_NO_SKIP";

/// One thing that a test needs of the machine.
#[derive(Clone, Copy, Debug)]
pub enum Need {
    /// Effective user 0: namespaces and kernel limits.
    Root,
    /// A program, looked for as [`program`] does.
    Program(&'static str),
    /// A kernel with conntrack, its module loaded or loadable.
    Conntrack,
    /// The preloaded library that fakes the wall clock of one process.
    Faketime,
}

impl Need {
    fn missing(self) -> Option<String> {
        match self {
            Self::Root => (!is_root()).then(|| "root".to_owned()),
            Self::Program(name) => program(name).is_none().then(|| format!("the program {name}")),
            Self::Conntrack => (!conntrack_loaded()).then(|| "conntrack in the kernel".to_owned()),
            Self::Faketime => crate::fake_clock::library().is_none().then(|| "libfaketime".to_owned()),
        }
    }
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// True where everything is there. Otherwise says aloud what is missing and answers false, and the test returns;
/// where `CLIFFWATCH_NO_SKIP` is set, panics.
///
/// # Panics
///
/// As said, on purpose.
#[must_use]
pub fn needs(wanted: &[&[Need]]) -> bool {
    let missing: BTreeSet<String> =
        wanted.iter().copied().flatten().filter_map(|need| need.missing()).collect();
    if !missing.is_empty() {
        skip(&missing.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
    }
    missing.is_empty()
}

/// Says aloud that the running test is skipped, for a reason found on the way. The test then returns.
///
/// # Panics
///
/// Where `CLIFFWATCH_NO_SKIP` is set.
pub fn skip(missing: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(std::env::var_os(NO_SKIP).is_none(), "{test} lacks {missing}, and {NO_SKIP} forbids to skip");
    // Written past the capture of the test harness: a skip that nobody sees is a lie.
    writeln!(std::io::stderr(), "SKIPPED {test}: this machine lacks {missing}").expect("standard error");
}

fn conntrack_loaded() -> bool {
    let limit = Path::new("/proc/sys/net/netfilter/nf_conntrack_max");
    if !limit.exists() && is_root() {
        // Without the module's tools this fails, and the answer below tells.
        std::process::Command::new("modprobe").arg("nf_conntrack").status().ok();
    }
    limit.exists()
}
