use std::sync::Arc;

use tokio::time::{Instant, timeout};

use super::Mode;
use crate::ssh::connection::Connection;
use crate::ssh::script::Script;
use crate::ssh::shell::{Fault, Reply, ShellLoop};

/// What a request is doing once it has its channel.
pub(super) const RUNNING: &str = "waiting for the reply";

/// What one request at a time may use.
pub(super) struct Link {
    pub(super) connection: Option<Arc<Connection>>,
    pub(super) shell: Option<ShellLoop>,
    pub(super) mode: Mode,
    /// A shell loop has answered on this connection: its silence is a fault, not a restricted shell.
    pub(super) proven: bool,
    pub(super) doing: &'static str,
}

/// A request under way. One that ends without an answer, by its deadline or because its caller went away,
/// leaves a connection behind that is not to be trusted with the next one.
///
/// That a slow script is late says nothing of the connection: its shell goes with the request.
pub(super) struct Request<'a> {
    pub(super) link: &'a mut Link,
    pub(super) answered: bool,
    pub(super) is_slow: bool,
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        let is_spared = self.is_slow && self.link.doing == RUNNING;
        if !self.answered && !is_spared {
            self.link.cut();
        }
    }
}

impl Link {
    pub(super) fn new() -> Self {
        Self {
            connection: None,
            shell: None,
            mode: Mode::ShellLoop,
            proven: false,
            doing: "waiting for its turn",
        }
    }

    /// Forgets the connection and all that was learned on it: the next one tries everything again.
    pub(super) fn cut(&mut self) {
        if let Some(connection) = &self.connection {
            connection.cut();
        }
        *self = Self::new();
    }

    /// Runs the script in the loop, which is made where there is none. A loop that ended while it was
    /// idle is made again once.
    pub(super) async fn in_loop(
        &mut self,
        connection: &Connection,
        script: &Script,
        deadline: Instant,
    ) -> Result<Reply, Fault> {
        // Out of the link while it runs: a request that is cancelled takes its loop with it.
        if let Some(shell) = &mut self.shell
            && shell.has_ended().await
        {
            self.shell = None;
        }
        let mut shell = match self.shell.take() {
            Some(shell) => shell,
            None => {
                self.doing = "opening a channel";
                let channel = connection.open_session().await?;
                self.doing = RUNNING;
                ShellLoop::start(connection, channel).await?
            }
        };
        let reply = if self.proven {
            shell.run(connection, script).await?
        } else {
            // A far side that swallows our line in silence leaves the second half for the other modes.
            let half = deadline.saturating_duration_since(Instant::now()) / 2;
            timeout(half, shell.run(connection, script)).await.unwrap_or_else(|_| Err(Fault::silence()))?
        };
        self.proven = true;
        self.shell = Some(shell);
        Ok(reply)
    }
}
