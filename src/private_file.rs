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
    // Names that are no text are none of ours.
    for entry in folder(path).read_dir_utf8()?.flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && is_half_written(entry.file_name(), &prefix) {
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

/// Six letters and digits between the two: anything else is somebody's own.
fn is_half_written(name: &str, prefix: &str) -> bool {
    let middle = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(SUFFIX));
    middle.is_some_and(|it| it.len() == 6 && it.bytes().all(|byte| byte.is_ascii_alphanumeric()))
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

    #[test]
    fn what_is_somebody_elses_stays_however_much_its_name_is_like_ours() {
        let temporary = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(temporary.path().join("key")).unwrap();
        for name in [".key-backup-of-may.tmp", ".key-a1B2c.tmp"] {
            fs_err::write(path.with_file_name(name), "mine").unwrap();
        }
        fs_err::create_dir(path.with_file_name(".key-a1B2c3.tmp")).unwrap();
        std::os::unix::fs::symlink("elsewhere", path.with_file_name(".key-a1B2c4.tmp")).unwrap();
        replace(&path, "one").unwrap();
        assert_eq!(fs_err::read_dir(temporary.path()).unwrap().count(), 5);
    }
}
