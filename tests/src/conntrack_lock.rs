//! The kernel's one limit on conntrack entries, lowered for one test at a time and always put back.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::conntrack::SYSCTL;
use crate::skip::{self, Need, skip};
use crate::undo::Undo;

/// Below this even the lab's own management traffic would be refused.
const MAX_AT_LEAST: u64 = 50;

/// While it lives, the limits are ours: `nf_conntrack_max` is one number for every network namespace of the kernel.
///
/// The values from before are written to a file beside the lock before anything changes. They come back at drop, when
/// this process ends in any other way, and, should even that fail, before the next one changes them.
#[derive(Debug)]
pub struct ConntrackLock {
    before: Limits,
    _restore: Undo,
}

/// The kernel's limits on conntrack.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// `nf_conntrack_max`, entries of one network namespace.
    pub max: u64,
    /// `nf_conntrack_buckets`, lists of the hash table that all share.
    pub buckets: u64,
}

impl ConntrackLock {
    /// What a machine must have for it.
    pub const NEEDS: &[Need] = &[Need::Root, Need::Conntrack];

    /// Waits for its turn and sets the limit, and where given the number of hash buckets (the kernel looks for an entry to
    /// evict in 8 buckets only: few buckets, and it finds one). `None`: this machine must not be limited so, skipped aloud.
    ///
    /// # Panics
    ///
    /// When a limit is out of range, or a file that root can write cannot be written.
    #[must_use]
    pub fn lower(max: u64, buckets: Option<u64>) -> Option<Self> {
        assert!(max >= MAX_AT_LEAST, "a limit of {max} would cut the lab's own connections");
        let lock = File::create(beside("lock")).expect("a lock file");
        lock.lock().expect("the lock");
        recover();
        let before = Limits::now();
        let own = read("count");
        if own * 2 > max {
            let lacks = format!("a quiet host: it has {own} conntrack entries of its own, too near to {max}");
            skip(&lacks);
            return None;
        }
        fs::write(beside("saved"), before.to_text()).expect("the saved limits");
        let restore = Undo::holding(&lock, before.restore_script());
        Limits { max, buckets: buckets.unwrap_or(before.buckets) }.apply();
        Some(Self { before, _restore: restore })
    }

    /// Puts back, in its turn, what a killed run left lowered. Without the right to write it, nothing happens.
    ///
    /// # Panics
    ///
    /// When a limit that root saved cannot be put back.
    pub fn restore() {
        if !beside("saved").exists() || !skip::is_root() {
            return;
        }
        let lock = File::create(beside("lock")).expect("a lock file");
        lock.lock().expect("the lock");
        recover();
    }

    /// What was before, and will be again.
    pub fn before(&self) -> Limits {
        self.before
    }

    /// Sets another limit while the lock is held.
    ///
    /// # Panics
    ///
    /// When it is out of range or cannot be written.
    pub fn set_max(&self, max: u64) {
        assert!(max >= MAX_AT_LEAST, "a limit of {max} would cut the lab's own connections");
        write("max", max);
    }
}

impl Limits {
    fn now() -> Self {
        Self { max: read("max"), buckets: read("buckets") }
    }

    fn apply(self) {
        if self.buckets != read("buckets") {
            write("buckets", self.buckets);
        }
        write("max", self.max); // after the buckets, which may move it
    }

    fn restore_script(self) -> String {
        let Self { max, buckets } = self;
        let saved = beside("saved");
        format!(
            "[ \"$(cat {SYSCTL}_buckets)\" = {buckets} ] || echo {buckets} > {SYSCTL}_buckets
             echo {max} > {SYSCTL}_max && rm -f {}",
            saved.display()
        )
    }

    /// The limits and the boot they belong to: after a reboot the kernel has its own again.
    fn to_text(self) -> String {
        format!("{} {} {}\n", self.max, self.buckets, boot())
    }

    fn from_text(text: &str, boot: &str) -> Option<Self> {
        match text.split_whitespace().collect::<Vec<_>>()[..] {
            [max, buckets, of] if of == boot => {
                Some(Self { max: max.parse().ok()?, buckets: buckets.parse().ok()? })
            }
            _ => None,
        }
    }
}

/// Puts back what a run saved that ended without doing so.
fn recover() {
    if let Ok(text) = fs::read_to_string(beside("saved")) {
        if let Some(saved) = Limits::from_text(&text, &boot()) {
            saved.apply();
        }
        fs::remove_file(beside("saved")).expect("to remove the saved limits");
    }
}

fn beside(extension: &str) -> PathBuf {
    let folder = Path::new("/run/lock");
    let folder = if folder.is_dir() { folder.to_owned() } else { std::env::temp_dir() };
    folder.join("cliffwatch-conntrack").with_extension(extension)
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot id").trim().to_owned()
}

fn read(name: &str) -> u64 {
    let text = fs::read_to_string(format!("{SYSCTL}_{name}")).expect("a limit of conntrack");
    text.trim().parse().expect("a number")
}

fn write(name: &str, value: u64) {
    fs::write(format!("{SYSCTL}_{name}"), value.to_string())
        .unwrap_or_else(|error| panic!("{name} {value}: {error}"));
}

#[cfg(test)]
mod tests {
    use super::Limits;

    #[test]
    fn saved_limits_hold_for_their_boot_only() {
        let saved = Limits { max: 262_144, buckets: 65_536 };
        assert_eq!(Limits::from_text(&saved.to_text(), &super::boot()), Some(saved));
        assert_eq!(Limits::from_text(&saved.to_text(), "another-boot"), None);
        assert_eq!(Limits::from_text("1000", "another-boot"), None);
    }
}
