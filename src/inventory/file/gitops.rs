//! What runs in the cluster through Git: each component that is written is there, each that is not is off.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CloudflaredFile, OAuthFile, S3Credentials, SecretReference};
use crate::inventory::scalar::{Size, Span};

/// The GitOps tree that `homelab gitops` renders. A component is on when it is written, `{}` at least.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields, default)]
#[garde(allow_unvalidated)]
pub struct GitopsFile {
    /// The domain whose names lead to the public apps: `auth.<domain>`, `jellyfin.<domain>`.
    #[schemars(extend("format" = "dns-name"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The tailnet's domain, under which the private apps have their names: `tail1234.ts.net`.
    #[schemars(extend("format" = "dns-name"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tailnet_domain: Option<String>,
    /// Where certificate authorities and the first administrator's account write to.
    #[schemars(extend("format" = "email"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// How Secrets come into the cluster.
    pub secrets: SecretsFile,
    /// A repository of charts that has them all, for a cluster that cannot reach their publishers (or should not).
    #[schemars(extend("format" = "http-url"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart_mirror: Option<String>,
    /// How `homelab verify` asks for the public and private names, where they do not lead there by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outside: Option<OutsideFile>,
    /// Certificates, and what CloudNativePG's backups need.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_manager: Option<CertManagerFile>,
    /// Addresses of the LAN for Services of type LoadBalancer.
    #[garde(dive)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metallb: Option<MetallbFile>,
    /// PostgreSQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloudnative_pg: Option<CloudnativePgFile>,
    /// The private path: apps as devices of the tailnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tailscale_operator: Option<TailscaleOperatorFile>,
    /// Tunes k3s's own Traefik for the public path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traefik: Option<TraefikFile>,
    /// The public path's outbound tunnel.
    #[garde(dive)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloudflared: Option<CloudflaredFile>,
    /// Who may come in: ForwardAuth for the public path, OIDC for Grafana.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentik: Option<AuthentikFile>,
    /// Prometheus, Alertmanager and Grafana.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<MonitoringFile>,
    /// The media server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jellyfin: Option<JellyfinFile>,
    /// The mail server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stalwart: Option<StalwartFile>,
    /// Longhorn's own page, by the private path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longhorn_ui: Option<LonghornUiFile>,
    /// Restarts what uses a Secret or ConfigMap that changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reloader: Option<ReloaderFile>,
}

/// How Secrets come into the cluster.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretsFile {
    /// Not by this tree: it holds no Secret, and lists those that somebody has to make.
    External,
    /// Encrypted in the tree by SOPS with age; Flux decrypts them.
    Sops(SopsFile),
}

impl Default for SecretsFile {
    fn default() -> Self {
        Self::Sops(SopsFile::default())
    }
}

/// The age key that opens the encrypted Secrets.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SopsFile {
    /// The identity's file, made once by `homelab gitops init` and kept out of Git;
    /// `~/.config/homelab/<cluster>.agekey` unless said.
    #[schemars(extend("format" = "text"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Further recipients, such as a key in a safe, for the day the identity is lost.
    #[schemars(extend("items" = {"type": "string", "format": "age-recipient"}))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
}

/// How `homelab verify` asks from outside.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutsideFile {
    /// Where the public names are asked for; what DNS says of each unless said.
    #[schemars(with = "Option<String>", extend("format" = "ipv4"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge: Option<std::net::Ipv4Addr>,
    /// The authority that signs the names' certificates; those that this computer trusts unless said.
    #[schemars(extend("format" = "text"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

/// By which ways an app is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Cloudflare's edge, the tunnel, Traefik, and Authentik's word before the app's own.
    Public,
    /// The tailnet.
    Private,
}

/// Certificates.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CertManagerFile {
    /// The chart's version; what the lock file has unless said.
    #[schemars(extend("format" = "release"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// A Cloudflare API token that may edit the domain's DNS: with it there is a ClusterIssuer
    /// `letsencrypt-production`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloudflare_api_token: Option<SecretReference>,
}

/// Addresses of the LAN for Services of type LoadBalancer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
#[garde(allow_unvalidated)]
pub struct MetallbFile {
    /// The chart's version; what the lock file has unless said.
    #[schemars(extend("format" = "release"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Addresses that nothing else on the LAN uses and DHCP does not give away.
    #[schemars(extend("items" = {"type": "string", "format": "address-range"}, "minItems" = 1))]
    pub addresses: Vec<String>,
}

/// PostgreSQL.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CloudnativePgFile {
    /// The operator's chart version; what the lock file has unless said.
    #[schemars(extend("format" = "release"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The chart version of the plugin that makes the backups; what the lock file has unless said.
    #[schemars(extend("format" = "release"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin_version: Option<String>,
    /// Where databases are backed up to, write-ahead log and all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<DatabaseBackupFile>,
}

/// Where databases are backed up to: a bucket of an S3 service.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseBackupFile {
    /// The endpoint; AWS's own of that region unless said.
    #[schemars(extend("format" = "s3-url"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The bucket.
    #[schemars(extend("format" = "proxmox-id"), length(min = 3, max = 63))]
    pub bucket: String,
    /// The region.
    #[schemars(extend("format" = "text"))]
    pub region: String,
    /// A folder in the bucket, not the one of Longhorn's backups.
    #[schemars(extend("format" = "text"))]
    #[serde(default = "database_prefix")]
    pub prefix: String,
    /// How many days of backups are kept.
    #[serde(default = "retention_days")]
    pub retention_days: u32,
    /// What may write there.
    pub credentials: S3Credentials,
}

/// The private path.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TailscaleOperatorFile {
    /// The chart's version; what the lock file has unless said.
    #[schemars(extend("format" = "release"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// An OAuth client of its own: scopes devices:core and auth_keys, the tag of the operator.
    pub oauth: OAuthFile,
    /// A control server other than Tailscale's own that speaks its API, too. Headscale alone does not.
    #[schemars(extend("format" = "http-url"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_server: Option<String>,
    /// The operator's own tag.
    #[schemars(extend("format" = "tailnet-tag"))]
    #[serde(default = "operator_tag")]
    pub tag: String,
    /// The tag of the devices that it makes; the operator's tag must own it.
    #[schemars(extend("format" = "tailnet-tag"))]
    #[serde(default = "proxy_tag")]
    pub proxy_tag: String,
}

/// Tunes k3s's own Traefik.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TraefikFile {
    /// Who else may say how a request came, beside the pods' network.
    #[schemars(extend("items" = {"type": "string", "format": "ip-network"}))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trusted_networks: Vec<String>,
}

/// Who may come in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuthentikFile {
    /// The chart's version; what the lock file has unless said.
    #[schemars(extend("format" = "release"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its name below the domain.
    #[schemars(extend("format" = "dns-label"))]
    pub host: String,
    /// The database's volume.
    pub database_size: Size,
}

impl Default for AuthentikFile {
    fn default() -> Self {
        Self { version: None, host: "auth".into(), database_size: Size::of_gibibytes(5) }
    }
}

/// Prometheus, Alertmanager and Grafana.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MonitoringFile {
    /// The chart's version; what the lock file has unless said.
    #[schemars(extend("format" = "release"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Grafana's volume.
    pub grafana_size: Size,
    /// Prometheus's volume. Fixed when it is made: a StatefulSet's claims can't be changed.
    pub prometheus_size: Size,
    /// How long measurements are kept, where the volume has room.
    pub retention: Span,
    /// How Grafana is reached.
    pub ways: Vec<Way>,
}

impl Default for MonitoringFile {
    fn default() -> Self {
        Self {
            version: None,
            grafana_size: Size::of_gibibytes(1),
            prometheus_size: Size::of_gibibytes(20),
            retention: Span(std::time::Duration::from_secs(15 * 24 * 3600)),
            ways: vec![Way::Private],
        }
    }
}

/// The media server.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JellyfinFile {
    /// The image's tag; what the lock file has unless said.
    #[schemars(extend("format" = "release"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The volume of its settings and database.
    pub config_size: Size,
    /// The volume of what it plays.
    pub library_size: Size,
    /// How it is reached.
    pub ways: Vec<Way>,
    /// Whether Authentik is asked before a public request reaches it. Jellyfin's own apps for televisions and
    /// telephones cannot answer Authentik: without it the app's own accounts are all that stands before it.
    pub forward_auth: bool,
}

impl Default for JellyfinFile {
    fn default() -> Self {
        Self {
            version: None,
            config_size: Size::of_gibibytes(5),
            library_size: Size::of_gibibytes(50),
            ways: vec![Way::Public, Way::Private],
            forward_auth: true,
        }
    }
}

/// The mail server.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StalwartFile {
    /// The image's tag; what the lock file has unless said.
    #[schemars(extend("format" = "release"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The volume of mail, settings and database.
    pub size: Size,
    /// The address that mail comes to, out of MetalLB's; any free one unless said.
    #[schemars(with = "Option<String>", extend("format" = "ipv4"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<std::net::Ipv4Addr>,
}

impl Default for StalwartFile {
    fn default() -> Self {
        Self { version: None, size: Size::of_gibibytes(10), address: None }
    }
}

/// Longhorn's own page.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LonghornUiFile {
    /// Its name in the tailnet.
    #[schemars(extend("format" = "dns-label"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// Restarts what uses a Secret or ConfigMap that changed.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReloaderFile {
    /// The chart's version; what the lock file has unless said.
    #[schemars(extend("format" = "release"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

fn database_prefix() -> String {
    "cnpg".into()
}

const fn retention_days() -> u32 {
    30
}

fn operator_tag() -> String {
    "tag:k8s-operator".into()
}

fn proxy_tag() -> String {
    "tag:k8s".into()
}
