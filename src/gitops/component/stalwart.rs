//! The mail server.

use super::{Backend, Site, namespace};
use crate::{
    error::Result,
    gitops::template::context,
    gitops::{
        part::{Layer, Part},
        secret::{SecretPlan, Value},
    },
};

const NAME: &str = "stalwart";
/// Its page's name in the tailnet.
const HOST: &str = "mail";

pub(super) fn parts(site: &Site<'_>) -> Result<Vec<Part>> {
    let Some(stalwart) = &site.gitops.stalwart else { return Ok(Vec::new()) };
    let private = site.private(HOST).filter(|_| site.gitops.tailscale_operator.is_some());
    let purpose = "Stalwart's administrator who is always there, as name:password.";
    let secret = SecretPlan::new(NAME, "stalwart-admin", purpose)
        .value("recovery-admin", Value::Prefixed("admin:", "stalwart-admin"));
    let deployment = context! {
        version => site.version("stalwartlabs/stalwart"),
        reloader => site.gitops.reloader,
        url => private.as_ref().map(|host| format!("https://{host}")),
    };
    let service = context! { address => stalwart.address.map(|address| address.to_string()) };
    let mut part = Part::new(Layer::Apps, NAME, "Mail.")
        .after(&["longhorn", "metallb-config", "tailscale-config"])
        .timeout("10m")
        .namespace(namespace(NAME, "baseline", "it listens below port 1024.", true))?
        .secret(secret)
        .claim(NAME, "stalwart-data", stalwart.bytes, "mail, settings and database")?
        .file("deployment.yaml", "stalwart/deployment.yaml", deployment)?
        .file("service.yaml", "stalwart/service.yaml", service)?;
    if private.is_some() {
        let page = Backend { name: NAME, namespace: NAME, service: "stalwart-web", port: 80 };
        part = part.private(&page, HOST, site)?;
    }
    Ok(vec![part])
}
