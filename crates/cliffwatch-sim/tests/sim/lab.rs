//! A fleet, and the adapter on it.

use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{Platform as PlatformName, Reading, SourceError, Timestamp};
use cliffwatch_sim::linux::{Documented, LinuxHost, USER};
use cliffwatch_sim::{Device, Fleet, LoginKey, Options, Platform, Span};
use cliffwatch_source::testkit::{FixedClock, plain_target};
use cliffwatch_source::{
    Credential, HostKey, PollContext, SecretRef, SessionSource, SourceFactory as _, Target,
};
use cliffwatch_source_linux::LinuxFactory;
use cliffwatch_transport::ssh::SshHub;
use tempfile::TempDir;

/// When it is on the devices, and here.
pub(crate) const NOW: FixedClock = FixedClock(Timestamp::from_secs(1_700_000_000));

/// A machine under load is slow, and nothing here is about speed.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Lab {
    pub(crate) fleet: Fleet,
    folder: TempDir,
}

impl Lab {
    /// Calm hosts `gw-1`, `gw-2`, … with these faults.
    pub(crate) fn of(faults: &[&[Span]]) -> Self {
        let host = LinuxHost::calm(Arc::new(Documented::by_adapter().unwrap()));
        Self::with(faults.iter().map(|faults| (host.clone(), faults.to_vec())).collect(), false)
    }

    pub(crate) fn with(hosts: Vec<(LinuxHost, Vec<Span>)>, strict: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let login = LoginKey::in_file(&folder.path().join("key")).unwrap();
        let device = |(number, (host, faults))| Device {
            name: format!("gw-{}", number + 1),
            platform: Platform::Linux(host),
            faults,
        };
        let devices = hosts.into_iter().enumerate().map(device).collect();
        let options = Options { port: 0, clock: Arc::new(NOW), login, strict };
        Self { fleet: Fleet::start(devices, options).unwrap(), folder }
    }

    pub(crate) fn target(&self, name: &str) -> Target {
        let address = self.fleet.address(name).unwrap().to_string();
        let mut target = plain_target(name, &PlatformName::new("linux").unwrap(), Some(&address));
        target.credential = Some(Arc::new(Credential {
            name: "sim".into(),
            username: Some(USER.into()),
            private_key: Some(SecretRef::File(self.folder.path().join("key"))),
            ..Credential::default()
        }));
        target.ssh.host_key = Some(HostKey::Pinned(vec![self.fleet.pin(name).unwrap()]));
        target
    }

    /// A poller of one device, with no memory of another.
    pub(crate) fn open(&self, name: &str) -> Arc<dyn SessionSource> {
        LinuxFactory::new(SshHub::new()).open(&self.target(name)).unwrap().source
    }
}

pub(crate) async fn poll(source: &dyn SessionSource) -> Result<Reading, SourceError> {
    poll_within(source, PATIENCE).await
}

pub(crate) async fn poll_within(
    source: &dyn SessionSource,
    deadline: Duration,
) -> Result<Reading, SourceError> {
    source.poll(&PollContext { clock: &NOW, deadline }).await
}
