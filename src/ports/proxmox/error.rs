//! What went wrong with Proxmox.

use std::collections::BTreeMap;

use crate::{
    error::{Effect, Failure, Kind},
    model::Vmid,
};

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

/// Whether a text of Proxmox's, of a call or a task, says that the configuration was changed since it was
/// read. A transfer's checksum is another thing.
pub fn says_changed(text: &str) -> bool {
    text.contains("checksum mismatch (file change by other user?)")
        || text.contains("detected modified configuration")
}

/// Whether a text of Proxmox's, of a call or a task, says that a guest of this VMID was there already: a
/// volume or a file that exists does not.
pub fn says_taken(text: &str, vmid: Vmid) -> bool {
    text.contains(&format!("unable to create VM {vmid}: config file already exists"))
        || text.contains(&format!("VM {vmid} already exists on node"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vmid_that_is_taken_is_not_a_volume_that_exists() {
        let taken = |text| says_taken(text, Vmid(102));
        assert!(taken("POST clone: unable to create VM 102: config file already exists"));
        assert!(taken("unable to create VM 102 - VM 102 already exists on node 'pve1'"));
        assert!(!taken("unable to create VM 1024: config file already exists"));
        assert!(!taken(
            "clone failed: lvcreate error: Logical Volume \"vm-102-disk-0\" already exists in volume group"
        ));
        assert!(!taken("unable to create VM 102 - disk image 'vm-102-disk-0.raw' already exists"));
    }

    #[test]
    fn a_changed_configuration_is_not_a_wrong_upload() {
        assert!(says_changed(
            "task resize 102 failed: checksum mismatch (file change by other user?)"
        ));
        assert!(!says_changed("task imgcopy failed: checksum mismatch: got 'a' != expect 'b'"));
    }
}
