//! The folder of a tree: read, and written file by file, each whole or not at all.

use std::{collections::BTreeMap, io::Write, os::unix::fs::PermissionsExt};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use crate::{
    error::{Failure, Kind, Result},
    gitops::record::{self, TreeRecord},
    model::ClusterId,
    named_file,
};

/// A folder that holds, or shall hold, a tree.
pub(super) struct Folder(pub(super) Utf8PathBuf);

impl Folder {
    /// The record of what was rendered here; `None` before the first time.
    ///
    /// # Errors
    ///
    /// When it can't be read, or is the tree of another cluster.
    pub(super) fn record(&self, cluster: ClusterId) -> Result<Option<TreeRecord>> {
        let Some(text) = self.read(record::FILE)? else { return Ok(None) };
        let record =
            TreeRecord::parse(&text).map_err(|failure| failure.at(self.0.join(record::FILE)))?;
        if record.cluster != cluster {
            return Err(Failure::new(
                Kind::Refused,
                format!("this is the tree of another cluster ({})", record.cluster),
            )
            .at(&self.0)
            .hint("each cluster has a repository, or a branch, of its own"));
        }
        if let Some(path) = record.files.keys().find(|path| !is_inside(path)) {
            return Err(Failure::new(
                Kind::Refused,
                format!("the record names `{path}`, which is outside of the tree"),
            )
            .at(self.0.join(record::FILE)));
        }
        Ok(Some(record))
    }

    /// A file's text; `None` when there is none.
    pub(super) fn read(&self, path: &str) -> Result<Option<String>> {
        match named_file::text(self.0.join(path), named_file::DOCUMENT) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::new(Kind::Runtime, "a file of the tree can't be read")
                .at(self.0.join(path))
                .because(error)),
        }
    }

    pub(super) fn read_all<'a>(
        &self,
        paths: impl Iterator<Item = &'a String>,
    ) -> Result<BTreeMap<String, String>> {
        let mut texts = BTreeMap::new();
        for path in paths {
            if let Some(text) = self.read(path)? {
                texts.insert(path.clone(), text);
            }
        }
        Ok(texts)
    }

    pub(super) fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.0.join(path);
        let folder = path.parent().unwrap_or(&self.0);
        fs_err::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        // Nothing in it is secret: secrets are encrypted.
        file.as_file().set_permissions(PermissionsExt::from_mode(0o644))?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(())
    }

    /// Removes a file, and the folders that are empty without it.
    pub(super) fn remove(&self, path: &str) -> Result<()> {
        let path = self.0.join(path);
        fs_err::remove_file(&path)?;
        let mut folder = path.parent();
        while let Some(empty) = folder.filter(|folder| *folder != self.0) {
            if fs_err::remove_dir(empty).is_err() {
                break;
            }
            folder = empty.parent();
        }
        Ok(())
    }

    /// Every encrypted file, also those that somebody else put here.
    pub(super) fn encrypted(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir_utf8()? {
                let entry = entry?;
                let path = entry.path();
                if entry.file_type()?.is_dir() {
                    if entry.file_name() != ".git" {
                        folders.push(path.to_owned());
                    }
                } else if entry.file_name().ends_with(".sops.yaml")
                    // The rules for the official `sops`, at the root.
                    && entry.file_name() != ".sops.yaml"
                    && let Ok(path) = path.strip_prefix(&self.0)
                {
                    found.push(path.to_string());
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && Utf8Path::new(path)
            .components()
            .all(|component| matches!(component, Utf8Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_can_name_nothing_outside_of_its_tree() {
        assert!(is_inside("apps/jellyfin/claim.yaml"));
        for path in ["", "/etc/passwd", "../secrets", "apps/../../x"] {
            assert!(!is_inside(path), "{path}");
        }
    }
}
