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

#[cfg(test)]
mod tests {
    use super::*;

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
