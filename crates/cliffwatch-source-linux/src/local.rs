//! The machine that Cliffwatch runs on: the same files and the same parser, without SSH and a shell.

mod census;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncReadExt;

use self::census::Walk;
use crate::config::{ConntrackStats, LinuxSettings, NamespacesFrom};
use crate::fetch::Part;
use crate::parse::{Section, Sections};
use crate::paths;

/// Of one file. The longest is a line per CPU or per interface.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Timeouts that are read: a kernel of 6.18 has 23 of them.
const TIMEOUTS_MAX: usize = 64;
/// Like the script, besides the timeouts.
const SETTINGS: [&str; 5] = ["buckets", "expect_max", "acct", "tcp_loose", "tcp_be_liberal"];

/// Reads the machine's own files.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    /// `/`; another folder in tests.
    root: PathBuf,
    stats: ConntrackStats,
    namespaces: NamespacesFrom,
    /// One process of each other network namespace, since the last census.
    readers: Arc<Mutex<Vec<u32>>>,
}

impl Local {
    pub(crate) fn new(settings: &LinuxSettings) -> Self {
        Self::rooted(PathBuf::from("/"), settings)
    }

    fn rooted(root: PathBuf, settings: &LinuxSettings) -> Self {
        let LinuxSettings { conntrack_stats: stats, namespaces, .. } = *settings;
        Self { root, stats, namespaces, readers: Arc::default() }
    }

    /// What the script of this part shows.
    pub(crate) async fn read(&self, part: Part) -> Sections {
        let local = self.clone();
        // These files are made by the kernel as they are read; none of them waits for anything.
        let files = tokio::task::spawn_blocking(move || local.files(part)).await;
        let mut sections = files.unwrap_or_default();
        let wants_command = self.stats != ConntrackStats::Procfs
            && !matches!(sections.first_of(&paths::STAT), Some(Section::Text(_)));
        if wants_command {
            sections.insert(paths::STATS_COMMAND, Section::Text(self.command().await));
        }
        if part == Part::All && self.namespaces == NamespacesFrom::Sudo {
            let printed = said(&["sudo", "-n", "/usr/local/sbin/cliffwatch-netns"]).await;
            sections.insert(paths::NAMESPACES_SUDO, Section::Text(printed));
        }
        sections
    }

    fn files(&self, part: Part) -> Sections {
        let mut sections = Sections::default();
        let mut show = |path: &str| sections.insert(path, self.file(path));
        for path in [paths::BOOT_ID].into_iter().chain(paths::COUNT).chain(paths::MAX).chain(paths::STAT) {
            show(path);
        }
        if part == Part::All {
            paths::SLOW.into_iter().for_each(&mut show);
            for (folder, prefix) in paths::SETTINGS {
                SETTINGS.iter().for_each(|name| show(&format!("{folder}{prefix}{name}")));
                self.timeouts(folder, prefix).iter().for_each(|path| show(path));
            }
        }
        if self.namespaces != NamespacesFrom::Nowhere {
            let (name, text) = self.others(part);
            sections.insert(name, Section::Text(text));
        }
        sections
    }

    /// The other network namespaces.
    fn others(&self, part: Part) -> (&'static str, String) {
        let walk = Walk::new(&self.root);
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        match part {
            Part::Fast => (paths::NAMESPACE_READERS, walk.readers(&readers)),
            Part::All => {
                let (text, found) = walk.census(&readers);
                *readers = found;
                (paths::NAMESPACES, text)
            }
        }
    }

    fn file(&self, path: &str) -> Section {
        match read(&self.place(path)) {
            Ok(bytes) if bytes.len() as u64 > FILE_BYTES_MAX => Section::Cut,
            Ok(bytes) => Section::Text(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Section::Denied,
            Err(_) => Section::Missing,
        }
    }

    fn timeouts(&self, folder: &str, prefix: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.place(folder)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names
            .filter(|name| name.starts_with(prefix) && name.contains("timeout"))
            .map(|name| format!("{folder}{name}"))
            .take(TIMEOUTS_MAX)
            .collect()
    }

    fn place(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// What the statistics command prints, or complains about.
    async fn command(&self) -> String {
        let words: &[&str] = match self.stats {
            ConntrackStats::Sudo => &["sudo", "-n", "/usr/sbin/conntrack", "-S"],
            ConntrackStats::Command | ConntrackStats::Procfs => &["/usr/sbin/conntrack", "-S"],
        };
        said(words).await
    }
}

/// What a program prints, or why it does not.
async fn said(words: &[&str]) -> String {
    run(words).await.unwrap_or_else(|error| format!("{}: {error}\n", words.join(" ")))
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Runs one of our scripts on this machine; what it printed.
pub(crate) async fn sh(script: &str) -> Vec<u8> {
    run(&["sh", "-c", script]).await.unwrap_or_default().into_bytes()
}

/// Runs a program; it ends when the call is given up.
pub(crate) async fn run(words: &[&str]) -> std::io::Result<String> {
    let (program, arguments) = words.split_first().ok_or(ErrorKind::InvalidInput)?;
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut bytes = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(FILE_BYTES_MAX).read_to_end(&mut bytes).await?;
    }
    if let Some(stderr) = child.stderr.take() {
        stderr.take(FILE_BYTES_MAX).read_to_end(&mut bytes).await?;
    }
    child.wait().await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine's files in a folder.
    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Local) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let place = root.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(place, text).unwrap();
        }
        let settings = LinuxSettings { namespaces: NamespacesFrom::Nowhere, ..LinuxSettings::default() };
        let local = Local::rooted(root.path().to_owned(), &settings);
        (root, local)
    }

    #[tokio::test]
    async fn the_minute_reads_more_than_the_poll() {
        let (_root, local) = machine(&[
            (paths::COUNT[0], "5\n"),
            ("/proc/sys/net/netfilter/nf_conntrack_udp_timeout", "30\n"),
            ("/proc/sys/net/netfilter/nf_conntrack_buckets", "64\n"),
            ("/proc/sys/net/netfilter/nf_log_timeout", "1\n"),
            (paths::UPTIME, "1.00 2.00\n"),
        ]);
        let names = |sections: &Sections| -> Vec<String> {
            let texts = sections.iter().filter(|(_, section)| matches!(section, Section::Text(_)));
            texts.map(|(name, _)| name.rsplit('/').next().unwrap_or(name).to_owned()).collect()
        };
        let fast = local.read(Part::Fast).await;
        assert_eq!(names(&fast), ["nf_conntrack_count"]);
        assert_eq!(fast.get(paths::MAX[0]), Some(&Section::Missing));
        let all = local.read(Part::All).await;
        assert_eq!(
            names(&all),
            ["nf_conntrack_buckets", "nf_conntrack_count", "nf_conntrack_udp_timeout", "uptime"]
        );
    }

    #[tokio::test]
    async fn a_file_without_end_is_no_text() {
        let (_root, local) =
            machine(&[(paths::STAT[0], &"x".repeat((FILE_BYTES_MAX + 10).try_into().unwrap()))]);
        assert_eq!(local.read(Part::Fast).await.get(paths::STAT[0]), Some(&Section::Cut));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_a_complaint() {
        let error = run(&["/nonexistent/conntrack", "-S"]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(run(&["sh", "-c", "echo out; echo err >&2"]).await.unwrap(), "out\nerr\n");
    }
}
