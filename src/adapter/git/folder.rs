//! The folder of a fetch: for its owner alone, and gone with us however we end.

use std::{
    fs::Permissions,
    io::Result,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

/// Waits until nobody holds the other end of its pipe, then takes the folder away. What git still writes there ends
/// by then: it is tried for a while.
const KEEPER: &str = r#"
trap '' HUP INT TERM
read -r gone
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$1" && exit
    sleep 0.1
done
"#;

/// An empty folder, until this is dropped or the process is gone.
pub(super) struct Folder {
    folder: Option<TempDir>,
    keeper: Child,
}

impl Folder {
    pub(super) fn new() -> Result<Self> {
        let private = Permissions::from_mode(0o700);
        let folder =
            tempfile::Builder::new().prefix("homelab-git-").permissions(private).tempdir()?;
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "homelab-keeper"])
            .arg(folder.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is for us, not for it.
            .process_group(0)
            .spawn()?;
        Ok(Self { folder: Some(folder), keeper })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.as_ref().expect("it is there until it is dropped").path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The keeper finds nothing then, and ends at once.
        drop(self.folder.take());
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_owners_alone_and_goes_with_whoever_made_it() {
        let dropped = Folder::new().unwrap();
        let path = dropped.path().to_owned();
        assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs_err::write(path.join("pack"), "private").unwrap();
        drop(dropped);
        assert!(!path.exists());
        // Nobody is left to drop it: the pipe closes all the same.
        let mut killed = Folder::new().unwrap();
        let path = killed.path().to_owned();
        fs_err::write(path.join("pack"), "private").unwrap();
        drop(killed.keeper.stdin.take());
        assert!(killed.keeper.wait().unwrap().success());
        assert!(!path.exists());
    }
}
