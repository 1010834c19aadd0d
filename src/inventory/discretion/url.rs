//! Names and passwords in URLs.
//!
//! In a sound URL a password's `/`, `?` and the like are encoded. In one that somebody typed they are not,
//! and may stand anywhere: so what follows `name:` is a password up to the last `@` of the line, but for
//! what is a port.

use std::borrow::Cow;

use super::{REDACTED, form, word::is_plain};

/// A name of this length with a digit in it is a token.
const TOKEN: usize = 16;
/// A part of a path that is shorter is none of a password.
const SHORTEST: usize = 6;
/// How far a password that begins as a port does may reach.
const WORD: usize = 256;

/// What closes a word of a sentence.
const CLOSERS: &str = "'),;]}.:!";

/// The text with the `user:password@` of its URLs redacted.
pub(super) fn redacted(text: &str) -> Cow<'_, str> {
    if !text.contains('@') {
        return text.into();
    }
    let mut shown = String::new();
    let (mut copied, mut start) = (0, 0);
    while start < text.len() {
        let end = start + segment_length(&text[start..]);
        if let Some((from, to)) = credentials(&text[start..end]) {
            shown.push_str(&text[copied..start + from]);
            shown.push_str(REDACTED);
            copied = start + to;
        }
        start = end;
    }
    if copied == 0 {
        return text.into();
    }
    shown.push_str(&text[copied..]);
    shown.into()
}

/// How far one URL and what follows it may reach: to the end of the line, to a closing quote, or to the
/// next URL.
fn segment_length(text: &str) -> usize {
    let mut parts_before_scheme = false;
    let mut scheme = 0;
    for (at, c) in text.char_indices() {
        let after = &text[at + c.len_utf8()..];
        match c {
            '\n' => return at + 1,
            '"' | '`' if !after.starts_with(|c: char| c.is_alphanumeric() || "@/".contains(c)) => {
                return at + 1;
            }
            ':' if after.starts_with("//") && parts_before_scheme && scheme < at => return scheme,
            _ => {}
        }
        if !c.is_ascii_alphanumeric() && !"+-.".contains(c) {
            parts_before_scheme = c.is_whitespace() || "\"'`([{<>,;=|".contains(c);
            scheme = at + c.len_utf8();
        }
    }
    text.len()
}

/// Where a name and a password stand in a segment, without the `@` behind them.
fn credentials(segment: &str) -> Option<(usize, usize)> {
    let last = segment.rfind('@')?;
    let starts = segment.match_indices("//").map(|(at, mark)| at + mark.len());
    starts.take_while(|start| *start <= last).find_map(|start| {
        let is_ssh = segment[..start].ends_with("ssh://");
        let name = || name_alone(&segment[start..]).filter(|_| !is_ssh);
        let end = start + name().or_else(|| password_end(&segment[start..], last - start))?;
        Some((start, end))
    })
}

/// Where a name ends that stands before the `@` alone and is a token: Git hosts take one in its place.
fn name_alone(text: &str) -> Option<usize> {
    let end = text.find(|c: char| c.is_whitespace() || "@:/?#\"`".contains(c))?;
    let name = &text[..end];
    let long = end >= TOKEN && name.contains(|c: char| c.is_ascii_digit());
    (text[end..].starts_with('@') && (long || form::redacted(name) != name)).then_some(end)
}

/// Whether what follows `name:99` up to an `@` in the same word is the rest of a password that begins as a
/// port does, and no path: one has further parts, of an API, and a host is known by its dots.
fn goes_on_as_password(host: &str, after: &str) -> bool {
    let word = after[..after.floor_char_boundary(WORD)]
        .split(char::is_whitespace)
        .next()
        .unwrap_or_default();
    let Some((rest, behind)) = word.rsplit_once('@') else { return false };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let hash = behind.starts_with("sha256:");
    let numbers = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    let path = rest.strip_prefix('/').unwrap_or_default();
    let made = |part: &str| part.len() >= SHORTEST && !is_plain(part);
    !hash
        && !numbers
        && (rest.starts_with(['?', '#']) || !path.starts_with("api") && path.split('/').any(made))
}

/// Where the password ends in what follows a `://`; `last` is where the last `@` stands.
fn password_end(text: &str, last: usize) -> Option<usize> {
    if text.starts_with(&format!("{REDACTED}@")) {
        return None;
    }
    let ends = |c: char| c.is_whitespace() || ":/?#\"`".contains(c);
    let name = text.find(ends).filter(|at| text[*at..].starts_with(':') && *at < last)?;
    let after = &text[name + 1..];
    let prose = after.trim_start_matches(|c| CLOSERS.contains(c));
    if is_port(after) && !goes_on_as_password(&text[..name], after)
        || is_address(text)
        || prose.is_empty()
        || prose.starts_with(char::is_whitespace)
    {
        return None;
    }
    // `ssh://git@github.com:me/homelab` is no password, but in `https://root@pam:hunter2@pve` is one.
    match text[..name].rsplit_once('@') {
        Some((_, host)) if host.contains('.') => {
            let word = after.find(char::is_whitespace).unwrap_or(after.len());
            Some(name + 1 + after[..word].rfind('@')?)
        }
        _ => Some(last),
    }
}

/// Whether a text begins with a port, or with the word in its place.
fn is_port(text: &str) -> bool {
    let rest = match text.strip_prefix("PORT") {
        Some(rest) => rest,
        None => {
            let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
            if text[..text.len() - rest.len()].parse::<u16>().is_err() {
                return false;
            }
            rest
        }
    };
    let ends = |c: char| c.is_whitespace() || c.is_control() || "\"`<>\\|".contains(c);
    let closed = rest.trim_start_matches(|c| CLOSERS.contains(c));
    rest.starts_with(['/', '?', '#']) || closed.is_empty() || closed.starts_with(ends)
}

/// Whether a text begins with an IPv6 address in brackets.
fn is_address(text: &str) -> bool {
    let address = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let digits = |c: char| c.is_ascii_hexdigit() || ":.".contains(c);
    address.is_some_and(|(address, rest)| {
        !address.is_empty() && address.chars().all(digits) && !rest.starts_with('@')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_redacted_whatever_is_in_it() {
        for (text, shown) in [
            ("https://me:hunter2@pve/a?b", "https://[redacted]@pve/a?b"),
            ("https://me:hun(ter'2@pve:8006/", "https://[redacted]@pve:8006/"),
            ("https://me:hun/ter?2#x@pve", "https://[redacted]@pve"),
            ("'https://me:hun ter 2@pve' x", "'https://[redacted]@pve' x"),
            ("https://me:hun\"ter`2@pve", "https://[redacted]@pve"),
            ("https://me:hunter2' x@pve", "https://[redacted]@pve"),
            ("https://me:12345@pve", "https://[redacted]@pve"),
            ("https://me:123456/7@pve", "https://[redacted]@pve"),
            ("https://:hunter2@pve", "https://[redacted]@pve"),
            ("https://me:a@b c@pve", "https://[redacted]@pve"),
            ("https://root@pam:hun ter2@pve:8006", "https://[redacted]@pve:8006"),
            ("https://a:b@c@d/e https://f", "https://[redacted]@d/e https://f"),
            ("https://a:b@c, https://d:e@f", "https://[redacted]@c, https://[redacted]@f"),
            ("https://proxy/https://a:b@c", "https://proxy/https://[redacted]@c"),
            ("https://me:x://y@pve", "https://[redacted]@pve"),
            (
                "https://pve:8006/x\nhttps://a:b@c\nd@e",
                "https://pve:8006/x\nhttps://[redacted]@c\nd@e",
            ),
            (r#"{"a":"https://b:c@d","e":"f@g"}"#, r#"{"a":"https://[redacted]@d","e":"f@g"}"#),
        ] {
            assert_eq!(redacted(text), shown);
        }
    }

    #[test]
    fn ports_names_and_sentences_are_no_passwords() {
        for text in [
            "ssh://git@github.com/me",
            "ssh://git@github.com:me/homelab",
            "ssh://git@forge:2222/me/homelab@v2",
            "https://pve:8006/api2/json/access/users/homelab@pve/token/up",
            "https://pve:8006: root@pam!up is refused",
            "cannot reach https://pve: root@pam!up is refused",
            "(https://pve:8006), root@pam",
            "`https://pve:8006` root@pam",
            "https://[fd00::1]:8006 and https://[fd00::1] root@pam",
            "--endpoint takes https://HOST:PORT; root@pam",
            "oci://registry:5000/image@sha256:abcd",
            "https://mirror/root@pam:x",
        ] {
            assert_eq!(redacted(text), text);
        }
    }
}
