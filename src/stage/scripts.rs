//! Every script that may run on a node, with what it would say for that node: for `homelab render`, and
//! for the tests that hold them to account.

use std::time::Duration;

use super::guest;
use crate::{
    error::Result,
    inventory::desired::{Desired, Node},
    script::Script,
    template,
};

/// Stands in a shown script where a value is only known when it runs.
const LATER: &str = "<known when it runs>";

/// All scripts for a node, in the order in which a node meets them. Secrets are not in them.
pub fn catalogue(_desired: &Desired, _node: &Node) -> Result<Vec<Script>> {
    Ok(vec![
        guest::probe_script()?,
        guest::await_cloud_init_script(Duration::from_secs(10))?,
        template::script("guest/rotate-host-key.sh", serde_json::json!({}))?,
        guest::install_host_key_script(LATER)?,
        template::script("guest/finish-cloud-init.sh", serde_json::json!({}))?,
        template::script("guest/grow-root.sh", serde_json::json!({}))?,
    ])
}

#[cfg(test)]
pub(crate) mod tests;
