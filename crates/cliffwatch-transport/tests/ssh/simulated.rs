//! A server of our own, for what OpenSSH cannot be made to do without a system's accounts.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cliffwatch_model::ErrorKind;
use cliffwatch_source::Secret;
use cliffwatch_transport::ssh::{Auth, Credential, HostKeyPolicy, Login, SshHub, SshSession, SshTarget};
use russh::keys::{Algorithm, HashAlg, PrivateKey};
use russh::server::{self, ChannelOpenHandle, Config, Handler, Msg, Response, Session, run_stream};
use russh::{Channel, ChannelId, MethodKind, MethodSet};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::sshd::{HELLO, soon, within};

const PASSWORD: &str = "canary-password";

/// How the server deals with a login and with a script.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Password,
    Prompt,
    TwoPrompts,
    HangsUpInLogin,
    SlowReply,
}

struct Simulated {
    address: String,
    pin: String,
    /// Passwords that were given to it.
    attempts: Arc<AtomicUsize>,
}

struct Server {
    manner: Manner,
    attempts: Arc<AtomicUsize>,
}

impl Simulated {
    async fn start(manner: Manner) -> Self {
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
        let pin = key.public_key().fingerprint(HashAlg::Sha256).to_string();
        let mut methods = MethodSet::empty();
        let prompts = matches!(manner, Manner::Prompt | Manner::TwoPrompts);
        methods.push(if prompts { MethodKind::KeyboardInteractive } else { MethodKind::Password });
        let config = Arc::new(Config {
            keys: vec![key],
            methods,
            auth_rejection_time: Duration::from_millis(10),
            nodelay: true,
            ..Config::default()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let attempts = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&attempts);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = Server { manner, attempts: Arc::clone(&counter) };
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    if let Ok(running) = run_stream(config, stream, server).await {
                        running.await.ok();
                    }
                });
            }
        });
        Self { address, pin, attempts }
    }

    fn session(&self, hub: &Arc<SshHub>, device: &str, password: &str) -> SshSession {
        let auth = Auth::Password(Secret::new(password));
        let credential = Credential { name: "password".into(), auth };
        let login = Login { username: "cliffwatch".into(), credential };
        let policy = HostKeyPolicy::Pinned(vec![self.pin.parse().unwrap()]);
        hub.session(SshTarget::new(device, self.address.parse().unwrap(), login, policy))
    }

    fn attempts(&self) -> usize {
        self.attempts.load(Ordering::SeqCst)
    }
}

impl Server {
    fn judge(&self, password: &[u8]) -> server::Auth {
        self.attempts.fetch_add(1, Ordering::SeqCst);
        if password == PASSWORD.as_bytes() { server::Auth::Accept } else { server::Auth::reject() }
    }
}

impl Handler for Server {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, password: &str) -> Result<server::Auth, Self::Error> {
        let answer = self.judge(password.as_bytes());
        if self.manner == Manner::HangsUpInLogin { Err(russh::Error::Disconnect) } else { Ok(answer) }
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<server::Auth, Self::Error> {
        match response.and_then(|mut answers| answers.next()) {
            Some(password) => Ok(self.judge(&password)),
            None => {
                let mut prompts = vec![(Cow::Borrowed("Password: "), false)];
                if self.manner == Manner::TwoPrompts {
                    prompts.push((Cow::Borrowed("Token: "), true));
                }
                let (name, instructions) = (Cow::Borrowed(""), Cow::Borrowed(""));
                Ok(server::Auth::Partial { name, instructions, prompts: Cow::Owned(prompts) })
            }
        }
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    /// Answers a call as a shell would that runs `echo hello`.
    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let line = String::from_utf8_lossy(data).into_owned();
        let word: String = line.split("CW'B'").nth(1).unwrap().chars().take(32).collect();
        let reply = format!("CWB{word}\nhello\nCWE{word} 0\n");
        let handle = session.handle();
        let slow = self.manner == Manner::SlowReply;
        tokio::spawn(async move {
            if !slow {
                return handle.data(channel, reply.into_bytes()).await.is_ok();
            }
            for byte in reply.into_bytes() {
                sleep(Duration::from_millis(100)).await;
                if handle.data(channel, vec![byte]).await.is_err() {
                    return false;
                }
            }
            true
        });
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_given_once_by_either_method() {
    for manner in [Manner::Password, Manner::Prompt] {
        let server = Simulated::start(manner).await;
        let session = server.session(&SshHub::new(), "nat-gw-1", PASSWORD);
        assert_eq!(session.ask(&HELLO, soon()).await.unwrap().stdout, b"hello\n");

        let session = server.session(&SshHub::new(), "nat-gw-1", "wrong");
        for kind in [ErrorKind::Auth, ErrorKind::Breaker, ErrorKind::Breaker] {
            assert_eq!(session.ask(&HELLO, soon()).await.unwrap_err().kind(), kind);
        }
        assert_eq!(server.attempts(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_for_more_than_a_password_gets_nothing() {
    let server = Simulated::start(Manner::TwoPrompts).await;
    let error = server.session(&SshHub::new(), "nat-gw-1", PASSWORD).ask(&HELLO, soon()).await.unwrap_err();
    assert_eq!((error.kind(), server.attempts()), (ErrorKind::Auth, 0));
    assert!(error.to_string().contains("more than a password"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_up_in_the_login_is_left_alone_for_a_while() {
    let server = Simulated::start(Manner::HangsUpInLogin).await;
    let session = server.session(&SshHub::new(), "nat-gw-1", PASSWORD);
    let error = session.ask(&HELLO, soon()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    for _ in 0..3 {
        assert_eq!(session.ask(&HELLO, soon()).await.unwrap_err().kind(), ErrorKind::Breaker);
    }
    assert_eq!(server.attempts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_is_the_requests_not_the_bytes() {
    let server = Simulated::start(Manner::SlowReply).await;
    let session = server.session(&SshHub::new(), "nat-gw-1", PASSWORD);
    let begun = Instant::now();
    let error = session.ask(&HELLO, within(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_shows_in_debug_or_errors() {
    for manner in [Manner::Prompt, Manner::TwoPrompts, Manner::HangsUpInLogin] {
        let server = Simulated::start(manner).await;
        let hub = SshHub::new();
        let session = server.session(&hub, "nat-gw-1", PASSWORD);
        let answer = session.ask(&HELLO, soon()).await;
        let text = format!("{answer:?} {session:?} {hub:?} {:?}", session.status());
        assert!(!text.contains(PASSWORD), "{text}");
    }
}
