//! What the API answers.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    adapter::calls::cut,
    ports::{DnsRecord, Rule, Tunnel, TunnelHealth},
};

/// Around everything, good or bad.
#[derive(Debug, Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
pub(super) struct Envelope<T> {
    pub(super) success: bool,
    #[serde(default)]
    pub(super) errors: Vec<Told>,
    // A bare `Option` would have to be there.
    #[serde(default = "none")]
    pub(super) result: Option<T>,
    #[serde(default)]
    pub(super) result_info: Option<PageInfo>,
}

fn none<T>() -> Option<T> {
    None
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Told {
    #[serde(default)]
    pub(super) code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    error_chain: Vec<Told>,
}

impl Told {
    /// `DNS Validation Error (1004): Content for CNAME record is invalid. (9007)`
    fn text(&self) -> String {
        let own = format!("{} ({})", self.message, self.code);
        let further = self.error_chain.iter().map(Self::text);
        std::iter::once(own).chain(further).collect::<Vec<_>>().join(": ")
    }
}

/// What was told, as one text of a length that a message can have.
pub(super) fn text(errors: &[Told]) -> String {
    cut(&errors.iter().map(Told::text).collect::<Vec<_>>().join("; "))
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct PageInfo {
    #[serde(default)]
    pub(super) page: u64,
    #[serde(default)]
    pub(super) per_page: u64,
    #[serde(default)]
    pub(super) total_count: u64,
}

impl PageInfo {
    /// Whether there are further pages. Some lists have no `total_pages`.
    pub(super) fn goes_on(&self) -> bool {
        self.page.saturating_mul(self.per_page) < self.total_count
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ZoneAnswer {
    pub(super) id: String,
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct TunnelAnswer {
    id: String,
    name: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    remote_config: bool,
    #[serde(default)]
    pub(super) deleted_at: Option<String>,
    #[serde(default)]
    connections: Option<Vec<ConnectionAnswer>>,
}

#[derive(Debug, Deserialize)]
struct ConnectionAnswer {
    /// It is gone, and may come back for a few minutes.
    #[serde(default)]
    is_pending_reconnect: bool,
}

impl From<TunnelAnswer> for Tunnel {
    fn from(answer: TunnelAnswer) -> Self {
        let connections = answer.connections.unwrap_or_default();
        let connections = connections.iter().filter(|one| !one.is_pending_reconnect).count();
        let health = match answer.status.as_str() {
            "inactive" => TunnelHealth::Inactive,
            "degraded" => TunnelHealth::Degraded,
            "healthy" => TunnelHealth::Healthy,
            "down" => TunnelHealth::Down,
            other => TunnelHealth::Other(other.to_owned()),
        };
        let TunnelAnswer { id, name, remote_config: remote, .. } = answer;
        Self { id, name, health, connections, remote }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ConfigurationAnswer {
    /// Null while nothing was said.
    #[serde(default)]
    pub(super) config: Option<Configuration>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Configuration {
    #[serde(default)]
    pub(super) ingress: Option<Vec<serde_json::Map<String, Value>>>,
}

pub(super) fn rule(mut object: serde_json::Map<String, Value>) -> Rule {
    let mut text = |name: &str| {
        let value = object.shift_remove(name);
        value.and_then(|value| Some(value.as_str()?.to_owned())).filter(|text| !text.is_empty())
    };
    let (hostname, service) = (text("hostname"), text("service").unwrap_or_default());
    // The API gives some settings back empty.
    let more = object.values().any(|value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(object) => !object.is_empty(),
        _ => true,
    });
    Rule { hostname, service, more }
}

#[derive(Debug, Deserialize)]
pub(super) struct RecordAnswer {
    id: String,
    name: String,
    #[serde(rename = "type")]
    form: String,
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    proxied: Option<bool>,
    #[serde(default)]
    comment: Option<String>,
}

impl From<RecordAnswer> for DnsRecord {
    fn from(answer: RecordAnswer) -> Self {
        Self {
            id: answer.id,
            name: answer.name,
            form: answer.form,
            content: answer.content.unwrap_or_default(),
            proxied: answer.proxied.unwrap_or_default(),
            comment: answer.comment.unwrap_or_default(),
        }
    }
}
