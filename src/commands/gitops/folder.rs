//! The folder of a tree: read, and written file by file, each whole or not at all.

use std::{
    collections::BTreeMap,
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt},
};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use tempfile::Builder;

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
                format!("the record names `{path}`, which is no file of the tree"),
            )
            .at(self.0.join(record::FILE)));
        }
        Ok(Some(record))
    }

    /// A file's text; `None` when there is none. What is no text is somebody's, and is never written back: it is
    /// shown as well as it can be.
    pub(super) fn read(&self, path: &str) -> Result<Option<String>> {
        match named_file::bytes(self.0.join(path), named_file::DOCUMENT) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
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

    /// Refuses, before anything is touched, paths that a link leads out of the tree or into Git's own folder.
    ///
    /// # Errors
    ///
    /// [`Kind::Refused`] with the first of them.
    pub(super) fn guard<'a>(&self, paths: impl Iterator<Item = &'a String>) -> Result<()> {
        // A folder that is not there yet has no links.
        let Ok(root) = self.0.canonicalize_utf8() else { return Ok(()) };
        for path in paths {
            let there = |one: &&Utf8Path| fs_err::symlink_metadata(root.join(one)).is_ok();
            let Some(nearest) = Utf8Path::new(path).ancestors().find(there) else { continue };
            let real = root.join(nearest).canonicalize_utf8();
            let is_ours = real.is_ok_and(|real| {
                real.strip_prefix(&root)
                    .is_ok_and(|inside| inside == "" || is_inside(inside.as_str()))
            });
            if !is_ours {
                return Err(Failure::new(Kind::Refused, "a link leads out of the tree")
                    .at(self.0.join(nearest))
                    .hint("put a folder in its place; nothing was written"));
            }
        }
        Ok(())
    }

    /// Where a file is once links are followed, from the tree's root.
    pub(super) fn real(&self, path: &str) -> Option<String> {
        let root = self.0.canonicalize_utf8().ok()?;
        let real = root.join(path).canonicalize_utf8().ok()?;
        real.strip_prefix(&root).ok().map(ToString::to_string)
    }

    pub(super) fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.0.join(path);
        let written = || -> std::io::Result<()> {
            let folder = path.parent().unwrap_or(&self.0);
            fs_err::create_dir_all(folder)?;
            let mut file = Builder::new().prefix(PREFIX).suffix(SUFFIX).tempfile_in(folder)?;
            file.write_all(text.as_bytes())?;
            like(file.as_file(), &path)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        written().map_err(|error| {
            Failure::new(Kind::Runtime, "a file of the tree can't be written")
                .at(&path)
                .because(error)
        })
    }

    /// Takes away what runs that were killed had not finished: `git add --all` would take it along.
    pub(super) fn sweep(&self) -> Result<()> {
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            // Entries whose names are no text are none of ours.
            for entry in
                folder.read_dir_utf8().map_err(|error| unreadable(&folder, error))?.flatten()
            {
                let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_folder && entry.file_name() != ".git" {
                    folders.push(entry.into_path());
                } else if !is_folder && is_half_written(entry.file_name()) {
                    let path = entry.path();
                    fs_err::remove_file(path).map_err(|error| unreadable(path, error))?;
                }
            }
        }
        Ok(())
    }

    /// Removes a file, and the folders that are empty without it.
    pub(super) fn remove(&self, path: &str) -> Result<()> {
        let path = self.0.join(path);
        fs_err::remove_file(&path).map_err(|error| {
            Failure::new(Kind::Runtime, "a file of the tree can't be removed")
                .at(&path)
                .because(error)
        })?;
        let mut folder = path.parent();
        while let Some(empty) = folder.filter(|folder| *folder != self.0) {
            if fs_err::remove_dir(empty).is_err() {
                break;
            }
            folder = empty.parent();
        }
        Ok(())
    }
}

/// Gives a file the mode, and where that is permitted the owner, of the one whose place it takes. Nothing in a new one
/// is secret: secrets are encrypted.
fn like(file: &std::fs::File, path: &Utf8Path) -> std::io::Result<()> {
    let there = fs_err::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file);
    if let Some(there) = &there {
        let _ = std::os::unix::fs::fchown(file, Some(there.uid()), Some(there.gid()));
    }
    // Afterwards: another owner takes bits of the mode along.
    let mode = there.map_or(0o644, |there| there.permissions().mode() & 0o777);
    file.set_permissions(PermissionsExt::from_mode(mode))
}

fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && Utf8Path::new(path)
            .components()
            .all(|component| matches!(component, Utf8Component::Normal(name) if !name.eq_ignore_ascii_case(".git")))
}

/// What a file is called before it is whole.
const PREFIX: &str = ".homelab-";
const SUFFIX: &str = ".tmp";

/// Six letters and digits between the two.
fn is_half_written(name: &str) -> bool {
    let middle = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX));
    middle.is_some_and(|it| it.len() == 6 && it.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// A walk through a tree that comes to where it may not look.
pub(super) fn unreadable(path: &Utf8Path, error: std::io::Error) -> Failure {
    Failure::new(Kind::Runtime, "the tree can't be looked through").at(path).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_can_name_nothing_outside_of_its_tree() {
        assert!(is_inside("apps/jellyfin/claim.yaml"));
        for path in ["", "/etc/passwd", "../secrets", "apps/../../x", ".git/HEAD", "x/.Git/config"]
        {
            assert!(!is_inside(path), "{path}");
        }
    }

    #[test]
    fn a_file_that_is_written_again_keeps_its_mode_and_owner() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder(Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap());
        let looks = || fs_err::metadata(folder.0.join("a.yaml")).unwrap();
        folder.write("a.yaml", "one").unwrap();
        assert_eq!(looks().permissions().mode() & 0o777, 0o644);
        let private = PermissionsExt::from_mode(0o600);
        fs_err::set_permissions(folder.0.join("a.yaml"), private).unwrap();
        // Only root may give a file away.
        let given = std::os::unix::fs::chown(folder.0.join("a.yaml"), Some(1234), None).is_ok();
        folder.write("a.yaml", "two").unwrap();
        assert_eq!(looks().permissions().mode() & 0o777, 0o600);
        assert!(!given || looks().uid() == 1234);
    }

    #[test]
    fn what_cannot_be_written_or_removed_is_named() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder(Utf8PathBuf::from_path_buf(temporary.path().to_owned()).unwrap());
        folder.write("apps", "a file where a folder belongs").unwrap();
        for failed in [folder.write("apps/a.yaml", "text"), folder.remove("apps/a.yaml")] {
            let place = failed.unwrap_err().place;
            assert_eq!(place.as_deref(), Some(folder.0.join("apps/a.yaml").as_str()));
        }
    }
}
