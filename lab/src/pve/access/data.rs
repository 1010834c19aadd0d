//! What `user.cfg`, `token.cfg` and `domains.cfg` hold.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use super::privilege;
use crate::pve::config::Config;

#[derive(Clone, Debug, Default)]
pub(crate) struct User {
    pub(crate) enable: bool,
    /// Seconds since 1970; 0 is never.
    pub(crate) expire: i64,
    pub(crate) email: Option<String>,
    pub(crate) comment: Option<String>,
    pub(crate) firstname: Option<String>,
    pub(crate) lastname: Option<String>,
    pub(crate) keys: Option<String>,
    pub(crate) tokens: IndexMap<String, Token>,
    /// Had a token at some time: the real server then shows an empty list instead of none.
    pub(crate) had_tokens: bool,
    /// A salted hash; `None` can't log in.
    pub(crate) password: Option<Password>,
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) secret: String,
    pub(crate) expire: i64,
    pub(crate) comment: Option<String>,
    /// With separated privileges a token has no more than its own entries allow.
    pub(crate) separated: bool,
}

/// A password, kept as a salted hash.
#[derive(Clone)]
pub(crate) struct Password {
    salt: [u8; 16],
    hash: [u8; 32],
}

impl std::fmt::Debug for Password {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl Password {
    pub(crate) fn new(text: &str) -> Self {
        let salt: [u8; 16] = rand::random();
        Self { hash: Self::digest(&salt, text), salt }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        Self::digest(&self.salt, text) == self.hash
    }

    fn digest(salt: &[u8], text: &str) -> [u8; 32] {
        use sha2::Digest as _;
        sha2::Sha256::new().chain_update(salt).chain_update(text.as_bytes()).finalize().into()
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub(crate) comment: Option<String>,
    pub(crate) users: BTreeSet<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    pub(crate) comment: Option<String>,
    pub(crate) guests: BTreeSet<u32>,
    pub(crate) storages: BTreeSet<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) privileges: BTreeSet<String>,
    /// Comes with Proxmox and cannot be changed.
    pub(crate) special: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Realm {
    pub(crate) kind: &'static str,
    pub(crate) comment: String,
}

/// Roles by name, each with whether it propagates.
pub(crate) type Grants = BTreeMap<String, bool>;

/// The entries of one path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entries {
    pub(crate) users: BTreeMap<String, Grants>,
    pub(crate) groups: BTreeMap<String, Grants>,
    pub(crate) tokens: BTreeMap<String, Grants>,
}

impl Entries {
    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty() && self.tokens.is_empty()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Data {
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) roles: BTreeMap<String, Role>,
    pub(crate) realms: IndexMap<String, Realm>,
    pub(crate) pools: BTreeMap<String, Pool>,
    /// By normalised path.
    pub(crate) acl: BTreeMap<String, Entries>,
    pub(crate) era: u32,
}

impl Data {
    pub(crate) fn new(config: &Config) -> Self {
        let root = User {
            enable: true,
            email: Some("root@example.test".to_owned()),
            password: Some(Password::new(&config.root_password)),
            ..User::default()
        };
        let realm = |kind, comment: &str| Realm { kind, comment: comment.to_owned() };
        Self {
            users: BTreeMap::from([("root@pam".to_owned(), root)]),
            groups: BTreeMap::new(),
            roles: privilege::special_roles(config.era),
            realms: IndexMap::from([
                ("pam".to_owned(), realm("pam", "Linux PAM standard authentication")),
                ("pve".to_owned(), realm("pve", "Proxmox VE authentication server")),
            ]),
            pools: BTreeMap::new(),
            acl: BTreeMap::new(),
            era: config.era,
        }
    }

    pub(crate) fn pool_of_guest(&self, vmid: u32) -> Option<String> {
        self.pools
            .iter()
            .find(|(_, pool)| pool.guests.contains(&vmid))
            .map(|(name, _)| name.clone())
    }
}
