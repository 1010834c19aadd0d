//! Whether the repository that Flux reads is as the inventory is rendered now. Pure.

use super::{
    RULES,
    given::Given,
    record::{self, TreeRecord, digest},
    repository::components_path,
    tree::{File, tree},
};
use crate::{inventory::Desired, ports::Checkout};

/// The files that a newer inventory, lock file or homelab renders otherwise than they were rendered last, by their
/// paths; none where the repository was not rendered by homelab. What a person edited since does not count, and
/// neither do Secrets, whose ciphertext differs each time.
pub fn outdated(desired: &Desired, checkout: &Checkout) -> Vec<String> {
    let record = checkout.files.get(record::FILE).and_then(|text| TreeRecord::parse(text).ok());
    let (Some(record), Some(flux)) = (record, &desired.flux) else { return Vec::new() };
    let given = Given { components: String::new(), recipients: Vec::new() };
    let Ok(tree) = tree(desired, &given) else { return Vec::new() };
    // Their content is not known here: the controllers' manifests are fetched, the recipients stand in the age key.
    let components = components_path(flux);
    let unknown = [components.as_str(), RULES];
    let changed = tree.files.iter().filter(|(path, file)| match (record.files.get(*path), file) {
        (None, _) => true,
        (Some(_), File::Secret(_)) => false,
        (Some(known), File::Text(text)) => {
            !unknown.contains(&path.as_str()) && digest(text) != *known
        }
    });
    let gone = record.files.keys().filter(|path| !tree.files.contains_key(*path));
    changed.map(|(path, _)| path).chain(gone).cloned().collect()
}
