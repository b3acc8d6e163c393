//! Cleaning up, also after a test that was killed.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

/// A shell that waits on a pipe from this process and runs its script when the pipe closes: at drop, or when this process
/// ends in whatever way. One path for both, so the path after a crash is the one that every test exercises.
#[derive(Debug)]
pub struct Undo {
    shell: Child,
    script: String,
}

impl Undo {
    /// From now on the script will run, once. It is for `/bin/sh`, and runs as this process's user.
    ///
    /// # Panics
    ///
    /// When no shell can be started.
    pub fn new(script: impl Into<String>) -> Self {
        Self::start(script.into(), Stdio::null())
    }

    /// The same, and a lock on this file is held until the script has ended.
    ///
    /// # Panics
    ///
    /// As [`Undo::new`], or when the file cannot be shared.
    pub fn holding(lock: &File, script: impl Into<String>) -> Self {
        Self::start(script.into(), lock.try_clone().expect("a file to share").into())
    }

    fn start(script: String, output: Stdio) -> Self {
        let shell = Command::new("/bin/sh")
            .args(["-c", &format!("if read -r _; then exit 0; fi\nPATH=$PATH:/usr/sbin:/sbin\n{script}")])
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(Stdio::null())
            .process_group(0) // what kills the test's group, such as an interrupt, must not kill this
            .spawn()
            .expect("a shell");
        Self { shell, script }
    }

    /// There is nothing to undo any more: the script will not run.
    pub fn forget(mut self) {
        if let Some(pipe) = &mut self.shell.stdin {
            // A shell that is gone cannot run the script either.
            pipe.write_all(b"forget\n").ok();
        }
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let ended = self.shell.wait();
        if !ended.as_ref().is_ok_and(std::process::ExitStatus::success) {
            eprintln!("could not undo ({ended:?}): {}", self.script);
        }
    }
}
