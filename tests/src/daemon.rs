//! Long-running processes of the lab, and signals to them and to what they started.

use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, kill_process};

pub use rustix::process::Signal;

use crate::undo::Undo;

/// A process that ends with its owner, also when the owner is killed.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    undo: Option<Undo>,
}

impl Daemon {
    /// Starts the command, which must not fork itself away.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn spawn(command: &mut Command) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
        let pid = child.id();
        let undo = Undo::new(format!("kill -9 $(cat /proc/{pid}/task/{pid}/children) {pid}; true"));
        Self { child, undo: Some(undo) }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process as started, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Whether it still runs (a stopped process does).
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_none()
    }

    /// Signals the process alone.
    pub fn signal(&mut self, signal: Signal) {
        if self.is_running() {
            send(self.pid(), signal);
        }
    }

    /// Signals the process and everything below it.
    pub fn signal_all(&mut self, signal: Signal) {
        let below = descendants(self.pid());
        self.signal(signal);
        below.into_iter().for_each(|pid| send(pid, signal));
    }

    /// Signals everything below the process and not itself.
    pub fn signal_below(&mut self, signal: Signal) {
        descendants(self.pid()).into_iter().for_each(|pid| send(pid, signal));
    }

    /// `kill -9` for the process alone, and waits until it is gone.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    /// `kill -9` for the process and everything below it, and waits until it is gone.
    pub fn kill9(&mut self) {
        self.signal_all(Signal::KILL);
        self.wait();
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// When it cannot be waited for.
    pub fn wait(&mut self) -> ExitStatus {
        let status = self.child.wait().expect("a child of ours");
        if let Some(undo) = self.undo.take() {
            undo.forget();
        }
        status
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// All processes below this one, parents first.
fn descendants(pid: u32) -> Vec<u32> {
    let mut found = children(pid);
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(children(pid));
        next += 1;
    }
    found
}

fn children(pid: u32) -> Vec<u32> {
    let threads = crate::command::subfolders(format!("/proc/{pid}/task"));
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    // Gone already is what a signal to a dying tree may meet.
    kill_process(pid, signal).ok();
}
