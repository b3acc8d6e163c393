//! One held SSH session per device, and one cheap round trip on it per poll.
//!
//! A NAT box whose table is full refuses new connections and keeps the open ones, so that a poller that
//! logs in for each poll goes blind at the moment it exists for. Hence [`SshHub::session`] gives a
//! session that logs in once and is then asked over and over: [`SshSession::ask`] feeds one line to a
//! shell that stays on the device.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cliffwatch_source::Secret;
//! use cliffwatch_transport::ssh::{
//!     Auth, Credential, HostKeyPolicy, KeySource, Login, Script, SshHub, SshTarget,
//! };
//! use tokio::time::{Duration, Instant};
//!
//! const COUNT: Script = Script::new("count", "cat /proc/sys/net/netfilter/nf_conntrack_count");
//!
//! let auth = Auth::Key { key: KeySource::File("/run/secrets/nat_key".into()), passphrase: None };
//! let credential = Credential { name: "nat-ssh".into(), auth };
//! let login = Login { username: "cliffwatch".into(), credential };
//! let pin = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU".parse()?;
//! let target = SshTarget::new("nat-gw-1", "192.0.2.10:22".parse()?, login, HostKeyPolicy::Pinned(vec![pin]));
//!
//! let session = SshHub::new().session(target);
//! let reply = session.ask(&COUNT, Instant::now() + Duration::from_secs(10)).await?;
//! # Ok(()) }
//! ```
//!
//! What is sent where is decided by three things only: the [`SshTarget`], the [`Script`] constants of the
//! program, and random markers. Host keys are always checked before anything that authenticates us is
//! sent, and a rejected credential is not tried again (see [`SshHub::open_breakers`]).

mod algorithms;
mod beside;
mod client;
mod connect;
mod connection;
mod credential;
mod dial;
mod error;
mod gate;
mod host_key;
mod hub;
mod jump;
mod known_hosts;
mod login;
mod resolve;
mod script;
mod session;
mod shell;
mod target;
mod wire;

pub use beside::{Beside, NewAttempt};
pub use error::SshError;
pub use host_key::{HostKeyPin, HostKeyPinError, HostKeyPolicy, ShownKey};
pub use hub::{BreakerOf, OpenBreaker, SshHub};
pub use script::{ENVELOPES, Script};
pub use session::{Mode, SshSession, SshStatus};
pub use shell::Reply;
pub use target::{Address, AddressError, Auth, Credential, JumpTarget, KeySource, Login, SshTarget};
