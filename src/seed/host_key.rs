//! The SSH host key that a guest is born with.

use russh::keys::{
    Algorithm, PrivateKey,
    ssh_key::{self, LineEnding},
};

use crate::{
    error::{Failure, Kind, Result},
    secret::Secret,
};

/// An ed25519 key pair in OpenSSH's formats.
#[derive(Clone, Debug)]
pub struct HostKey {
    /// `-----BEGIN OPENSSH PRIVATE KEY-----...`, unencrypted.
    pub private: Secret,
    /// `ssh-ed25519 AAAA...`, without a comment.
    pub public: String,
}

impl HostKey {
    /// A new random key.
    pub fn generate() -> Result<Self> {
        let unfit = |error: ssh_key::Error| {
            Failure::new(Kind::Runtime, "cannot make an SSH host key").because(error)
        };
        let key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).map_err(unfit)?;
        let private = key.to_openssh(LineEnding::LF).map_err(unfit)?;
        let public = key.public_key().to_openssh().map_err(unfit)?;
        Ok(Self { private: Secret::new(private.as_str()), public })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_an_openssh_pair_and_new_each_time() {
        let key = HostKey::generate().unwrap();
        let read = PrivateKey::from_openssh(key.private.expose()).unwrap();
        assert_eq!(read.public_key().to_openssh().unwrap(), key.public);
        assert!(key.public.starts_with("ssh-ed25519 AAAA"));
        assert_eq!(key.public.split(' ').count(), 2, "no comment");
        assert_ne!(HostKey::generate().unwrap().public, key.public);
        assert!(!format!("{key:?}").contains("BEGIN"));
    }
}
