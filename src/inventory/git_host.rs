//! The SSH host keys of Git hosts: those that publishers tell, and where a URL's host is in known_hosts.

/// What the publishers tell of their ed25519 keys: the fingerprints of each are in their documentation, and
/// compared in the test below.
const PUBLISHED: [(&str, &str); 3] = [
    (
        "github.com",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
    ),
    (
        "gitlab.com",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf",
    ),
    (
        "codeberg.org",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIVIC02vnjFyL+I4RHfvIGNtOgJMe769VTF1VR4EB3ZB",
    ),
];

/// The name under which known_hosts has the host of an `ssh://` URL: `host`, or `[host]:port` where the port
/// is not 22 (sshd(8)).
pub(crate) fn known_as(url: &str) -> Option<String> {
    let authority = url.strip_prefix("ssh://")?.split('/').next()?;
    let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
    let parsed: http::uri::Authority = address.parse().ok()?;
    let host = parsed.host().trim_matches(['[', ']']).to_lowercase();
    Some(match parsed.port_u16() {
        None | Some(22) => host,
        Some(port) => format!("[{host}]:{port}"),
    })
}

/// The line of a known host; `None` for one that nobody of general fame runs.
pub(crate) fn published(url: &str) -> Option<String> {
    let name = known_as(url)?;
    let (host, key) = PUBLISHED.iter().find(|(host, _)| *host == name)?;
    Some(format!("{host} {key}"))
}

/// Whether a line is one of known_hosts: names, kind, key.
pub(crate) fn is_known_host(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let (Some(names), Some(kind), Some(key)) = (words.next(), words.next(), words.next()) else {
        return false;
    };
    !names.starts_with(['#', '@', '|'])
        && kind.contains('-')
        && format!("{kind} {key}").parse::<russh::keys::PublicKey>().is_ok()
}

#[cfg(test)]
mod tests {
    use russh::keys::{HashAlg, PublicKey};

    use super::*;

    #[test]
    fn the_published_keys_have_the_published_fingerprints() {
        let published = [
            "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
            "SHA256:eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8",
            "SHA256:mIlxA9k46MmM6qdJOdMnAQpzGxF4WIVVL+fj+wZbw0g",
        ];
        for ((host, key), fingerprint) in PUBLISHED.iter().zip(published) {
            let key: PublicKey = key.parse().unwrap();
            assert_eq!(key.fingerprint(HashAlg::Sha256).to_string(), fingerprint, "{host}");
        }
    }

    #[test]
    fn a_host_is_named_as_known_hosts_names_it() {
        for (url, name) in [
            ("ssh://git@github.com/me/homelab", "github.com"),
            ("ssh://git@Git.lan:22/me", "git.lan"),
            ("ssh://git@10.79.0.1:2222/homelab.git", "[10.79.0.1]:2222"),
            ("ssh://[fd00::1]:2222/x", "[fd00::1]:2222"),
        ] {
            assert_eq!(known_as(url).as_deref(), Some(name));
        }
        assert_eq!(known_as("https://github.com/me/homelab"), None);
        assert!(published("ssh://git@github.com/me/homelab").is_some());
        assert!(published("ssh://git@github.com:2222/me/homelab").is_none());
    }

    #[test]
    fn a_line_is_a_name_and_a_key() {
        assert!(is_known_host(&published("ssh://git@gitlab.com/x").unwrap()));
        for line in ["", "git.lan", "git.lan ssh-ed25519 AAAA", "# comment ssh-ed25519 x"] {
            assert!(!is_known_host(line), "{line}");
        }
    }
}
