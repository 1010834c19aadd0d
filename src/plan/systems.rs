//! What runs on the cluster beside its foundations, read from Kubernetes' own objects. Pure.
//!
//! Flux says that what Git holds was applied and once became ready; whether it still runs is said by the
//! workloads, addresses and claims themselves.

mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::ports::ObjectKind;

pub use self::read::served;
pub use super::flux::DEPLOYMENT;

const fn kind(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
) -> ObjectKind {
    ObjectKind { group, version, kind, plural }
}
pub const STATEFUL_SET: ObjectKind = kind("apps", "v1", "StatefulSet", "statefulsets");
pub const DAEMON_SET: ObjectKind = kind("apps", "v1", "DaemonSet", "daemonsets");
pub const SERVICE: ObjectKind = kind("", "v1", "Service", "services");
pub const ENDPOINTS: ObjectKind = kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices");
pub const INGRESS: ObjectKind = kind("networking.k8s.io", "v1", "Ingress", "ingresses");
pub const CLAIM: ObjectKind = kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims");
pub const ISSUER: ObjectKind = kind("cert-manager.io", "v1", "ClusterIssuer", "clusterissuers");
pub const DATABASE: ObjectKind = kind("postgresql.cnpg.io", "v1", "Cluster", "clusters");
pub const STORE: ObjectKind = kind("barmancloud.cnpg.io", "v1", "ObjectStore", "objectstores");
pub const PROXY_CLASS: ObjectKind = kind("tailscale.com", "v1alpha1", "ProxyClass", "proxyclasses");
pub const MIDDLEWARE: ObjectKind = kind("traefik.io", "v1alpha1", "Middleware", "middlewares");

/// A namespace and a name in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    pub namespace: String,
    pub name: String,
}

impl std::fmt::Display for Named {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            return formatter.write_str(&self.name);
        }
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// Everything at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SystemsSight {
    pub workloads: Vec<Workload>,
    pub services: Vec<Service>,
    /// Services with at least one pod that is ready.
    pub served: BTreeSet<Named>,
    pub ingresses: Vec<Ingress>,
    pub middlewares: BTreeSet<Named>,
    pub claims: Vec<Claim>,
    /// Issuers of certificates and classes of the tailnet's proxies.
    pub issuers: Vec<Condition>,
    pub proxy_classes: Vec<Condition>,
    pub databases: Vec<Database>,
}

/// A Deployment, StatefulSet or DaemonSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    pub kind: &'static str,
    pub named: Named,
    pub wanted: u64,
    pub available: u64,
}

/// A Service, as far as somebody leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub named: Named,
    pub ports: Vec<Port>,
    /// Of type LoadBalancer.
    pub wants_address: bool,
    /// Those that it was given: addresses or names.
    pub addresses: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub number: u64,
    pub name: String,
}

/// A way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingress {
    pub named: Named,
    pub class: String,
    /// The hosts of its rules and certificates.
    pub hosts: Vec<String>,
    pub backends: Vec<Backend>,
    /// Traefik's middlewares that each request goes through, as `namespace-name`.
    pub middlewares: Vec<String>,
    /// What the controller gave it.
    pub addresses: Vec<String>,
}

/// Where a way in leads: a Service of its namespace, and the port's number or name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    pub service: String,
    pub port: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub named: Named,
    /// `Bound`, `Pending` or `Lost`.
    pub phase: String,
    pub class: String,
}

/// What an object says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub named: Named,
    pub holds: bool,
    pub message: String,
}

/// A cluster of CloudNativePG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    pub named: Named,
    pub wanted: u64,
    pub ready: u64,
    pub phase: String,
    /// Whether the write-ahead log is archived, and what is said of it; `None` where no archive is asked for.
    pub archive: Option<(bool, String)>,
    /// When the last backup that succeeded ended.
    pub last_backup: Option<Timestamp>,
    pub created: Option<Timestamp>,
}
