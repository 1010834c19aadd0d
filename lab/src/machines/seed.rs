//! The NoCloud disc as cloud-init sees it.
//!
//! Kernels without iso9660 can't mount the disc, so its files are read in user space and laid, read
//! only, where cloud-init looks for a seed: `/var/lib/cloud/seed/nocloud`. Nothing of it is ever
//! written to the guest's disk; an empty drive leaves nothing to find at the next boot.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use camino::Utf8Path;

use super::{MachineError, command::run};
use crate::hypervisor::Medium;

/// Where the guest finds the disc's files.
pub(crate) const IN_THE_GUEST: &str = "/var/lib/cloud/seed/nocloud";

/// The files that cloud-init reads from a disc.
const FILES: [&str; 4] = ["meta-data", "user-data", "vendor-data", "network-config"];

/// Reads the attached NoCloud disc into `folder`; `false` when no drive holds one.
pub(crate) async fn read(media: &[Medium], folder: &Utf8Path) -> Result<bool, MachineError> {
    for file in media.iter().filter_map(|medium| medium.file.as_deref()) {
        if !is_nocloud(file)? {
            continue;
        }
        run("bsdtar", &["-x", "-f", file.as_str(), "-C", folder.as_str()]).await?;
        for entry in fs_err::read_dir(folder)? {
            let entry = entry?;
            if !FILES.iter().any(|wanted| entry.file_name() == *wanted) {
                tracing::debug!(file = ?entry.path(), "on the seed disc, of no use to cloud-init");
            }
        }
        return Ok(true);
    }
    Ok(false)
}

/// Whether a disc image carries the volume label that cloud-init's NoCloud looks for.
fn is_nocloud(image: &Utf8Path) -> std::io::Result<bool> {
    Ok(volume_label(image)?.is_some_and(|label| label.eq_ignore_ascii_case("cidata")))
}

/// The volume identifier of an ISO 9660 image's primary descriptor (ECMA-119, 8.4.7).
fn volume_label(image: &Utf8Path) -> std::io::Result<Option<String>> {
    const DESCRIPTOR: u64 = 16 * 2048;
    let mut file = File::open(image)?;
    file.seek(SeekFrom::Start(DESCRIPTOR))?;
    let mut head = Vec::new();
    file.take(72).read_to_end(&mut head)?;
    if head.len() < 72 || &head[..6] != b"\x01CD001" {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&head[40..72]).trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::*;

    fn image_labelled(folder: &tempfile::TempDir, label: &str) -> Utf8PathBuf {
        let mut bytes = vec![0; 16 * 2048];
        bytes.extend_from_slice(b"\x01CD001\x01\0");
        bytes.extend_from_slice(&[b' '; 32]);
        bytes.extend_from_slice(format!("{label:32}").as_bytes());
        let path = Utf8PathBuf::from_path_buf(folder.path().join("disc.iso")).unwrap();
        fs_err::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn a_disc_is_a_seed_by_its_label_in_either_case() {
        let folder = tempfile::tempdir().unwrap();
        assert!(is_nocloud(&image_labelled(&folder, "cidata")).unwrap());
        assert!(is_nocloud(&image_labelled(&folder, "CIDATA")).unwrap());
        assert!(!is_nocloud(&image_labelled(&folder, "Debian 12 netinst")).unwrap());
    }

    #[tokio::test]
    async fn an_empty_drive_holds_no_seed() {
        let folder = tempfile::tempdir().unwrap();
        let target = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        let media = [Medium { drive: "ide2".into(), file: None }];
        assert!(!read(&media, &target).await.unwrap());
    }
}
