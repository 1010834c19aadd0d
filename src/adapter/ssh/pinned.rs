//! The host keys that a node may show: known before first contact, never learnt from it.

use russh::keys::{Algorithm, HashAlg, PublicKey};

use crate::ports::{HostError, HostTarget};

/// The pinned keys of one host: one, or two while a rotation is under way.
#[derive(Clone, Debug)]
pub struct PinnedKeys(Vec<PublicKey>);

impl PinnedKeys {
    /// The keys of a target; none, or one that does not parse, is an error: nothing is ever trusted
    /// for want of a key.
    pub fn of(target: &HostTarget) -> Result<Self, HostError> {
        let parse = |text: &String| {
            PublicKey::from_openssh(text).map_err(|error| {
                HostError::Local(format!(
                    "the recorded host key `{text}` of {} cannot be read: {error}",
                    target.node
                ))
            })
        };
        let keys = target.host_keys.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(HostError::Local(format!("no host key of {} is known", target.node)));
        }
        Ok(Self(keys))
    }

    /// Whether `shown` is one of them; comments do not count.
    pub fn accepts(&self, shown: &PublicKey) -> bool {
        self.0.iter().any(|known| known.key_data() == shown.key_data())
    }

    pub fn fingerprints(&self) -> Vec<String> {
        self.0.iter().map(fingerprint).collect()
    }

    /// `preferred` with the algorithms of the pinned keys in front: a server that has several keys
    /// shows the one that the client would like best.
    pub(super) fn order(&self, preferred: &[Algorithm]) -> Vec<Algorithm> {
        let ours = |algorithm: &Algorithm| {
            self.0.iter().any(|key| {
                // One RSA key serves all RSA signature algorithms.
                let rsa = |algorithm: &Algorithm| matches!(algorithm, Algorithm::Rsa { .. });
                key.algorithm() == *algorithm || rsa(&key.algorithm()) && rsa(algorithm)
            })
        };
        let (mut first, rest): (Vec<_>, Vec<_>) = preferred.iter().cloned().partition(ours);
        first.extend(rest);
        first
    }
}

/// `SHA256:...`, as `ssh-keygen -l` prints it.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    fn target(host_keys: &[&str]) -> HostTarget {
        HostTarget {
            node: "k3s-server".parse().unwrap(),
            addresses: vec![],
            port: 22,
            user: "root".into(),
            host_keys: host_keys.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_host_without_a_known_key_is_not_talked_to() {
        assert!(matches!(PinnedKeys::of(&target(&[])), Err(HostError::Local(_))));
        assert!(matches!(PinnedKeys::of(&target(&["ssh-ed25519 junk"])), Err(HostError::Local(_))));
    }

    #[test]
    fn a_comment_does_not_make_another_key() {
        let pinned = PinnedKeys::of(&target(&[KEY])).unwrap();
        let commented = PublicKey::from_openssh(&format!("{KEY} root@host")).unwrap();
        assert!(pinned.accepts(&commented));
        assert!(!pinned.accepts(&PublicKey::from_openssh(OTHER).unwrap()));
    }

    #[test]
    fn the_algorithms_of_pinned_keys_are_asked_for_first() {
        let pinned = PinnedKeys::of(&target(&[KEY])).unwrap();
        let rsa = Algorithm::Rsa { hash: Some(HashAlg::Sha512) };
        let order = pinned.order(&[rsa.clone(), Algorithm::Ed25519]);
        assert_eq!(order, [Algorithm::Ed25519, rsa]);
    }
}
