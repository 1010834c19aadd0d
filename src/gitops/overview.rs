//! What a person reads first, and what leads in from outside.

use serde::Serialize;

use super::{
    component::Site,
    given::Given,
    part::Part,
    template,
    tree::{File, Tree},
};
use crate::{
    error::Result,
    gitops::template::context,
    inventory::{
        Desired,
        desired::{SecretStore, Way},
    },
};

/// Where the tunnel ends.
pub(crate) const TRAEFIK: &str = "http://traefik.kube-system.svc.cluster.local:80";

/// A public name that leads through the tunnel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// The DNS name.
    pub hostname: String,
    /// Where the tunnel hands its requests to.
    pub service: String,
}

/// The public names, each of which needs a DNS record and a rule of the tunnel.
pub fn routes(desired: &Desired) -> Vec<Route> {
    let Some(gitops) = desired.gitops.as_ref().filter(|gitops| gitops.cloudflared.is_some()) else {
        return Vec::new();
    };
    let public = |ways: &[Way]| ways.contains(&Way::Public);
    let hosts = [
        gitops.authentik.as_ref().map(|authentik| authentik.host.as_str()),
        gitops.monitoring.as_ref().filter(|one| public(&one.ways)).map(|_| "grafana"),
        gitops.jellyfin.as_ref().filter(|one| public(&one.ways)).map(|_| "jellyfin"),
    ];
    let domain = gitops.domain.as_deref();
    let hosts = hosts.into_iter().flatten();
    hosts
        .filter_map(|host| Some(format!("{host}.{}", domain?)))
        .map(|hostname| Route { hostname, service: TRAEFIK.to_owned() })
        .collect()
}

/// The rules for the official `sops`, at the root.
pub const RULES: &str = ".sops.yaml";

/// Those rules, for these recipients.
///
/// # Errors
///
/// None but a fault of homelab.
pub fn rules(recipients: &[String]) -> Result<String> {
    template::text("sops.yaml", context! { recipients })
}

/// README.md, and .sops.yaml where Secrets are encrypted here.
pub(super) fn add(tree: &mut Tree, site: &Site<'_>, parts: &[Part], given: &Given) -> Result<()> {
    let routes = routes(site.desired);
    let sealed = site.gitops.secrets != SecretStore::External;
    let secrets: Vec<_> = if sealed {
        tree.secrets().map(|(path, plan)| row(plan, path)).collect()
    } else {
        tree.external.iter().map(|plan| row(plan, "")).collect()
    };
    let parts: Vec<_> = parts
        .iter()
        .map(|part| context! { name => part.name, about => part.about, folder => part.folder() })
        .collect();
    let versions = &site.gitops.versions;
    let cluster = &site.desired.cluster;
    let path = &site.flux.path;
    let readme = context! { cluster, path, parts, routes, secrets, sealed, versions };
    tree.files.insert("README.md".into(), File::Text(template::text("README.md", readme)?));
    if sealed {
        tree.files.insert(RULES.into(), File::Text(rules(&given.recipients)?));
    }
    Ok(())
}

fn row(plan: &super::secret::SecretPlan, path: &str) -> template::Context {
    let keys: Vec<&str> = plan.values.iter().map(|(key, _)| *key).collect();
    context! {
        namespace => plan.namespace, name => plan.name, purpose => plan.purpose, path, keys
    }
}
