//! The lab's cloud image and the packages for its guests, cached by recipe.

use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{WorldError, mirror, segment};

/// The recipe, as it was when this program was built.
const RECIPE: [(&str, &str); 8] = [
    ("build.sh", include_str!("../../images/guest/build.sh")),
    ("packages", include_str!("../../images/guest/packages")),
    ("repository", include_str!("../../images/guest/repository")),
    ("modprobe", include_str!("../../images/guest/modprobe")),
    ("hardware", include_str!("../../images/guest/hardware")),
    ("hardware.service", include_str!("../../images/guest/hardware.service")),
    ("qemu-guest-agent.service", include_str!("../../images/guest/qemu-guest-agent.service")),
    ("cloud.cfg", include_str!("../../images/guest/cloud.cfg")),
];

/// The image, ready to be served.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GuestImage {
    /// The start of the recipe's hash.
    pub(crate) version: String,
    pub(crate) file: Utf8PathBuf,
    pub(crate) sha256: String,
    /// An apt repository without a distribution: `Packages` and the packages beside it.
    pub(crate) packages: Utf8PathBuf,
}

/// Gives the image, building it where needed; says on standard error which it was.
///
/// Blocks for minutes when the cache is cold.
pub(crate) fn ensure(cache: &Utf8Path) -> Result<GuestImage, WorldError> {
    let version = version();
    let folder = cache.join(format!("guest-{version}"));
    let image = GuestImage {
        file: folder.join("guest.raw"),
        packages: folder.join("packages"),
        sha256: String::new(),
        version,
    };
    let sum = folder.join("sha256");
    let hit = sum.exists();
    if hit {
        crate::print::say(format_args!("guest image hit   {} {}", image.version, image.file));
    } else {
        crate::print::say(format_args!("guest image miss  {} (2 to 6 minutes)", image.version));
        build(cache, &folder, &image.version)?;
        fs_err::write(&sum, hash(&image.file)?)?;
    }
    Ok(GuestImage { sha256: fs_err::read_to_string(&sum)?.trim().to_owned(), ..image })
}

fn version() -> String {
    let mut hash = Sha256::new();
    for (name, content) in RECIPE {
        for part in [name, content] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
    }
    hash.update(repository_url());
    hex::encode(hash.finalize())[..12].to_owned()
}

fn repository_url() -> String {
    format!("http://{}:{}/debian/", segment::GATEWAY, mirror::PORT)
}

/// Builds in a folder of its own, which takes its name only when it is whole.
fn build(cache: &Utf8Path, folder: &Utf8Path, version: &str) -> Result<(), WorldError> {
    let part = cache.join(format!("guest-{version}.part"));
    if part.exists() {
        fs_err::remove_dir_all(&part)?;
    }
    let recipe = part.join("recipe");
    fs_err::create_dir_all(&recipe)?;
    for (name, content) in RECIPE {
        fs_err::write(recipe.join(name), content)?;
    }
    let log = cache.join("guest-image.log");
    let output = fs_err::File::create(&log)?.into_parts().0;
    // In a mount namespace of its own: a build that is killed leaves no mount.
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh"])
        .args([recipe.join("build.sh").as_str(), part.as_str(), &repository_url()])
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()?;
    if !status.success() {
        let text = fs_err::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(20)..].join("\n");
        return Err(WorldError::NotReady { log, tail });
    }
    if folder.exists() {
        fs_err::remove_dir_all(folder)?;
    }
    fs_err::rename(&part, folder)?;
    Ok(())
}

/// The SHA-256 of a file, lower case.
pub(crate) fn hash(file: &Utf8Path) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    let mut reader = fs_err::File::open(file)?;
    std::io::copy(&mut reader, &mut HashWriter(&mut hash))?;
    Ok(hex::encode(hash.finalize()))
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipe_holds_every_file_of_its_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/images/guest");
        let mut found: Vec<String> = fs_err::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let mut known = RECIPE.map(|(name, _)| name.to_owned());
        found.sort();
        known.sort();
        assert_eq!(found, known);
    }

    #[test]
    fn nothing_of_kubernetes_or_tailscale_is_in_the_image() {
        let packages = RECIPE.iter().find(|(name, _)| *name == "packages").unwrap().1;
        let lines = packages.lines().filter(|line| !line.starts_with('#'));
        for word in ["kube", "containerd", "runc", "etcd", "tailscale", "flannel", "cni"] {
            assert!(lines.clone().all(|line| !line.contains(word)), "{word}");
        }
    }
}
