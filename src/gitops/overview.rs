//! What a person reads first, and what leads in from outside.

use serde::Serialize;

use super::{
    component::Site,
    given::Given,
    part::Part,
    template,
    tree::{APPLIED_EVERY, File, RELEASES_EVERY, Tree},
};
use crate::{
    error::Result,
    gitops::template::{context, span},
    inventory::{
        Desired,
        desired::{Gitops, SecretStore, Way},
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
    /// Whether Authentik is asked before the app is.
    #[serde(skip)]
    pub guarded: bool,
}

/// An app that is a device of the tailnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateWay {
    /// The device's name, the first label of its host name.
    pub device: String,
    /// The name in the tailnet.
    pub hostname: String,
    /// The Ingress that makes it, without `-private` at its end.
    pub ingress: &'static str,
}

/// The public names, each of which needs a DNS record and a rule of the tunnel.
pub fn routes(desired: &Desired) -> Vec<Route> {
    let Some(gitops) = desired.gitops.as_ref().filter(|gitops| gitops.cloudflared.is_some()) else {
        return Vec::new();
    };
    let public = |ways: &[Way]| ways.contains(&Way::Public);
    let monitoring = gitops.monitoring.as_ref().filter(|one| public(&one.ways));
    let jellyfin = gitops.jellyfin.as_ref().filter(|one| public(&one.ways));
    let hosts = [
        gitops.authentik.as_ref().map(|authentik| (authentik.host.as_str(), false)),
        monitoring.map(|_| ("grafana", true)),
        jellyfin.map(|one| ("jellyfin", one.forward_auth)),
    ];
    let domain = gitops.domain.as_deref();
    let hosts = hosts.into_iter().flatten();
    hosts
        .filter_map(|(host, guarded)| Some((format!("{host}.{}", domain?), guarded)))
        .map(|(hostname, guarded)| Route { hostname, service: TRAEFIK.to_owned(), guarded })
        .collect()
}

/// The apps that are devices of the tailnet.
pub fn private_ways(desired: &Desired) -> Vec<PrivateWay> {
    let on = |gitops: &&Gitops| gitops.tailscale_operator.is_some();
    let Some(gitops) = desired.gitops.as_ref().filter(on) else { return Vec::new() };
    let private = |ways: &[Way]| ways.contains(&Way::Private);
    let monitoring = gitops.monitoring.as_ref().filter(|one| private(&one.ways));
    let jellyfin = gitops.jellyfin.as_ref().filter(|one| private(&one.ways));
    let apps = [
        monitoring.map(|_| ("grafana".to_owned(), "grafana")),
        gitops.longhorn_ui.clone().map(|host| (host, "longhorn-ui")),
        jellyfin.map(|_| ("jellyfin".to_owned(), "jellyfin")),
        gitops.stalwart.as_ref().map(|_| ("mail".to_owned(), "stalwart")),
    ];
    let domain = gitops.tailnet_domain.as_deref();
    let apps = apps.into_iter().flatten();
    apps.filter_map(|(device, ingress)| {
        Some(PrivateWay { hostname: format!("{device}.{}", domain?), device, ingress })
    })
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
    // The tunnel's routes and records, and the Secret with its token, are made by `homelab up`.
    let made = site.gitops.cloudflare().is_some();
    let looks_every = span(site.flux.interval);
    let (applied_every, releases_every) = (APPLIED_EVERY, RELEASES_EVERY);
    let readme = context! {
        cluster, path, parts, routes, made, secrets, sealed, versions, looks_every, applied_every,
        releases_every,
    };
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
