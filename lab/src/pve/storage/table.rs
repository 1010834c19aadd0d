//! The cluster's storages.

use std::collections::BTreeMap;

use super::{
    place::Place,
    volume::{Content, Volume, VolumeId},
};
use crate::pve::config::Config;

/// Every storage on every node. A shared one is the same place everywhere.
pub(crate) struct Table {
    /// In the order of the configuration.
    ids: Vec<String>,
    places: BTreeMap<(String, String), Place>,
}

impl Table {
    pub(crate) fn new(config: &Config) -> Self {
        let mut places = BTreeMap::new();
        for storage in &config.storages {
            let shared = storage.shared.then(|| {
                Place::new(storage.clone(), config.data_dir.join("shared").join(&storage.id))
            });
            for node in &config.nodes {
                let here = storage.nodes.as_ref().is_none_or(|names| names.contains(&node.name));
                if here {
                    let place = shared.clone().unwrap_or_else(|| {
                        let folder = config.data_dir.join("nodes").join(&node.name);
                        Place::new(storage.clone(), folder.join("storage").join(&storage.id))
                    });
                    places.insert((node.name.clone(), storage.id.clone()), place);
                }
            }
        }
        for place in places.values() {
            for content in Content::ALL.into_iter().filter(|content| place.holds(*content)) {
                if let Err(error) = fs_err::create_dir_all(place.folder(content)) {
                    tracing::warn!(storage = place.id(), %error, "cannot make a storage's folder");
                }
            }
        }
        Self { ids: config.storages.iter().map(|storage| storage.id.clone()).collect(), places }
    }

    /// The storages of the cluster's configuration.
    pub(crate) fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Any node's view of a storage.
    ///
    /// # Errors
    ///
    /// `storage '..' does not exist`
    pub(crate) fn anywhere(&self, id: &str) -> Result<&Place, String> {
        self.places
            .iter()
            .find_map(|((_, storage), place)| (storage == id).then_some(place))
            .ok_or_else(|| format!("storage '{id}' does not exist"))
    }

    /// A storage as a node sees it.
    ///
    /// # Errors
    ///
    /// When there is none of that name, or not on that node.
    pub(crate) fn on_node(&self, node: &str, id: &str) -> Result<&Place, String> {
        if !self.ids.iter().any(|known| known == id) {
            return Err(format!("storage '{id}' does not exist"));
        }
        self.places
            .get(&(node.to_owned(), id.to_owned()))
            .ok_or_else(|| format!("storage '{id}' is not available on node '{node}'"))
    }

    /// The storages of a node, by name.
    pub(crate) fn of_node<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a Place> {
        self.places.iter().filter(move |((here, _), _)| here == node).map(|(_, place)| place)
    }

    /// A volume's place and what its name says.
    ///
    /// # Errors
    ///
    /// When the storage or the name is unknown.
    pub(crate) fn locate(&self, node: &str, id: &VolumeId) -> Result<(&Place, Volume), String> {
        let place = self.on_node(node, &id.storage)?;
        let volume = place.parse(&id.name)?;
        Ok((place, volume))
    }
}
