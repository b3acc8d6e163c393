use std::collections::BTreeMap;
use std::sync::Arc;

use cliffwatch_model::DeviceName;
use cliffwatch_source::JumpHost;

use super::credential::{Logins, unknown_name};
use super::file::JumpHostFile;
use super::host_key::host_key;
use super::parts::Parts;
use crate::diagnostics::{Position, Problem, Report};
use crate::yaml::{At, read};

/// The jump hosts of the inventory, by name; nothing where one is wrong, which was said.
#[derive(Debug)]
pub(super) struct Jumps(BTreeMap<String, (Position, Option<Arc<JumpHost>>)>);

impl Jumps {
    pub(super) fn read(parts: &Parts<'_>, logins: &Logins, pins: bool, report: &mut Report) -> Self {
        let mut jumps = BTreeMap::new();
        for (name, part) in &parts.jump_hosts {
            let file: Option<JumpHostFile> = read(part.node, report);
            let jump = file.and_then(|file| {
                // `{device}` in its credential stands for the jump host itself.
                let own = DeviceName::new(name)
                    .map_err(|error| report.push(Problem::error(part.at, error.to_string())))
                    .ok()?;
                let credential = logins.of(&file.credential, &own, &BTreeMap::new(), report);
                let known_hosts = file.known_hosts.as_ref().map(|file| (file, part.folder));
                let host_key = host_key(file.host_key, known_hosts, report);
                if host_key.is_none() && pins {
                    report.push(
                        Problem::error(part.at, format!("jump host `{name}` has no host key"))
                            .hint("write `host_key: \"SHA256:…\"` or `known_hosts: FILE`; `probe` of a device behind it shows the key"),
                    );
                }
                Some(Arc::new(JumpHost {
                    name: (*name).into(),
                    address: file.address.value.into(),
                    credential: credential?,
                    host_key,
                }))
            });
            jumps.insert((*name).to_owned(), (part.at, jump));
        }
        Self(jumps)
    }

    pub(super) fn of(&self, name: &At<String>, report: &mut Report) -> Option<Arc<JumpHost>> {
        match self.0.get(&name.value) {
            Some((_, jump)) => jump.clone(),
            None => {
                unknown_name("jump host", "jump_hosts", name, self.0.keys().map(String::as_str), report);
                None
            }
        }
    }

    /// Where the jump host of this name is defined.
    pub(super) fn place(&self, name: &str) -> Option<Position> {
        self.0.get(name).map(|(at, _)| *at)
    }
}
