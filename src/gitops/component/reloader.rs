//! Restarts what uses a Secret or ConfigMap that changed.

use super::{Release, Site, namespace};
use crate::{
    error::Result,
    gitops::part::{Layer, Part},
    gitops::template::context,
};

const RELEASE: Release = Release {
    name: "reloader",
    namespace: "reloader",
    chart: "reloader",
    source: "stakater",
    timeout: "5m",
};

pub(super) fn parts(site: &Site<'_>) -> Result<Vec<Part>> {
    if !site.gitops.reloader {
        return Ok(Vec::new());
    }
    let release = site.release(&RELEASE, context! {});
    let about = "Restarts what uses a Secret or ConfigMap that changed.";
    Ok(vec![
        Part::new(Layer::Controllers, "reloader", about)
            .after(&["sources"])
            .timeout("10m")
            .namespace(namespace("reloader", "baseline", "nothing special.", false))?
            .file("release.yaml", "reloader/release.yaml", release)?,
    ])
}
