//! Texts that mean something: sizes, durations, versions, tags. Each has a `format` in the schema; the
//! shape check and the conversions ask the same functions.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
    time::Duration,
};

use ipnet::{IpNet, Ipv4Net};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

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
        expected: "an origin without a path, such as `https://pve1.lan:8006`",
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
        expected: "a version such as `v1.34.4+k3s1`",
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

fn parses<T: FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

fn is_text(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains('\0')
}

fn is_dns_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(parses::<crate::model::NodeName>)
}

pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_fingerprint(text: &str) -> bool {
    fingerprint(text).is_some()
}

/// The 32 bytes of a fingerprint, written with or without colons.
pub(crate) fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits = if text.len() == 64 {
        text.to_owned()
    } else {
        let bytes: Vec<&str> = text.split(':').collect();
        if bytes.len() != 32 || bytes.iter().any(|byte| byte.len() != 2) {
            return None;
        }
        bytes.concat()
    };
    hex::decode(digits).ok()?.try_into().ok()
}

fn authority(text: &str, schemes: &[&str]) -> Option<(String, String)> {
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme)?.strip_prefix("://"))?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    // `http::Uri` knows what an authority is: brackets, ports.
    let parsed: http::uri::Authority = authority.parse().ok()?;
    let sound = !parsed.host().is_empty() && !text.chars().any(char::is_whitespace);
    sound.then(|| (authority.to_owned(), path.to_owned()))
}

fn is_https_origin(text: &str) -> bool {
    authority(text, &["https"])
        .is_some_and(|(authority, path)| !authority.contains('@') && matches!(&*path, "" | "/"))
}

fn is_http_url(text: &str) -> bool {
    authority(text, &["https", "http"]).is_some_and(|(authority, _)| !authority.contains('@'))
}

fn is_artifact_url(text: &str) -> bool {
    is_http_url(text) || text.strip_prefix("file:///").is_some_and(|path| !path.is_empty())
}

fn is_git_url(text: &str) -> bool {
    authority(text, &["ssh", "https", "http"]).is_some_and(|(authority, path)| {
        path.len() > 1 && !authority.split('@').next().is_some_and(|user| user.contains(':'))
            || text.starts_with("ssh://") && path.len() > 1
    })
}

fn is_tailnet_tag(text: &str) -> bool {
    text.strip_prefix("tag:").is_some_and(|name| {
        name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

fn is_proxmox_tag(text: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    text.bytes().next().is_some_and(first)
        && text.bytes().all(|byte| first(byte) || matches!(byte, b'-' | b'+' | b'.'))
}

fn is_proxmox_id(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn is_plain_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| digits(part))
}

fn is_k3s_version(text: &str) -> bool {
    text.strip_prefix('v')
        .and_then(|rest| rest.split_once("+k3s"))
        .is_some_and(|(version, release)| is_plain_version(version) && digits(release))
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A line of `authorized_keys` without options, whose data begins with its own type's name (RFC 4253, 6.6).
pub(crate) fn is_ssh_public_key(text: &str) -> bool {
    use base64::Engine;
    let mut fields = text.split(' ');
    let (Some(kind), Some(data)) = (fields.next(), fields.next()) else { return false };
    let Ok(blob) = base64::engine::general_purpose::STANDARD.decode(data) else { return false };
    let length = u32::try_from(kind.len()).unwrap_or(u32::MAX).to_be_bytes();
    !text.contains(['\n', '\r'])
        && blob.strip_prefix(&length).is_some_and(|rest| rest.starts_with(kind.as_bytes()))
}

fn is_user_name(text: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (1..=32).contains(&text.len())
        && text.bytes().next().is_some_and(first)
        && text.bytes().all(|byte| first(byte) || byte.is_ascii_digit() || byte == b'-')
}

fn is_environment_name(text: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    text.bytes().next().is_some_and(first)
        && text.bytes().all(|byte| first(byte) || byte.is_ascii_digit())
}

fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_label_name(text)
}

fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_dns_name(prefix) && is_label_name(name),
        None => is_label_name(text),
    }
}

fn is_label_name(text: &str) -> bool {
    let edge = |character: Option<char>| character.is_some_and(|c| c.is_ascii_alphanumeric());
    (1..=63).contains(&text.len())
        && edge(text.chars().next())
        && edge(text.chars().next_back())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn is_cron(text: &str) -> bool {
    let field = |field: &str| {
        field.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*/,-?".contains(&byte))
    };
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    fields.len() == 5 && fields.into_iter().all(field)
}

/// A chart's version or an image's tag: one that names one release, so no `latest`.
fn is_release(text: &str) -> bool {
    let rest = text.strip_prefix('v').unwrap_or(text);
    rest.starts_with(|first: char| first.is_ascii_digit())
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(&byte))
}

fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, domain)| {
        !user.is_empty()
            && user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte))
            && is_dns_name(domain)
    })
}

/// Addresses from one to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddressRange {
    pub(crate) first: Ipv4Addr,
    pub(crate) last: Ipv4Addr,
}

impl AddressRange {
    pub(crate) fn contains(self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }
}

impl FromStr for AddressRange {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some((first, last)) = text.split_once('-') {
            let first: Ipv4Addr = first.trim().parse().map_err(|_| ())?;
            let last: Ipv4Addr = last.trim().parse().map_err(|_| ())?;
            return (first <= last).then_some(Self { first, last }).ok_or(());
        }
        let network: Ipv4Net = text.parse().map_err(|_| ())?;
        Ok(Self { first: network.network(), last: network.broadcast() })
    }
}

/// An amount of bytes, written with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Whole mebibytes.
    pub const fn mebibytes(self) -> u64 {
        self.0 >> 20
    }

    pub(crate) const fn of_gibibytes(count: u64) -> Self {
        Self(count << 30)
    }
}

impl FromStr for Size {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let end = text.find(|character: char| !character.is_ascii_digit()).ok_or(())?;
        let (number, unit) = text.split_at(end);
        let shift = match unit.strip_suffix("iB").or(unit.strip_suffix('B')).unwrap_or(unit) {
            "M" => 20,
            "G" => 30,
            "T" => 40,
            _ => return Err(()),
        };
        let number: u64 = number.parse().map_err(|_| ())?;
        match number.checked_mul(1 << shift) {
            // Proxmox counts in 63 bits.
            Some(bytes) if (1..1 << 62).contains(&bytes) => Ok(Self(bytes)),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = self.mebibytes();
        if mebibytes.is_multiple_of(1024) {
            write!(formatter, "{}G", mebibytes / 1024)
        } else {
            write!(formatter, "{mebibytes}M")
        }
    }
}

/// A stretch of time, written with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let end = text.find(|character: char| !character.is_ascii_digit()).ok_or(())?;
        let factor = match &text[end..] {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(()),
        };
        let seconds = text[..end].parse::<u32>().map_err(|_| ())?;
        if seconds == 0 {
            return Err(());
        }
        Ok(Self(Duration::from_secs(u64::from(seconds) * factor)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            seconds if seconds.is_multiple_of(3600) => write!(formatter, "{}h", seconds / 3600),
            seconds if seconds.is_multiple_of(60) => write!(formatter, "{}m", seconds / 60),
            seconds => write!(formatter, "{seconds}s"),
        }
    }
}

macro_rules! written_as_text {
    ($type:ty, $name:literal, $format:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(|()| D::Error::custom(concat!("no ", $format)))
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "format": $format})
            }
        }
    };
}

written_as_text!(Size, "Size", "size");
written_as_text!(Span, "Duration", "duration");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_need_a_unit_and_print_as_they_are_written() {
        for (text, bytes) in [("32G", 32 << 30), ("3072M", 3072 << 20), ("1T", 1 << 40)] {
            assert_eq!(text.parse::<Size>().map(Size::bytes), Ok(bytes));
        }
        assert_eq!("32GiB".parse::<Size>().unwrap().to_string(), "32G");
        assert_eq!("1536M".parse::<Size>().unwrap().to_string(), "1536M");
        for text in ["32", "0G", "-1G", "1.5G", "32 G", "32g", "", "99999999999T"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }

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
            ("git-url", "ssh://git@github.com/me/homelab", "ssh://git@github.com"),
            ("git-url", "https://github.com/me/homelab", "https://me:token@github.com/me/homelab"),
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

    #[test]
    fn a_public_key_holds_its_own_type() {
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFdYmSjNNyhGR0n5jNnjJ6YbXKBzQ5oVz4mS0VvYQvV0 me";
        assert!(is_ssh_public_key(key));
        assert!(!is_ssh_public_key(&key.replace("ssh-ed25519", "ssh-rsa")));
        assert!(!is_ssh_public_key("-----BEGIN OPENSSH PRIVATE KEY-----"));
    }
}
