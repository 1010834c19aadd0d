//! Whether the repository is told to be older than the inventory.

use std::collections::BTreeMap;

use homelab::{
    gitops::{
        File, outdated,
        record::{self, TreeRecord, digest},
    },
    ports::Checkout,
};
use serde_json::{Value, json};

use crate::site::Site;

/// A repository as `homelab gitops init` leaves it.
fn pushed(site: &Site) -> Checkout {
    let mut record = TreeRecord::new(site.desired.id);
    for (path, file) in &site.tree.files {
        let text = match file {
            File::Text(text) => text.as_str(),
            File::Secret(_) => "a ciphertext",
        };
        record.files.insert(path.clone(), digest(text));
    }
    let files = BTreeMap::from([(record::FILE.to_owned(), record.text())]);
    Checkout { head: "0".repeat(40), files }
}

#[test]
fn a_repository_is_as_its_inventory_until_that_changes() {
    let before = Site::with(|_| ());
    let repository = pushed(&before);
    assert_eq!(outdated(&before.desired, &repository), Vec::<String>::new());
    let rarer = |inventory: &mut Value| {
        inventory["longhorn"]["recurring_jobs"]["nightly-backup"]["retain"] = json!(99);
    };
    let after = Site::with(rarer);
    assert_eq!(
        outdated(&after.desired, &repository),
        ["infrastructure/configs/longhorn-config/jobs.yaml"]
    );
    let without = Site::with(|inventory| {
        inventory["gitops"].as_object_mut().unwrap().shift_remove("stalwart");
    });
    let files = outdated(&without.desired, &repository);
    assert!(files.iter().any(|file| file.starts_with("apps/stalwart/")), "{files:?}");
    assert!(files.contains(&"clusters/homelab/apps.yaml".to_owned()), "{files:?}");
}

#[test]
fn a_repository_that_homelab_has_not_rendered_is_never_older() {
    let foreign = Checkout { head: "0".repeat(40), files: BTreeMap::new() };
    assert_eq!(outdated(&Site::with(|_| ()).desired, &foreign), Vec::<String>::new());
}
