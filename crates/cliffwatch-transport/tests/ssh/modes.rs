use std::path::Path;

use cliffwatch_model::ErrorKind;
use cliffwatch_transport::ssh::{Mode, Script, SshHub};

use crate::sshd::{HELLO, Sshd, SshdConfig, available, soon};

/// Reads as the fast line of a Linux device does: with builtins of the shell only.
const BUILTINS: Script = Script::new("builtins", "read max < /proc/sys/kernel/pid_max; echo \"$max\"");

/// A server whose login runs this instead of what is asked for, as a login shell of that kind would.
async fn forced(command: &str) -> Option<Sshd> {
    if !available() {
        return None;
    }
    let key_options = format!("command=\"{}\"", command.replace('"', "\\\""));
    Some(Sshd::start(SshdConfig { key_options, ..SshdConfig::default() }).await)
}

/// Those of the shells that this machine has; says aloud which it lacks.
fn shells(all: [&'static str; 3]) -> Vec<&'static str> {
    let here = |shell: &&str| {
        let program = shell.split(' ').next().unwrap();
        let found = ["/bin", "/usr/bin"].iter().any(|dir| Path::new(dir).join(program).exists());
        if !found {
            assert!(std::env::var_os("CLIFFWATCH_NO_SKIP").is_none(), "{program} is missing");
            println!("SKIPPED for {shell}: {program} is missing");
        }
        found
    };
    all.into_iter().filter(here).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_shell_of_any_kind_keeps_a_loop() {
    for shell in shells(["dash", "bash", "busybox ash"]) {
        let Some(sshd) = forced(&format!("exec {shell} -c \"$SSH_ORIGINAL_COMMAND\"")).await else { return };
        let session = sshd.session(&SshHub::new(), "nat-gw-1");
        for _ in 0..3 {
            assert_eq!(session.ask(&HELLO, soon()).await.unwrap().stdout, b"hello\n", "{shell}");
            let number = session.ask(&BUILTINS, soon()).await.unwrap().stdout;
            assert!(String::from_utf8(number).unwrap().trim().parse::<u32>().is_ok());
        }
        assert_eq!((session.status().mode, sshd.logins()), (Some(Mode::ShellLoop), 1), "{shell}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_of_every_kind_runs_the_loop() {
    for shell in shells(["dash", "bash --posix", "busybox sh"]) {
        // `exec sh` from a PATH on which `sh` is that shell.
        let dir = tempfile::tempdir().unwrap();
        let (sh, path) = (dir.path().join("sh"), dir.path().display());
        std::fs::write(&sh, format!("#!/bin/dash\nexec {shell}\n")).unwrap();
        assert!(std::process::Command::new("chmod").arg("755").arg(&sh).status().unwrap().success());
        let Some(sshd) = forced(&format!("PATH={path}:$PATH; eval \"$SSH_ORIGINAL_COMMAND\"")).await else {
            return;
        };
        let session = sshd.session(&SshHub::new(), "nat-gw-1");
        for _ in 0..3 {
            assert_eq!(session.ask(&HELLO, soon()).await.unwrap().stdout, b"hello\n", "{shell}");
            assert!(!session.ask(&BUILTINS, soon()).await.unwrap().stdout.is_empty(), "{shell}");
        }
        assert_eq!(session.status().mode, Some(Mode::ShellLoop), "{shell}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_noise_of_rc_files_is_not_part_of_the_reply() {
    let noise = "echo Welcome to the device; echo CWB CWE 0; echo careful >&2; printf 'no newline'";
    for shell in ["eval \"$SSH_ORIGINAL_COMMAND\"", "exec rbash -c \"$SSH_ORIGINAL_COMMAND\""] {
        let Some(sshd) = forced(&format!("{noise}; {shell}")).await else { return };
        let session = sshd.session(&SshHub::new(), "nat-gw-1");
        for _ in 0..3 {
            assert_eq!(session.ask(&HELLO, soon()).await.unwrap().stdout, b"hello\n", "{shell}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restricted_shell_gets_one_command_per_request() {
    let Some(sshd) = forced("exec rbash -c \"$SSH_ORIGINAL_COMMAND\"").await else { return };
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    for _ in 0..3 {
        let number = session.ask(&BUILTINS, soon()).await.unwrap();
        assert!(String::from_utf8(number.stdout).unwrap().trim().parse::<u32>().is_ok());
        assert_eq!(number.exit_status, Some(0));
    }
    assert_eq!((session.status().mode, sshd.logins()), (Some(Mode::Exec), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_command_is_the_reply() {
    let Some(sshd) = forced("echo 1234; echo 65536; exit 3").await else { return };
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    for _ in 0..3 {
        let reply = session.ask(&HELLO, soon()).await.unwrap();
        assert_eq!((reply.stdout.as_slice(), reply.exit_status), (&b"1234\n65536\n"[..], Some(3)));
    }
    assert_eq!((session.status().mode, sshd.logins()), (Some(Mode::ForcedCommand), 1));
    let beside = session.exec(&HELLO, soon()).await.unwrap_err();
    assert_eq!(beside.kind(), ErrorKind::Parse, "what another script would print is not known: {beside}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_allowed_commands_matches_the_plain_text() {
    let list =
        "case \"$SSH_ORIGINAL_COMMAND\" in 'echo hello; echo trouble >&2') echo allowed;; *) exit 1;; esac";
    let Some(sshd) = forced(list).await else { return };
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    for _ in 0..3 {
        assert_eq!(session.ask(&HELLO, soon()).await.unwrap().stdout, b"allowed\n");
    }
    assert_eq!(session.status().mode, Some(Mode::ForcedCommand));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_without_any_shell_says_what_it_said() {
    let Some(sshd) = forced("echo no logins here >&2; exit 1").await else { return };
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    let error = session.ask(&HELLO, soon()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Parse);
    assert!(error.to_string().contains("status 1: no logins here"), "{error}");
    assert!(error.hint().unwrap().contains("POSIX shell"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_swallows_everything_in_silence_leaves_time_for_the_other_ways() {
    let command = "case \"$SSH_ORIGINAL_COMMAND\" in 'exec sh') exec cat > /dev/null;; *) eval \"$SSH_ORIGINAL_COMMAND\";; esac";
    let Some(sshd) = forced(command).await else { return };
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    assert_eq!(session.ask(&HELLO, crate::sshd::within(4)).await.unwrap().stdout, b"hello\n");
    assert_eq!(session.ask(&HELLO, soon()).await.unwrap().stdout, b"hello\n");
    assert_eq!((session.status().mode, sshd.logins()), (Some(Mode::Exec), 1));
}
