//! The recipe of each artifact: versions, flags, sources, parts.

use std::time::Duration;

use super::{
    Name, apps, charts, debian, flux,
    golang::{self, Program},
    images, paths, private,
    recipe::{Ingredient, Recipe},
    standin, tailscale, traefik,
};

const HEADSCALE: &str = "0.29.3";
pub(crate) const COREDNS: &str = "1.15.0";
const VERSITYGW: &str = "1.8.0";
const FLANNEL: &str = "0.28.10";
/// The version of Kubernetes, and so of k3s.
pub(crate) const KUBERNETES: &str = "1.34.4";

pub(crate) fn recipe(name: Name) -> Recipe {
    match name {
        Name::Tailscale => Recipe {
            version: tailscale::VERSION.into(),
            file: tailscale::file(),
            ingredients: vec![text(tailscale::packages()), text(tailscale::stamps())],
            estimate: minutes(5),
            method: tailscale::make,
            name,
        },
        Name::Headscale => Recipe {
            version: HEADSCALE.into(),
            file: "headscale".into(),
            ingredients: vec![sources("headscale"), text(headscale_stamps())],
            estimate: minutes(3),
            method: |build| {
                Program {
                    module: "headscale",
                    package: "github.com/juanfont/headscale/cmd/headscale",
                    tags: "",
                    stamps: &headscale_stamps(),
                    output: "headscale",
                }
                .build(build)
            },
            name,
        },
        Name::Coredns => plain(name, "coredns", COREDNS, minutes(3)),
        Name::Pause => plain(name, "pause", "1", Duration::from_secs(10)),
        Name::Flannel => plain(name, "flannel", FLANNEL, minutes(2)),
        Name::Kubernetes => Recipe {
            version: KUBERNETES.into(),
            file: "kubernetes".into(),
            ingredients: vec![
                sources("kubernetes"),
                text(kubernetes_stamps()),
                text([KUBERNETES_TAGS]),
            ],
            estimate: minutes(10),
            method: |build| {
                Program {
                    module: "kubernetes",
                    package: ".",
                    tags: KUBERNETES_TAGS,
                    stamps: &kubernetes_stamps(),
                    output: "kubernetes",
                }
                .build(build)
            },
            name,
        },
        Name::Debian => Recipe {
            version: "12".into(),
            file: debian::INDEX.into(),
            ingredients: vec![text(
                debian::PACKAGES.map(|(package, version)| format!("{package}={version}")),
            )],
            estimate: Duration::from_secs(20),
            method: debian::make,
            name,
        },
        Name::Images => Recipe {
            version: "1".into(),
            file: images::FILE.into(),
            ingredients: vec![
                text([images::LAYOUT]),
                Ingredient::Part(Name::Pause),
                Ingredient::Part(Name::Coredns),
                Ingredient::Part(Name::Debian),
            ],
            estimate: Duration::from_secs(10),
            method: images::make,
            name,
        },
        Name::K3s => Recipe {
            version: standin::version(),
            file: "k3s".into(),
            ingredients: standin::ingredients(),
            estimate: minutes(1),
            method: standin::make,
            name,
        },
        Name::FluxImages => Recipe {
            version: flux::VERSION.into(),
            file: flux::IMAGES.into(),
            ingredients: vec![
                sources("flux"),
                text(flux::CONTROLLERS.map(flux::reference)),
                text([flux::LAYOUT]),
            ],
            estimate: minutes(9),
            method: flux::images,
            name,
        },
        Name::FluxComponents => Recipe {
            version: flux::VERSION.into(),
            file: flux::COMPONENTS.into(),
            ingredients: vec![sources("gotk"), text(flux::CONTROLLERS.map(flux::reference))],
            estimate: minutes(1),
            method: flux::components,
            name,
        },
        Name::Versitygw => Recipe {
            version: VERSITYGW.into(),
            file: "versitygw".into(),
            ingredients: vec![sources("versitygw")],
            estimate: minutes(2),
            method: |build| {
                Program {
                    module: "versitygw",
                    package: "github.com/versity/versitygw/cmd/versitygw",
                    tags: "",
                    stamps: &[],
                    output: "versitygw",
                }
                .build(build)
            },
            name,
        },
        Name::Charts => Recipe {
            version: "1".into(),
            file: charts::INDEX.into(),
            ingredients: charts::ingredients(),
            estimate: Duration::from_secs(1),
            method: charts::make,
            name,
        },
        Name::AppImages => Recipe {
            version: "1".into(),
            file: apps::FILE.into(),
            ingredients: apps::ingredients(),
            estimate: minutes(4),
            method: apps::make,
            name,
        },
        Name::Traefik => Recipe {
            version: traefik::VERSION.into(),
            file: traefik::FILE.into(),
            ingredients: traefik::ingredients(),
            estimate: minutes(12),
            method: traefik::make,
            name,
        },
        Name::PathImages => Recipe {
            version: "1".into(),
            file: paths::IMAGES.into(),
            ingredients: paths::ingredients(),
            estimate: minutes(1),
            method: paths::images,
            name,
        },
        Name::PrivateImages => Recipe {
            version: "1".into(),
            file: private::IMAGES.into(),
            ingredients: private::ingredients(),
            estimate: minutes(2),
            method: private::images,
            name,
        },
        Name::Edge => Recipe {
            version: "1".into(),
            file: "edge".into(),
            ingredients: vec![sources("paths")],
            estimate: minutes(1),
            method: paths::edge,
            name,
        },
    }
}

/// A module of ours whose main package is its root, with nothing special about it.
fn plain(name: Name, module: &'static str, version: &str, estimate: Duration) -> Recipe {
    Recipe {
        version: version.into(),
        file: module.into(),
        ingredients: vec![sources(module)],
        estimate,
        method: |build| {
            let module = build.recipe.name.as_str();
            Program { module, package: ".", tags: "", stamps: &[], output: module }.build(build)
        },
        name,
    }
}

/// As the upstream build leaves out what its cloud providers need.
const KUBERNETES_TAGS: &str = "providerless,osusergo,netgo";

fn kubernetes_stamps() -> Vec<String> {
    let version = standin::version();
    let base = "k8s.io/component-base/version";
    vec![
        format!("{base}.gitVersion={version}"),
        format!("{base}.gitMajor=1"),
        format!("{base}.gitMinor=34"),
        format!("{base}.gitTreeState=clean"),
        format!("k8s.io/client-go/pkg/version.gitVersion={version}"),
    ]
}

fn headscale_stamps() -> Vec<String> {
    vec![format!("github.com/juanfont/headscale/hscontrol/types.Version=v{HEADSCALE}")]
}

pub(crate) fn sources(module: &str) -> Ingredient {
    Ingredient::Tree(golang::module(module))
}

fn text<S: AsRef<str>>(parts: impl IntoIterator<Item = S>) -> Ingredient {
    let parts: Vec<String> = parts.into_iter().map(|part| part.as_ref().to_owned()).collect();
    Ingredient::Text(parts.join("\n"))
}

const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}
