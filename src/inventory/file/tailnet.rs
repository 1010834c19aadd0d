//! The tailnet that the nodes join.

use std::{collections::BTreeMap, fmt};

use garde::Validate;
use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{SecretReference, yes};
use crate::inventory::scalar::Span;

/// The tailnet that the nodes join.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct TailnetFile {
    /// Who runs the tailnet, and what lets us in: `tailscale`, `headscale`, or a bare `auth_key`.
    #[garde(custom(credentials))]
    pub control: ControlFile,
    /// The tag that the nodes carry.
    #[schemars(extend("format" = "tailnet-tag"))]
    #[serde(default = "tag")]
    pub tag: String,
    /// The Tailscale release on the nodes. What is not said here comes from `homelab.lock`.
    #[serde(default)]
    pub tailscale: TailscaleRelease,
    /// The MTU of tailscale0: `auto` plans it from the smallest link.
    #[serde(default)]
    pub mtu: MtuFile,
    /// Makes the TUN device persistent, so that a restart of tailscaled does not take Flannel's with it.
    #[serde(default = "yes")]
    pub persistent_tun: bool,
    /// Installs the guard, which restarts k3s when Flannel's tables don't come back by themselves.
    #[serde(default = "yes")]
    pub guard: bool,
    /// Further environment variables of tailscaled.
    #[schemars(extend("propertyNames" = {"format": "environment-name"}))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// The prefixes that tailnet addresses come from; Tailscale's own unless said.
    #[schemars(with = "Vec<String>", extend("items" = {"type": "string", "format": "ip-network"}), length(min = 1))]
    #[serde(default = "prefixes")]
    pub prefixes: Vec<IpNet>,
    /// How long a join may take.
    #[serde(default = "join_timeout")]
    pub join_timeout: Span,
}

/// Who runs the tailnet, and what lets us in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ControlFile {
    /// Tailscale's own service.
    Tailscale(TailscaleFile),
    /// A Headscale server.
    Headscale(HeadscaleFile),
    /// A ready-made key and nothing more: no listing, no twins removed, no re-addressing.
    AuthKey(AuthKeyFile),
}

/// Tailscale's own service, by an OAuth client (best) or an API key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TailscaleFile {
    /// The API's address.
    #[schemars(extend("format" = "http-url"))]
    #[serde(default = "api")]
    pub api: String,
    /// The tailnet's name; `-` is the credentials' own.
    #[schemars(extend("format" = "text"))]
    #[serde(default = "own_tailnet")]
    pub tailnet: String,
    /// An OAuth client with the scopes `auth_keys` and `devices:core`, and the nodes' tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<OAuthFile>,
    /// An API key; it expires within 90 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<SecretReference>,
}

/// An OAuth client.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuthFile {
    /// Its id; no secret.
    #[schemars(extend("format" = "text"))]
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretReference,
}

/// A Headscale server.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeadscaleFile {
    /// The server's address, for nodes and for the API below it.
    #[schemars(extend("format" = "http-url"))]
    pub login_server: String,
    /// An API key, as `headscale apikeys create` makes one.
    pub api_key: SecretReference,
    /// The Headscale user that the keys belong to.
    #[schemars(extend("format" = "text"))]
    #[serde(default = "headscale_user")]
    pub user: String,
}

/// A ready-made key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthKeyFile {
    /// The login server; Tailscale's own unless said.
    #[schemars(extend("format" = "http-url"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_server: Option<String>,
    /// The key: reusable, or one for each node is needed.
    pub key: SecretReference,
}

/// The Tailscale release on the nodes.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TailscaleRelease {
    /// `1.92.3`; what the lock file has unless said.
    #[schemars(extend("format" = "tailscale-version"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where the tar is fetched from; the publisher's unless said.
    #[schemars(extend("format" = "artifact-url"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its SHA-256; `homelab lock` finds it and writes it into `homelab.lock`.
    #[schemars(extend("format" = "sha256"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// `auto` or a number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MtuFile {
    #[default]
    Auto,
    Bytes(u16),
}

impl fmt::Display for MtuFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Bytes(bytes) => bytes.fmt(formatter),
        }
    }
}

impl Serialize for MtuFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Bytes(bytes) => serializer.serialize_u16(*bytes),
        }
    }
}

impl<'de> Deserialize<'de> for MtuFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Word(String),
            Bytes(u16),
        }
        match Written::deserialize(deserializer)? {
            Written::Word(word) if word == "auto" => Ok(Self::Auto),
            Written::Word(_) => Err(serde::de::Error::custom("expected `auto` or a number")),
            Written::Bytes(bytes) => Ok(Self::Bytes(bytes)),
        }
    }
}

impl JsonSchema for MtuFile {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mtu".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                {"type": "string", "const": "auto"},
                {"type": "integer", "minimum": 1280, "maximum": 9136},
            ]
        })
    }
}

/// Exactly one credential of Tailscale's.
fn credentials(control: &ControlFile, _: &()) -> garde::Result {
    match control {
        ControlFile::Tailscale(file) => match (&file.oauth, &file.api_key) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            (None, None) => Err(garde::Error::new(
                "`tailscale` needs `oauth` (an OAuth client, best) or `api_key`",
            )),
            (Some(_), Some(_)) => {
                Err(garde::Error::new("`tailscale` takes `oauth` or `api_key`, not both"))
            }
        },
        ControlFile::Headscale(_) | ControlFile::AuthKey(_) => Ok(()),
    }
}

fn tag() -> String {
    "tag:k3s".into()
}

fn api() -> String {
    "https://api.tailscale.com".into()
}

fn own_tailnet() -> String {
    "-".into()
}

fn headscale_user() -> String {
    "homelab".into()
}

/// Tailscale's own prefixes (CGNAT and ULA), which Headscale takes too unless told otherwise.
fn prefixes() -> Vec<IpNet> {
    ["100.64.0.0/10", "fd7a:115c:a1e0::/48"]
        .into_iter()
        .map(|text| text.parse().expect("a constant network"))
        .collect()
}

const fn join_timeout() -> Span {
    Span(std::time::Duration::from_secs(300))
}
