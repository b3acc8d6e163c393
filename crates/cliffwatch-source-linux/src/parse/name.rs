//! What an operator calls a network namespace, from the control groups of a process in it.

/// Of a name that is longer the rest is left out: it is part of keys and labels.
const NAME_CHARS_MAX: usize = 120;
/// Hexadecimal digits of a container's id, and how many of them `docker ps` and its kin show.
const ID_CHARS: usize = 64;
const SHORT_ID_CHARS: usize = 12;

/// How sure it is that the name belongs to this namespace and to no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A pod, container or machine: its namespace is made with it and goes with it.
    Container(String),
    /// A service of the system, which may share a namespace that has a name of its own.
    Service(String),
}

/// The pod, container, machine or service that these control groups belong to.
pub(crate) fn owner<P: AsRef<str>>(groups: &[P]) -> Option<Owner> {
    let paths = || groups.iter().map(AsRef::as_ref);
    let container = paths().find_map(|path| pod(path).or_else(|| container(path)).or_else(|| machine(path)));
    let service = || paths().find_map(service);
    container.map(Owner::Container).or_else(|| service().map(Owner::Service))
}

/// A name without what is ambiguous in keys, labels and paths.
pub(super) fn plain(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@' | '+') { c } else { '_' }
    };
    name.chars().take(NAME_CHARS_MAX).map(plain).collect()
}

/// Whether software made up the name under `/run/netns`, as CNI plug-ins and Podman do: `cni-` or `netns-`
/// and a UUID. The pod's or the container's says more.
pub(super) fn is_made_up(name: &str) -> bool {
    let uuid = name.strip_prefix("cni-").or_else(|| name.strip_prefix("netns-"));
    uuid.is_some_and(is_uuid)
}

/// Kubernetes, both drivers: `/kubepods/burstable/podUID/ID` and
/// `/kubepods.slice/kubepods-burstable-podUID.slice/cri-containerd-ID.scope`, there with `_` for `-`.
/// The namespace is the pod's, whichever of its containers the process is in. Where containerd and kubelet do
/// not agree on the driver it is `/system.slice/containerd.service/kubepods-burstable-podUID.slice:cri-containerd:ID`.
fn pod(path: &str) -> Option<String> {
    if !path.contains("kubepods") {
        return None;
    }
    path.split(['/', ':']).find_map(|segment| {
        let segment = segment.strip_suffix(".slice").unwrap_or(segment);
        let (before, uid) = segment.rsplit_once("pod")?;
        let uid = uid.replace('_', "-");
        // A static pod's uid is a hash without dashes.
        let known = is_uuid(&uid) || (uid.len() == 32 && is_hex(&uid));
        (known && (before.is_empty() || before.ends_with('-'))).then(|| format!("pod-{uid}"))
    })
}

/// The innermost container: `docker-ID.scope`, `libpod-ID.scope`, `/docker/ID`, `/ecs/TASK/ID`.
fn container(path: &str) -> Option<String> {
    let mut parent = "";
    let mut found = None;
    for segment in path.split('/') {
        let (prefix, id) = match segment.strip_suffix(".scope").unwrap_or(segment).rsplit_once(['-', ':']) {
            Some((prefix, id)) => (prefix, id),
            None => (parent, segment),
        };
        // conmon watches a container from outside.
        if id.len() == ID_CHARS && is_hex(id) && !prefix.ends_with("conmon") {
            let short: String = id.chars().take(SHORT_ID_CHARS).collect();
            found = Some(format!("{}-{short}", engine(prefix)));
        }
        parent = segment;
    }
    found
}

fn engine(prefix: &str) -> &'static str {
    let known = [
        ("docker", "docker"),
        ("libpod", "podman"),
        ("crio", "crio"),
        ("containerd", "containerd"),
        ("nerdctl", "containerd"),
    ];
    let found = known.iter().find(|(word, _)| prefix.contains(word));
    found.map_or("container", |(_, engine)| *engine)
}

/// LXC and LXD (`/lxc/NAME`, `/lxc.payload.NAME`, `/lxc.payload/NAME`), and the machines of systemd
/// (`/machine.slice/machine-NAME.scope`, `systemd-nspawn@NAME.service`).
fn machine(path: &str) -> Option<String> {
    let mut segments = path.split('/').peekable();
    let mut found = None;
    while let Some(segment) = segments.next() {
        if matches!(segment, "lxc" | "lxc.payload") {
            found = segments.peek().map(|name| format!("lxc-{name}"));
        } else if let Some(name) = segment.strip_prefix("lxc.payload.") {
            found = Some(format!("lxc-{name}"));
        } else if let Some(name) =
            segment.strip_prefix("machine-").and_then(|rest| rest.strip_suffix(".scope"))
        {
            found = Some(format!("machine-{}", unescaped(name)));
        } else if let Some(name) =
            segment.strip_prefix("systemd-nspawn@").and_then(|rest| rest.strip_suffix(".service"))
        {
            found = Some(format!("machine-{}", unescaped(name)));
        }
    }
    found.map(|name| plain(&name))
}

/// The last service in the path, unless a user's session runs it: that names no namespace.
fn service(path: &str) -> Option<String> {
    if path.contains("user.slice") {
        return None;
    }
    let service = path.split('/').rfind(|segment| segment.ends_with(".service"))?;
    Some(plain(&unescaped(service)))
}

/// systemd writes `-` within a name as `\x2d`, and other characters likewise (systemd.unit(5)).
fn unescaped(name: &str) -> String {
    let mut parts = name.split("\\x");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code.filter(|code| (b' '..=b'~').contains(code)).zip(part.get(2..)) {
            Some((code, rest)) => plain.extend(std::iter::once(char::from(code)).chain(rest.chars())),
            None => plain.extend(["_x", part]),
        }
    }
    plain
}

fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.split('-').all(is_hex)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f9ad07c4f7bb3a9e21a6b0d1c8f44e2a1b2c3d4e5f60718293a4b5c6d7e8f90";
    const UID: &str = "0a1b2c3d-1111-2222-3333-444455556666";

    fn container(path: &str) -> Option<String> {
        match owner(&[path.to_owned()]) {
            Some(Owner::Container(name)) => Some(name),
            Some(Owner::Service(name)) => Some(format!("service {name}")),
            None => None,
        }
    }

    #[test]
    fn every_engine_has_its_own_path() {
        let under = UID.replace('-', "_");
        for (path, name) in [
            (format!("/system.slice/docker-{ID}.scope"), "docker-3f9ad07c4f7b"),
            (format!("/docker/{ID}"), "docker-3f9ad07c4f7b"),
            (format!("/docker/{ID}/system.slice/nginx.service"), "docker-3f9ad07c4f7b"),
            (format!("/machine.slice/libpod-{ID}.scope/container"), "podman-3f9ad07c4f7b"),
            (
                format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope"),
                "podman-3f9ad07c4f7b",
            ),
            (format!("/system.slice/crio-{ID}.scope"), "crio-3f9ad07c4f7b"),
            (format!("/system.slice/nerdctl-{ID}.scope"), "containerd-3f9ad07c4f7b"),
            (format!("/system.slice/containerd.service/cri-containerd:{ID}"), "containerd-3f9ad07c4f7b"),
            (format!("/ecs/7d5e/{ID}"), "container-3f9ad07c4f7b"),
            (format!("/kubepods/burstable/pod{UID}/{ID}"), "pod-0a1b2c3d-1111-2222-3333-444455556666"),
            (
                format!(
                    "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{under}.slice/cri-containerd-{ID}.scope"
                ),
                "pod-0a1b2c3d-1111-2222-3333-444455556666",
            ),
            (
                format!("/kubepods.slice/kubepods-pod{under}.slice/crio-{ID}.scope"),
                "pod-0a1b2c3d-1111-2222-3333-444455556666",
            ),
            (
                format!("/kubepods/podd4e5f60718293a4b5c6d7e8f90aabbcc/{ID}"),
                "pod-d4e5f60718293a4b5c6d7e8f90aabbcc",
            ),
            (
                format!(
                    "/system.slice/containerd.service/kubepods-burstable-pod{under}.slice:cri-containerd:{ID}"
                ),
                "pod-0a1b2c3d-1111-2222-3333-444455556666",
            ),
            ("/lxc/web1".to_owned(), "lxc-web1"),
            ("/lxc.payload.web1/init.scope".to_owned(), "lxc-web1"),
            ("/lxc.payload/web1/system.slice/cron.service".to_owned(), "lxc-web1"),
            ("/machine.slice/machine-db\\x2d1.scope/payload".to_owned(), "machine-db-1"),
            ("/machine.slice/systemd-nspawn@db.service/payload".to_owned(), "machine-db"),
            ("/system.slice/openvpn@site-1.service".to_owned(), "service openvpn@site-1.service"),
            ("/system.slice/system-wg.slice/wg@a.service".to_owned(), "service wg@a.service"),
        ] {
            assert_eq!(container(&path).as_deref(), Some(name), "{path}");
        }
    }

    #[test]
    fn what_names_nothing_gives_no_name() {
        for path in [
            "",
            "/",
            "/init.scope",
            "/user.slice/user-0.slice/session-3.scope",
            "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service",
            "/lxc",
            &format!("/machine.slice/libpod-conmon-{ID}.scope"),
            "/docker/3f9ad07c4f7b",
            "/kubepods/burstable/podxyz",
            "/mypod0a1b2c3d-1111-2222-3333-444455556666",
        ] {
            assert_eq!(container(path), None, "{path}");
        }
    }

    #[test]
    fn names_are_fit_for_a_key() {
        assert_eq!(plain("a b/c\u{1b}[2Jé"), "a_b_c__2J_");
        assert_eq!(plain(&"x".repeat(500)).len(), NAME_CHARS_MAX);
        assert!(is_made_up("cni-0a1b2c3d-1111-2222-3333-444455556666") && !is_made_up("cni-blue"));
        assert_eq!(unescaped("db\\x2d1\\x40eu\\x20\\xzz\\x2"), "db-1@eu _xzz_x2");
        assert_eq!(container("/lxc/a b\u{7}"), Some("lxc-a_b_".into()));
    }
}
