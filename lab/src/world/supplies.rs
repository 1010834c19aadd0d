//! What a world is made of, gathered while there still is a way to the internet.

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::{
    WorldError,
    image::{self, GuestImage},
    mirror,
};
use crate::artifacts::{self, Artifact, Cache, Name};

/// Everything that was built or found for a world.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Supplies {
    pub(crate) image: GuestImage,
    /// `None` for a bare world.
    pub(crate) services: Option<Services>,
}

/// What a world with an emulated Proxmox VE, a tailnet and a cluster takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Services {
    pub(crate) headscale: Utf8PathBuf,
    pub(crate) coredns: Utf8PathBuf,
    pub(crate) tailscale: Download,
    pub(crate) k3s: Download,
    /// With GitOps, Flux's are among them.
    pub(crate) k3s_images: Download,
    /// `None` unless it was asked for: it takes a long time to build.
    pub(crate) gitops: Option<GitOps>,
}

/// What GitOps takes beside the images of Flux's controllers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GitOps {
    /// The manifests of Flux's controllers.
    pub(crate) components: Download,
    /// The program that serves S3.
    pub(crate) versitygw: Utf8PathBuf,
    /// The files of the lab's Helm repository: its index, and the charts.
    pub(crate) charts: Vec<Download>,
    /// The program that takes public names for tunnels.
    pub(crate) edge: Utf8PathBuf,
}

/// A file that the product fetches from the mirror.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Download {
    pub(crate) version: String,
    pub(crate) file: Utf8PathBuf,
    pub(crate) sha256: String,
}

/// Gathers it all; blocks for as long as builds take when caches are cold.
pub(crate) fn gather(bare: bool, gitops: bool) -> Result<Supplies, WorldError> {
    let image = image::ensure(&cache()?)?;
    let services = if bare { None } else { Some(gather_services(gitops)?) };
    Ok(Supplies { image, services })
}

fn gather_services(gitops: bool) -> Result<Services, WorldError> {
    let program = |name| artifacts::ensure(name).map(|artifact| artifact.path);
    let download = |name| artifacts::ensure(name).map(Download::from);
    let images = artifacts::ensure(Name::Images)?;
    let images = match gitops {
        true => {
            let flux = artifacts::ensure(Name::FluxImages)?;
            let apps = artifacts::ensure(Name::AppImages)?;
            let paths = artifacts::ensure(Name::PathImages)?;
            let private = artifacts::ensure(Name::PrivateImages)?;
            artifacts::combine(&Cache::open()?, &[images, flux, apps, paths, private])?
        }
        false => images,
    };
    let gitops = match gitops {
        true => Some(GitOps {
            components: download(Name::FluxComponents)?,
            versitygw: program(Name::Versitygw)?,
            charts: charts()?,
            edge: program(Name::Edge)?,
        }),
        false => None,
    };
    Ok(Services {
        headscale: program(Name::Headscale)?,
        coredns: program(Name::Coredns)?,
        tailscale: download(Name::Tailscale)?,
        k3s: download(Name::K3s)?,
        k3s_images: images.into(),
        gitops,
    })
}

fn charts() -> Result<Vec<Download>, WorldError> {
    let index = artifacts::ensure(Name::Charts)?;
    let files = artifacts::chart_files(&index.path)?.into_iter().map(|file| {
        let sha256 = artifacts::sha256_of(&file)?;
        Ok(Download { version: index.version.clone(), file, sha256 })
    });
    files.collect()
}

fn cache() -> Result<Utf8PathBuf, WorldError> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let base = match (set("XDG_CACHE_HOME"), set("HOME")) {
        (Some(cache), _) => Utf8PathBuf::from(cache),
        (None, Some(home)) => Utf8PathBuf::from(home).join(".cache"),
        (None, None) => return Err(WorldError::NoHome),
    };
    let folder = base.join("homelab-lab");
    fs_err::create_dir_all(&folder)?;
    Ok(folder)
}

impl From<Artifact> for Download {
    fn from(artifact: Artifact) -> Self {
        Self { version: artifact.version, file: artifact.path, sha256: artifact.sha256 }
    }
}

impl Download {
    /// Its path on the mirror.
    pub(crate) fn path(&self, folder: &str) -> String {
        format!("{folder}/{}", self.file.file_name().unwrap_or_default())
    }
}

impl Services {
    fn charts(&self) -> impl Iterator<Item = &Download> {
        self.gitops.iter().flat_map(|gitops| &gitops.charts)
    }

    fn downloads(&self) -> impl Iterator<Item = (&'static str, String, &Download)> {
        let always = [
            ("tailscale", self.tailscale.path("tailscale"), &self.tailscale),
            ("k3s", self.k3s.path("k3s"), &self.k3s),
            ("k3s_images", self.k3s_images.path("k3s"), &self.k3s_images),
        ];
        let components = self.gitops.as_ref().map(|gitops| &gitops.components);
        always.into_iter().chain(components.map(|flux| ("flux", flux.path("flux"), flux)))
    }
}

impl Supplies {
    fn image_path(&self) -> String {
        // Proxmox wants the ending to be that of an importable image.
        format!("images/debian-12-lab-{}.raw", self.image.version)
    }

    fn downloads(&self) -> impl Iterator<Item = (&'static str, String, &Download)> {
        self.services.iter().flat_map(Services::downloads)
    }

    /// What the mirror serves.
    pub(crate) fn content(&self) -> mirror::Content {
        let image =
            mirror::File { path: self.image.file.clone(), sha256: self.image.sha256.clone() };
        let mut files: indexmap::IndexMap<_, _> = [(self.image_path(), image)].into();
        let charts = self.services.iter().flat_map(Services::charts);
        let charts = charts.map(|chart| (chart.path("charts"), chart));
        for (path, download) in self.downloads().map(|(_, path, it)| (path, it)).chain(charts) {
            let file =
                mirror::File { path: download.file.clone(), sha256: download.sha256.clone() };
            files.insert(path, file);
        }
        mirror::Content { files, packages: self.image.packages.clone() }
    }

    /// The product's lock file: each artifact's version, address on the mirror, and SHA-256.
    pub(crate) fn lock_file(&self) -> String {
        let entry = |key: &str, version: &str, path: &str, sha256: &str| {
            let url = mirror::url(path);
            format!("{key}:\n  version: \"{version}\"\n  url: {url}\n  sha256: {sha256}\n")
        };
        let image = entry("image", &self.image.version, &self.image_path(), &self.image.sha256);
        let rest: String = self
            .downloads()
            .map(|(key, path, download)| entry(key, &download.version, &path, &download.sha256))
            .collect();
        let gitops = self.services.iter().any(|services| services.gitops.is_some());
        let pins = if gitops { pinned() } else { String::new() };
        format!("# Written by the lab: what its mirror serves.\nversion: 1\n{image}{rest}{pins}")
    }
}

/// The versions of the charts and images of the rendered tree that the lab has.
fn pinned() -> String {
    let line = |(name, version): (&str, &str)| format!("  {name}: \"{version}\"\n");
    let charts = artifacts::CHARTS.iter().map(|chart| line((chart.name, chart.version)));
    let images = artifacts::PINNED_IMAGES.into_iter().map(line);
    format!("charts:\n{}containers:\n{}", charts.collect::<String>(), images.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supplies(gitops: bool) -> Supplies {
        let download = |file: &str| Download {
            version: "1".into(),
            file: file.into(),
            sha256: "cd".repeat(32),
        };
        Supplies {
            image: GuestImage {
                version: "abc".into(),
                file: "/cache/guest.raw".into(),
                sha256: "ab".repeat(32),
                packages: "/cache/packages".into(),
            },
            services: Some(Services {
                headscale: "/cache/headscale".into(),
                coredns: "/cache/coredns".into(),
                tailscale: download("/cache/tailscale_1_amd64.tgz"),
                k3s: download("/cache/k3s"),
                k3s_images: download("/cache/images.tar"),
                gitops: gitops.then(|| GitOps {
                    components: download("/cache/gotk-components.yaml"),
                    versitygw: "/cache/versitygw".into(),
                    edge: "/cache/edge".into(),
                    charts: vec![
                        download("/cache/charts/index.yaml"),
                        download("/cache/charts/longhorn-1.12.1.tgz"),
                    ],
                }),
            }),
        }
    }

    #[test]
    fn everything_in_the_lock_file_is_on_the_mirror() {
        for (gitops, artifacts) in [(false, 4), (true, 5)] {
            let supplies = supplies(gitops);
            let content = supplies.content();
            let lock = supplies.lock_file();
            let urls: Vec<&str> =
                lock.lines().filter_map(|line| line.trim().strip_prefix("url: ")).collect();
            assert_eq!(urls.len(), artifacts);
            for url in urls {
                let path = url.strip_prefix("http://10.79.0.1:8000/").unwrap();
                assert!(content.files.contains_key(path), "{path}");
            }
        }
    }

    #[test]
    fn the_charts_are_served_beside_their_index_where_flux_is() {
        let served = |gitops| {
            let files = supplies(gitops).content().files;
            files.into_keys().filter(|path| path.starts_with("charts/")).collect::<Vec<_>>()
        };
        assert_eq!(served(true), ["charts/index.yaml", "charts/longhorn-1.12.1.tgz"]);
        assert!(served(false).is_empty());
    }

    #[test]
    fn the_manifests_of_flux_are_pinned_where_they_are_served_and_nowhere_else() {
        assert!(!supplies(false).lock_file().contains("flux"));
        let lock = supplies(true).lock_file();
        let flux = lock.split_once("flux:").unwrap().1;
        let (flux, charts) = flux.split_once("charts:\n").unwrap();
        assert!(charts.starts_with("  longhorn: \"1.12.1\"\n"), "{charts}");
        insta::assert_snapshot!(flux, @r#"

          version: "1"
          url: http://10.79.0.1:8000/flux/gotk-components.yaml
          sha256: cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd
        "#);
    }
}
