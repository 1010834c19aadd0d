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

/// A guest that carries a `lock` in its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedGuest {
    pub proxmox_node: String,
    pub vmid: Vmid,
    /// `backup`, `clone`, `migrate`, `snapshot`, ...
    pub lock: String,
}

/// The lock that a text of Proxmox's, of a call or a task, says a guest carries: then nothing was done.
pub fn says_locked(text: &str) -> Option<&str> {
    text.trim().strip_prefix("VM is locked (")?.strip_suffix(')')
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

    /// The guest whose `lock` kept the call from being made.
    pub fn locked_guest(&self) -> Option<LockedGuest> {
        let Self::Locked { call, message } = self else { return None };
        let lock = says_locked(message)?.to_owned();
        // `PUT /nodes/pve1/qemu/101/config`
        let (node, rest) = call.split_once("/nodes/")?.1.split_once("/qemu/")?;
        let vmid = Vmid(rest.split('/').next()?.parse().ok()?);
        Some(LockedGuest { proxmox_node: node.to_owned(), vmid, lock })
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
    fn a_guest_with_a_lock_is_known_by_the_call_that_it_refused() {
        let error = |call: &str, message: &str| {
            ProxmoxError::Locked { call: call.into(), message: message.into() }.locked_guest()
        };
        let call = "PUT /nodes/pve1/qemu/101/config";
        let locked = LockedGuest {
            proxmox_node: "pve1".into(),
            vmid: Vmid(101),
            lock: "snapshot-delete".into(),
        };
        assert_eq!(error(call, "VM is locked (snapshot-delete)\n"), Some(locked));
        let busy = "can't lock file '/var/lock/qemu-server/lock-101.conf' - got timeout";
        assert_eq!(error(call, busy), None);
        assert_eq!(error("POST /nodes/pve1/qemu", "VM is locked (create)"), None);
    }

    #[test]
    fn a_changed_configuration_is_not_a_wrong_upload() {
        assert!(says_changed(
            "task resize 102 failed: checksum mismatch (file change by other user?)"
        ));
        assert!(!says_changed("task imgcopy failed: checksum mismatch: got 'a' != expect 'b'"));
    }
}
