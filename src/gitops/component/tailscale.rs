//! The private path.

use super::{Release, Site, namespace};
use crate::{
    error::Result,
    gitops::template::context,
    gitops::{
        part::{Health, Layer, Part},
        secret::SecretPlan,
    },
    inventory::mtu,
};

const NAMESPACE: &str = "tailscale";
const RELEASE: Release = Release {
    name: "tailscale-operator",
    namespace: NAMESPACE,
    chart: "tailscale-operator",
    source: "tailscale",
    timeout: "10m",
};
/// What a tailnet's interface has by itself; more would not reach members elsewhere.
const USUAL_MTU: u16 = 1280;

pub(super) fn parts(site: &Site<'_>) -> Result<Vec<Part>> {
    let Some(operator) = &site.gitops.tailscale_operator else { return Ok(Vec::new()) };
    let purpose = "The operator's own OAuth client in the tailnet.";
    let secret = SecretPlan::new(NAMESPACE, "operator-oauth", purpose)
        .known("client_id", operator.client_id.clone())
        .found("client_secret", &operator.client_secret);
    let (tag, proxy_tag) = (&operator.tag, &operator.proxy_tag);
    let login_server = &operator.login_server;
    let release = site.release(&RELEASE, context! { tag, proxy_tag, login_server });
    let pods = site.pod_mtu();
    let mtu = pods.saturating_sub(mtu::OVER_IPV6).min(USUAL_MTU);
    Ok(vec![
        Part::new(Layer::Controllers, "tailscale-operator", "The private path's operator.")
            .after(&["sources"])
            .timeout("15m")
            .namespace(namespace(NAMESPACE, "privileged", "its proxies make a TUN.", false))?
            .secret(secret)
            .file("release.yaml", "tailscale/release.yaml", release)?,
        Part::new(Layer::Configs, "tailscale-config", "How the private path's proxies run.")
            .after(&["tailscale-operator"])
            .health(Health {
                api_version: "tailscale.com/v1alpha1",
                kind: "ProxyClass",
                current: "has(status.conditions) && status.conditions.exists(c, c.type == 'ProxyClassReady' && c.status == 'True')",
                failed: Some(
                    "has(status.conditions) && status.conditions.exists(c, c.type == 'ProxyClassReady' && c.status == 'False')",
                ),
            })
            .file("proxy-class.yaml", "tailscale/proxy-class.yaml", context! { pods, mtu })?,
    ])
}
