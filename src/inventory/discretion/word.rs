//! Whether a word that stands where a secret may is one, or a word of a sentence.
//!
//! Secrets that people or programs made have a digit in them, or letters of both cases, or signs. What
//! stands behind `token:` in a sentence is a word of small letters, a path, a variable's name, a token's
//! name, a version or a span of time.

use super::REDACTED;

/// What stands in the place of a token's secret in our own examples.
const PLACEHOLDERS: &[&str] = &["SECRET", "uuid"];
/// What parts the words in a name.
const PARTS: &str = "-_./'";
/// No word of a sentence is longer.
const LONGEST_PART: usize = 20;
/// A secret of this length is told from a name by its characters alone.
const LONG: usize = 16;

/// Whether a word is none that a secret would be.
pub(super) fn is_plain(word: &str) -> bool {
    stands_for_another(word)
        || is_of_letters(word)
        || is_path(word)
        || is_measure(word)
        || is_token_id(word)
        || is_variable(word)
}

/// Whether a word is none of a sentence, whatever stands around it: a UUID, or a long one of mixed
/// characters.
pub(super) fn is_random(word: &str) -> bool {
    let count = |is: fn(&char) -> bool| word.chars().filter(is).count();
    let (digits, small, large) = (
        count(char::is_ascii_digit),
        count(char::is_ascii_lowercase),
        count(char::is_ascii_uppercase),
    );
    let sound = word.chars().all(|c| c.is_ascii_alphanumeric() || "+/_-=~.".contains(c));
    let mixed = digits > 0 && small > 0 && large > 0;
    let unbroken = digits > 1 && digits + small + large == word.len();
    let long = word.len() >= LONG && sound && mixed || word.len() > LONGEST_PART && unbroken;
    is_uuid(word) || long && !is_path(word)
}

/// Whether a value is a placeholder, a variable of a shell, or what was redacted.
pub(super) fn stands_for_another(value: &str) -> bool {
    if let Some(rest) = value.strip_prefix('$') {
        return rest.starts_with(['(', '{'])
            || rest.len() > 1 && rest.chars().all(is_of_a_variable);
    }
    if let Some(rest) = value.strip_prefix('<') {
        let end = rest.find('>').unwrap_or(0);
        return end > 0 && rest[..end].chars().all(|c| is_of_a_variable(c) || c == '-');
    }
    PLACEHOLDERS.contains(&value) || value.chars().all(|c| ".…*".contains(c))
}

/// `root@pam!up=`, with a secret behind it that was redacted or is an example.
pub(super) fn is_redacted_token(value: &str) -> bool {
    let value = value.strip_prefix("PVEAPIToken=").unwrap_or(value);
    let Some((id, secret)) = value.split_once('=') else { return false };
    is_token_id(id)
        && (secret.starts_with(REDACTED.trim_end_matches(']')) || PLACEHOLDERS.contains(&secret))
}

/// `root@pam!up`.
fn is_token_id(word: &str) -> bool {
    let parts = word.split_once('@').and_then(|(user, rest)| Some((user, rest.split_once('!')?)));
    let named = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    parts.is_some_and(|(user, (realm, name))| named(user) && named(realm) && named(name))
}

/// Words of letters, small ones or with a large one in front, parted by signs or not.
fn is_of_letters(word: &str) -> bool {
    word.split(|c| PARTS.contains(c)).all(|part| {
        let small = part.chars().skip(1).all(char::is_lowercase);
        part.len() <= LONGEST_PART
            && part.chars().all(char::is_alphabetic)
            && (small || part.chars().all(char::is_uppercase))
    })
}

/// A path of small letters; base64 may begin with `/` too.
fn is_path(word: &str) -> bool {
    let rooted =
        word.starts_with('/') && !word.contains(|c: char| c.is_uppercase() || "+=".contains(c));
    rooted
        || ["~/", "./", "../"].iter().any(|start| word.starts_with(start))
        || word.contains("://")
}

/// A small number, a span of time, a version, a date, or a hash that says which it is.
fn is_measure(word: &str) -> bool {
    let number = word.trim_start_matches('v');
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    let unit = &number[digits..];
    let span =
        digits <= 4 && unit.len() <= 2 && unit.chars().all(|c| c.is_ascii_alphabetic() || c == '%');
    let version = digits <= 4
        && word.len() <= LONGEST_PART
        && unit.starts_with(['.', '-'])
        && unit[1..].starts_with(|c: char| c.is_ascii_digit());
    let hash = ["sha256:", "SHA256:", "MD5:"].iter().any(|kind| word.starts_with(kind));
    hash || digits > 0 && (version || span && number.len() < 5)
}

/// `PROXMOX_TOKEN`.
fn is_variable(word: &str) -> bool {
    word.contains('_') && word.chars().all(is_of_a_variable)
}

fn is_of_a_variable(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'
}

/// `8-4-4-4-12` hexadecimal digits.
fn is_uuid(word: &str) -> bool {
    word.len() == 36
        && word.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_sentences_are_plain_and_what_was_made_up_is_not() {
        for word in [
            "expired",
            "Forbidden",
            "MISSING",
            "flux-system/sops",
            "it's",
            "3",
            "24h",
            "v1.34.1",
            "2026-11-28",
            "root@pam!up2",
            "~/keys/Token1",
            "/etc/homelab/token1",
            "PROXMOX_TOKEN_2",
            "$TOKEN",
            "<TOKEN>",
            "${token}",
            "SECRET",
            "***",
            "https://pve:8006",
            "SHA256:aB3",
        ] {
            assert!(is_plain(word), "{word}");
        }
        for word in [
            "hunter2",
            "Hunter",
            "hunTer",
            "hun=ter",
            "12345",
            "6543ABCD:c2ln",
            "/aB3=",
            "abcdefghijklmnopqrstuvwxyz",
        ] {
            assert_eq!(is_plain(word), word == "Hunter", "{word}");
        }
    }

    #[test]
    fn long_words_of_mixed_characters_are_made_up() {
        for word in [
            "c77a308d-1d4a-48cd-ad3a-e603371d0a40",
            "aB3daB3daB3daB3d",
            "0123456789abcdef01234567",
            "aB3/aB3+aB3_aB3d==",
        ] {
            assert!(is_random(word), "{word}");
        }
        for word in [
            "k3s-server-1",
            "aB3d",
            "misunderstandings",
            "homelab-node-12-of-the-lab",
            "root@pam!Up1xxxxxxx",
        ] {
            assert!(!is_random(word), "{word}");
        }
    }
}
