//! A folder with all that is in it, as a value: written back, it is as it was.

use std::{
    collections::BTreeMap,
    fs::{File, Permissions},
    io,
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink},
    sync::Arc,
    time::SystemTime,
};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::{
    fs::{SeekFrom, seek},
    io::Errno,
};
use sha2::{Digest, Sha256};

/// Files, folders and links by their paths below the root. Two are equal when they hold the same; times are no
/// part of that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree(BTreeMap<Utf8PathBuf, Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Folder { mode: u32 },
    Link(Utf8PathBuf),
    File(Arc<Content>),
}

/// A file. Disks of guests are many gigabytes of nothing: holes stay holes.
#[derive(Debug)]
struct Content {
    mode: u32,
    length: u64,
    pieces: Vec<(u64, Vec<u8>)>,
    hash: [u8; 32],
    modified: SystemTime,
    seen: Seen,
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        (self.mode, self.length, self.hash) == (other.mode, other.length, other.hash)
    }
}

impl Eq for Content {}

/// By what a file that nobody touched is known again: device, number, length, and when it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen([i64; 4], u64);

impl Seen {
    fn of(facts: &std::fs::Metadata) -> Self {
        let device = facts.dev().cast_signed();
        let number = facts.ino().cast_signed();
        Self([device, number, facts.ctime(), facts.ctime_nsec()], facts.len())
    }
}

impl Tree {
    /// Reads a folder but for what is `without`; what an earlier tree shows of files that were not touched since
    /// is not read again.
    ///
    /// # Errors
    /// When something can't be read.
    pub fn read(root: &Utf8Path, without: &[&str], earlier: Option<&Self>) -> io::Result<Self> {
        let mut tree = Self::default();
        tree.enter(root, Utf8Path::new(""), without, earlier)?;
        Ok(tree)
    }

    fn enter(
        &mut self,
        root: &Utf8Path,
        folder: &Utf8Path,
        without: &[&str],
        earlier: Option<&Self>,
    ) -> io::Result<()> {
        for entry in root.join(folder).read_dir_utf8()? {
            let entry = entry?;
            let place = folder.join(entry.file_name());
            if without.contains(&place.as_str()) {
                continue;
            }
            let facts = match fs_err::symlink_metadata(entry.path()) {
                Ok(facts) => facts,
                // Somebody wrote it under a passing name.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let mode = facts.permissions().mode() & 0o7777;
            if facts.is_dir() {
                self.0.insert(place.clone(), Entry::Folder { mode });
                self.enter(root, &place, without, earlier)?;
            } else if facts.is_symlink() {
                self.0.insert(place, Entry::Link(entry.path().read_link_utf8()?));
            } else if facts.is_file() {
                let known = earlier.and_then(|earlier| earlier.file(&place));
                let known = known.filter(|known| known.seen == Seen::of(&facts));
                let content = match known {
                    Some(known) => known.clone(),
                    None => match Content::read(entry.path()) {
                        Ok(content) => Arc::new(content),
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        Err(error) => return Err(error),
                    },
                };
                self.0.insert(place, Entry::File(content));
            }
        }
        Ok(())
    }

    fn file(&self, place: &Utf8Path) -> Option<&Arc<Content>> {
        match self.0.get(place)? {
            Entry::File(content) => Some(content),
            Entry::Folder { .. } | Entry::Link(_) => None,
        }
    }

    /// Where the file of that name is, or the first one.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.keys().find(|path| path.file_name() == Some(name)).map(|path| path.as_str())
    }

    /// The text of a file, where there is one.
    pub fn text(&self, place: &str) -> Option<String> {
        let content = self.file(Utf8Path::new(place))?;
        let bytes: Vec<u8> = content.pieces.iter().flat_map(|(_, piece)| piece.clone()).collect();
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The same with another text in a file that is there.
    #[must_use]
    pub fn with_text(&self, place: &str, text: &str) -> Self {
        let mut tree = self.clone();
        if let Some(Entry::File(content)) = tree.0.get_mut(Utf8Path::new(place)) {
            let pieces = vec![(0, text.as_bytes().to_vec())];
            let length = text.len() as u64;
            let hash = hash(&pieces);
            let (mode, modified, seen) = (content.mode, content.modified, Seen([0; 4], length));
            *content = Arc::new(Content { mode, length, pieces, hash, modified, seen });
        }
        tree
    }

    /// Makes the folder hold this and nothing else, but for what is `without`, which is left alone.
    ///
    /// # Errors
    /// When something can't be written.
    pub fn write(&self, root: &Utf8Path, without: &[&str]) -> io::Result<()> {
        let now = Self::read(root, without, Some(self))?;
        // What is in a folder comes behind it, and goes before it.
        for (place, entry) in now.0.iter().rev() {
            if self.0.get(place) == Some(entry) {
                continue;
            }
            let path = root.join(place);
            match (matches!(entry, Entry::Folder { .. }), self.0.get(place)) {
                // Its mode alone is another.
                (true, Some(Entry::Folder { .. })) => {}
                (true, _) => fs_err::remove_dir(path)?,
                (false, _) => fs_err::remove_file(path)?,
            }
        }
        for (place, entry) in &self.0 {
            if now.0.get(place) == Some(entry) {
                continue;
            }
            let path = root.join(place);
            match entry {
                Entry::Folder { mode } => {
                    fs_err::create_dir_all(&path)?;
                    fs_err::set_permissions(&path, Permissions::from_mode(*mode))?;
                }
                Entry::Link(target) => symlink(target, &path)?,
                Entry::File(content) => content.write(&path)?,
            }
        }
        Ok(())
    }
}

impl Content {
    fn read(path: &Utf8Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let facts = file.metadata()?;
        let length = facts.len();
        let mut pieces = Vec::new();
        let mut at = 0;
        while at < length {
            let begin = match seek(&file, SeekFrom::Data(at)) {
                Ok(begin) => begin,
                Err(Errno::NXIO) => break,
                Err(error) => return Err(error.into()),
            };
            let end = seek(&file, SeekFrom::Hole(begin))?.min(length);
            let mut piece = vec![0; usize::try_from(end - begin).map_err(io::Error::other)?];
            file.read_exact_at(&mut piece, begin)?;
            pieces.push((begin, piece));
            at = end;
        }
        Ok(Self {
            mode: facts.permissions().mode() & 0o7777,
            length,
            hash: hash(&pieces),
            pieces,
            modified: facts.modified()?,
            seen: Seen::of(&facts),
        })
    }

    fn write(&self, path: &Utf8Path) -> io::Result<()> {
        let file = File::create(path)?;
        for (begin, piece) in &self.pieces {
            file.write_all_at(piece, *begin)?;
        }
        file.set_len(self.length)?;
        file.set_permissions(Permissions::from_mode(self.mode))?;
        file.set_modified(self.modified)
    }
}

fn hash(pieces: &[(u64, Vec<u8>)]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (begin, piece) in pieces {
        hash.update(begin.to_be_bytes());
        hash.update(piece);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).expect("it is UTF-8");
        (folder, path)
    }

    #[test]
    fn a_folder_becomes_what_it_was_whatever_came_over_it() -> io::Result<()> {
        let (_kept, root) = folder();
        fs_err::create_dir_all(root.join("etc/deep"))?;
        fs_err::write(root.join("etc/deep/file"), "text")?;
        fs_err::set_permissions(root.join("etc/deep/file"), Permissions::from_mode(0o600))?;
        symlink("deep", root.join("etc/link"))?;
        let disk = fs_err::File::create(root.join("disk"))?;
        disk.set_len(64 << 30)?;
        disk.file().write_all_at(b"boot", 0)?;
        fs_err::create_dir_all(root.join("left"))?;
        fs_err::write(root.join("left/alone"), "1")?;
        let tree = Tree::read(&root, &["left"], None)?;

        fs_err::remove_dir_all(root.join("etc/deep"))?;
        fs_err::write(root.join("etc/deep"), "a file where a folder was")?;
        fs_err::remove_file(root.join("etc/link"))?;
        fs_err::create_dir_all(root.join("etc/link/below"))?;
        fs_err::write(root.join("etc/link/below/new"), "")?;
        disk.file().write_all_at(b"more", 1 << 30)?;
        fs_err::write(root.join("left/alone"), "2")?;
        assert_ne!(Tree::read(&root, &["left"], Some(&tree))?, tree);

        tree.write(&root, &["left"])?;
        assert_eq!(Tree::read(&root, &["left"], None)?, tree);
        assert_eq!(fs_err::read_to_string(root.join("etc/link/file"))?, "text");
        let facts = fs_err::metadata(root.join("disk"))?;
        assert_eq!(facts.len(), 64 << 30);
        assert!(facts.blocks() < 64, "{}", facts.blocks());
        assert_eq!(fs_err::read_to_string(root.join("left/alone"))?, "2");
        Ok(())
    }

    #[test]
    fn another_text_is_another_tree() -> io::Result<()> {
        let (_kept, root) = folder();
        fs_err::write(root.join("journal"), "1\n2\n")?;
        let tree = Tree::read(&root, &[], None)?;
        let shorter = tree.with_text("journal", "1\n");
        assert_ne!(shorter, tree);
        assert_eq!(shorter.text("journal").as_deref(), Some("1\n"));
        shorter.write(&root, &[])?;
        assert_eq!(fs_err::read_to_string(root.join("journal"))?, "1\n");
        Ok(())
    }
}
