//! A real sshd on loopback, started and stopped by the test.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_source::testkit::plain_target;
use cliffwatch_source::{Credential, HostKey, SecretRef, Settings, SourceFactory as _, Target};
use cliffwatch_source_linux::LinuxFactory;
use cliffwatch_transport::ssh::SshHub;
use tempfile::TempDir;

const SSHD: &str = "/usr/sbin/sshd";

pub(crate) struct Sshd {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Sshd {
    /// With options before the one key that may log in, such as `command="…"`.
    pub(crate) async fn start(key_options: impl FnOnce(&Path) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for key in ["host_key", "user_key", "stranger_key"] {
            let mut make = Command::new("ssh-keygen");
            make.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(path(key));
            assert!(make.status().unwrap().success());
        }
        let public = fs::read_to_string(path("user_key.pub")).unwrap();
        let options = key_options(folder.path());
        fs::write(path("authorized_keys"), format!("{options} {public}")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {0}/host_key\nAuthorizedKeysFile {0}/authorized_keys .ssh/authorized_keys\n\
             PidFile none\nPermitRootLogin yes\nStrictModes no\nUsePAM no\nLogLevel VERBOSE\n",
            folder.path().display()
        );
        fs::write(path("config"), config).unwrap();
        if !Path::new("/run/sshd").exists() {
            // Only root's sshd wants it, and only root can make it.
            fs::create_dir("/run/sshd").ok();
        }
        let log = fs::File::create(path("log")).unwrap();
        let mut start = Command::new(SSHD);
        start.args(["-D", "-e", "-f"]).arg(path("config"));
        let child = start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let sshd = Self { child, folder, port };
        sshd.wait_until_it_listens().await;
        sshd
    }

    async fn wait_until_it_listens(&self) {
        for _ in 0..500 {
            if self.log().contains("Server listening") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("sshd does not listen: {}", self.log());
    }

    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn logins(&self) -> usize {
        self.log().matches("Accepted publickey").count()
    }

    /// The server as a device, with a key that it knows and its own key pinned.
    pub(crate) fn target(&self) -> Target {
        let platform = LinuxFactory::new(SshHub::new()).platform();
        let mut target = plain_target("gw", &platform, Some(&format!("127.0.0.1:{}", self.port)));
        target.credential = Some(Arc::new(Credential {
            name: "nat-ssh".into(),
            username: Some(text(Command::new("id").arg("-un")).trim().to_owned()),
            private_key: Some(SecretRef::File(self.key("user_key"))),
            ..Credential::default()
        }));
        let line = text(Command::new("ssh-keygen").arg("-lf").arg(self.key("host_key.pub")));
        target.ssh.host_key = Some(HostKey::Pinned(vec![line.split(' ').nth(1).unwrap().to_owned()]));
        // Whatever else runs on this machine.
        target.settings =
            Settings::new(serde_json::json!({ "namespaces": false }).as_object().unwrap().clone());
        target
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // Its sessions end with their connections, which the test drops.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn text(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}
