//! Headscale's REST API, `/api/v1` (its `proto/headscale/v1`, versions 0.26 to 0.29).
//!
//! What differs between versions: a node's tags are `validTags` and `forcedTags` before 0.28, and
//! `tags` from then on; a key is expired by user and key before 0.28, and by its id from then on.

use std::net::{IpAddr, Ipv4Addr};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OnceCell;

use super::{
    call::{Api, Call, gone_is_fine},
    credential::Credential,
    time,
};
use crate::{
    error::{Effect, Failure},
    ports::{Capabilities, Device, KeyMark, MintedKey, Tailnet, TailnetError},
    secret::Secret,
};

const SERVICE: &str = "Headscale";
/// From this minor version (of 0) on, keys are named by their ids.
const KEYS_BY_ID: u32 = 28;

/// A Headscale server.
#[derive(Debug)]
pub struct Headscale {
    api: Api,
    key: Credential,
    user: String,
    version: OnceCell<Option<Version>>,
}

/// What `/version` says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    text: String,
    minor: u32,
}

#[derive(Deserialize)]
struct VersionAnswer {
    version: String,
}

#[derive(Deserialize)]
struct UsersAnswer {
    users: Vec<User>,
}

/// Numbers of 64 bits are texts in this API.
#[derive(Deserialize)]
struct User {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct NodesAnswer {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    id: String,
    /// What the node calls itself.
    name: String,
    /// What it is called in the tailnet.
    given_name: String,
    #[serde(default)]
    ip_addresses: Vec<IpAddr>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    valid_tags: Vec<String>,
    #[serde(default)]
    forced_tags: Vec<String>,
    #[serde(default)]
    online: bool,
    last_seen: Option<String>,
    expiry: Option<String>,
    pre_auth_key: Option<NodeKey>,
}

#[derive(Deserialize)]
struct NodeKey {
    #[serde(default)]
    id: String,
    #[serde(default)]
    ephemeral: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyAnswer {
    pre_auth_key: Key,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeysAnswer {
    pre_auth_keys: Vec<Key>,
}

#[derive(Deserialize)]
struct Key {
    id: String,
    key: String,
    expiration: Option<String>,
}

impl Headscale {
    pub(super) fn new(login_server: &str, key: Credential, user: &str) -> Result<Self, Failure> {
        Ok(Self {
            api: Api::new(SERVICE, login_server)?,
            key,
            user: user.to_owned(),
            version: OnceCell::new(),
        })
    }

    /// The server's version; a server that does not tell is an old one.
    async fn version(&self) -> Result<Option<&Version>, TailnetError> {
        let ask = || async {
            match self.api.json::<VersionAnswer>(Call::get("/version", None)).await {
                Ok(answer) => Ok(Some(Version::of(&answer.version))),
                Err(TailnetError::Refused { status: 404, .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        Ok(self.version.get_or_try_init(ask).await?.as_ref())
    }

    /// The numeric id of the user that keys belong to.
    async fn user(&self, bearer: &Secret) -> Result<String, TailnetError> {
        let numeric = self.user.bytes().all(|byte| byte.is_ascii_digit());
        let field = if numeric { "id" } else { "name" };
        let value = utf8_percent_encode(&self.user, NON_ALPHANUMERIC);
        let path = format!("/api/v1/user?{field}={value}");
        let answer: UsersAnswer = self.api.json(Call::get(path, Some(bearer))).await?;
        let wanted =
            |user: &User| if numeric { user.id == self.user } else { user.name == self.user };
        match answer.users.into_iter().find(wanted) {
            Some(user) => Ok(user.id),
            None => Err(TailnetError::Refused {
                service: SERVICE.into(),
                call: "GET /api/v1/user".into(),
                status: 404,
                message: format!(
                    "there is no user `{0}`: on the server, `headscale users create {0}`",
                    self.user
                ),
                effect: Effect::None,
            }),
        }
    }

    /// A key's text by its id, for versions that don't take the id.
    async fn key_text(
        &self,
        bearer: &Secret,
        user: &str,
        id: &str,
    ) -> Result<Option<String>, TailnetError> {
        let keys = self.keys(bearer, user).await?;
        Ok(keys.into_iter().find(|key| key.id == id).map(|key| key.key))
    }

    /// A user's keys; where they are known by their ids, everybody's.
    async fn keys(&self, bearer: &Secret, user: &str) -> Result<Vec<Key>, TailnetError> {
        let path = format!("/api/v1/preauthkey?user={user}");
        let answer: KeysAnswer = self.api.json(Call::get(path, Some(bearer))).await?;
        Ok(answer.pre_auth_keys)
    }
}

impl Tailnet for Headscale {
    async fn check(&self) -> Result<Capabilities, TailnetError> {
        let version = self.version().await?;
        let service = version
            .map_or_else(|| SERVICE.to_owned(), |version| format!("{SERVICE} {}", version.text));
        self.user(self.key.get().await?).await?;
        Ok(Capabilities {
            service,
            mint_keys: true,
            list_devices: true,
            set_address: false,
            unchecked: vec!["whether the policy lets the nodes talk to one another".into()],
        })
    }

    async fn devices(&self) -> Result<Vec<Device>, TailnetError> {
        let bearer = self.key.get().await?;
        let answer: NodesAnswer = self.api.json(Call::get("/api/v1/node", Some(bearer))).await?;
        Ok(answer.nodes.into_iter().map(Device::from).collect())
    }

    async fn mint_key(&self, tag: &str, mark: &KeyMark) -> Result<MintedKey, TailnetError> {
        let bearer = self.key.get().await?;
        let user = self.user(bearer).await?;
        let body = json!({
            "user": user,
            "reusable": false,
            "ephemeral": false,
            "expiration": mark.expires.to_string(),
            "aclTags": [tag],
        });
        let call = Call::post("/api/v1/preauthkey", bearer, body);
        let KeyAnswer { pre_auth_key: Key { id, key, .. } } = self.api.json(call).await?;
        Ok(MintedKey { id, secret: Secret::new(key) })
    }

    async fn marked_key(&self, mark: &KeyMark) -> Result<Option<String>, TailnetError> {
        let bearer = self.key.get().await?;
        let user = self.user(bearer).await?;
        let keys = self.keys(bearer, &user).await?;
        let marked = |key: &Key| {
            // As its database keeps it: to the microsecond.
            let expires = time(key.expiration.as_deref());
            expires.is_some_and(|at| at.as_microsecond() == mark.expires.as_microsecond())
        };
        Ok(keys.into_iter().find(marked).map(|key| key.id))
    }

    async fn revoke_key(&self, id: &str) -> Result<(), TailnetError> {
        if id.is_empty() {
            return Ok(());
        }
        let bearer = self.key.get().await?;
        let by_id = self.version().await?.is_some_and(|version| version.minor >= KEYS_BY_ID);
        let body = if by_id {
            json!({ "id": id })
        } else {
            let user = self.user(bearer).await?;
            let Some(key) = self.key_text(bearer, &user, id).await? else { return Ok(()) };
            json!({ "user": user, "key": key })
        };
        let call = Call::post("/api/v1/preauthkey/expire", bearer, body);
        gone_is_fine(self.api.text(Call { repeatable: true, ..call }).await)
    }

    async fn delete_device(&self, id: &str) -> Result<(), TailnetError> {
        let bearer = self.key.get().await?;
        let path = format!("/api/v1/node/{}", utf8_percent_encode(id, NON_ALPHANUMERIC));
        gone_is_fine(self.api.text(Call::delete(path, bearer)).await)
    }

    async fn set_address(&self, _id: &str, _address: Ipv4Addr) -> Result<(), TailnetError> {
        Err(TailnetError::Unsupported {
            service: SERVICE.into(),
            what: "give a device an address".into(),
        })
    }
}

impl Version {
    /// `v0.29.3`; something else (a build from a branch) is taken for a new one.
    fn of(text: &str) -> Self {
        let text = text.trim_start_matches('v').to_owned();
        let mut parts = text.split('.').map(str::parse::<u32>);
        let minor = match (parts.next(), parts.next()) {
            (Some(Ok(0)), Some(Ok(minor))) => minor,
            _ => u32::MAX,
        };
        Self { text, minor }
    }
}

impl From<Node> for Device {
    fn from(node: Node) -> Self {
        let mut tags = [node.tags, node.valid_tags, node.forced_tags].concat();
        tags.sort();
        tags.dedup();
        Self {
            // Headscale's stable id is the number as text.
            node_id: node.id.clone(),
            id: node.id,
            hostname: node.name,
            name: node.given_name,
            ipv4: node.ip_addresses.iter().find_map(|address| match address {
                IpAddr::V4(address) => Some(*address),
                IpAddr::V6(_) => None,
            }),
            ipv6: node.ip_addresses.iter().find_map(|address| match address {
                IpAddr::V6(address) => Some(*address),
                IpAddr::V4(_) => None,
            }),
            tags,
            online: Some(node.online),
            last_seen: time(node.last_seen.as_deref()),
            key_expiry: time(node.expiry.as_deref()),
            ephemeral: node.pre_auth_key.as_ref().is_some_and(|key| key.ephemeral),
            auth_key: node.pre_auth_key.map(|key| key.id).filter(|id| !id.is_empty()),
        }
    }
}

#[cfg(test)]
mod damage;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_a_release_and_a_branch_counts_as_new() {
        assert_eq!(Version::of("v0.27.1").minor, 27);
        assert_eq!(Version::of("0.29.3").text, "0.29.3");
        assert_eq!(Version::of("dev").minor, u32::MAX);
        assert_eq!(Version::of("v1.2.0").minor, u32::MAX);
    }
}
