//! Values as Proxmox stores them: options are tidied before they are written.

use base64::Engine as _;

use super::{network::Network, options};
use crate::pve::{error::ApiError, request::Request, schema::format::split_list};

/// Takes the options out of a request, as they will be stored. Drives and deletions come later.
///
/// # Errors
///
/// 500 for SSH keys that are none.
pub(crate) fn options_of(
    request: &Request,
) -> Result<std::collections::BTreeMap<String, String>, ApiError> {
    let mut found = std::collections::BTreeMap::new();
    for name in request.parameters.keys().filter(|name| options::is_option(name)) {
        // An empty value of a form is there all the same.
        let value = request.text(name).unwrap_or_default();
        found.insert(name.clone(), tidy(name, value)?);
    }
    Ok(found)
}

fn tidy(name: &str, value: String) -> Result<String, ApiError> {
    Ok(match name {
        "tags" => tags(&value),
        "sshkeys" => {
            let text = percent_encoding::percent_decode_str(&value).decode_utf8_lossy();
            if !ssh_keys(&text) {
                return Err(ApiError::failure("SSH public key validation error"));
            }
            value
        }
        "vmgenid" if value == "1" => uuid::Uuid::new_v4().to_string(),
        _ if super::network::is_network(name) => Network::parse(name, &value)
            .map_err(|error| ApiError::parameter(name, error))?
            .with_address()
            .print(),
        _ => value,
    })
}

/// Lower case, sorted, each once, joined by `;`; nothing at all is a blank.
pub(crate) fn tags(text: &str) -> String {
    let mut all: Vec<String> = split_list(text).map(str::to_lowercase).collect();
    all.sort();
    all.dedup();
    if all.is_empty() { " ".to_owned() } else { all.join(";") }
}

/// Whether each line is an OpenSSH public key: `type base64 [comment]`, options before it allowed.
fn ssh_keys(text: &str) -> bool {
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .peekable();
    lines.peek().is_some() && lines.all(ssh_key)
}

fn ssh_key(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.windows(2).any(|pair| {
        let Ok(blob) = base64::engine::general_purpose::STANDARD.decode(pair[1]) else {
            return false;
        };
        // The blob begins with its type's name and that name's length.
        let name = pair[0].as_bytes();
        blob.len() > 4 + name.len()
            && usize::try_from(u32::from_be_bytes([blob[0], blob[1], blob[2], blob[3]]))
                == Ok(name.len())
            && &blob[4..4 + name.len()] == name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBhDFrsacyvFUvypHKq3JWvyjx6c8vnrskSuvedxFjq8 a@b";

    #[test]
    fn tags_are_lower_case_sorted_and_single() {
        assert_eq!(tags("zeta;alpha,Beta beta"), "alpha;beta;zeta");
        assert_eq!(tags("b;a;B;a,c d"), "a;b;c;d");
        assert_eq!(tags(""), " ");
    }

    #[test]
    fn keys_are_told_from_garbage() {
        assert!(ssh_keys(KEY));
        assert!(ssh_keys(&format!("{KEY}\n\n{KEY}\n")));
        assert!(!ssh_keys("garbage"));
        assert!(!ssh_keys(
            "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIBhDFrsacyvFUvypHKq3JWvyjx6c8vnrskSuvedxFjq8"
        ));
        assert!(!ssh_keys(""));
    }
}
