//! A recipe: what an artifact is made from, and the hash over all of it.

use std::{fmt, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use clap::ValueEnum;
use sha2::{Digest, Sha256};

use super::{ArtifactError, cache::Build};

/// Everything the lab knows how to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Name {
    /// The publisher's tarball: `tailscale_<version>_amd64.tgz` with both binaries and the units.
    Tailscale,
    /// The control server of the lab's tailnet.
    Headscale,
    /// CoreDNS, for the lab's own names and, as an image, for the cluster.
    Coredns,
    /// Every Kubernetes component in one binary, and a small `crictl`.
    Kubernetes,
    /// Flannel's library under a small main.
    Flannel,
    /// containerd, runc, etcd, CNI plugins and busybox, out of Debian packages.
    Debian,
    /// The process that holds a pod's namespaces.
    Pause,
    /// The air-gap archive: pause, busybox and CoreDNS.
    Images,
    /// The k3s binary: a real one, or the stand-in.
    K3s,
    /// Flux's four controllers as container images, in an archive of their own.
    FluxImages,
    /// Their manifests, as Flux's own generator writes them.
    FluxComponents,
    /// The lab's S3: a gateway over a folder.
    Versitygw,
    /// The lab's Helm repository: its index, and each chart packaged beside it.
    Charts,
    /// The images that those charts ask for, in an archive of their own.
    AppImages,
    /// The proxy that k3s brings, with the definitions of its kinds.
    Traefik,
    /// What the public path runs through in a cluster, as images in an archive of their own.
    PathImages,
    /// The lab's edge of the internet.
    Edge,
    /// The private path's operator and proxies, as images in an archive of their own.
    PrivateImages,
}

impl Name {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tailscale => "tailscale",
            Self::Headscale => "headscale",
            Self::Coredns => "coredns",
            Self::Kubernetes => "kubernetes",
            Self::Flannel => "flannel",
            Self::Debian => "debian",
            Self::Pause => "pause",
            Self::Images => "images",
            Self::K3s => "k3s",
            Self::FluxImages => "flux-images",
            Self::FluxComponents => "flux-components",
            Self::Versitygw => "versitygw",
            Self::Charts => "charts",
            Self::AppImages => "app-images",
            Self::Traefik => "traefik",
            Self::PathImages => "path-images",
            Self::Edge => "edge",
            Self::PrivateImages => "private-images",
        }
    }

    /// Whether only a lab with GitOps takes it.
    pub fn is_for_gitops(self) -> bool {
        matches!(
            self,
            Self::FluxImages
                | Self::FluxComponents
                | Self::Versitygw
                | Self::Charts
                | Self::AppImages
                | Self::Traefik
                | Self::PathImages
                | Self::Edge
                | Self::PrivateImages
        )
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that a result depends on.
pub(crate) enum Ingredient {
    /// Flags, versions, anything short.
    Text(String),
    /// Each file below a directory, by its path and bytes; or one file.
    Tree(Utf8PathBuf),
    /// Another artifact, by its own recipe.
    Part(Name),
}

pub(crate) struct Recipe {
    pub(crate) name: Name,
    pub(crate) version: String,
    /// The file, in the artifact's directory, that [`super::Artifact::path`] points at.
    pub(crate) file: String,
    pub(crate) ingredients: Vec<Ingredient>,
    /// How long it takes on two idle cores with cold caches; shown, never relied on.
    pub(crate) estimate: Duration,
    pub(crate) method: fn(&Build<'_>) -> Result<(), ArtifactError>,
}

impl Recipe {
    /// The name of the artifact's directory: `<name>-<version>-<16 hex digits>`.
    pub(crate) fn key(&self) -> Result<String, ArtifactError> {
        let mut hash = Sha256::new();
        // A change in how recipes are carried out, rather than in one of them, raises this number.
        field(&mut hash, b"recipe format 1");
        field(&mut hash, self.version.as_bytes());
        field(&mut hash, self.file.as_bytes());
        for ingredient in &self.ingredients {
            match ingredient {
                Ingredient::Text(text) => field(&mut hash, text.as_bytes()),
                Ingredient::Tree(root) => hash_tree(&mut hash, root)?,
                Ingredient::Part(part) => {
                    field(&mut hash, super::recipes::recipe(*part).key()?.as_bytes())
                }
            }
        }
        let digest = hex::encode(hash.finalize());
        Ok(format!("{}-{}-{}", self.name, self.version, &digest[..16]))
    }
}

/// Length first: two fields can't be mistaken for one.
fn field(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

fn hash_tree(hash: &mut Sha256, root: &Utf8Path) -> Result<(), ArtifactError> {
    for file in files_below(root)? {
        // A test's text changes nothing in the binary.
        if file.as_str().ends_with("_test.go") {
            continue;
        }
        let relative = file.strip_prefix(root).expect("collected below the root");
        field(hash, relative.as_str().as_bytes());
        field(hash, &fs_err::read(&file)?);
    }
    Ok(())
}

/// Every file below a directory, in the order of their paths; a file is itself.
pub(crate) fn files_below(root: &Utf8Path) -> Result<Vec<Utf8PathBuf>, ArtifactError> {
    if root.is_file() {
        return Ok(vec![root.to_owned()]);
    }
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    Ok(files)
}

fn collect(directory: &Utf8Path, files: &mut Vec<Utf8PathBuf>) -> Result<(), ArtifactError> {
    for entry in directory.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(entry.path(), files)?;
        } else {
            files.push(entry.into_path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(directory: &Utf8Path) -> Recipe {
        Recipe {
            name: Name::Pause,
            version: "1".into(),
            file: "pause".into(),
            ingredients: vec![
                Ingredient::Text("-s -w".into()),
                Ingredient::Tree(directory.to_owned()),
            ],
            estimate: Duration::ZERO,
            method: |_| Ok(()),
        }
    }

    fn tree() -> (tempfile::TempDir, Utf8PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(directory.path().to_owned()).unwrap();
        fs_err::create_dir(path.join("inner")).unwrap();
        fs_err::write(path.join("inner/a.go"), "package a").unwrap();
        (directory, path)
    }

    #[test]
    fn a_changed_byte_in_a_source_file_gives_another_key() {
        let (_keep, path) = tree();
        let before = sample(&path).key().unwrap();
        assert_eq!(before, sample(&path).key().unwrap());
        fs_err::write(path.join("inner/a.go"), "package b").unwrap();
        assert_ne!(before, sample(&path).key().unwrap());
    }

    #[test]
    fn a_test_file_does_not_give_another_key() {
        let (_keep, path) = tree();
        let before = sample(&path).key().unwrap();
        fs_err::write(path.join("inner/a_test.go"), "package a").unwrap();
        assert_eq!(before, sample(&path).key().unwrap());
    }

    #[test]
    fn moving_a_byte_from_one_field_to_the_next_gives_another_key() {
        let (_keep, path) = tree();
        let mut one = sample(&path);
        one.ingredients = vec![Ingredient::Text("ab".into()), Ingredient::Text("c".into())];
        let mut other = sample(&path);
        other.ingredients = vec![Ingredient::Text("a".into()), Ingredient::Text("bc".into())];
        assert_ne!(one.key().unwrap(), other.key().unwrap());
    }

    #[test]
    fn every_artifact_has_a_recipe_of_its_own_name() {
        for name in Name::value_variants() {
            let recipe = super::super::recipes::recipe(*name);
            assert_eq!(recipe.name, *name);
            assert!(recipe.key().unwrap().starts_with(name.as_str()));
        }
    }
}
