//! Files of ours on a node: rendered here, compared by sha256, written where they differ.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{error::Result, plan::probe::HostProbe, template};

/// A file as it should be. Holds no secret: its text is shown by `homelab render`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ManagedFile {
    pub path: String,
    /// As `chmod` takes it: `0644`.
    pub mode: &'static str,
    pub content: String,
}

impl ManagedFile {
    pub(crate) fn rendered(
        path: &str,
        mode: &'static str,
        template: &str,
        context: impl Serialize,
    ) -> Result<Self> {
        let content = template::text(template, context)?;
        Ok(Self { path: path.to_owned(), mode, content })
    }

    /// In lower-case hexadecimal.
    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(self.content.as_bytes()))
    }

    /// Whether the node has it as it should be.
    pub fn is_on(&self, probe: &HostProbe) -> bool {
        probe.sha256(&self.path) == Some(self.sha256().as_str())
    }
}

/// The paths of those that differ on a node.
pub fn drift<'a>(files: &'a [ManagedFile], probe: &HostProbe) -> Vec<&'a str> {
    files.iter().filter(|file| !file.is_on(probe)).map(|file| file.path.as_str()).collect()
}
