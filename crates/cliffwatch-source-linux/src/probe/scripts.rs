//! What a probe sends that no poll does. All of it only asks what would be allowed.

use cliffwatch_transport::ssh::Script;

use crate::config::LinuxSettings;

/// Which rights the login has, without using any: `sudo -n -l` tells whether a command would be allowed and
/// does not run it. Where it is not, sudo may write a line to the device's log.
pub(crate) static RIGHTS: Script = Script::new(
    "linux_rights",
    r#"echo "==> id <=="; id -u; id -Gn
for f in /proc/1/stat /proc/1/net/stat/nf_conntrack /proc/net/nf_conntrack; do
if [ -r $f ]; then echo "==> $f <=="; echo readable
elif [ -e $f ]; then echo "==> $f <== denied"; else echo "==> $f <== missing"; fi; done
if ( : </dev/kmsg ) 2>/dev/null; then echo "==> /dev/kmsg <=="; echo readable; else echo "==> /dev/kmsg <== denied"; fi
for c in sudo journalctl; do if command -v $c >/dev/null 2>&1; then echo "==> $c <=="; echo there; else echo "==> $c <== missing"; fi; done
if [ -x /usr/sbin/conntrack ]; then echo "==> conntrack <=="; echo there; else echo "==> conntrack <== missing"; fi
if command -v sudo >/dev/null 2>&1; then echo "==> sudo conntrack -S <=="
if sudo -n -l /usr/sbin/conntrack -S >/dev/null 2>&1; then echo allowed; else echo refused; fi; fi
echo "==> end <==""#,
);

/// The same for the one command that shows entries, where the settings want it.
pub(crate) static EVIDENCE: Script = Script::new(
    "linux_rights_evidence",
    r#"if command -v sudo >/dev/null 2>&1; then echo "==> sudo conntrack -L <=="
if sudo -n -l /usr/sbin/conntrack -L -o extended >/dev/null 2>&1; then echo allowed; else echo refused; fi; fi
echo "==> end <==""#,
);

/// The CPU time of the shell that is held, of its parent (sshd's process of this session), and of the
/// shell's children.
pub(crate) static COST: Script = Script::new(
    "linux_cost",
    r#"echo "==> cpu <=="
for p in $$ $PPID; do if [ -r /proc/$p/schedstat ]; then
read -r l </proc/$p/schedstat; read -r c </proc/$p/comm; echo "$p ${l%% *} $c"; fi; done
echo "==> times <=="; times
echo "==> end <==""#,
);

/// Those that find out what the login may do.
pub(super) fn wanted(settings: LinuxSettings) -> impl Iterator<Item = &'static Script> {
    let evidence = (settings.evidence != Some(false)).then_some(&EVIDENCE);
    [&RIGHTS].into_iter().chain(evidence)
}

/// Every script of this file.
#[cfg(test)]
pub(crate) const SCRIPTS: [&Script; 3] = [&RIGHTS, &EVIDENCE, &COST];
