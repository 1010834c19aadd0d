//! The two programs in a Tailscale release archive (`tailscale_VERSION_ARCH/{tailscale,tailscaled}`).

use std::io::Write;

use camino::{Utf8Path, Utf8PathBuf};
use flate2::read::GzDecoder;

use super::hash::{self, blocking};
use crate::error::{Failure, Kind, Result};

/// `tailscale` and `tailscaled` of one release, unpacked and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailscaleBinaries {
    pub tailscale: Utf8PathBuf,
    /// Of `tailscale`, 64 hexadecimal digits.
    pub tailscale_sha256: String,
    pub tailscaled: Utf8PathBuf,
    /// Of `tailscaled`, 64 hexadecimal digits.
    pub tailscaled_sha256: String,
}

const PROGRAMS: [&str; 2] = ["tailscale", "tailscaled"];
/// What was unpacked, a line each: sha256, two blanks, name.
const SUMS: &str = "SHA256SUMS";

/// What was unpacked before, where it still is what it was.
pub(super) async fn unpacked(folder: &Utf8Path) -> Result<Option<TailscaleBinaries>> {
    let Ok(sums) = fs_err::read_to_string(folder.join(SUMS)) else { return Ok(None) };
    let mut hashes = Vec::new();
    for program in PROGRAMS {
        let Some(seen) = hash::of_file(&folder.join(program)).await? else { return Ok(None) };
        if !sums.lines().any(|line| line == format!("{seen}  {program}")) {
            return Ok(None);
        }
        hashes.push(seen);
    }
    Ok(Some(binaries(folder, &hashes)))
}

/// Unpacks a checked archive beside `folder` and puts it in place.
pub(super) async fn unpack(
    archive: &Utf8Path,
    beside: &Utf8Path,
    folder: &Utf8Path,
) -> Result<TailscaleBinaries> {
    let (archive, beside, folder) = (archive.to_owned(), beside.to_owned(), folder.to_owned());
    blocking(move || {
        let part = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(&beside)?;
        let hashes = extract(&archive, part.path())?;
        let sums: String =
            PROGRAMS.iter().zip(&hashes).map(|(name, hash)| format!("{hash}  {name}\n")).collect();
        fs_err::write(part.path().join(SUMS), sums)?;
        if folder.exists() {
            fs_err::remove_dir_all(&folder)?;
        }
        fs_err::rename(part.path(), &folder)?;
        Ok(binaries(&folder, &hashes))
    })
    .await
}

/// The programs' hashes, in the order of [`PROGRAMS`]. Nothing else of the archive is written, and
/// nothing by a name that the archive chose.
fn extract(archive: &Utf8Path, into: &std::path::Path) -> Result<Vec<String>> {
    let broken = |error: std::io::Error| {
        Failure::new(Kind::Inventory, format!("it is no Tailscale release archive: {error}"))
            .at(archive)
    };
    let file = fs_err::File::open(archive)?;
    let mut tar = tar::Archive::new(GzDecoder::new(file));
    let mut hashes = vec![None; PROGRAMS.len()];
    for entry in tar.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let path = entry.path().map_err(broken)?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(index) = PROGRAMS.iter().position(|program| *program == name) else { continue };
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let target = into.join(PROGRAMS[index]);
        let mut output = fs_err::File::create(&target)?;
        std::io::copy(&mut entry, &mut output).map_err(broken)?;
        output.flush()?;
        hashes[index] = Some(hash::of_reader(&mut fs_err::File::open(&target)?)?);
    }
    hashes.into_iter().collect::<Option<Vec<_>>>().ok_or_else(|| {
        Failure::new(Kind::Inventory, "the archive does not hold both tailscale and tailscaled")
            .at(archive)
            .hint("a release from https://pkgs.tailscale.com/stable/#static is wanted")
    })
}

fn binaries(folder: &Utf8Path, hashes: &[String]) -> TailscaleBinaries {
    TailscaleBinaries {
        tailscale: folder.join(PROGRAMS[0]),
        tailscale_sha256: hashes[0].clone(),
        tailscaled: folder.join(PROGRAMS[1]),
        tailscaled_sha256: hashes[1].clone(),
    }
}
