//! Texts that mean something: sizes, durations, versions, tags. Each has a `format` in the schema; the
//! shape check and the conversions ask the same functions.

mod amount;
mod check;
mod range;

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

pub use amount::{Size, Span};
pub(crate) use check::{
    fingerprint, is_https_origin, is_sha256, is_ssh_public_key, why_no_https_origin,
};
use check::{
    is_artifact_url, is_cloudflare_id, is_cron, is_dns_name, is_email, is_environment_name,
    is_fingerprint, is_git_url, is_http_url, is_k3s_version, is_label_key, is_label_value,
    is_plain_version, is_proxmox_id, is_proxmox_tag, is_release, is_tailnet_tag, is_text,
    is_user_name, parses,
};
pub(crate) use range::AddressRange;

/// A format of a text: its name in the schema, what it looks like, and its check.
pub(crate) struct Format {
    pub(crate) name: &'static str,
    /// What is expected, after "expected".
    pub(crate) expected: &'static str,
    /// For editors; the check is stricter.
    pub(crate) pattern: Option<&'static str>,
    pub(crate) sound: fn(&str) -> bool,
}

/// All formats of the inventory's schema.
pub(crate) const FORMATS: &[Format] = &[
    Format {
        name: "size",
        expected: "a size with its unit, such as `32G` or `3072M` (powers of 1024)",
        pattern: Some(r"^[1-9][0-9]*(M|G|T)(i?B)?$"),
        sound: parses::<Size>,
    },
    Format {
        name: "duration",
        expected: "a duration, such as `90s`, `5m` or `1h`",
        pattern: Some(r"^[1-9][0-9]*(s|m|h)$"),
        sound: parses::<Span>,
    },
    Format {
        name: "ipv4",
        expected: "an IPv4 address, such as `10.79.0.102`",
        pattern: None,
        sound: parses::<Ipv4Addr>,
    },
    Format { name: "ip", expected: "an IP address", pattern: None, sound: parses::<IpAddr> },
    Format {
        name: "ipv4-network",
        expected: "an IPv4 network, such as `10.79.0.0/24`",
        pattern: Some(r"^[0-9.]+/[0-9]{1,2}$"),
        sound: parses::<Ipv4Net>,
    },
    Format {
        name: "ip-network",
        expected: "a network, such as `100.64.0.0/10`",
        pattern: None,
        sound: parses::<IpNet>,
    },
    Format {
        name: "uuid",
        expected: "a UUID, as `homelab init` makes one",
        pattern: None,
        sound: parses::<uuid::Uuid>,
    },
    Format {
        name: "dns-label",
        expected: "a DNS label: 1 to 63 of a-z, 0-9 and `-`, beginning and ending with a letter or digit",
        pattern: Some(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"),
        sound: parses::<crate::model::NodeName>,
    },
    Format {
        name: "dns-name",
        expected: "a DNS name in lower case, such as `home.example.org`",
        pattern: None,
        sound: is_dns_name,
    },
    Format {
        name: "cloudflare-id",
        expected: "an id of Cloudflare's, 32 hex digits",
        pattern: Some(r"^[0-9a-f]{32}$"),
        sound: is_cloudflare_id,
    },
    Format {
        name: "sha256",
        expected: "64 hexadecimal digits in lower case",
        pattern: Some(r"^[0-9a-f]{64}$"),
        sound: is_sha256,
    },
    Format {
        name: "fingerprint",
        expected: "a SHA-256 fingerprint: 32 bytes as hexadecimal digits, with or without colons",
        pattern: Some(r"^[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}$"),
        sound: is_fingerprint,
    },
    Format {
        name: "https-origin",
        expected: "an `https://` origin without a path, such as `https://pve1.lan:8006`",
        pattern: Some(r"^https://[^/]+/?$"),
        sound: is_https_origin,
    },
    Format {
        name: "http-url",
        expected: "a URL, such as `https://headscale.example.org`",
        pattern: Some(r"^https?://"),
        sound: is_http_url,
    },
    Format {
        name: "artifact-url",
        expected: "a URL that begins with `https://`, `http://` or `file:///`",
        pattern: Some(r"^(https?://|file:///)"),
        sound: is_artifact_url,
    },
    Format {
        name: "git-url",
        expected: "an SSH or HTTPS URL of a repository, such as `ssh://git@github.com/me/homelab`",
        pattern: Some(r"^(ssh|https|http)://"),
        sound: is_git_url,
    },
    Format {
        name: "known-host",
        expected: "a line of known_hosts, such as `git.lan ssh-ed25519 AAAA...`",
        pattern: None,
        sound: super::git_host::is_known_host,
    },
    Format {
        name: "s3-url",
        expected: "the URL of an S3 endpoint, such as `https://s3.eu-central-1.amazonaws.com`",
        pattern: Some(r"^https?://"),
        sound: is_http_url,
    },
    Format {
        name: "tailnet-tag",
        expected: "a tag such as `tag:k3s`: letters, digits and `-` after `tag:`, a letter first",
        pattern: Some(r"^tag:[a-zA-Z][a-zA-Z0-9-]*$"),
        sound: is_tailnet_tag,
    },
    Format {
        name: "proxmox-tag",
        expected: "a Proxmox tag: a-z, 0-9, `_`, then `-`, `+` and `.` too",
        pattern: Some(r"^[a-z0-9_][a-z0-9_+.-]*$"),
        sound: is_proxmox_tag,
    },
    Format {
        name: "proxmox-id",
        expected: "a name of letters, digits, `-`, `_` and `.`, a letter or digit first",
        pattern: Some(r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"),
        sound: is_proxmox_id,
    },
    Format {
        name: "k3s-version",
        expected: "a version such as `v1.34.9+k3s1`",
        pattern: Some(r"^v[0-9]+\.[0-9]+\.[0-9]+\+k3s[0-9]+$"),
        sound: is_k3s_version,
    },
    Format {
        name: "tailscale-version",
        expected: "a version such as `1.92.3`",
        pattern: Some(r"^[0-9]+\.[0-9]+\.[0-9]+$"),
        sound: is_plain_version,
    },
    Format {
        name: "release",
        expected: "a version such as `1.12.1` or `v1.21.1`, never `latest`",
        pattern: Some(r"^v?[0-9][0-9A-Za-z.+-]*$"),
        sound: is_release,
    },
    Format {
        name: "email",
        expected: "an address such as `me@example.org`",
        pattern: Some(r"^[^@\s]+@[^@\s]+$"),
        sound: is_email,
    },
    Format {
        name: "address-range",
        expected: "a range such as `192.168.1.230-192.168.1.250`, or a network such as `192.168.1.224/28`",
        pattern: None,
        sound: parses::<AddressRange>,
    },
    Format {
        name: "age-recipient",
        expected: "an age recipient, `age1...`",
        pattern: Some("^age1[0-9a-z]{58}$"),
        sound: parses::<age::x25519::Recipient>,
    },
    Format {
        name: "ssh-public-key",
        expected: "a public key as in `authorized_keys`, such as `ssh-ed25519 AAAA... me@home`",
        pattern: None,
        sound: is_ssh_public_key,
    },
    Format {
        name: "user-name",
        expected: "a Linux user's name: a-z and `_` first, then digits and `-` too, at most 32",
        pattern: Some(r"^[a-z_][a-z0-9_-]{0,31}$"),
        sound: is_user_name,
    },
    Format {
        name: "environment-name",
        expected: "an environment variable's name, such as `PROXMOX_VE_API_TOKEN`",
        pattern: Some(r"^[A-Za-z_][A-Za-z0-9_]*$"),
        sound: is_environment_name,
    },
    Format {
        name: "label-key",
        expected: "a label's key, such as `homelab.io/zone`: an optional DNS prefix, then 1 to 63 letters, digits, `-`, `_`, `.`",
        pattern: None,
        sound: is_label_key,
    },
    Format {
        name: "label-value",
        expected: "a label's value: at most 63 letters, digits, `-`, `_`, `.`, a letter or digit at both ends",
        pattern: Some(r"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$"),
        sound: is_label_value,
    },
    Format {
        name: "cron",
        expected: "a cron schedule of five fields, such as `0 3 * * *`",
        pattern: None,
        sound: is_cron,
    },
    Format {
        name: "text",
        expected: "a text that is not empty",
        pattern: Some("."),
        sound: is_text,
    },
];

/// The format of that name.
pub(crate) fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE_RECIPIENT: &str = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

    #[test]
    fn formats_take_what_their_owners_take() {
        let sound = |name: &str, text: &str| (format(name).unwrap().sound)(text);
        for (name, good, bad) in [
            ("k3s-version", "v1.34.4+k3s1", "1.34.4+k3s1"),
            ("k3s-version", "v1.34.4+k3s1", "v1.34.4"),
            ("tailnet-tag", "tag:k3s", "k3s"),
            ("tailnet-tag", "tag:k3s-lab", "tag:3ks"),
            ("https-origin", "https://pve1:8006", "https://pve1:8006/api2/json"),
            ("https-origin", "https://[fe80::1]:8006", "http://pve1:8006"),
            ("artifact-url", "file:///srv/k3s", "file://srv/k3s"),
            ("label-key", "homelab.io/zone", "homelab.io/"),
            ("label-value", "", "-x"),
            ("cron", "0 3 * * *", "0 3 * *"),
            ("cron", "*/15 3,4 1-5 * MON-FRI", "0 25 * * *"),
            ("cron", "0 3 * * 0", "0 3 L * *"),
            ("git-url", "ssh://git@github.com/me/homelab", "ssh://git@github.com"),
            ("git-url", "https://github.com/me/homelab", "https://me:token@github.com/me/homelab"),
            (
                "git-url",
                "https://git.example.org:8443/me/x",
                "https://me:token@git.example.org:8443/me/x",
            ),
            ("git-url", "https://me@git.example.org:8443/me/x", "https://git.example.org:8443"),
            ("user-name", "debian", "Debian"),
            ("duration", "5m", "0s"),
            ("proxmox-tag", "k3s", "K3S"),
            ("release", "v1.21.1", "latest"),
            ("release", "2026.8.2", "v"),
            ("email", "me+home@example.org", "me@example..org"),
            ("address-range", "192.168.1.230-192.168.1.250", "192.168.1.250-192.168.1.230"),
            ("address-range", "192.168.1.224/28", "192.168.1.230"),
            ("age-recipient", AGE_RECIPIENT, "age1qqqq"),
            ("ip-network", "fd7a:115c:a1e0::/48", "100.64.0.0"),
        ] {
            assert!(sound(name, good), "{name}: {good}");
            assert!(!sound(name, bad), "{name}: {bad}");
        }
    }
}
