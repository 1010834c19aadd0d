//! What runs in the cluster through Git.

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use camino::Utf8PathBuf;

use super::{Artifact, SecretSource};
pub use crate::inventory::file::{JobTask, Way};

/// Replicated storage.
#[derive(Clone, Debug, PartialEq)]
pub struct Longhorn {
    pub replicas: u32,
    pub default_class: bool,
    /// An image with a shell.
    pub trial_image: String,
    pub backup: Option<ObjectStore>,
    /// By name.
    pub recurring_jobs: BTreeMap<String, RecurringJob>,
}

/// A folder of a bucket of an S3 service.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectStore {
    /// `None` is AWS's own.
    pub endpoint: Option<String>,
    pub bucket: String,
    pub region: String,
    /// Without slashes at its ends.
    pub prefix: String,
    pub access_key_id: SecretSource,
    pub secret_access_key: SecretSource,
    /// The endpoint's authorities as PEM; `None` is the system's.
    pub authority: Option<String>,
}

/// Snapshots of the datastore, made by k3s itself.
#[derive(Clone, Debug, PartialEq)]
pub struct DatastoreBackup {
    pub store: ObjectStore,
    /// Five fields, UTC.
    pub schedule: String,
    pub retain: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RecurringJob {
    pub task: JobTask,
    pub cron: String,
    pub retain: u32,
    pub groups: Vec<String>,
}

/// Where the cluster's state is read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Flux {
    pub url: String,
    pub branch: String,
    /// The cluster's entry point in the repository, without slashes at its ends.
    pub path: String,
    pub interval: Duration,
    /// Lines of known_hosts; empty for an `https://` URL.
    pub known_hosts: Vec<String>,
    /// A file with more of them.
    pub known_hosts_file: Option<Utf8PathBuf>,
    pub credentials: Option<GitAccess>,
    /// The manifests of Flux's own controllers.
    pub components: Artifact,
}

#[derive(Clone, Debug, PartialEq)]
pub enum GitAccess {
    DeployKey(SecretSource),
    Token(SecretSource),
}

/// The GitOps tree's components; what is `None` is off.
#[derive(Clone, Debug, PartialEq)]
pub struct Gitops {
    pub domain: Option<String>,
    pub tailnet_domain: Option<String>,
    pub email: Option<String>,
    pub secrets: SecretStore,
    /// Has every chart, in place of their publishers.
    pub chart_mirror: Option<String>,
    pub outside: Outside,
    /// The version of each chart and image that is on, by its name.
    pub versions: BTreeMap<String, String>,
    pub cert_manager: Option<CertManager>,
    pub metallb: Option<Metallb>,
    pub cloudnative_pg: Option<CloudnativePg>,
    pub tailscale_operator: Option<TailscaleOperator>,
    pub traefik: Option<Traefik>,
    pub cloudflared: Option<Cloudflared>,
    pub authentik: Option<Authentik>,
    pub monitoring: Option<Monitoring>,
    pub jellyfin: Option<Jellyfin>,
    pub stalwart: Option<Stalwart>,
    /// The name of Longhorn's page in the tailnet.
    pub longhorn_ui: Option<String>,
    pub reloader: bool,
}

/// How Secrets come into the cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum SecretStore {
    External,
    Sops {
        /// The file of the age identity.
        identity: Utf8PathBuf,
        /// Beside the identity's own.
        recipients: Vec<String>,
    },
}

/// How the names are asked for from outside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outside {
    /// Where the public names lead, whatever DNS says.
    pub edge: Option<Ipv4Addr>,
    /// The authority of the names' certificates; `None`: those that this computer trusts.
    pub ca_file: Option<Utf8PathBuf>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CertManager {
    pub cloudflare_api_token: Option<SecretSource>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Metallb {
    pub addresses: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CloudnativePg {
    pub backup: Option<DatabaseBackup>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DatabaseBackup {
    pub store: ObjectStore,
    pub retention_days: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TailscaleOperator {
    pub client_id: String,
    pub client_secret: SecretSource,
    /// `None`: Tailscale's own.
    pub login_server: Option<String>,
    pub tag: String,
    pub proxy_tag: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Traefik {
    pub trusted_networks: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Cloudflared {
    pub tunnel: Tunnel,
    pub replicas: u32,
}

/// Whose tunnel it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Tunnel {
    /// Made by hand, as are its routes and records; its token.
    Given(SecretSource),
    /// Made through the API.
    Made(Cloudflare),
}

/// Cloudflare's API.
#[derive(Clone, Debug, PartialEq)]
pub struct Cloudflare {
    pub account_id: String,
    pub api_token: SecretSource,
    /// The zones that the names may lie in, the likeliest first.
    pub zones: Vec<String>,
    /// Without a slash at its end.
    pub endpoint: String,
    pub ca_file: Option<Utf8PathBuf>,
}

impl Gitops {
    /// Cloudflare's API, where the tunnel is made through it.
    pub fn cloudflare(&self) -> Option<&Cloudflare> {
        match &self.cloudflared.as_ref()?.tunnel {
            Tunnel::Made(cloudflare) => Some(cloudflare),
            Tunnel::Given(_) => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Authentik {
    pub host: String,
    pub database_bytes: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Monitoring {
    pub grafana_bytes: u64,
    pub prometheus_bytes: u64,
    pub retention: Duration,
    pub ways: Vec<Way>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Jellyfin {
    pub config_bytes: u64,
    pub library_bytes: u64,
    pub ways: Vec<Way>,
    /// Whether Authentik is asked before a public request.
    pub forward_auth: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Stalwart {
    pub bytes: u64,
    pub address: Option<Ipv4Addr>,
}
