//! What is assumed of a Proxmox VE while there is no inventory to say it.

use camino::Utf8Path;
use serde_json::{Value, json};

use super::Scope;

/// The assumed names, as a comment for the commands.
pub fn text(scope: &Scope, inventory: &Utf8Path) -> String {
    let names: Vec<String> =
        names(scope).into_iter().map(|(what, name)| format!("{what} `{name}`")).collect();
    format!(
        "# There is no inventory {inventory} yet, so names are assumed:\n# {}.\n# Where yours differ, write the \
         inventory first (`homelab init`), and print this anew.\n\n",
        names.join(", ")
    )
}

/// The same as data.
pub fn document(scope: &Scope) -> Value {
    names(scope).into_iter().map(|(what, name)| (what.to_owned(), json!(name))).collect()
}

fn names(scope: &Scope) -> Vec<(&'static str, &str)> {
    let pool = scope.pool.iter().map(|pool| ("pool", pool.as_str()));
    let disks = scope.disk_storages.iter().map(|disks| ("disks", disks.as_str()));
    let storages = [("image", scope.image_storage.as_str()), ("seeds", &scope.seed_storage)];
    let nodes = scope.nodes.iter().map(|node| ("node", node.as_str()));
    pool.chain(disks)
        .chain(storages)
        .chain(nodes)
        .chain([("bridge", scope.bridge.as_str())])
        .collect()
}
