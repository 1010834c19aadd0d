//! Tailscale, packed as its publisher packs it.
//!
//! The tarball's shape (`tailscale_<version>_amd64/` with both binaries and `systemd/`) is what an
//! installer relies on; the unit and its defaults are the ones in the module itself.

use camino::Utf8Path;

use super::{ArtifactError, cache::Build, golang};

pub(crate) const VERSION: &str = "1.102.5";
/// The module's own `go` line; newer releases want a newer toolchain.
pub(crate) const GO: &str = "1.26.6";

pub(crate) fn file() -> String {
    format!("tailscale_{VERSION}_amd64.tgz")
}

/// `go install` records no version that Tailscale would accept as its own: without these the binaries
/// report `1.102.5-ERR-BuildInfo`.
pub(crate) fn stamps() -> Vec<String> {
    ["shortStamp", "longStamp"].map(|name| format!("tailscale.com/version.{name}={VERSION}")).into()
}

pub(crate) fn packages() -> Vec<String> {
    ["tailscale", "tailscaled"].map(|name| format!("tailscale.com/cmd/{name}@v{VERSION}")).into()
}

pub(crate) fn make(build: &Build<'_>) -> Result<(), ArtifactError> {
    golang::install(build, &packages(), GO, &stamps())?;
    let sources =
        golang::sources(build, &format!("tailscale.com@v{VERSION}"))?.join("cmd/tailscaled");
    let entries = [
        ("tailscale", build.directory.join("tailscale"), 0o755),
        ("tailscaled", build.directory.join("tailscaled"), 0o755),
        ("systemd/tailscaled.service", sources.join("tailscaled.service"), 0o644),
        ("systemd/tailscaled.defaults", sources.join("tailscaled.defaults"), 0o644),
    ];
    let file = fs_err::File::create(build.directory.join(file()))?;
    let mut archive =
        tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
    for (name, path, mode) in entries {
        append(&mut archive, &format!("tailscale_{VERSION}_amd64/{name}"), &path, mode)?;
    }
    archive.into_inner()?.finish()?.sync_all()?;
    Ok(())
}

/// Owner, mode and time are fixed: the same bytes in give the same bytes out.
pub(crate) fn append<W: std::io::Write>(
    archive: &mut tar::Builder<W>,
    name: &str,
    path: &Utf8Path,
    mode: u32,
) -> Result<(), ArtifactError> {
    let file = fs_err::File::open(path)?;
    let mut header = tar::Header::new_gnu();
    header.set_size(file.metadata()?.len());
    header.set_mode(mode);
    header.set_mtime(0);
    archive.append_data(&mut header, name, file)?;
    Ok(())
}
