//! A test that lacks something says so, and fails where skipping is forbidden.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

const LIMIT: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
/// More than any test here fills: the limit is one for the whole kernel, and a run that was killed may have lowered it.
const ROOM: u64 = 4_096;

/// Whether all of these programs are here; `root` stands for the user.
pub(crate) fn has(wanted: &[&str]) -> bool {
    let missing: Vec<&str> = wanted.iter().copied().filter(|need| !present(need)).collect();
    if missing.is_empty() {
        return true;
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let forbidden = std::env::var_os("CLIFFWATCH_NO_SKIP").is_some();
    assert!(!forbidden, "{test} lacks {missing:?}, and CLIFFWATCH_NO_SKIP forbids to skip");
    // Past the capture of the test harness: a skip that nobody sees is a lie.
    writeln!(std::io::stderr(), "SKIPPED {test}: this machine lacks {missing:?}").expect("standard error");
    false
}

fn present(need: &str) -> bool {
    match need {
        "root" => Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n"),
        "conntrack in the kernel" => Path::new(LIMIT).exists(),
        "room for 4,096 entries" => limit().is_some_and(|limit| limit == 0 || limit >= ROOM),
        program => ["/bin", "/sbin", "/usr/bin", "/usr/sbin"]
            .iter()
            .any(|folder| Path::new(folder).join(program).exists()),
    }
}

fn limit() -> Option<u64> {
    fs::read_to_string(LIMIT).ok()?.trim().parse().ok()
}
