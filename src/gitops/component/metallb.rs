//! Addresses of the LAN.

use super::{Release, Site, namespace};
use crate::{
    error::Result,
    gitops::part::{Layer, Part},
    gitops::template::context,
};

const NAMESPACE: &str = "metallb-system";
const RELEASE: Release = Release {
    name: "metallb",
    namespace: NAMESPACE,
    chart: "metallb",
    source: "metallb",
    timeout: "10m",
};

pub(super) fn parts(site: &Site<'_>) -> Result<Vec<Part>> {
    let Some(metallb) = &site.gitops.metallb else { return Ok(Vec::new()) };
    let privileged = "its speakers answer ARP in the node's network.";
    let addresses = &metallb.addresses;
    Ok(vec![
        Part::new(Layer::Controllers, "metallb", "Addresses of the LAN for Services.")
            .after(&["sources"])
            .timeout("15m")
            .namespace(namespace(NAMESPACE, "privileged", privileged, false))?
            .file("release.yaml", "metallb/release.yaml", site.release(&RELEASE, context! {}))?,
        // Its webhook has to answer before it can be told of a pool.
        Part::new(Layer::Configs, "metallb-config", "Which addresses those are.")
            .after(&["metallb"])
            .file("pool.yaml", "metallb/pool.yaml", context! { addresses })?,
    ])
}
