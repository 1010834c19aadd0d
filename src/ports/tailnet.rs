//! The tailnet's control plane: Tailscale's API or Headscale's.

use std::{future::Future, net::Ipv4Addr, net::Ipv6Addr, time::Duration};

use rand::RngExt as _;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Effect, Failure, Kind},
    secret::Secret,
};

/// Keys, devices and addresses.
pub trait Tailnet: Send + Sync {
    /// Whether the credentials work, and what they can do: seen without changing anything.
    fn check(&self) -> impl Future<Output = Result<Capabilities, TailnetError>> + Send;
    fn devices(&self) -> impl Future<Output = Result<Vec<Device>, TailnetError>> + Send;
    /// A one-shot, pre-authorised, tagged, non-ephemeral key that bears the mark.
    fn mint_key(
        &self,
        tag: &str,
        mark: &KeyMark,
    ) -> impl Future<Output = Result<MintedKey, TailnetError>> + Send;
    /// The id of the key that bears the mark: it was minted, and the answer was lost.
    fn marked_key(
        &self,
        mark: &KeyMark,
    ) -> impl Future<Output = Result<Option<String>, TailnetError>> + Send;
    /// Takes an unused key back; one that is gone already is fine.
    fn revoke_key(&self, id: &str) -> impl Future<Output = Result<(), TailnetError>> + Send;
    fn delete_device(&self, id: &str) -> impl Future<Output = Result<(), TailnetError>> + Send;
    /// Gives a device an address; [`TailnetError::Unsupported`] on Headscale.
    fn set_address(
        &self,
        id: &str,
        address: Ipv4Addr,
    ) -> impl Future<Output = Result<(), TailnetError>> + Send;
}

/// What the credentials can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// `Tailscale` or `Headscale 0.29.3`.
    pub service: String,
    pub mint_keys: bool,
    pub list_devices: bool,
    pub set_address: bool,
    /// What could not be checked, and why.
    pub unchecked: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// The control plane's id for API calls.
    pub id: String,
    /// Tailscale's stable node id, as `tailscale status --json` shows it in `Self.ID`.
    pub node_id: String,
    pub hostname: String,
    /// The name in the tailnet: the host name, or `hostname-1` for a twin.
    pub name: String,
    pub ipv4: Option<Ipv4Addr>,
    pub ipv6: Option<Ipv6Addr>,
    pub tags: Vec<String>,
    pub online: Option<bool>,
    pub last_seen: Option<jiff::Timestamp>,
    /// `None`: never.
    pub key_expiry: Option<jiff::Timestamp>,
    pub ephemeral: bool,
    /// The id of the key that it was registered with, as [`MintedKey::id`]; only Headscale tells.
    pub auth_key: Option<String>,
}

/// How a key is known again whose id was never heard of; chosen before the key is asked for.
///
/// Tailscale keeps a description. Headscale keeps none, but the expiry as it was given: its microseconds are
/// drawn by lot, as the end of the description is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyMark {
    pub description: String,
    pub expires: jiff::Timestamp,
}

impl KeyMark {
    /// Tailscale's longest description, in characters.
    const LONGEST_DESCRIPTION: usize = 50;

    /// A new one: what is described may be cut, as Tailscale allows letters, digits, `-` and blanks, 50
    /// characters in all.
    pub fn new(described: &str, lifetime: Duration) -> Self {
        let lot: u32 = rand::rng().random_range(0..1_000_000);
        let end = format!(" {lot:06}");
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == ' ';
        let begin = described
            .chars()
            .map(|letter| if allowed(letter) { letter } else { '-' })
            .take(Self::LONGEST_DESCRIPTION - end.len());
        let description = begin.collect::<String>() + &end;
        let lifetime = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        let seconds = jiff::Timestamp::now().as_second().saturating_add(lifetime);
        // A lifetime beyond what a timestamp can say is cut by the control plane in any case.
        let expires = i32::try_from(lot * 1000)
            .ok()
            .and_then(|nanoseconds| jiff::Timestamp::new(seconds, nanoseconds).ok())
            .unwrap_or(jiff::Timestamp::MAX);
        Self { description, expires }
    }

    /// How long it lives from now.
    pub fn lifetime(&self) -> Duration {
        let left = self.expires.duration_since(jiff::Timestamp::now());
        Duration::try_from(left).unwrap_or_default()
    }
}

#[derive(Clone, Debug)]
pub struct MintedKey {
    /// For [`Tailnet::revoke_key`]; empty when a key was given, not minted.
    pub id: String,
    pub secret: Secret,
}

#[derive(Debug, thiserror::Error)]
pub enum TailnetError {
    #[error("cannot reach {service} at {endpoint}: {reason}")]
    Unreachable { service: String, endpoint: String, reason: String, effect: Effect },
    #[error("{service} refused the credentials: {message}")]
    Unauthorized { service: String, message: String },
    #[error("{service} refused {call}: {status} {message}")]
    Refused { service: String, call: String, status: u16, message: String, effect: Effect },
    #[error("{service} cannot {what}")]
    Unsupported { service: String, what: String },
    #[error("{service}: cannot make sense of the answer to {call}: {reason}")]
    Malformed { service: String, call: String, reason: String, effect: Effect },
    /// Our own secret could not be had; nothing was asked.
    #[error("{0}")]
    Secret(Box<Failure>),
}

impl From<TailnetError> for Failure {
    fn from(error: TailnetError) -> Self {
        let (kind, effect) = match &error {
            TailnetError::Secret(_) => (Kind::Runtime, Effect::None),
            TailnetError::Unreachable { effect, .. } => (Kind::Unreachable, *effect),
            TailnetError::Refused { effect, .. } | TailnetError::Malformed { effect, .. } => {
                (Kind::Tailnet, *effect)
            }
            _ => (Kind::Tailnet, Effect::None),
        };
        let failure = Self::new(kind, error.to_string()).effect(effect);
        match error {
            TailnetError::Secret(failure) => *failure,
            TailnetError::Unauthorized { .. } => failure.hint(
                "`homelab init tailnet-policy` prints the tag owners, grants and scopes needed",
            ),
            TailnetError::Unreachable { service, .. } if service == "Tailscale" => failure.hint(
                "this machine must reach the internet: check its network, DNS and proxy",
            ),
            TailnetError::Unreachable { .. } => failure.hint(
                "check that Headscale runs, and that `tailnet.control.headscale.login_server` is its address",
            ),
            _ => failure,
        }
    }
}
