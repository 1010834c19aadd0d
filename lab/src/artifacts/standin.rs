//! The stand-in `k3s`: one self-extracting file over the real parts.
//!
//! A launcher of ours (`lab/go/k3s`) with an archive behind it, as k3s itself is made. What the archive
//! holds is listed here and nowhere else.

use std::process::Command;

use super::{
    Artifact, ArtifactError, Name,
    cache::Build,
    golang::Program,
    recipe::Ingredient,
    recipes::{COREDNS, KUBERNETES, sources},
    traefik,
};

const PARTS: [Name; 4] = [Name::Kubernetes, Name::Flannel, Name::Debian, Name::Images];

/// The version that the stand-in stands in for.
pub(crate) fn version() -> String {
    format!("v{KUBERNETES}+k3s1")
}

pub(crate) fn ingredients() -> Vec<Ingredient> {
    let mut ingredients: Vec<Ingredient> = PARTS.into_iter().map(Ingredient::Part).collect();
    ingredients.push(sources("k3s"));
    ingredients.push(Ingredient::Text(traefik::VERSION.into()));
    ingredients.push(Ingredient::Text(
        FROM_DEBIAN.map(|(name, path)| format!("{name}={path}")).join("\n"),
    ));
    ingredients
}

/// Name in the archive, path below the unpacked packages.
const FROM_DEBIAN: [(&str, &str); 12] = [
    ("bin/etcd", "usr/bin/etcd"),
    ("bin/etcdctl", "usr/bin/etcdctl"),
    ("bin/containerd", "usr/bin/containerd"),
    ("bin/containerd-shim-runc-v2", "usr/bin/containerd-shim-runc-v2"),
    ("bin/ctr", "usr/bin/ctr"),
    ("bin/runc", "usr/sbin/runc"),
    ("bin/bridge", "usr/lib/cni/bridge"),
    ("bin/host-local", "usr/lib/cni/host-local"),
    ("bin/loopback", "usr/lib/cni/loopback"),
    ("bin/portmap", "usr/lib/cni/portmap"),
    ("bin/bandwidth", "usr/lib/cni/bandwidth"),
    // runc's only library that a minimal guest could lack.
    ("lib/libseccomp.so.2", "usr/lib/x86_64-linux-gnu/libseccomp.so.2"),
];

pub(crate) fn make(build: &Build<'_>) -> Result<(), ArtifactError> {
    let mut parts = Vec::new();
    for name in PARTS {
        parts.push(build.cache.ensure(name)?);
    }
    let part = |name: Name| -> &Artifact {
        parts.iter().find(|part| part.name == name).expect("made in the loop above")
    };
    let version = "homelab.invalid/lab/k3s/internal/version";
    let stamps = vec![
        format!("{version}.Kubernetes=v{KUBERNETES}"),
        format!("{version}.CoreDNS={COREDNS}"),
        format!("{version}.Traefik={}", traefik::VERSION),
    ];
    for (package, output) in [(".", "launcher"), ("./cmd/pack", "pack")] {
        Program { module: "k3s", package, tags: "osusergo,netgo", stamps: &stamps, output }
            .build(build)?;
    }
    let mut pack = Command::new(build.directory.join("pack"));
    pack.arg("-launcher").arg(build.directory.join("launcher"));
    pack.arg("-output").arg(build.directory.join("k3s"));
    pack.arg(format!("bin/kubernetes={}", part(Name::Kubernetes).path));
    pack.arg(format!("bin/flannel={}", part(Name::Flannel).path));
    pack.arg(format!("images/images.tar={}", part(Name::Images).path));
    let root = part(Name::Debian).path.with_file_name("root");
    for (name, path) in FROM_DEBIAN {
        pack.arg(format!("{name}={}", root.join(path)));
    }
    build.run(&mut pack, "it is built by this very recipe")?;
    for rest in ["pack", "launcher"] {
        fs_err::remove_file(build.directory.join(rest))?;
    }
    Ok(())
}
