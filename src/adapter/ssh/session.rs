//! One SSH connection: its settings, the check of the server's key, and why it ended.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
    time::Duration,
};

use russh::{
    Preferred,
    client::{self, DisconnectReason, Handle},
    keys::PublicKeyOrCertificate,
};
use tokio::net::TcpStream;

use super::pinned::{PinnedKeys, fingerprint};

/// A peer that vanished without a word is noticed after about a minute (CI-08).
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_MAX: usize = 4;

/// A connection whose server has shown a pinned key.
pub(super) struct Session {
    pub(super) handle: Handle<Verifier>,
    ended: Arc<OnceLock<String>>,
}

impl Session {
    /// Exchanges keys; nothing of ours is sent before the server's key was found to be a pinned one.
    pub(super) async fn begin(stream: TcpStream, pinned: PinnedKeys) -> Result<Self, SessionError> {
        let preferred = Preferred {
            key: Cow::Owned(pinned.order(&Preferred::DEFAULT.key)),
            ..Preferred::DEFAULT
        };
        let config = client::Config {
            preferred,
            // A quiet connection is a good connection: keepalives tell whether it is one.
            inactivity_timeout: None,
            keepalive_interval: Some(KEEPALIVE_INTERVAL),
            keepalive_max: KEEPALIVE_MAX,
            ..client::Config::default()
        };
        let ended = Arc::new(OnceLock::new());
        let verifier = Verifier { pinned, ended: Arc::clone(&ended) };
        let handle = client::connect_stream(Arc::new(config), stream, verifier).await?;
        Ok(Self { handle, ended })
    }

    /// Why the connection ended, as far as it is known.
    pub(super) fn end_reason(&self) -> String {
        self.ended.get().cloned().unwrap_or_else(|| "the connection was closed".to_owned())
    }
}

/// What a connection ends with.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    /// The fingerprint that was shown.
    #[error("unknown host key {0}")]
    HostKey(String),
    #[error(transparent)]
    Ssh(#[from] russh::Error),
}

/// Checks the server's key, and remembers how the connection ended.
pub(super) struct Verifier {
    pinned: PinnedKeys,
    ended: Arc<OnceLock<String>>,
}

impl client::Handler for Verifier {
    type Error = SessionError;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, SessionError> {
        let key = shown.public_key();
        if self.pinned.accepts(&key) {
            return Ok(true);
        }
        Err(SessionError::HostKey(fingerprint(&key)))
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<SessionError>,
    ) -> Result<(), SessionError> {
        match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                let _ = self.ended.set(format!("the server ended it: {}", info.message));
                Ok(())
            }
            DisconnectReason::Error(error) => {
                let _ = self.ended.set(error.to_string());
                Err(error)
            }
        }
    }
}
