//! Users, keys, devices.

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;

/// Who owns keys and untagged devices; Headscale's alone are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: u64,
    pub name: String,
    pub created: Timestamp,
}

/// A key that lets machines in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// A number at Headscale, `k...CNTRL` at Tailscale.
    pub id: String,
    /// What a machine shows.
    pub secret: String,
    /// Whose it is; `None` is the tailnet's own.
    pub user: Option<u64>,
    pub reusable: bool,
    pub ephemeral: bool,
    /// Whether its devices need nobody's approval; Headscale knows no approval.
    pub preauthorized: bool,
    pub tags: Vec<String>,
    /// Empty at Headscale.
    pub description: String,
    pub created: Timestamp,
    pub expires: Timestamp,
    pub revoked: Option<Timestamp>,
    /// Whether a machine came in by it.
    pub used: bool,
}

impl Key {
    /// Whether its time is up.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires < now || self.revoked.is_some()
    }

    /// Whether it would let a new machine in.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        !self.is_expired(now) && (self.reusable || !self.used)
    }
}

/// What a key is to be.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// Headscale's owner of it.
    pub user: Option<u64>,
    pub reusable: bool,
    pub ephemeral: bool,
    pub preauthorized: bool,
    pub tags: Vec<String>,
    pub description: String,
    /// `None`: 90 days from now.
    pub expires: Option<Timestamp>,
}

/// A machine of the tailnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The stable id, as `Self.ID` of `tailscale status` shows it: a number at Headscale, `n...CNTRL` at
    /// Tailscale.
    pub id: String,
    /// Tailscale's older id: a number, taken wherever the other is.
    pub legacy_id: String,
    /// `mkey:...`: stays with a machine's state folder.
    pub machine: String,
    /// `nodekey:...`: a new one with each login.
    pub node_key: String,
    /// What it calls itself.
    pub hostname: String,
    /// What it is called in the tailnet, without the domain.
    pub name: String,
    /// Whether somebody gave it that name.
    pub renamed: bool,
    pub ipv4: Ipv4Addr,
    pub ipv6: Ipv6Addr,
    pub tags: Vec<String>,
    /// Headscale's owner of a device without tags, and before 0.28 of one with tags.
    pub user: Option<u64>,
    pub online: bool,
    pub last_seen: Timestamp,
    pub created: Timestamp,
    /// When its node key expires; `None`: never.
    pub expires: Option<Timestamp>,
    /// Whether [`Self::expires`] is shown and not obeyed.
    pub key_expiry_disabled: bool,
    pub ephemeral: bool,
    /// Whether it may talk to others.
    pub authorized: bool,
    /// The id of the key that it joined with last.
    pub key: Option<String>,
}

impl Device {
    /// Whether it must log in again before anybody talks to it.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        !self.key_expiry_disabled && self.expires.is_some_and(|expires| expires <= now)
    }
}
