//! The SSH key pair with which Flux reads the repository: made once, kept outside it, in a file of mode 0600.

use camino::Utf8Path;
use russh::keys::{
    Algorithm, PrivateKey, PublicKey,
    ssh_key::{self, LineEnding},
};
use zeroize::Zeroizing;

use crate::{
    error::{Failure, Kind, Result},
    named_file, private_file,
};

/// The public half: what a Git host registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployKey {
    /// `ssh-ed25519 AAAA...`, without a comment.
    pub public: String,
}

impl DeployKey {
    /// The key in a file; `None` when there is no file.
    ///
    /// # Errors
    ///
    /// When it can't be read, or is no private key that is not encrypted.
    pub fn read(path: &Utf8Path) -> Result<Option<Self>> {
        let text = match named_file::bytes(path, named_file::KEY) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let Some(target) = named_file::led_to(path) else { return Ok(None) };
                let why = format!("the deploy key is a link to {target}, where nothing is");
                return Err(Failure::new(Kind::Inventory, why).at(path).hint(
                    "put the key back there, mount what holds it, or take the link away: then a new key is made",
                ));
            }
            Err(error) => return Err(unreadable(path).because(error)),
        };
        let text = std::str::from_utf8(&text).map_err(|error| unreadable(path).because(error))?;
        if text.trim().is_empty() {
            return Err(Failure::new(Kind::Inventory, "the deploy key's file is empty").at(path).hint(
                "put the key back from your backup; or delete the file, and `homelab gitops deploy-key` makes a new one",
            ));
        }
        let key = PrivateKey::from_openssh(text).map_err(|error| {
            unreadable(path).because(error).hint("expected what `ssh-keygen -t ed25519` makes")
        })?;
        if key.is_encrypted() {
            return Err(unreadable(path).hint("it has a passphrase, and Flux has nobody to ask"));
        }
        Ok(Some(Self { public: plain(key.public_key()).map_err(|error| unfit(&error))? }))
    }

    /// Makes a key in a new file, and never over another.
    ///
    /// # Errors
    ///
    /// When the folder or the file can't be written, or there is a file.
    pub fn make(path: &Utf8Path) -> Result<Self> {
        let key = PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519)
            .map_err(|error| unfit(&error))?;
        let text = key.to_openssh(LineEnding::LF).map_err(|error| unfit(&error))?;
        private_file::make(path, &text).map_err(|error| {
            Failure::new(Kind::Runtime, "the deploy key can't be written").at(path).because(error)
        })?;
        Ok(Self { public: plain(key.public_key()).map_err(|error| unfit(&error))? })
    }

    /// Whether a line, with a comment or without, is this key.
    pub fn is(&self, line: &str) -> bool {
        line.parse::<PublicKey>().is_ok_and(|key| plain(&key).is_ok_and(|key| key == self.public))
    }
}

/// Kind and key, without a comment.
fn plain(key: &PublicKey) -> Result<String, ssh_key::Error> {
    let text = key.to_openssh()?;
    Ok(text.split(' ').take(2).collect::<Vec<_>>().join(" "))
}

fn unreadable(path: &Utf8Path) -> Failure {
    Failure::new(Kind::Inventory, "the deploy key can't be used").at(path)
}

fn unfit(error: &ssh_key::Error) -> Failure {
    Failure::new(Kind::Runtime, format!("an SSH key cannot be made: {error}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use camino::Utf8PathBuf;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_known_again_by_its_public_half() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("new/deploy")).unwrap();
        assert_eq!(DeployKey::read(&path).unwrap(), None);
        let made = DeployKey::make(&path).unwrap();
        assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(DeployKey::read(&path).unwrap().as_ref(), Some(&made));
        DeployKey::make(&path).expect_err("it is there already");
        assert!(made.is(&made.public) && made.is(&format!("{} somebody@desk\n", made.public)));
        let other = DeployKey::make(&path.with_file_name("other")).unwrap();
        assert!(!made.is(&other.public) && !made.is("ssh-ed25519 AAAA") && !made.is(""));
        let link = path.with_file_name("link");
        std::os::unix::fs::symlink("not-mounted", &link).unwrap();
        assert!(DeployKey::read(&link).unwrap_err().message.contains("a link to not-mounted"));
        fs_err::write(&path, "").unwrap();
        assert!(DeployKey::read(&path).unwrap_err().message.contains("is empty"));
        fs_err::write(&path, "no key").unwrap();
        assert!(
            DeployKey::read(&path)
                .unwrap_err()
                .hints
                .iter()
                .any(|hint| hint.contains("ssh-keygen"))
        );
    }
}
