//! Files of a directory storage that belong to no guest: ISO images, templates, imports.

use super::{
    place::Place,
    volume::{Content, Volume},
};

/// A file that a listing shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) volume: Volume,
    pub(crate) bytes: u64,
    pub(crate) changed: i64,
}

impl Place {
    /// The files of one sort of content, by name; unfit names are left out.
    pub(crate) fn files(&self, content: Content) -> Vec<Listed> {
        use std::os::unix::fs::MetadataExt as _;
        let prefix = match content {
            Content::Images | Content::Rootdir => return Vec::new(),
            other => other.name(),
        };
        if !self.is_directory() {
            return Vec::new();
        }
        let mut found: Vec<Listed> = fs_err::read_dir(self.folder(content))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = format!("{prefix}/{}", entry.file_name().to_string_lossy());
                let volume = self.parse(&name).ok()?;
                let facts = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
                Some(Listed { name, volume, bytes: facts.len(), changed: facts.mtime() })
            })
            .collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found
    }
}
