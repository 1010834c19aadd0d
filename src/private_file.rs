//! Files for their owner alone, whole or not at all: keys, plans, what took how long.

use std::io::{Result, Write};

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::{Builder, NamedTempFile};

/// What a file is written as, before it has its name.
const SUFFIX: &str = ".tmp";

/// Where a file is that a link leads to: it is to stay a link.
pub(crate) fn resolved(path: &Utf8Path) -> Utf8PathBuf {
    path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned())
}

/// Makes a file, and never over another: there is all of it, or nothing.
pub(crate) fn make(path: &Utf8Path, text: &str) -> Result<()> {
    let file = written(path, text)?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    sync(path)
}

/// Puts a file in another's place. What an earlier run left half-written goes: it holds keys, too.
pub(crate) fn replace(path: &Utf8Path, text: &str) -> Result<()> {
    let path = &resolved(path);
    let prefix = prefix(path);
    for entry in folder(path).read_dir_utf8()? {
        let entry = entry?;
        let name = entry.file_name();
        if name.starts_with(&prefix) && name.ends_with(SUFFIX) {
            fs_err::remove_file(entry.path())?;
        }
    }
    written(path, text)?.persist(path).map_err(|error| error.error)?;
    sync(path)
}

/// On the disk, with mode 0600.
fn written(path: &Utf8Path, text: &str) -> Result<NamedTempFile> {
    fs_err::create_dir_all(folder(path))?;
    let prefix = prefix(path);
    let mut file = Builder::new().prefix(&prefix).suffix(SUFFIX).tempfile_in(folder(path))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn prefix(path: &Utf8Path) -> String {
    format!(".{}-", path.file_name().unwrap_or_default())
}

fn folder(path: &Utf8Path) -> &Utf8Path {
    path.parent().filter(|folder| *folder != "").unwrap_or(Utf8Path::new("."))
}

/// The name is on the disk, too.
fn sync(path: &Utf8Path) -> Result<()> {
    fs_err::File::open(folder(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_made_once_replaced_whole_and_what_a_kill_left_goes() {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(temporary.path().join("new/key")).unwrap();
        make(&path, "one").unwrap();
        assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        make(&path, "two").unwrap_err();
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "one");
        fs_err::write(path.with_file_name(".key-a1B2c3.tmp"), "half").unwrap();
        replace(&path, "three").unwrap();
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "three");
        assert_eq!(fs_err::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
