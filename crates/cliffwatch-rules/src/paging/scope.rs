use cliffwatch_model::TableKind;

/// The scope in a table's path: `context/blue/dmz` of `context/blue/dmz/nat-pool/outside`. Names of scopes may
/// hold a slash, so the kind of the table marks the end.
pub(super) fn scope_of(path: &str) -> &str {
    let name = path.find('/').map_or(path.len(), |slash| slash + 1);
    let end = TableKind::ALL.iter().filter_map(|kind| {
        let rest = path.get(name..)?;
        Some(name + rest.find(&format!("/{kind}/"))?)
    });
    end.min().and_then(|end| path.get(..end)).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_ends_where_the_kind_begins() {
        for (path, scope) in [
            ("netns/host/conntrack/nf_conntrack", "netns/host"),
            ("context/blue/dmz/nat-pool/outside pool/tcp/address=198.51.100.7", "context/blue/dmz"),
            ("device/fw-1/sessions/all", "device/fw-1"),
            ("odd", "odd"),
        ] {
            assert_eq!(scope_of(path), scope);
        }
    }
}
