//! PostgreSQL, and the plugin that backs it up.

use super::{Release, Site, namespace};
use crate::{
    error::Result,
    gitops::part::{Layer, Part},
    gitops::template::context,
};

const NAMESPACE: &str = "cnpg-system";
const OPERATOR: Release = Release {
    name: "cloudnative-pg",
    namespace: NAMESPACE,
    chart: "cloudnative-pg",
    source: "cloudnative-pg",
    timeout: "10m",
};
const PLUGIN: Release = Release {
    name: "plugin-barman-cloud",
    namespace: NAMESPACE,
    chart: "plugin-barman-cloud",
    source: "cloudnative-pg",
    timeout: "10m",
};

pub(super) fn parts(site: &Site<'_>) -> Result<Vec<Part>> {
    let Some(databases) = &site.gitops.cloudnative_pg else { return Ok(Vec::new()) };
    let operator = site.release(&OPERATOR, context! {});
    let mut parts = vec![
        Part::new(Layer::Controllers, "cloudnative-pg", "PostgreSQL's operator.")
            .after(&["sources"])
            .timeout("15m")
            .namespace(namespace(NAMESPACE, "baseline", "nothing special.", false))?
            .file("release.yaml", "cloudnative-pg/release.yaml", operator)?,
    ];
    if databases.backup.is_some() {
        let plugin = site.release(&PLUGIN, context! {});
        let about = "The operator's plugin that backs databases up.";
        parts.push(
            Part::new(Layer::Controllers, "barman-cloud", about)
                .after(&["sources", "cloudnative-pg", "cert-manager"])
                .timeout("15m")
                .file("release.yaml", "cloudnative-pg/barman-cloud.yaml", plugin)?,
        );
    }
    Ok(parts)
}
