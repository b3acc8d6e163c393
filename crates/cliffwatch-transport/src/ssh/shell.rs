//! Two ways to run a script on a held connection: in a shell that stays, or in one per poll.

use std::time::Duration;

use russh::ChannelMsg;
use tokio::time::{Instant, timeout_at};

use super::client::printable;
use super::connection::{Connection, SessionChannel};
use super::error::SshError;
use super::script::{Frame, Framer, Marker, Script};

/// Longer replies are cut off: a poll is a few kilobytes, evidence at most some hundred.
pub(super) const MAX_REPLY_BYTES: usize = 1 << 20;
/// Of what a script says on standard error, the beginning is kept: that is where the cause is.
const MAX_STDERR_BYTES: usize = 4 << 10;
/// How long a failed script's words may come after its end.
const STDERR_PATIENCE: Duration = Duration::from_millis(50);
/// Starts a shell that reads its script from standard input. `exec` saves the device a process; every
/// login shell knows it except restricted ones, which must not leave themselves anyway.
pub(super) const SHELL: &str = "exec sh";

/// What one run of a script gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What the script printed.
    pub stdout: Vec<u8>,
    /// The beginning of what it said on standard error, at most 4 KiB. It comes on a way of its own: only
    /// where the script failed it was waited for.
    pub stderr: Vec<u8>,
    /// Its exit status, where the far end told one.
    pub exit_status: Option<u32>,
    /// From sending the request on the held connection to the last byte of the reply.
    pub round_trip: Duration,
}

/// How a run in a shell failed.
pub(super) enum Fault {
    /// The far end never began to run our line: it has no shell for us. What it said instead.
    NotOurs { stdout: Vec<u8>, stderr: Vec<u8>, exit_status: Option<u32> },
    /// It stopped in the middle.
    Cut(SshError),
    /// The connection or the channel failed.
    Failed(SshError),
}

impl Fault {
    /// Nothing came.
    pub(super) fn silence() -> Self {
        Self::NotOurs { stdout: Vec::new(), stderr: Vec::new(), exit_status: None }
    }

    pub(super) fn into_error(self, connection: &Connection) -> SshError {
        match self {
            Self::Cut(error) | Self::Failed(error) => error,
            Self::NotOurs { stdout, stderr, exit_status } => {
                let said = if stderr.is_empty() { stdout } else { stderr };
                let said = printable(&String::from_utf8_lossy(&said));
                let status =
                    exit_status.map_or_else(|| "no status".into(), |status| format!("status {status}"));
                SshError::Script { peer: connection.peer().to_owned(), reason: format!("{status}: {said}") }
            }
        }
    }
}

impl From<SshError> for Fault {
    fn from(error: SshError) -> Self {
        Self::Failed(error)
    }
}

/// A shell on the device that stays and is fed one line per poll.
pub(super) struct ShellLoop {
    channel: SessionChannel,
    learned: Vec<Script>,
    since: Instant,
}

impl ShellLoop {
    pub(super) async fn start(connection: &Connection, channel: SessionChannel) -> Result<Self, SshError> {
        channel.exec(SHELL.to_owned()).await.map_err(|_| connection.closed("starting a shell"))?;
        Ok(Self { channel, learned: Vec::new(), since: Instant::now() })
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// Runs the script once. After a fault the loop is of no further use.
    pub(super) async fn run(&mut self, connection: &Connection, script: &Script) -> Result<Reply, Fault> {
        let marker = marker(connection)?;
        let mut line = String::new();
        if !self.learned.contains(script) {
            line.push_str(&script.definition());
            self.learned.push(*script);
        }
        line.push_str(&marker.call(script));
        let asked = Instant::now();
        self.channel.send(line).await.map_err(|_| connection.closed("asking"))?;
        read(&mut self.channel, connection, &marker, asked).await
    }

    /// Whether the shell has ended since the last run; what came in between is thrown away.
    pub(super) async fn has_ended(&mut self) -> bool {
        self.channel.drain().await
    }
}

/// Runs the script in a channel of its own. The markers keep out what rc files print.
pub(super) async fn exec(
    connection: &Connection,
    mut channel: SessionChannel,
    script: &Script,
) -> Result<Reply, Fault> {
    let marker = marker(connection)?;
    let asked = Instant::now();
    request(connection, &channel, marker.command(script)).await?;
    read(&mut channel, connection, &marker, asked).await
}

/// Sends the script's plain text, the same at each poll, and takes all that comes: for a login that is
/// bound to one command, or to a list of them.
pub(super) async fn exec_bare(
    connection: &Connection,
    mut channel: SessionChannel,
    script: &Script,
) -> Result<Reply, Fault> {
    let marker = marker(connection)?;
    let asked = Instant::now();
    request(connection, &channel, script.text().to_owned()).await?;
    match read(&mut channel, connection, &marker, asked).await {
        Err(Fault::NotOurs { stdout, stderr, exit_status }) if !stdout.is_empty() => {
            Ok(Reply { stdout, stderr, exit_status, round_trip: asked.elapsed() })
        }
        other => other,
    }
}

/// Reads until the marked reply is whole or the channel ends.
async fn read(
    channel: &mut SessionChannel,
    connection: &Connection,
    marker: &Marker,
    asked: Instant,
) -> Result<Reply, Fault> {
    let mut intake = Intake::new(marker, connection);
    loop {
        match channel.next().await {
            Some(ChannelMsg::Close) | None => return Err(intake.into_fault(connection)),
            Some(message) => {
                if let Some(Frame { stdout, exit_status }) = intake.take(message)? {
                    let round_trip = asked.elapsed();
                    if exit_status != Some(0) {
                        intake.wait_for_stderr(channel).await;
                    }
                    return Ok(Reply { stdout, stderr: intake.stderr, exit_status, round_trip });
                }
            }
        }
    }
}

async fn request(connection: &Connection, channel: &SessionChannel, command: String) -> Result<(), SshError> {
    let closed = |_| connection.closed("running a command");
    channel.exec(command).await.map_err(closed)?;
    channel.end_of_input().await.map_err(closed)
}

fn marker(connection: &Connection) -> Result<Marker, SshError> {
    let reason = "the system has no random numbers".to_owned();
    Marker::new().ok_or_else(|| SshError::Script { peer: connection.peer().to_owned(), reason })
}

/// What has come in for one run.
struct Intake {
    framer: Framer,
    stderr: Vec<u8>,
    exit_status: Option<u32>,
    peer: String,
}

impl Intake {
    fn new(marker: &Marker, connection: &Connection) -> Self {
        let framer = Framer::new(marker, MAX_REPLY_BYTES);
        Self { framer, stderr: Vec::new(), exit_status: None, peer: connection.peer().to_owned() }
    }

    fn take(&mut self, message: ChannelMsg) -> Result<Option<Frame>, Fault> {
        match message {
            ChannelMsg::Data { data } => self.framer.push(&data).map_err(|_| {
                Fault::Failed(SshError::TooLarge { peer: self.peer.clone(), cap: MAX_REPLY_BYTES })
            }),
            ChannelMsg::ExtendedData { data, .. } => {
                self.keep_stderr(&data);
                Ok(None)
            }
            ChannelMsg::ExitStatus { exit_status } => {
                self.exit_status = Some(exit_status);
                Ok(None)
            }
            // The far end refuses to run commands: nothing more will come.
            ChannelMsg::Failure => Err(self.not_ours(Vec::new())),
            _ => Ok(None),
        }
    }

    /// Standard error comes on its own way, often just behind the end of the reply: where the script
    /// failed, a whole line of it is worth a moment.
    async fn wait_for_stderr(&mut self, channel: &mut SessionChannel) {
        let until = Instant::now() + STDERR_PATIENCE;
        while !self.stderr.ends_with(b"\n") {
            match timeout_at(until, channel.next()).await {
                Ok(Some(ChannelMsg::ExtendedData { data, .. })) => self.keep_stderr(&data),
                _ => return,
            }
        }
    }

    fn keep_stderr(&mut self, data: &[u8]) {
        let room = MAX_STDERR_BYTES.saturating_sub(self.stderr.len());
        self.stderr.extend(data.iter().take(room));
    }

    fn not_ours(&mut self, stdout: Vec<u8>) -> Fault {
        Fault::NotOurs { stdout, stderr: std::mem::take(&mut self.stderr), exit_status: self.exit_status }
    }

    /// The channel has ended without a whole reply.
    fn into_fault(mut self, connection: &Connection) -> Fault {
        if connection.is_closed() {
            return Fault::Failed(connection.closed("waiting for the reply"));
        }
        if self.framer.begun() {
            let status =
                self.exit_status.map_or_else(|| "no status".into(), |status| format!("status {status}"));
            let said = printable(&String::from_utf8_lossy(&self.stderr));
            let reason = format!("the shell ended in the middle of it with {status}: {said}");
            return Fault::Cut(SshError::Script { peer: self.peer, reason });
        }
        let stdout = self.framer.take_rest();
        self.not_ours(stdout)
    }
}
