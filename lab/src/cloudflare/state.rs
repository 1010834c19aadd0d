//! What the stand-in knows: one account, its zones, tunnels, records and tokens.

use std::sync::{Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    access::{Permission, Token},
    control::Fault,
};

/// What a stand-in starts with: one account with one zone.
#[derive(Clone, Debug)]
pub struct Site {
    /// The account's id: 32 hex digits.
    pub account: String,
    /// The zone's name: `lab.example`.
    pub zone: String,
}

impl Default for Site {
    fn default() -> Self {
        Self { account: new_id(), zone: "lab.example".to_owned() }
    }
}

/// A tunnel, deleted ones too: the API shows them for ever.
#[derive(Clone, Debug)]
pub(crate) struct Tunnel {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Base64; goes into the token.
    pub(crate) secret: String,
    pub(crate) remote: bool,
    pub(crate) created: Timestamp,
    pub(crate) deleted: Option<Timestamp>,
    /// Since when there are connections, and since when there are none.
    pub(crate) active_since: Option<Timestamp>,
    pub(crate) inactive_since: Option<Timestamp>,
    pub(crate) connections: Vec<Connection>,
    /// The remote configuration as it was put, and how often that was done.
    pub(crate) configuration: Option<Value>,
    pub(crate) version: u64,
}

/// One connection of a connector to the edge.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) id: String,
    pub(crate) client: String,
    pub(crate) client_version: String,
    pub(crate) architecture: String,
    pub(crate) place: String,
    pub(crate) origin: String,
    pub(crate) opened: String,
    pub(crate) pending: bool,
    pub(crate) config_version: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Zone {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) records: IndexMap<String, Record>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: String,
    pub(crate) name: String,
    /// `A`, `CNAME`.
    pub(crate) form: String,
    pub(crate) content: String,
    pub(crate) proxied: bool,
    /// Seconds; 1 is automatic.
    pub(crate) ttl: u64,
    pub(crate) comment: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
}

#[derive(Debug, Default)]
pub(crate) struct Data {
    pub(crate) account: String,
    pub(crate) zones: Vec<Zone>,
    pub(crate) tunnels: Vec<Tunnel>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) faults: Vec<Fault>,
    /// `POST /accounts/x/cfd_tunnel`, oldest first.
    pub(crate) requests: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct State(Mutex<Data>);

impl State {
    pub(crate) fn new(site: &Site) -> Self {
        let zone = Zone { id: new_id(), name: site.zone.clone(), records: IndexMap::new() };
        Self(Mutex::new(Data {
            account: site.account.clone(),
            zones: vec![zone],
            ..Data::default()
        }))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Data> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Data {
    /// Makes a token that may do what is named, and gives its value.
    pub(crate) fn issue(&mut self, permissions: &[Permission]) -> String {
        let value = format!("{}{}", new_id(), &new_id()[..8]);
        let token = Token { id: new_id(), value: value.clone(), permissions: permissions.to_vec() };
        self.tokens.push(token);
        value
    }
}

/// 32 hex digits, as the API names everything but tunnels.
pub(crate) fn new_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
