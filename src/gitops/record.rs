//! What was rendered into a tree: by it an edited file is told from an outdated one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    error::{Failure, Kind, Result},
    model::ClusterId,
};

/// The record's own file, at the tree's root. It belongs in Git.
pub const FILE: &str = ".homelab-gitops.json";

/// What was rendered into a tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeRecord {
    pub version: u32,
    /// Whose tree it is.
    pub cluster: ClusterId,
    /// The SHA-256 of each file as it was last rendered, by its path.
    pub files: BTreeMap<String, String>,
}

impl TreeRecord {
    const VERSION: u32 = 1;

    pub fn new(cluster: ClusterId) -> Self {
        Self { version: Self::VERSION, cluster, files: BTreeMap::new() }
    }

    /// Reads a record.
    ///
    /// # Errors
    ///
    /// When it is no record, or of a later format.
    pub fn parse(text: &str) -> Result<Self> {
        let record: Self = serde_json::from_str(text).map_err(|error| {
            Failure::new(Kind::Inventory, "it is no record of a tree")
                .hint("take it from Git as it was; without it every file that differs counts as edited")
                .because(error)
        })?;
        if record.version > Self::VERSION {
            return Err(Failure::new(
                Kind::Inventory,
                format!("the tree was written by a later homelab (format {})", record.version),
            )
            .hint("use that one"));
        }
        Ok(record)
    }

    pub fn text(&self) -> String {
        let value = serde_json::to_value(self).expect("a record is plain data");
        format!("{value:#}\n")
    }

    /// Whether a file is as it was last rendered.
    pub fn holds(&self, path: &str, text: &str) -> bool {
        self.files.get(path).is_some_and(|known| *known == digest(text))
    }
}

/// The SHA-256 of a text, in hexadecimal digits.
pub fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}
