//! Tailscale's API, version 2 (tailscale.com/api): keys, devices and their addresses.

use std::{net::IpAddr, net::Ipv4Addr, time::Duration};

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::Mutex, time::Instant};

use super::{
    call::{Api, Body, Call, gone_is_fine},
    credential::Credential,
    time,
};
use crate::{
    error::Failure,
    ports::{Capabilities, Device, KeyMark, MintedKey, Tailnet, TailnetError},
    secret::Secret,
};

const SERVICE: &str = "Tailscale";
/// A token is not used in its last minute.
const TOKEN_MARGIN: Duration = Duration::from_secs(60);
/// The longest that a key may live: 90 days.
const LONGEST_LIFETIME: Duration = Duration::from_secs(90 * 86_400);

/// Tailscale's own control plane.
#[derive(Debug)]
pub struct Tailscale {
    api: Api,
    tailnet: String,
    access: Access,
}

/// How we are let in.
#[derive(Debug)]
pub(super) enum Access {
    /// A person's API access token: may do what that person may.
    Key(Credential),
    /// An OAuth client: may do what its scopes and tags say.
    OAuth { client: String, secret: Credential, token: Mutex<Option<Token>> },
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    secret: Secret,
    expires: Instant,
    scopes: Vec<String>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: u64,
    /// Parted by blanks.
    #[serde(default)]
    scope: String,
}

#[derive(Deserialize)]
struct DevicesAnswer {
    devices: Vec<DeviceAnswer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceAnswer {
    id: String,
    #[serde(default)]
    node_id: String,
    hostname: String,
    /// With the tailnet's domain behind it.
    name: String,
    #[serde(default)]
    addresses: Vec<IpAddr>,
    #[serde(default)]
    tags: Vec<String>,
    connected_to_control: Option<bool>,
    last_seen: Option<String>,
    expires: Option<String>,
    #[serde(default)]
    key_expiry_disabled: bool,
    #[serde(default)]
    is_ephemeral: bool,
}

#[derive(Deserialize)]
struct KeyAnswer {
    id: String,
    key: String,
}

#[derive(Deserialize)]
struct KeysAnswer {
    keys: Vec<KnownKey>,
}

#[derive(Deserialize)]
struct KnownKey {
    id: String,
    description: Option<String>,
}

impl Access {
    pub(super) fn oauth(client: &str, secret: Credential) -> Self {
        Self::OAuth { client: client.to_owned(), secret, token: Mutex::new(None) }
    }
}

impl Tailscale {
    pub(super) fn new(api: &str, tailnet: &str, access: Access) -> Result<Self, Failure> {
        Ok(Self { api: Api::new(SERVICE, api)?, tailnet: tailnet.to_owned(), access })
    }

    /// A path below this tailnet.
    fn path(&self, rest: &str) -> String {
        // `-` is the tailnet that the credentials belong to; it must not be encoded.
        let tailnet = match self.tailnet.as_str() {
            "-" => "-".to_owned(),
            name => utf8_percent_encode(name, NON_ALPHANUMERIC).to_string(),
        };
        format!("/api/v2/tailnet/{tailnet}/{rest}")
    }

    async fn bearer(&self) -> Result<Secret, TailnetError> {
        match &self.access {
            Access::Key(key) => key.get().await.cloned(),
            Access::OAuth { .. } => Ok(self.token().await?.secret),
        }
    }

    /// A token that lives for another while; asked for anew when it is about to end.
    async fn token(&self) -> Result<Token, TailnetError> {
        let Access::OAuth { client, secret, token } = &self.access else {
            unreachable!("only OAuth clients have tokens");
        };
        let mut kept = token.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| token.expires > Instant::now()) {
            return Ok(token.clone());
        }
        let secret = secret.get().await?;
        let answer: TokenAnswer = self
            .api
            .json(Call {
                method: Method::POST,
                path: "/api/v2/oauth/token".into(),
                bearer: None,
                body: Body::ClientCredentials { id: client, secret },
                // Two tokens are as good as one.
                repeatable: true,
            })
            .await?;
        let life = Duration::from_secs(answer.expires_in).saturating_sub(TOKEN_MARGIN);
        let token = Token {
            secret: Secret::new(answer.access_token),
            expires: moment_after(life),
            scopes: answer.scope.split_whitespace().map(str::to_owned).collect(),
        };
        *kept = Some(token.clone());
        Ok(token)
    }
}

impl Tailnet for Tailscale {
    async fn check(&self) -> Result<Capabilities, TailnetError> {
        let mut unchecked = Vec::new();
        let (mint_keys, list_devices, set_address) = match &self.access {
            Access::Key(_) => {
                unchecked.push(
                    "whether this API key may make tagged keys: that depends on its owner's role"
                        .into(),
                );
                (true, true, true)
            }
            Access::OAuth { .. } => {
                let scopes = self.token().await?.scopes;
                let has = |wanted: &[&str]| {
                    scopes.is_empty() || scopes.iter().any(|scope| wanted.contains(&&**scope))
                };
                if scopes.is_empty() {
                    unchecked.push("the scopes of the OAuth client: its token names none".into());
                }
                let devices = has(&["all", "devices", "devices:core"]);
                let reads = devices || has(&["all:read", "devices:read", "devices:core:read"]);
                unchecked.push(
                    "whether the OAuth client may give the tag: only making a key would tell"
                        .into(),
                );
                (has(&["all", "devices", "auth_keys"]), reads, devices)
            }
        };
        if list_devices {
            self.devices().await?;
        }
        Ok(Capabilities {
            service: SERVICE.into(),
            mint_keys,
            list_devices,
            set_address,
            unchecked,
        })
    }

    async fn devices(&self) -> Result<Vec<Device>, TailnetError> {
        let bearer = self.bearer().await?;
        let call = Call::get(self.path("devices?fields=all"), Some(&bearer));
        let answer: DevicesAnswer = self.api.json(call).await?;
        Ok(answer.devices.into_iter().map(Device::from).collect())
    }

    async fn mint_key(&self, tag: &str, mark: &KeyMark) -> Result<MintedKey, TailnetError> {
        let bearer = self.bearer().await?;
        let body = json!({
            "capabilities": { "devices": { "create": {
                "reusable": false,
                "ephemeral": false,
                "preauthorized": true,
                "tags": [tag],
            } } },
            "expirySeconds": mark.lifetime().min(LONGEST_LIFETIME).as_secs(),
            "description": mark.description,
        });
        let answer: KeyAnswer = self.api.json(Call::post(self.path("keys"), &bearer, body)).await?;
        Ok(MintedKey { id: answer.id, secret: Secret::new(answer.key) })
    }

    async fn marked_key(&self, mark: &KeyMark) -> Result<Option<String>, TailnetError> {
        let bearer = self.bearer().await?;
        let answer: KeysAnswer =
            self.api.json(Call::get(self.path("keys?all=true"), Some(&bearer))).await?;
        let marked = |key: &KnownKey| key.description.as_ref() == Some(&mark.description);
        Ok(answer.keys.into_iter().find(marked).map(|key| key.id))
    }

    async fn revoke_key(&self, id: &str) -> Result<(), TailnetError> {
        if id.is_empty() {
            return Ok(());
        }
        let bearer = self.bearer().await?;
        let path = self.path(&format!("keys/{}", encoded(id)));
        gone_is_fine(self.api.text(Call::delete(path, &bearer)).await)
    }

    async fn delete_device(&self, id: &str) -> Result<(), TailnetError> {
        let bearer = self.bearer().await?;
        let path = format!("/api/v2/device/{}", encoded(id));
        gone_is_fine(self.api.text(Call::delete(path, &bearer)).await)
    }

    async fn set_address(&self, id: &str, address: Ipv4Addr) -> Result<(), TailnetError> {
        let bearer = self.bearer().await?;
        let path = format!("/api/v2/device/{}/ip", encoded(id));
        let call = Call::post(path, &bearer, json!({ "ipv4": address }));
        self.api.text(Call { repeatable: true, ..call }).await.map(drop)
    }
}

impl From<DeviceAnswer> for Device {
    fn from(answer: DeviceAnswer) -> Self {
        let expiry =
            if answer.key_expiry_disabled { None } else { time(answer.expires.as_deref()) };
        let name = answer.name.split('.').next().unwrap_or_default().to_owned();
        Self {
            // `nodeId` is the preferred one, and taken wherever a device's id is.
            id: if answer.node_id.is_empty() { answer.id } else { answer.node_id.clone() },
            node_id: answer.node_id,
            hostname: answer.hostname,
            name,
            ipv4: answer.addresses.iter().find_map(|address| match address {
                IpAddr::V4(address) => Some(*address),
                IpAddr::V6(_) => None,
            }),
            ipv6: answer.addresses.iter().find_map(|address| match address {
                IpAddr::V6(address) => Some(*address),
                IpAddr::V4(_) => None,
            }),
            tags: answer.tags,
            online: answer.connected_to_control,
            last_seen: time(answer.last_seen.as_deref()),
            key_expiry: expiry,
            ephemeral: answer.is_ephemeral,
            auth_key: None,
        }
    }
}

/// When a token ends. One that is said to last for longer than any clock counts is asked for anew.
fn moment_after(life: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(life).unwrap_or(now)
}

fn encoded(id: &str) -> String {
    utf8_percent_encode(id, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod damage;
