//! What went wrong with Proxmox.

use std::collections::BTreeMap;

use crate::error::{Effect, Failure, Kind};

/// What a Proxmox call ends with when it does not end well.
#[derive(Debug, thiserror::Error)]
pub enum ProxmoxError {
    #[error("cannot reach Proxmox at {endpoint}: {reason}")]
    Unreachable { endpoint: String, reason: String, effect: Effect },
    /// The certificate is not the one that was pinned, or not signed by the CA given.
    #[error("{0}")]
    Certificate(String),
    #[error("Proxmox refused the API token: {0}")]
    Unauthorized(String),
    #[error("missing privilege: {0}")]
    Forbidden(String),
    /// Parameters were refused (400): name and text of each.
    #[error("Proxmox refused {call}: {message}{}", parameters(.errors))]
    Invalid { call: String, message: String, errors: BTreeMap<String, String> },
    /// A lock could not be had in time, or a guest is locked: nothing was done, try again.
    #[error("{call}: {message}")]
    Locked { call: String, message: String },
    /// The guest, VMID or file exists already.
    #[error("{call}: {message}")]
    Exists { call: String, message: String },
    /// The configuration was changed by somebody else since it was read.
    #[error("{call}: {message}")]
    Changed { call: String, message: String },
    /// Any other answer that is no success.
    #[error("{call}: {status} {message}")]
    Answer { call: String, status: u16, message: String, effect: Effect },
    /// The answer is not what the API promises.
    #[error("{call}: cannot make sense of the answer: {reason}")]
    Malformed { call: String, reason: String, effect: Effect },
    /// What is given as the API token is none; it is not repeated.
    #[error("what is there is no API token: it does not have the form user@realm!name=uuid")]
    Token,
    #[error("{0}")]
    Local(String),
}

fn parameters(errors: &BTreeMap<String, String>) -> String {
    errors.iter().map(|(name, text)| format!("; {name}: {}", text.trim())).collect()
}

impl ProxmoxError {
    /// What is known of the effect.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Unreachable { effect, .. }
            | Self::Answer { effect, .. }
            | Self::Malformed { effect, .. } => *effect,
            _ => Effect::None,
        }
    }
}

impl From<ProxmoxError> for Failure {
    fn from(error: ProxmoxError) -> Self {
        let kind = match &error {
            ProxmoxError::Unreachable { .. } => Kind::Unreachable,
            ProxmoxError::Local(_) => Kind::Runtime,
            ProxmoxError::Token => Kind::Inventory,
            _ => Kind::Proxmox,
        };
        let hint = match &error {
            ProxmoxError::Unreachable { .. } => {
                Some("check `proxmox.endpoint`, and that this machine can reach it")
            }
            ProxmoxError::Token => Some(
                "Proxmox prints the token once, when it is made: `homelab init proxmox-role` tells how",
            ),
            ProxmoxError::Unauthorized(_) => Some(
                "check the token's id, secret and expiry; `homelab init proxmox-role` prints how to make one",
            ),
            ProxmoxError::Forbidden(_) => {
                Some("`homelab init proxmox-role` prints the role and the ACLs that are needed")
            }
            _ => None,
        };
        let failure = Self::new(kind, error.to_string()).effect(error.effect()).because(error);
        hint.into_iter().fold(failure, Self::hint)
    }
}
