//! An API's path as a shape: the same call on another object has the same, so that times add up by name.

/// What stands for whatever names one object.
const OBJECT: &str = "{}";
/// Names of collections whose next segment names one of theirs.
const COLLECTIONS: &[&str] = &[
    "nodes",
    "qemu",
    "lxc",
    "storage",
    "content",
    "tasks",
    "pools",
    "network",
    "device",
    "keys",
    "tailnet",
    "node",
    "user",
    "policy",
    "accounts",
    "zones",
    "cfd_tunnel",
    "dns_records",
];
/// What follows a collection and is no object's name.
const VERBS: &[&str] = &["acl", "devices", "keys", "tags", "expire", "register"];

/// The path without its query and without the names of objects.
pub(crate) fn shape(path: &str) -> String {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let mut follows = false;
    let segments = path.split('/').map(|segment| {
        let object = (follows && !VERBS.contains(&segment)) || !is_word(segment);
        follows = !object && COLLECTIONS.contains(&segment);
        if object && !segment.is_empty() { OBJECT } else { segment }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// What an API's author chose, and nobody else: a word, or a version (`v2`, `api2`).
fn is_word(segment: &str) -> bool {
    let letters = segment.trim_end_matches(|last: char| last.is_ascii_digit());
    let versioned = segment.len() - letters.len() <= 1;
    let plain = |c: char| c.is_ascii_alphabetic() || c == '-' || c == '_';
    versioned && segment.len() <= 24 && letters.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_the_same_kind_have_the_same_shape_whatever_they_are_asked_of() {
        let shapes = [
            "/version",
            "/nodes/pve/qemu/102/status/current",
            "/nodes/pve1/qemu?full=1",
            "/nodes/pve1/storage/local/content/local:iso/homelab-a-b-c0ffee.iso",
            "/nodes/pve1/tasks/UPID%3Apve1%3A0000%3A%3Aqmclone%3Ame%40pve%21up%3A/status",
            "/api/v2/tailnet/-/keys/kAbCdEf0123",
            "/api/v2/tailnet/-/devices?fields=all",
            "/api/v2/device/nodeid/tags",
            "/accounts/0123456789abcdef/cfd_tunnel/lab/configurations",
        ];
        insta::assert_snapshot!(shapes.map(shape).join("\n"), @"
        /version
        /nodes/{}/qemu/{}/status/current
        /nodes/{}/qemu
        /nodes/{}/storage/{}/content/{}/{}
        /nodes/{}/tasks/{}/status
        /api/v2/tailnet/{}/keys/{}
        /api/v2/tailnet/{}/devices
        /api/v2/device/{}/tags
        /accounts/{}/cfd_tunnel/{}/configurations
        ");
    }
}
