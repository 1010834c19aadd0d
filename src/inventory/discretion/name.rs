//! Names of fields that hold secrets.

use crate::inventory::shape::closest;

/// Words that make a field's name that of a secret, without `-` and `_`.
const WORDS: &[&str] = &["token", "secret", "password", "passwd", "passphrase", "credential"];

/// Whole names of secrets, without `-` and `_`.
const NAMES: &[&str] = &["key", "apikey", "authkey", "accesskeyid", "secretaccesskey", "pass"];

/// Files and public halves, which are no secrets though their names have such a word in them.
const HARMLESS: &[&str] = &["privatekey", "publickeys", "publickeyfiles", "secretsencryption"];

/// Whether a field of this name, rightly or wrongly spelt, may hold a secret.
pub(crate) fn names_a_secret(field: &str) -> bool {
    let plain: String =
        field.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    if HARMLESS.contains(&plain.as_str()) {
        return false;
    }
    WORDS.iter().any(|word| plain.contains(word))
        || NAMES.contains(&plain.as_str())
        // Short names are near to everything.
        || plain.len() >= 4
            && closest(&plain, WORDS.iter().chain(NAMES).copied().filter(|name| name.len() >= 5))
                .is_some()
}

/// Further names of secrets in what others print, by their ends.
const ENDS: &[&str] = &["apikey", "authkey", "accesskey", "secretkey", "cookie", "ticket"];

/// Names that others have for harmless things too: the label's of a taint, a test's.
const AMBIGUOUS: &[&str] = &["key", "pass", "ticket", "cookie", "credential", "credentials"];

/// How names end of what belongs to a secret and is none.
const BESIDE: &[&str] = &[
    "id",
    "name",
    "file",
    "path",
    "ref",
    "type",
    "ttl",
    "url",
    "uri",
    "kind",
    "class",
    "source",
    "store",
    "count",
    "version",
    "expiry",
    "expiration",
    "expires",
    "expiresin",
    "expiresat",
];

/// Whether what stands behind this name in any text is a secret. Unlike [`names_a_secret`] it takes names
/// as they are spelt: `taken` is a word like others.
pub(super) fn assigns_a_secret(name: &str) -> bool {
    let plain = plain(name);
    let ends = |ends: &[&str]| ends.iter().any(|end| plain.ends_with(end));
    let named = NAMES.contains(&plain.as_str());
    let like = WORDS.iter().any(|word| plain.contains(word)) && !HARMLESS.contains(&plain.as_str());
    named || ends(ENDS) || like && !ends(BESIDE)
}

/// Whether a name that assigns a secret assigns other things as well.
pub(super) fn is_ambiguous(name: &str) -> bool {
    AMBIGUOUS.contains(&plain(name).as_str())
}

/// The last part of a path, without `-` and `_`.
fn plain(name: &str) -> String {
    let last = name.rsplit('.').next().unwrap_or_default();
    last.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_any_text_a_secrets_name_is_known_as_it_is_spelt() {
        for name in [
            "token",
            "proxmox.token",
            "--api-key",
            "PROXMOX_VE_API_TOKEN",
            "CSRFPreventionToken",
            "PVEAuthCookie",
            "secretAccessKey",
            "accessKeyId",
            "passwords",
            "secret_value",
            "key",
        ] {
            assert!(assigns_a_secret(name), "{name}");
        }
        for name in [
            "taken",
            "token_id",
            "secretName",
            "secret_file",
            "token.name",
            "host",
            "keys",
            "monkey",
            "",
        ] {
            assert!(!assigns_a_secret(name), "{name}");
        }
    }

    #[test]
    fn a_secrets_name_is_known_in_spite_of_its_spelling() {
        for name in [
            "token",
            "tokne",
            "toekn",
            "api_key",
            "apikey",
            "api-kye",
            "client_secret",
            "pasword",
            "authkey",
        ] {
            assert!(names_a_secret(name), "{name}");
        }
        for name in [
            "endpoint",
            "taints",
            "tags",
            "private_key",
            "public_keys",
            "bridge",
            "memory",
            "tls",
            "pool",
        ] {
            assert!(!names_a_secret(name), "{name}");
        }
    }
}
