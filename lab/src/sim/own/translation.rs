//! What a world makes of an inventory: what is kept is named here, so that nothing leads out of the world which
//! nobody thought of.

use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

use super::{Own, Terrain};
use crate::sim::files::Artifact;

/// When a key is the world's own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    /// Where the inventory has it.
    Named,
    /// Where the inventory does not have it.
    Unnamed,
}

/// One section of an inventory.
struct Section {
    name: &'static str,
    /// What stays as it is; with none it all does.
    kept: &'static [&'static str],
    /// What is the world's own.
    ours: &'static [(&'static str, When)],
}

const SECTIONS: [Section; 12] = [
    Section { name: "version", kept: &[], ours: &[] },
    Section { name: "cluster", kept: &[], ours: &[] },
    Section {
        name: "proxmox",
        kept: &["pool", "bridge", "vlan", "storage", "parallel_clones"],
        ours: &[("endpoint", When::Always), ("tls", When::Always), ("token", When::Always)],
    },
    Section {
        name: "image",
        kept: &["version", "template"],
        ours: &[("url", When::Always), ("sha256", When::Always)],
    },
    Section {
        name: "access",
        kept: &["user"],
        ours: &[
            ("port", When::Always),
            ("public_keys", When::Always),
            // The world's own has none.
            ("public_key_files", When::Named),
            ("private_key", When::Always),
        ],
    },
    Section {
        name: "network",
        kept: &["nameservers", "search_domain", "mtu"],
        ours: &[("cidr", When::Always), ("gateway", When::Always)],
    },
    Section { name: "defaults", kept: &[], ours: &[] },
    Section { name: "nodes", kept: &[], ours: &[] },
    Section {
        name: "tailnet",
        kept: &["tag", "mtu", "persistent_tun", "guard", "environment", "join_timeout"],
        ours: &[("control", When::Always), ("tailscale", When::Always)],
    },
    Section {
        name: "k3s",
        kept: &[
            "version",
            "cluster_cidr",
            "service_cidr",
            "overlay",
            "tls_sans",
            "disable",
            "secrets_encryption",
            "server_config",
            "agent_config",
        ],
        ours: &[("version", When::Unnamed), ("url", When::Always), ("sha256", When::Always)],
    },
    Section {
        name: "longhorn",
        kept: &["version", "replicas", "nodes", "recurring_jobs", "default_class", "trial_image"],
        ours: &[("version", When::Unnamed), ("backup", When::Named)],
    },
    Section {
        name: "flux",
        kept: &["path", "interval"],
        ours: &[
            ("url", When::Always),
            ("branch", When::Always),
            ("version", When::Always),
            ("components", When::Always),
            ("sha256", When::Always),
            ("known_hosts", When::Always),
            ("known_hosts_file", When::Named),
            ("credentials", When::Always),
        ],
    },
];
/// Of the components that can be had through Git a world has these.
const GITOPS: Section = Section {
    name: "gitops",
    kept: &["domain", "tailnet_domain", "email"],
    ours: &[("secrets", When::Named), ("cert_manager", When::Named), ("reloader", When::Named)],
};
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
        for section in SECTIONS.iter().chain([&GITOPS]) {
            match theirs.get(section.name) {
                None | Some(Value::Null) if !NEEDED.contains(&section.name) => {}
                written => {
                    let written = written.cloned().unwrap_or_default();
                    let made = section.made(&written, &ours[section.name], &mut left_out);
                    document.insert(section.name.to_owned(), made);
                }
            }
        }
        let known =
            |name: &str| SECTIONS.iter().chain([&GITOPS]).any(|section| section.name == name);
        left_out.extend(theirs.keys().filter(|name| !known(name)).cloned());
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

impl Section {
    fn made(&self, theirs: &Value, ours: &Value, left_out: &mut Vec<String>) -> Value {
        if self.kept.is_empty() {
            return theirs.clone();
        }
        let mut made = Map::new();
        for (key, value) in theirs.as_object().into_iter().flatten() {
            if self.kept.contains(&key.as_str()) {
                made.insert(key.clone(), value.clone());
            } else if !self.ours.iter().any(|(ours, _)| ours == key) {
                left_out.push(format!("{}.{key}", self.name));
            }
        }
        for (key, when) in self.ours {
            let named = !theirs[key].is_null();
            let wanted = match when {
                When::Always => true,
                When::Named => named,
                When::Unnamed => !named,
            };
            match &ours[key] {
                Value::Null => {}
                value if wanted => {
                    made.insert((*key).to_owned(), value.clone());
                }
                _ => {}
            }
        }
        Value::Object(made)
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
