//! A device whose table the test writes itself: what a real kernel shows only by chance, shown on purpose.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::sshd::Sshd;

/// The limit that every staged table has.
const LIMIT: u64 = 1_000;

/// What the device shows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Scene {
    /// Entries of 1,000.
    pub used: u64,
    /// Total of `drop`.
    pub drop: u64,
    /// Total of `early_drop`.
    pub early_drop: u64,
}

/// A real sshd, and behind it nothing but a forced command that prints one file: the sections that the Linux adapter's
/// README describes for such a login.
#[derive(Debug)]
pub struct Staged {
    sshd: Sshd,
    folder: TempDir,
}

impl Staged {
    /// Starts it with an empty table.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start() -> Self {
        let folder = TempDir::with_prefix("cliffwatch-staged-").expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("to open the folder");
        let reply = folder.path().join("reply");
        let sshd = Sshd::local_with(&format!("command=\"cat {}\",restrict", reply.display()));
        let staged = Self { sshd, folder };
        staged.show(Scene::default());
        staged
    }

    /// From now on the device shows this.
    pub fn show(&self, scene: Scene) {
        self.print(scene.to_reply().as_bytes());
    }

    /// From now on the forced command prints just these bytes.
    ///
    /// # Panics
    ///
    /// When the file cannot be written.
    pub fn print(&self, reply: &[u8]) {
        // By a rename: a poll may read at any moment.
        let new = self.folder.path().join("new");
        fs::write(&new, reply).expect("a reply");
        fs::rename(new, self.reply()).expect("a reply");
    }

    /// Its sshd.
    pub fn sshd(&self) -> &Sshd {
        &self.sshd
    }

    /// Its sshd, to stop, cut or change it.
    pub fn sshd_mut(&mut self) -> &mut Sshd {
        &mut self.sshd
    }

    fn reply(&self) -> PathBuf {
        self.folder.path().join("reply")
    }
}

impl Scene {
    /// A table so full, in percent, that has lost nothing.
    pub fn filled(percent: u64) -> Self {
        Self { used: LIMIT / 100 * percent, ..Self::default() }
    }

    /// As the forced command prints it. A machine with one CPU.
    pub fn to_reply(self) -> String {
        let Self { used, drop, early_drop } = self;
        format!(
            "==> /proc/sys/kernel/random/boot_id <==\n6f1c2a34-0000-4000-8000-00000000c11f\n\
             ==> /proc/sys/net/netfilter/nf_conntrack_count <==\n{used}\n\
             ==> /proc/sys/net/netfilter/nf_conntrack_max <==\n{LIMIT}\n\
             ==> /proc/net/stat/nf_conntrack <==\n\
             entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error expect_new expect_create expect_delete search_restart\n\
             {used:08x}  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 {drop:08x} {early_drop:08x} 00000000 00000000 00000000 00000000 00000000\n\
             ==> end <==\n"
        )
    }
}
