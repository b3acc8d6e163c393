use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::PublicKey;
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey, run_stream,
};
use russh::{
    Channel, ChannelId, ChannelOpenFailure, Disconnect, Error, MethodKind, MethodSet, Preferred, Pty, Sig,
    SshId, compression,
};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::shell::{self, Call, Shell, Strange};
use super::{LinuxHost, USER};
use crate::device::{Platform, Running};
use crate::fault::Fault;
use crate::keys;

/// What sshd says of itself on Debian 12.
const SERVER: &str = "SSH-2.0-OpenSSH_9.2p1";
/// Of a shell that was not found or may not be run (POSIX, 2.8.2).
const REFUSED: u32 = 126;
/// What stands where figures belong.
const GARBAGE: &str = "\u{1}\u{2}<html>502 Bad Gateway</html>\n";

/// Speaks SSH on one connection, to its end.
pub(crate) async fn serve(device: Arc<Running>, stream: TcpStream) {
    let config = Arc::new(config(&device));
    let login = Login { device: Arc::clone(&device), shells: HashMap::new() };
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Ok(mut running) = run_stream(config, stream, login).await else { return };
    let cut = tokio::select! {
        _ended = &mut running => false,
        () = device.cutting() => true,
    };
    if cut {
        let handle = running.handle();
        let goodbye = handle.disconnect(Disconnect::ByApplication, "going down".into(), "en".into());
        let _gone_already = goodbye.await.is_err();
        let _however_it_ended = running.await.is_err();
    }
}

fn config(device: &Running) -> Config {
    let other = device.has(Fault::OtherHostKey);
    let mut methods = MethodSet::empty();
    methods.push(MethodKind::PublicKey);
    Config {
        server_id: SshId::Standard(Cow::Borrowed(SERVER)),
        methods,
        keys: vec![keys::host_key(&device.device.name, other)],
        // Nobody guesses here, and thousands log in.
        auth_rejection_time: Duration::ZERO,
        // A held session is idle between polls for as long as its interval is.
        inactivity_timeout: None,
        preferred: Preferred { compression: Cow::Borrowed(&[compression::NONE]), ..Preferred::DEFAULT },
        nodelay: true,
        ..Config::default()
    }
}

/// One connection's side of the library's callbacks.
struct Login {
    device: Arc<Running>,
    shells: HashMap<ChannelId, Shell>,
}

impl Login {
    fn host(&self) -> &LinuxHost {
        let Platform::Linux(host) = &self.device.device.platform;
        host
    }

    fn judge(&self, user: &str, key: &PublicKey) -> Auth {
        let right = user == USER && key.key_data() == self.device.shared.login.key_data();
        if right && !self.device.has(Fault::RefusesLogin) { Auth::Accept } else { Auth::reject() }
    }

    /// What a documented script prints now.
    fn output(&self, script: usize) -> String {
        let host = self.host();
        let Some(command) = host.documented.get(script) else { return String::new() };
        self.device.shared.record.documented(&command.text);
        if self.device.has(Fault::Garbage) {
            return GARBAGE.to_owned();
        }
        host.reply(&self.device.device.name, &command.files, self.device.time(), self.device.date())
    }

    fn framed(&self, call: &Call) -> String {
        let word = &call.word;
        format!("CWB{word}\n{}CWE{word} 0\n", self.output(call.script))
    }

    /// Sends a reply, at once or later; `ends` where it was a command of its own.
    fn reply(
        &self,
        channel: ChannelId,
        reply: String,
        ends: bool,
        session: &mut Session,
    ) -> Result<(), Error> {
        let Some(delay) = self.device.delay() else {
            session.data(channel, reply.into_bytes())?;
            return if ends { end(channel, 0, session) } else { Ok(()) };
        };
        let handle = session.handle();
        tokio::spawn(async move {
            sleep(delay).await;
            // The poller may have given up, which is what a slow device is for.
            let mut gone = handle.data(channel, reply.into_bytes()).await.is_err();
            if ends && !gone {
                gone = handle.exit_status_request(channel, 0).await.is_err()
                    || handle.eof(channel).await.is_err()
                    || handle.close(channel).await.is_err();
            }
            gone
        });
        Ok(())
    }

    /// Refuses what no list holds, aloud.
    fn refuse(&mut self, channel: ChannelId, command: &str, session: &mut Session) -> Result<(), Error> {
        self.shells.remove(&channel);
        if !self.device.refuse(command) {
            return Err(Error::Disconnect);
        }
        let words = "cliffwatch-sim: refused: this command is in no list for change control\n";
        session.extended_data(channel, 1, words.as_bytes().to_vec())?;
        end(channel, REFUSED, session)
    }

    fn refuse_request(
        &mut self,
        channel: ChannelId,
        request: &str,
        session: &mut Session,
    ) -> Result<(), Error> {
        if !self.device.refuse(request) {
            return Err(Error::Disconnect);
        }
        session.channel_failure(channel)
    }
}

fn end(channel: ChannelId, status: u32, session: &mut Session) -> Result<(), Error> {
    session.exit_status_request(channel, status)?;
    session.eof(channel)?;
    session.close(channel)
}

/// Refuses requests that are not among the documented ones, under the names that the protocol gives them.
macro_rules! refuse {
    ($($name:ident as $request:literal ($($argument:ident: $type:ty),*);)*) => {
        $(
            async fn $name(
                &mut self,
                channel: ChannelId,
                $($argument: $type,)*
                session: &mut Session,
            ) -> Result<(), Error> {
                $(let _ = $argument;)*
                self.refuse_request(channel, concat!("SSH request ", $request), session)
            }
        )*
    };
}

impl Handler for Login {
    type Error = Error;

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Error> {
        self.device.while_hung().await;
        Ok(self.judge(user, offer.public_key))
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Error> {
        Ok(self.judge(user, key.public_key))
    }

    async fn auth_succeeded(&mut self, _: &mut Session) -> Result<(), Error> {
        self.device.shared.record.login();
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
        let talks = self.device.refuse(&format!("SSH tunnel to {host}:{port}"));
        if talks { Ok(()) } else { Err(Error::Disconnect) }
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Error> {
        self.device.while_hung().await;
        let command = String::from_utf8_lossy(data);
        let documented = Arc::clone(&self.host().documented);
        if let Some(call) = shell::once(&command, &documented) {
            session.channel_success(channel)?;
            return self.reply(channel, self.framed(&call), true, session);
        }
        let Some(script) = documented.find(&command) else {
            session.channel_success(channel)?;
            return self.refuse(channel, &command, session);
        };
        session.channel_success(channel)?;
        if command == "exec sh" {
            self.device.shared.record.documented(&Arc::from(&*command));
            self.shells.insert(channel, Shell::default());
            return Ok(());
        }
        self.reply(channel, self.output(script), true, session)
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Error> {
        self.device.while_hung().await;
        let documented = Arc::clone(&self.host().documented);
        let typed = String::from_utf8_lossy(data);
        let Some(shell) = self.shells.get_mut(&channel) else {
            return self.refuse(channel, &typed, session);
        };
        match shell.typed(&typed, &documented) {
            Ok(calls) => {
                calls.iter().try_for_each(|call| self.reply(channel, self.framed(call), false, session))
            }
            Err(Strange(line)) => self.refuse(channel, &line, session),
        }
    }

    async fn channel_eof(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Error> {
        // A shell ends with its input.
        if self.shells.remove(&channel).is_some() { end(channel, 0, session) } else { Ok(()) }
    }

    async fn channel_close(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), Error> {
        self.shells.remove(&channel);
        Ok(())
    }

    refuse! {
        shell_request as "shell" ();
        subsystem_request as "subsystem" (name: &str);
        env_request as "env" (name: &str, value: &str);
        signal as "signal" (signal: Sig);
        pty_request as "pty-req" (
            term: &str, columns: u32, rows: u32, width: u32, height: u32, modes: &[(Pty, u32)]
        );
        x11_request as "x11-req" (single: bool, protocol: &str, cookie: &str, screen: u32);
    }
}
