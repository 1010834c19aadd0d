//! What a world makes of an inventory.

use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

use super::{Own, Terrain, sections::SECTIONS};
use crate::sim::files::Artifact;

/// Sections that a world's inventory has even where somebody's leaves all of them to the defaults.
const NEEDED: [&str; 2] = ["access", "k3s"];

/// An inventory as it is in a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// YAML.
    pub text: String,
    /// What this world has nothing for, by its path: it stands in the inventory and not in here.
    pub left_out: Vec<String>,
}

impl Own {
    /// The inventory in a world whose own one is `ours`; `release` gives a program's release, and `place` the address
    /// in the world of the node with this number.
    ///
    /// # Errors
    /// When it can't be written as YAML.
    pub fn translate(
        &self,
        ours: &Value,
        terrain: &Terrain,
        release: impl Fn(&str, &str) -> Artifact,
        place: impl Fn(u32) -> Ipv4Addr,
    ) -> Result<Translation, serde_saphyr::ser::Error> {
        let mut document = Map::new();
        let mut left_out = Vec::new();
        let theirs = self.document.as_object().cloned().unwrap_or_default();
        for section in &SECTIONS {
            match theirs.get(section.name) {
                None | Some(Value::Null) if !NEEDED.contains(&section.name) => {}
                written => {
                    let written = written.cloned().unwrap_or_default();
                    let made = section.made(&written, &ours[section.name], &mut left_out);
                    document.insert(section.name.to_owned(), made);
                }
            }
        }
        let known = |name: &str| SECTIONS.iter().any(|section| section.name == name);
        // What no inventory can have is for `homelab` to refuse.
        document.extend(theirs.into_iter().filter(|(name, _)| !known(name)));
        let mut document = Value::Object(document);
        self.place(&mut document, terrain, place);
        left_out.extend(without_storage_disks(&mut document));
        self.pin(&mut document, release);
        Ok(Translation { text: serde_saphyr::to_string(&document)?, left_out })
    }

    /// Gives each node the address that it has in the world.
    fn place(&self, document: &mut Value, terrain: &Terrain, place: impl Fn(u32) -> Ipv4Addr) {
        for (name, node) in document["nodes"].as_object_mut().into_iter().flatten() {
            let address = super::address(&self.document["nodes"][name]);
            let mut numbered = (0..).zip(&terrain.addresses);
            if let Some((number, _)) = numbered.find(|(_, there)| Some(**there) == address) {
                node["address"] = place(number).to_string().into();
            }
        }
    }

    /// Takes the releases that the inventory wants from the world's publishers.
    fn pin(&self, document: &mut Value, release: impl Fn(&str, &str) -> Artifact) {
        if let Some(version) = text(&self.document, "/tailnet/tailscale/version") {
            let Artifact { url, sha256 } = release("tailscale", version);
            document["tailnet"]["tailscale"] =
                json!({"version": version, "url": url, "sha256": sha256});
        }
        if let Some(version) = text(&self.document, "/k3s/version") {
            let Artifact { url, sha256 } = release("k3s", version);
            document["k3s"]["url"] = url.into();
            document["k3s"]["sha256"] = sha256.into();
        }
        // Who keeps the tree's secrets elsewhere has none in it here either.
        if let Some(kept) = text(&self.document, "/gitops/secrets") {
            document["gitops"]["secrets"] = kept.into();
        }
    }
}

/// Takes away the disks that no guest of a world can have, since device nodes need root; gives their paths.
fn without_storage_disks(document: &mut Value) -> Vec<String> {
    let nodes = document["nodes"].as_object_mut().into_iter().flatten();
    let disks = nodes.filter_map(|(name, node)| {
        node.as_object_mut()?.shift_remove("storage_disk")?;
        Some(format!("nodes.{name}.storage_disk"))
    });
    disks.collect()
}

/// The text at a JSON pointer.
pub(super) fn text<'a>(document: &'a Value, pointer: &str) -> Option<&'a str> {
    document.pointer(pointer)?.as_str()
}
