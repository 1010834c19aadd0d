//! Every encrypted file of a tree, whatever it is called and whoever put it there.

use std::collections::BTreeMap;

use camino::{Utf8DirEntry, Utf8Path, Utf8PathBuf};

use super::folder::{Folder, unreadable};
use crate::{
    error::{Failure, Kind, Result},
    gitops::{RULES, record::TreeRecord, sops::is_sealed},
    named_file,
};

/// The texts by where the files are once links are followed, from the tree's root.
pub(super) type Encrypted = BTreeMap<String, String>;

/// Looks through the whole tree. What the record names as a Secret is one.
///
/// # Errors
///
/// [`Kind::Refused`] for links that lead out of the tree to a folder or an encrypted file: it is not known whose
/// they are.
pub(super) fn find(folder: &Folder, record: &TreeRecord) -> Result<Encrypted> {
    let root = folder.0.canonicalize_utf8().map_err(|error| unreadable(&folder.0, error))?;
    let mut search = Search { shown: &folder.0, root, found: Encrypted::new() };
    let mut folders = vec![search.root.clone()];
    while let Some(one) = folders.pop() {
        let entries = one.read_dir_utf8().map_err(|error| unreadable(&one, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&one, error))?;
            let kind = entry.file_type().map_err(|error| unreadable(entry.path(), error))?;
            if entry.file_name() == ".git" {
                continue;
            } else if kind.is_dir() {
                folders.push(entry.into_path());
            } else if kind.is_symlink() {
                search.link(&entry)?;
            } else if kind.is_file() {
                search.file(entry.path(), is_named_so(entry.file_name()))?;
            }
        }
    }
    for path in record.files.keys().filter(|path| is_named_so(path)) {
        if let Ok(path) = search.root.join(path).canonicalize_utf8() {
            search.file(&path, true)?;
        }
    }
    Ok(search.found)
}

/// Whether a name says that the file is encrypted.
fn is_named_so(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    // The rules for the official `sops` are not.
    name != RULES && (name.ends_with(".sops.yaml") || name.ends_with(".sops.yml"))
}

struct Search<'a> {
    /// The root as it was named.
    shown: &'a Utf8Path,
    root: Utf8PathBuf,
    found: Encrypted,
}

impl Search<'_> {
    fn file(&mut self, path: &Utf8Path, is_secret: bool) -> Result<()> {
        let Ok(name) = path.strip_prefix(&self.root) else { return Ok(()) };
        if let Some(text) = sealed(path, is_secret)? {
            self.found.insert(name.to_string(), text);
        }
        Ok(())
    }

    /// What a link within the tree leads to is found by itself.
    fn link(&self, entry: &Utf8DirEntry) -> Result<()> {
        let Ok(target) = entry.path().canonicalize_utf8() else { return Ok(()) };
        if target.starts_with(&self.root) {
            return Ok(());
        }
        if !target.is_dir() && sealed(&target, is_named_so(entry.file_name()))?.is_none() {
            return Ok(());
        }
        let name = entry.path().strip_prefix(&self.root).unwrap_or(entry.path());
        Err(Failure::new(Kind::Refused, format!("a link leads out of the tree, to {target}"))
            .at(self.shown.join(name))
            .hint("what is there is not this tree's to encrypt: put it into the tree, or take the link away"))
    }
}

/// The text of a file that is encrypted, or is meant to be.
fn sealed(path: &Utf8Path, is_secret: bool) -> Result<Option<String>> {
    let text = match named_file::text(path, named_file::DOCUMENT) {
        Ok(text) => text,
        Err(error) if is_secret => return Err(unreadable(path, error)),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(unreadable(path, error));
        }
        // No text, or a device, or too large for a Secret.
        Err(_) => return Ok(None),
    };
    let name = path.file_name().unwrap_or_default();
    Ok((is_secret || is_sealed(name, &text)).then_some(text))
}
