//! Whether a text has the form of its format.

use std::str::FromStr;

use croner::parser::{CronParser, Seconds, Year};

pub(super) fn parses<T: FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

pub(super) fn is_text(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains('\0')
}

pub(super) fn is_dns_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(parses::<crate::model::NodeName>)
}

/// As Cloudflare names accounts and zones.
pub(super) fn is_cloudflare_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

pub(super) fn is_fingerprint(text: &str) -> bool {
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

pub(crate) fn is_https_origin(text: &str) -> bool {
    authority(text, &["https"])
        .is_some_and(|(authority, path)| !authority.contains('@') && matches!(&*path, "" | "/"))
}

/// What is wrong with a text that is no [`is_https_origin`]; it repeats nothing of it.
pub(crate) fn why_no_https_origin(text: &str) -> Option<&'static str> {
    if is_https_origin(text) {
        return None;
    }
    Some(match text.split_once("://") {
        None => "it has no scheme: write `https://` before it",
        Some((scheme, _)) if scheme != "https" => "write `https://`: Proxmox speaks nothing else",
        Some((_, rest)) if rest.contains('@') => "take name and password out: the token logs in",
        Some((_, rest)) if rest.trim_end_matches('/').contains('/') => "take the path out",
        Some(_) => "write scheme, host and port, and nothing else",
    })
}

pub(super) fn is_http_url(text: &str) -> bool {
    authority(text, &["https", "http"]).is_some_and(|(authority, _)| !authority.contains('@'))
}

pub(super) fn is_artifact_url(text: &str) -> bool {
    is_http_url(text) || text.strip_prefix("file:///").is_some_and(|path| !path.is_empty())
}

pub(super) fn is_git_url(text: &str) -> bool {
    // A port is behind the host; before the `@` a colon begins a password.
    let password =
        |authority: &str| authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    authority(text, &["ssh", "https", "http"]).is_some_and(|(authority, path)| {
        path.len() > 1 && (text.starts_with("ssh://") || !password(&authority))
    })
}

pub(super) fn is_tailnet_tag(text: &str) -> bool {
    text.strip_prefix("tag:").is_some_and(|name| {
        name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

pub(super) fn is_proxmox_tag(text: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    text.bytes().next().is_some_and(first)
        && text.bytes().all(|byte| first(byte) || matches!(byte, b'-' | b'+' | b'.'))
}

pub(super) fn is_proxmox_id(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

pub(super) fn is_plain_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| digits(part))
}

pub(super) fn is_k3s_version(text: &str) -> bool {
    text.strip_prefix('v')
        .and_then(|rest| rest.split_once("+k3s"))
        .is_some_and(|(version, release)| is_plain_version(version) && digits(release))
}

pub(super) fn digits(text: &str) -> bool {
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

pub(super) fn is_user_name(text: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (1..=32).contains(&text.len())
        && text.bytes().next().is_some_and(first)
        && text.bytes().all(|byte| first(byte) || byte.is_ascii_digit() || byte == b'-')
}

pub(super) fn is_environment_name(text: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    text.bytes().next().is_some_and(first)
        && text.bytes().all(|byte| first(byte) || byte.is_ascii_digit())
}

pub(super) fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_label_name(text)
}

pub(super) fn is_label_key(text: &str) -> bool {
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

pub(super) fn is_cron(text: &str) -> bool {
    // What croner knows beyond cron's own grammar (`L`, `W`, `#`) others do not.
    let plain = |byte: u8| byte.is_ascii_digit() || b"*/,- ".contains(&byte);
    let named =
        |field: &str| field.len() >= 3 && field.bytes().all(|byte| byte.is_ascii_alphabetic());
    let known = |field: &str| {
        field.split(['-', ',']).all(|part| part.bytes().all(plain) || named(part) || part == "?")
    };
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    text.split_ascii_whitespace().all(known) && parser.parse(text).is_ok()
}

/// A chart's version or an image's tag: one that names one release, so no `latest`.
pub(super) fn is_release(text: &str) -> bool {
    let rest = text.strip_prefix('v').unwrap_or(text);
    rest.starts_with(|first: char| first.is_ascii_digit())
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-".contains(&byte))
}

pub(super) fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, domain)| {
        !user.is_empty()
            && user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte))
            && is_dns_name(domain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_holds_its_own_type() {
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFdYmSjNNyhGR0n5jNnjJ6YbXKBzQ5oVz4mS0VvYQvV0 me";
        assert!(is_ssh_public_key(key));
        assert!(!is_ssh_public_key(&key.replace("ssh-ed25519", "ssh-rsa")));
        assert!(!is_ssh_public_key("-----BEGIN OPENSSH PRIVATE KEY-----"));
    }
}
