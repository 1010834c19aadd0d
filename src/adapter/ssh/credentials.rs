//! Who we are to the nodes: a key in a file, or one that an SSH agent holds.

use std::{os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc};

use camino::{Utf8Path, Utf8PathBuf};
use russh::{
    client::AuthResult,
    keys::{
        PrivateKey, PrivateKeyWithHashAlg, PublicKey,
        agent::{AgentIdentity, client::AgentClient},
        decode_secret_key,
    },
};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use super::{pinned::fingerprint, session::Session};
use crate::{inventory::desired::Access, model::NodeName, named_file, ports::HostError};

/// A server ends the connection after a few wrong keys (`MaxAuthTries`, 6 unless said otherwise).
const MOST_AGENT_KEYS: usize = 5;

/// The operator's SSH identity.
#[derive(Clone, Debug)]
pub struct Credentials {
    file: Option<Utf8PathBuf>,
    /// The keys that the nodes were told of: those of them that an agent holds are tried first.
    public_keys: Vec<PublicKey>,
    agent: Option<PathBuf>,
}

/// A key that is tried.
enum Candidate {
    Held(Box<PrivateKey>),
    WithAgent(PublicKey),
}

impl Credentials {
    /// `agent` is the agent's socket (`SSH_AUTH_SOCK`), used where there is no key file, or where it
    /// is encrypted.
    pub fn new(access: &Access, agent: Option<PathBuf>) -> Self {
        let public_keys = access
            .public_keys
            .iter()
            .filter_map(|text| PublicKey::from_openssh(text).ok())
            .collect();
        Self { file: access.private_key.clone(), public_keys, agent }
    }

    /// Logs in over a connection whose server is known to be the right one.
    pub(super) async fn log_in(
        &self,
        session: &mut Session,
        user: &str,
        node: &NodeName,
    ) -> Result<(), HostError> {
        let refused =
            |reason: String| HostError::Login { node: node.clone(), user: user.to_owned(), reason };
        let candidates = match &self.file {
            Some(file) => vec![read_key(file)?],
            None => self.agent_keys().await?.into_iter().map(Candidate::WithAgent).collect(),
        };
        let mut tried = Vec::new();
        for candidate in candidates {
            let (name, answer) = match candidate {
                Candidate::Held(key) => {
                    let name = fingerprint(key.public_key());
                    (name, present(session, user, key).await.map_err(|error| error.to_string()))
                }
                Candidate::WithAgent(key) => {
                    let name = format!("{} of the agent", fingerprint(&key));
                    (name, self.present_by_agent(session, user, key).await)
                }
            };
            match answer {
                Ok(AuthResult::Success) => return Ok(()),
                Ok(AuthResult::Failure { .. }) => tried.push(format!("{name} was not accepted")),
                Err(reason) => tried.push(format!("{name}: {reason}")),
            }
            if session.handle.is_closed() {
                tried.push(session.end_reason());
                break;
            }
        }
        if tried.is_empty() {
            tried.push("the SSH agent holds no key".to_owned());
        }
        Err(refused(tried.join("; ")))
    }

    async fn agent(&self) -> Result<AgentClient<UnixStream>, HostError> {
        let Some(socket) = &self.agent else {
            let why = match &self.file {
                Some(file) => format!("{file} is encrypted"),
                None => "`access.private_key` is not set".to_owned(),
            };
            return Err(HostError::Local(format!(
                "{why}, and no SSH agent is running (SSH_AUTH_SOCK is not set)"
            )));
        };
        AgentClient::connect_uds(socket).await.map_err(|error| {
            HostError::Local(format!(
                "the SSH agent at {} cannot be used: {error}",
                socket.display()
            ))
        })
    }

    /// The agent's keys, those first that the nodes know.
    async fn agent_keys(&self) -> Result<Vec<PublicKey>, HostError> {
        let identities = self.agent().await?.request_identities().await.map_err(|error| {
            HostError::Local(format!("the SSH agent does not list its keys: {error}"))
        })?;
        let keys = identities.into_iter().filter_map(|identity| match identity {
            AgentIdentity::PublicKey { key, .. } => Some(key),
            AgentIdentity::Certificate { .. } => None,
        });
        let known = |key: &PublicKey| {
            self.public_keys.iter().any(|public| public.key_data() == key.key_data())
        };
        let (mut first, rest): (Vec<_>, Vec<_>) = keys.partition(known);
        first.extend(rest);
        first.truncate(MOST_AGENT_KEYS);
        Ok(first)
    }

    async fn present_by_agent(
        &self,
        session: &mut Session,
        user: &str,
        key: PublicKey,
    ) -> Result<AuthResult, String> {
        let mut agent = self.agent().await.map_err(|error| error.to_string())?;
        let hash = rsa_hash(session, &key).await.map_err(|error| error.to_string())?;
        session
            .handle
            .authenticate_publickey_with(user, key, hash, &mut agent)
            .await
            .map_err(|error| error.to_string())
    }
}

async fn present(
    session: &mut Session,
    user: &str,
    key: Box<PrivateKey>,
) -> Result<AuthResult, russh::Error> {
    let hash = rsa_hash(session, key.public_key()).await?;
    let key = PrivateKeyWithHashAlg::new(Arc::from(key), hash);
    session.handle.authenticate_publickey(user, key).await
}

/// RSA keys sign with a hash of the server's choice; asking may take a second, so only they ask.
async fn rsa_hash(
    session: &Session,
    key: &PublicKey,
) -> Result<Option<russh::keys::HashAlg>, russh::Error> {
    if !key.algorithm().is_rsa() {
        return Ok(None);
    }
    Ok(session.handle.best_supported_rsa_hash().await?.flatten())
}

fn read_key(path: &Utf8Path) -> Result<Candidate, HostError> {
    let local =
        |error: std::io::Error| HostError::Local(format!("the private key can't be read: {error}"));
    // Opened once: what is checked is what is read.
    let file = named_file::open(path).map_err(local)?;
    let mode = file.metadata().map_err(local)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(HostError::Local(format!(
            "the private key {path} is open to others (mode {:o}): `chmod 600 {path}`",
            mode & 0o777
        )));
    }
    let bytes = Zeroizing::new(named_file::bounded(file, named_file::KEY).map_err(local)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        HostError::Local(format!("the private key {path} is no text: name the key itself"))
    })?;
    match PrivateKey::from_openssh(text.as_bytes()) {
        // The public half of an encrypted key is readable, and tells the agent which one is meant.
        Ok(key) if key.is_encrypted() => Ok(Candidate::WithAgent(key.public_key().clone())),
        Ok(key) => Ok(Candidate::Held(Box::new(key))),
        // Older files are PEM of other kinds.
        Err(first) => {
            decode_secret_key(text, None).map(|key| Candidate::Held(Box::new(key))).map_err(|_| {
                HostError::Local(format!("the private key {path} cannot be read: {first}"))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_no_regular_file_is_refused_and_not_waited_for() {
        let (_folder, pipe) = named_file::tests::pipe();
        for (path, kind) in [(pipe.as_path(), "pipe"), (Utf8Path::new("/dev/zero"), "device")] {
            let Err(error) = read_key(path) else { panic!("{path} was read") };
            let expected = format!("`{path}` is a {kind}, not a regular file");
            assert!(error.to_string().contains(&expected), "{error}");
        }
    }
}
