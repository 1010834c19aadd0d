//! Files that come from outside: their names, checksums and what is in them.

use camino::Utf8Path;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::{
    qcow2::{Header, Qcow2Error},
    volume::Content,
};
use crate::pve::{error::ApiError, task::Worker};

/// A name as it will be stored: no folders, only plain characters.
pub(super) fn normal_name(name: &str) -> String {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    file.chars()
        .map(|one| if one.is_ascii_alphanumeric() || "_.-".contains(one) { one } else { '_' })
        .collect()
}

/// # Errors
///
/// 400 for an ending that the content may not have.
pub(super) fn check_name(content: Content, name: &str) -> Result<(), ApiError> {
    let lower = name.to_ascii_lowercase();
    let ends = |endings: &[&str]| {
        endings
            .iter()
            .any(|ending| lower.len() > ending.len() + 1 && lower.ends_with(&format!(".{ending}")))
    };
    let (fits, text) = match content {
        Content::Iso => (ends(&["iso", "img"]), "wrong file extension"),
        Content::Vztmpl => {
            (ends(&["tar.gz", "tar.xz", "tar.zst", "tar.bz2", "tar"]), "wrong file extension")
        }
        _ => (ends(&["ova", "qcow2", "raw", "vmdk"]), "invalid filename or wrong extension"),
    };
    if fits { Ok(()) } else { Err(ApiError::parameter("filename", text)) }
}

/// What a file must hash to.
#[derive(Clone, Debug)]
pub(super) struct Checksum {
    pub(super) algorithm: String,
    pub(super) expected: String,
}

impl Checksum {
    pub(super) fn of(request: &crate::pve::request::Request) -> Option<Self> {
        Some(Self {
            algorithm: request.text("checksum-algorithm")?,
            expected: request.text("checksum")?.to_lowercase(),
        })
    }

    /// The file's checksum. Blocks.
    pub(super) fn calculate(&self, path: &Utf8Path) -> Result<String, String> {
        match self.algorithm.as_str() {
            "sha1" => digest::<Sha1>(path),
            "sha224" => digest::<Sha224>(path),
            "sha256" => digest::<Sha256>(path),
            "sha384" => digest::<Sha384>(path),
            "sha512" => digest::<Sha512>(path),
            other => Err(format!("the emulator does not calculate {other} checksums")),
        }
    }

    /// Calculates and compares, with the words of the real log.
    pub(super) fn verify(&self, path: &Utf8Path, worker: &Worker) -> Result<(), String> {
        let got = self.calculate(path)?;
        if got == self.expected {
            worker.log("calculating checksum...OK, checksum verified");
            return Ok(());
        }
        worker.log("calculating checksum...");
        Err(format!("checksum mismatch: got '{got}' != expect '{}'", self.expected))
    }
}

fn digest<D: sha2::Digest>(path: &Utf8Path) -> Result<String, String> {
    use std::io::Read as _;
    let mut file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut hasher = D::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(|error| error.to_string())? {
            0 => return Ok(hex::encode(hasher.finalize())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// Looks into a disk image that will be imported: it must be what its name says and stand alone.
///
/// # Errors
///
/// The text of the real check.
pub(super) fn check_image(
    content: Content,
    name: &str,
    path: &Utf8Path,
    shown: &str,
    worker: &Worker,
) -> Result<(), String> {
    if content != Content::Import || !name.to_ascii_lowercase().ends_with(".qcow2") {
        return Ok(());
    }
    match Header::read(path) {
        Ok(header) if header.backing_file => {
            Err(format!("backing file not allowed for untrusted image '{shown}'!"))
        }
        Ok(_) => Ok(()),
        Err(Qcow2Error::NotQcow2) => {
            worker.log(format!(
                "command '/usr/bin/qemu-img info '--output=json' {shown} -f qcow2' failed: exit \
                 code 1"
            ));
            Err(format!("qemu-img: Could not open '{shown}': Image is not in qcow2 format"))
        }
        Err(error) => Err(format!("qemu-img: Could not open '{shown}': {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_folders_and_odd_characters() {
        assert_eq!(normal_name("../../x.iso"), "x.iso");
        assert_eq!(normal_name("my file (1).iso"), "my_file__1_.iso");
    }

    #[test]
    fn endings_depend_on_the_content() {
        let text = |content, name: &str| {
            check_name(content, name).map_err(|error| error.errors["filename"].clone())
        };
        assert_eq!(text(Content::Iso, "a.img"), Ok(()));
        assert_eq!(text(Content::Iso, "a.txt"), Err("wrong file extension".to_owned()));
        assert_eq!(text(Content::Import, "a.raw"), Ok(()));
        assert_eq!(
            text(Content::Import, "a.img"),
            Err("invalid filename or wrong extension".to_owned())
        );
    }

    #[test]
    fn a_wrong_checksum_names_both() {
        let folder = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::from_path_buf(folder.path().join("a")).unwrap();
        fs_err::write(&path, b"abc").unwrap();
        let upid = "UPID:pve1:00000001:00000001:00000001:imgcopy::root@pam:".parse().unwrap();
        let worker = Worker::new(upid);
        let checksum = Checksum { algorithm: "sha256".to_owned(), expected: "00".to_owned() };
        assert_eq!(
            checksum.verify(&path, &worker),
            Err("checksum mismatch: got 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61\
                 f20015ad' != expect '00'"
                .to_owned())
        );
        assert_eq!(worker.progress().lines, ["calculating checksum..."]);
    }
}
