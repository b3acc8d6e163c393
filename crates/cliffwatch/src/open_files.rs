use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the service opens besides its sessions: the store, the API's connections, files that are read.
const BESIDES: u64 = 512;
/// Of one device: the held session, and now and then a second one beside it.
const SESSIONS_PER_DEVICE: u64 = 2;

/// Takes all that we may have of open files: each held session is one. What the limit is now; `None` for no
/// limit.
pub(crate) fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "The limit of open files cannot be raised.");
            limit.current
        }
    }
}

/// What is wrong with a limit for so many devices, in words for an operator.
pub(crate) fn too_few(limit: Option<u64>, devices: usize) -> Option<String> {
    let devices = u64::try_from(devices).unwrap_or(u64::MAX);
    let (least, wanted) = (
        devices.saturating_add(BESIDES),
        devices.saturating_mul(SESSIONS_PER_DEVICE).saturating_add(BESIDES),
    );
    limit.filter(|limit| *limit < least).map(|limit| {
        format!(
            "{limit} open files are too few for {devices} devices, each of which holds one: set LimitNOFILE={wanted} in the \
             service's unit, or `--ulimit nofile={wanted}:{wanted}` for a container"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_the_inventory_does_not_fit_in_is_told() {
        assert_eq!(too_few(Some(1_024), 100), None);
        assert_eq!(too_few(None, 1_000_000), None);
        let told = too_few(Some(1_024), 10_000).unwrap();
        assert!(told.contains("1024 open files") && told.contains("LimitNOFILE=20512"), "{told}");
    }

    #[test]
    fn the_limit_can_be_raised_to_what_we_may_have() {
        assert_eq!(raise(), getrlimit(Resource::Nofile).current);
    }
}
