//! The public edge: tunnels, where they lead, and the names that lead into them. Cloudflare's API.

use std::future::Future;

use crate::{
    error::{Effect, Failure, Kind},
    secret::Secret,
};

/// What the tunnel of the public path takes.
pub trait Edge: Send + Sync {
    /// The zone that the public names lie in.
    ///
    /// # Errors
    /// [`EdgeError::NoZone`] where the token sees none of those that come into question.
    fn zone(&self) -> impl Future<Output = Result<Zone, EdgeError>> + Send;
    /// The living tunnels of exactly this name.
    fn tunnels(&self, name: &str) -> impl Future<Output = Result<Vec<Tunnel>, EdgeError>> + Send;
    /// Makes a tunnel whose routes are kept at the edge.
    fn create_tunnel(&self, name: &str) -> impl Future<Output = Result<Tunnel, EdgeError>> + Send;
    /// Forgets the tunnel's connections, without which it can't be deleted; connectors that run come back.
    fn drop_connections(&self, id: &str) -> impl Future<Output = Result<(), EdgeError>> + Send;
    /// Deletes a tunnel; one that is gone already is fine.
    fn delete_tunnel(&self, id: &str) -> impl Future<Output = Result<(), EdgeError>> + Send;
    /// Where its requests go, in order; none where that was never said.
    fn rules(&self, id: &str) -> impl Future<Output = Result<Vec<Rule>, EdgeError>> + Send;
    /// Replaces them, and with them the whole configuration that is kept at the edge.
    fn set_rules(
        &self,
        id: &str,
        rules: &[Rule],
    ) -> impl Future<Output = Result<(), EdgeError>> + Send;
    /// What a connector shows to be let in.
    fn token(&self, id: &str) -> impl Future<Output = Result<Secret, EdgeError>> + Send;
    /// All records of a zone.
    fn records(
        &self,
        zone: &Zone,
    ) -> impl Future<Output = Result<Vec<DnsRecord>, EdgeError>> + Send;
    /// Makes a proxied CNAME.
    fn create_record(
        &self,
        zone: &Zone,
        wanted: &Alias,
    ) -> impl Future<Output = Result<DnsRecord, EdgeError>> + Send;
    /// Makes a record such a CNAME.
    fn update_record(
        &self,
        zone: &Zone,
        id: &str,
        wanted: &Alias,
    ) -> impl Future<Output = Result<(), EdgeError>> + Send;
    /// Deletes a record; one that is gone already is fine.
    fn delete_record(
        &self,
        zone: &Zone,
        id: &str,
    ) -> impl Future<Output = Result<(), EdgeError>> + Send;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    pub id: String,
    /// `example.org`
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// A UUID.
    pub id: String,
    pub name: String,
    pub health: TunnelHealth,
    /// How many connections its connectors hold.
    pub connections: usize,
    /// Whether its routes are kept at the edge, not in a file beside the connector.
    pub remote: bool,
}

/// As the API names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TunnelHealth {
    /// No connector has ever connected.
    Inactive,
    /// Serves, and some connections failed.
    Degraded,
    Healthy,
    /// Connectors were there, and none is now.
    Down,
    /// A word that came later.
    Other(String),
}

/// Where requests of a name go; without a name it is the last rule, for all that is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub hostname: Option<String>,
    /// `http://traefik.kube-system.svc.cluster.local:80`, `http_status:404`
    pub service: String,
    /// Whether it has more than these two: a path, settings of its own.
    pub more: bool,
}

/// A proxied CNAME that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    pub name: String,
    pub target: String,
    pub comment: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsRecord {
    pub id: String,
    pub name: String,
    /// `A`, `CNAME`
    pub form: String,
    pub content: String,
    pub proxied: bool,
    pub comment: String,
}

/// What the API token must be allowed to do; named where it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    Tunnel,
    Dns,
    Zone,
}

impl Permission {
    /// As the dashboard names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tunnel => "Account / Cloudflare Tunnel / Edit",
            Self::Dns => "Zone / DNS / Edit",
            Self::Zone => "Zone / Zone / Read",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    #[error("cannot reach Cloudflare's API at {endpoint}: {reason}")]
    Unreachable { endpoint: String, reason: String, effect: Effect },
    #[error("Cloudflare does not know this API token: {message}")]
    Token { message: String },
    #[error("Cloudflare refused {call}: {message}; the API token lacks `{}`", permission.name())]
    Forbidden { call: String, message: String, permission: Permission },
    #[error(
        "the API token sees no zone {}; it lacks `{}` for it, or the zone is not in this account",
        wanted.join(" or "),
        Permission::Zone.name()
    )]
    NoZone { wanted: Vec<String> },
    #[error("Cloudflare refused {call}: {status} {message}")]
    Refused { call: String, status: u16, codes: Vec<i64>, message: String, effect: Effect },
    #[error("cannot make sense of Cloudflare's answer to {call}: {reason}")]
    Malformed { call: String, reason: String, effect: Effect },
    /// Our own secret could not be had; nothing was asked.
    #[error("{0}")]
    Secret(Box<Failure>),
}

impl EdgeError {
    /// What is known of the effect of the call that ended so.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Unreachable { effect, .. }
            | Self::Refused { effect, .. }
            | Self::Malformed { effect, .. } => *effect,
            Self::Token { .. } | Self::Forbidden { .. } | Self::NoZone { .. } | Self::Secret(_) => {
                Effect::None
            }
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => {
                "this machine must reach the internet: check its network, DNS and proxy"
            }
            Self::Token { .. } | Self::Secret(_) => {
                "make one in the dashboard, My Profile / API Tokens; docs/public-path.md says what it must \
                 be allowed to do"
            }
            Self::Forbidden { .. } | Self::NoZone { .. } => {
                "edit the token in the dashboard, My Profile / API Tokens: docs/public-path.md says what it \
                 must be allowed to do, and for which account and zone"
            }
            Self::Refused { .. } | Self::Malformed { .. } => {
                "https://www.cloudflarestatus.com says whether the API works; then run it again"
            }
        }
    }
}

impl From<EdgeError> for Failure {
    fn from(error: EdgeError) -> Self {
        let kind = match &error {
            EdgeError::Unreachable { .. } => Kind::Unreachable,
            _ => Kind::Edge,
        };
        let failure = Self::new(kind, error.to_string()).effect(error.effect()).hint(error.hint());
        match error {
            EdgeError::Secret(failure) => *failure,
            _ => failure,
        }
    }
}
