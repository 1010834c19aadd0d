//! Every encrypted file of a tree, whatever it is called and whoever put it there.

use std::collections::BTreeMap;

use camino::{Utf8DirEntry, Utf8Path, Utf8PathBuf};

use super::folder::{Folder, unreadable};
use crate::{
    error::{Failure, Kind, Result},
    gitops::{RULES, ciphertext::Ciphertext, record::TreeRecord},
    named_file,
    sample::Sample,
};

/// What of a tree is about keys, by where the files are once links are followed, from the tree's root.
#[derive(Default)]
pub(super) struct Encrypted {
    /// The texts of files of SOPS, and of what is named as one.
    pub(super) sops: BTreeMap<String, String>,
    /// Files of age itself.
    pub(super) age: BTreeMap<String, Ciphertext>,
    /// The rules below the root: the official `sops` takes those that are nearest to a file.
    pub(super) rules: BTreeMap<String, String>,
}

/// Looks through the whole tree. What the record names as a Secret is one.
///
/// # Errors
///
/// [`Kind::Refused`] for links that lead out of the tree to a folder or an encrypted file: it is not known whose
/// they are; and for an encrypted file that cannot be looked into.
pub(super) fn find(folder: &Folder, record: &TreeRecord) -> Result<Encrypted> {
    let root = folder.0.canonicalize_utf8().map_err(|error| unreadable(&folder.0, error))?;
    let mut search = Search { shown: &folder.0, root, found: Encrypted::default() };
    let mut folders = vec![search.root.clone()];
    while let Some(one) = folders.pop() {
        let entries = one.read_dir_utf8().map_err(|error| unreadable(&one, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unnamed(&one, error))?;
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
        let name = name.to_string();
        if path.file_name() == Some(RULES) && name != RULES {
            let text = named_file::text(path, named_file::DOCUMENT);
            let text = text.map_err(|error| unreadable(path, error))?;
            self.found.rules.insert(name, text);
            return Ok(());
        }
        match seen(path, is_secret)? {
            None => {}
            Some(Ciphertext::Sops(text)) => {
                self.found.sops.insert(name, text);
            }
            Some(Ciphertext::Closed(why)) => {
                return Err(Failure::new(Kind::Refused, why).at(self.shown.join(name)).hint(
                    "put it elsewhere, or let what is in it be smaller and UTF-8: it would be lost with the older key",
                ));
            }
            Some(age) => {
                self.found.age.insert(name, age);
            }
        }
        Ok(())
    }

    /// What a link within the tree leads to is found by itself.
    fn link(&self, entry: &Utf8DirEntry) -> Result<()> {
        let Ok(target) = entry.path().canonicalize_utf8() else { return Ok(()) };
        if target.starts_with(&self.root) {
            return Ok(());
        }
        if !target.is_dir() && seen(&target, is_named_so(entry.file_name()))?.is_none() {
            return Ok(());
        }
        let name = entry.path().strip_prefix(&self.root).unwrap_or(entry.path());
        Err(Failure::new(Kind::Refused, format!("a link leads out of the tree, to {target}"))
            .at(self.shown.join(name))
            .hint("what is there is not this tree's to encrypt: put it into the tree, or take the link away"))
    }
}

/// What a file is to a key; one that is meant to be encrypted is taken for it.
fn seen(path: &Utf8Path, is_secret: bool) -> Result<Option<Ciphertext>> {
    let sampled = || -> std::io::Result<Sample> {
        let file = named_file::open(path)?;
        let size = file.metadata()?.len();
        Sample::of(file, size)
    };
    let sample = match sampled() {
        Ok(sample) => sample,
        Err(error) if is_secret => return Err(unreadable(path, error)),
        // A device, or gone meanwhile.
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, error)),
    };
    let found = Ciphertext::seen(path.file_name().unwrap_or_default(), &sample);
    if found.is_some() || !is_secret {
        return Ok(found);
    }
    match std::str::from_utf8(sample.head()) {
        Ok(text) if sample.is_whole() => Ok(Some(Ciphertext::Sops(text.to_owned()))),
        _ => Ok(Some(Ciphertext::Closed(
            "it is named as encrypted, and is too large or no UTF-8 text: it cannot be looked into",
        ))),
    }
}

/// A name that is no text.
fn unnamed(folder: &Utf8Path, error: std::io::Error) -> Failure {
    let failure = unreadable(folder, error);
    failure.hint(format!(
        "a name in this folder is no UTF-8 text: `ls -b {}` shows it, rename it",
        crate::render::program::word(folder.as_str())
    ))
}
