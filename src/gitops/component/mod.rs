//! One module a component: which parts it has, what they hold and what they stand on.

mod authentik;
mod cert_manager;
pub(crate) mod cloudflared;
mod cloudnative_pg;
mod jellyfin;
mod longhorn;
mod metallb;
mod monitoring;
mod reloader;
mod sources;
mod stalwart;
mod tailscale;
mod traefik;

use serde_json::Value;

use super::{
    part::Part,
    template::{self, Context, context},
    tree::RELEASES_EVERY,
};
use crate::{
    error::Result,
    inventory::{
        Desired,
        desired::{Flux, Gitops, Overlay},
        mtu,
    },
};

/// What components are rendered from.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) gitops: &'a Gitops,
    pub(crate) flux: &'a Flux,
}

/// All parts, each after those that it stands on.
pub(crate) fn parts(site: &Site<'_>) -> Result<Vec<Part>> {
    let components = [
        longhorn::parts(site)?,
        cert_manager::parts(site)?,
        metallb::parts(site)?,
        cloudnative_pg::parts(site)?,
        tailscale::parts(site)?,
        traefik::parts(site)?,
        reloader::parts(site)?,
        cloudflared::parts(site)?,
        authentik::parts(site)?,
        monitoring::parts(site)?,
        jellyfin::parts(site)?,
        stalwart::parts(site)?,
    ];
    let mut parts = sources::parts(site)?;
    parts.extend(components.into_iter().flatten());
    Ok(parts)
}

/// A Helm release, as its template wants it.
pub(crate) struct Release {
    pub(crate) name: &'static str,
    pub(crate) namespace: &'static str,
    pub(crate) chart: &'static str,
    pub(crate) source: &'static str,
    pub(crate) timeout: &'static str,
}

impl Site<'_> {
    /// The context of a release's template; further values are laid over it.
    fn release(&self, release: &Release, values: Context) -> Context {
        let Release { name, namespace, chart, source, timeout } = release;
        let version = self.version(chart);
        let interval = RELEASES_EVERY;
        let release = context! { name, namespace, chart, version, source, timeout, interval };
        let mut values = values;
        values["release"] = release;
        values
    }

    /// The pinned version of a chart or image.
    fn version(&self, name: &str) -> &str {
        self.gitops.versions.get(name).expect("all that is on is pinned")
    }

    /// A public name.
    pub(crate) fn public(&self, host: &str) -> Option<String> {
        Some(format!("{host}.{}", self.gitops.domain.as_ref()?))
    }

    /// A name in the tailnet.
    pub(crate) fn private(&self, host: &str) -> Option<String> {
        Some(format!("{host}.{}", self.gitops.tailnet_domain.as_ref()?))
    }

    /// The MTU of the pods' network.
    fn pod_mtu(&self) -> u16 {
        let desired = self.desired;
        let link = match desired.k3s.overlay {
            Overlay::Tailscale => desired.tailnet.mtu,
            Overlay::Lan => desired.nodes.values().map(|node| node.link_mtu).min().unwrap_or(1500),
        };
        link.saturating_sub(mtu::VXLAN)
    }
}

/// A namespace, with what its pods may do.
fn namespace(namespace: &str, level: &str, reason: &str, keeps_data: bool) -> Value {
    context! { namespace, level, reason, keeps_data }
}

/// An app's way in.
struct Backend {
    /// The Ingress's own name, before `-public` or `-private`.
    name: &'static str,
    namespace: &'static str,
    service: &'static str,
    port: u16,
}

impl Part {
    fn namespace(self, context: Value) -> Result<Self> {
        self.file("namespace.yaml", "lib/namespace.yaml", context)
    }

    fn public(self, backend: &Backend, host: &str, protected: bool) -> Result<Self> {
        let Backend { name, namespace, service, port } = backend;
        let context = context! { name, namespace, service, port, host, protected };
        self.file("ingress-public.yaml", "lib/public-ingress.yaml", context)
    }

    fn private(self, backend: &Backend, host: &str, site: &Site<'_>) -> Result<Self> {
        let Backend { name, namespace, service, port } = backend;
        let tailnet_domain = site.gitops.tailnet_domain.as_deref().unwrap_or_default();
        let context = context! { name, namespace, service, port, host, tailnet_domain };
        self.file("ingress-private.yaml", "lib/private-ingress.yaml", context)
    }

    fn claim(self, namespace: &str, name: &str, bytes: u64, about: &str) -> Result<Self> {
        let size = template::quantity(bytes);
        let file = format!("claim-{name}.yaml");
        self.file(&file, "lib/claim.yaml", context! { namespace, name, size, about })
    }
}
