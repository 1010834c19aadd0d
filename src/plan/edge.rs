//! The public edge as it is wanted and as it was seen. Pure.
//!
//! What is ours there is known by names that nobody else would choose: the tunnel's carries the cluster's id,
//! and so does the comment of each DNS record.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::observed::Sight;
use crate::{
    gitops::{Route, routes},
    inventory::{Desired, desired::Cloudflare},
    ports::{Alias, DnsRecord, Rule, Tunnel, Zone},
};

/// Where the Secret with the tunnel's token lies, and the key that holds it: as the tree's Deployment reads it.
pub(crate) use crate::gitops::tunnel::{KEY, NAMESPACE, SECRET};

/// What answers where no name fits.
const NOTHING: &str = "http_status:404";
/// Types of records beside which a CNAME can't stand (error codes 81053, 81056).
const RIVALS: [&str; 4] = ["A", "AAAA", "CNAME", "NS"];

/// Cloudflare's API, where the inventory has the tunnel made through it.
pub fn site(desired: &Desired) -> Option<&Cloudflare> {
    desired.gitops.as_ref()?.cloudflare()
}

/// The tunnel's name: `homelab-<cluster>-<cluster id>`.
pub fn tunnel_name(desired: &Desired) -> String {
    format!("homelab-{}-{}", desired.cluster, desired.id)
}

/// The comment of our records; 44 characters, where a free plan has room for 100.
pub fn comment(desired: &Desired) -> String {
    format!("homelab {}", desired.id)
}

/// Where a tunnel's names point to.
pub fn target(tunnel: &str) -> String {
    format!("{tunnel}.cfargotunnel.com")
}

/// The record that a public name needs.
pub fn alias(desired: &Desired, name: &str, tunnel: &str) -> Alias {
    Alias { name: name.to_owned(), target: target(tunnel), comment: comment(desired) }
}

/// The public names.
pub fn names(desired: &Desired) -> Vec<String> {
    routes(desired).into_iter().map(|route| route.hostname).collect()
}

/// The tunnel's rules: one a name, then nothing.
pub fn rules(desired: &Desired) -> Vec<Rule> {
    let rule = |hostname, service| Rule { hostname, service, more: false };
    let names = routes(desired)
        .into_iter()
        .map(|Route { hostname, service, .. }| rule(Some(hostname), service));
    names.chain([rule(None, NOTHING.to_owned())]).collect()
}

/// The edge as it was seen, and what the cluster has of it.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgeSight {
    pub zone: Zone,
    /// Ours, by its name.
    pub tunnel: Option<Tunnel>,
    /// Of our tunnel.
    pub rules: Vec<Rule>,
    /// All of the zone.
    pub records: Vec<DnsRecord>,
    /// The tunnel that the Secret in the cluster opens, where there is one.
    pub secret: Sight<Option<String>>,
}

/// How a public name stands in the zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pointing<'a> {
    Absent,
    /// Somebody else's: it is never overwritten.
    Foreign(&'a DnsRecord),
    /// Ours, and not as it should be.
    Differs(&'a DnsRecord, String),
    Right(&'a DnsRecord),
}

impl EdgeSight {
    /// How a name stands, for a tunnel; `None` while there is none.
    pub fn pointing<'a>(
        &'a self,
        desired: &Desired,
        name: &str,
        tunnel: Option<&str>,
    ) -> Pointing<'a> {
        pointing(&self.records, desired, name, tunnel)
    }

    /// Records of ours whose name is not wanted any more.
    pub fn leftovers<'a>(&'a self, desired: &Desired) -> Vec<&'a DnsRecord> {
        let names = names(desired);
        let wanted = |record: &DnsRecord| {
            names.contains(&record.name) && RIVALS.contains(&record.form.as_str())
        };
        self.records.iter().filter(|record| is_ours(desired, record) && !wanted(record)).collect()
    }
}

/// Whether a record is ours: its comment names the cluster.
pub fn is_ours(desired: &Desired, record: &DnsRecord) -> bool {
    record.comment == comment(desired)
}

/// How a name stands among the records of its zone.
pub fn pointing<'a>(
    records: &'a [DnsRecord],
    desired: &Desired,
    name: &str,
    tunnel: Option<&str>,
) -> Pointing<'a> {
    let mut rivals = records
        .iter()
        .filter(|record| record.name == name && RIVALS.contains(&record.form.as_str()));
    let foreign = rivals.clone().find(|record| !is_ours(desired, record));
    if let Some(record) = foreign {
        return Pointing::Foreign(record);
    }
    let Some(record) = rivals.next() else { return Pointing::Absent };
    let wrong = if record.form != "CNAME" {
        Some(format!("it is a record of type {}", record.form))
    } else if tunnel.is_none_or(|tunnel| record.content != target(tunnel)) {
        Some(format!("it points to {}", record.content))
    } else if !record.proxied {
        Some("it is not proxied".to_owned())
    } else {
        None
    };
    match wrong {
        Some(why) => Pointing::Differs(record, why),
        None => Pointing::Right(record),
    }
}

/// How the rules differ from those that are wanted.
pub fn wrong_rules(wanted: &[Rule], seen: &[Rule]) -> Vec<String> {
    if wanted == seen {
        return Vec::new();
    }
    if seen.is_empty() {
        return vec!["the tunnel leads nowhere yet".to_owned()];
    }
    let shown = |rule: &Rule| match &rule.hostname {
        Some(name) => format!("{name} to {}", rule.service),
        None => format!("what is left to {}", rule.service),
    };
    let missing = wanted.iter().filter(|rule| !seen.contains(rule));
    let missing = missing.map(|rule| format!("{} is not routed", shown(rule)));
    let further = seen.iter().filter(|rule| !wanted.contains(rule)).map(|rule| {
        let more = if rule.more { " with settings of its own" } else { "" };
        format!("{}{more} is routed and not wanted", shown(rule))
    });
    let mut wrong: Vec<String> = missing.chain(further).collect();
    if wrong.is_empty() {
        wrong.push("its rules are in another order".to_owned());
    }
    wrong
}

/// The tunnel that a token opens: a token is Base64 of `{"a": account, "t": tunnel, "s": secret}`.
pub fn tunnel_of_token(token: &str) -> Option<String> {
    let bytes = STANDARD.decode(token.trim()).ok()?;
    let parts: Value = serde_json::from_slice(&bytes).ok()?;
    parts["t"].as_str().map(str::to_owned)
}

/// The tunnel that a Secret opens; empty where that can't be told.
pub fn tunnel_of_secret(secret: &Value) -> String {
    let token = secret["data"][KEY].as_str().and_then(|text| STANDARD.decode(text).ok());
    let token = token.and_then(|bytes| String::from_utf8(bytes).ok());
    token.and_then(|token| tunnel_of_token(&token)).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests;
