//! The public path's tunnel: given, or made through Cloudflare's API.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretReference;

/// The public path's outbound tunnel.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct CloudflaredFile {
    /// The image's tag; what the lock file has unless said.
    #[schemars(extend("format" = "release"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The token of a tunnel that was made by hand, with its routes and DNS records; or `cloudflare`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel_token: Option<SecretReference>,
    /// Cloudflare's API: `homelab up` makes the tunnel, its routes and the DNS records itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloudflare: Option<CloudflareFile>,
    /// How many pods hold the tunnel open, on different nodes where there are.
    #[garde(range(min = 1, max = 25))]
    #[serde(default = "tunnel_replicas")]
    pub replicas: u32,
}

/// Cloudflare's API, and what is ours there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloudflareFile {
    /// The account that the tunnel belongs to: 32 hex digits, in the dashboard's address.
    #[schemars(extend("format" = "cloudflare-id"))]
    pub account_id: String,
    /// An API token: Account / Cloudflare Tunnel / Edit, Zone / DNS / Edit, Zone / Zone / Read.
    pub api_token: SecretReference,
    /// The zone that the names lie in; unless said, the nearest one to `gitops.domain` that there is.
    #[schemars(extend("format" = "dns-name"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The API's address; Cloudflare's own unless said.
    #[schemars(extend("format" = "http-url"))]
    #[serde(default = "cloudflare_api")]
    pub endpoint: String,
    /// The authority that signed that address's certificate; the system's unless said.
    #[schemars(extend("format" = "text"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

fn cloudflare_api() -> String {
    "https://api.cloudflare.com/client/v4".into()
}

const fn tunnel_replicas() -> u32 {
    2
}
