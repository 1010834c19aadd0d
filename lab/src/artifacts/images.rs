//! The air-gap archive: container images made here, since no registry can be reached.
//!
//! Their names belong to no registry on the internet, so nothing is ever pulled by mistake.

use serde_json::json;

use super::{
    Artifact, ArtifactError, Name,
    archive::{DockerArchive, Image, Layer},
    cache::Build,
};

pub(crate) const FILE: &str = "k3s-airgap-images-amd64.tar";
/// Rises when what is in an image changes without its parts changing.
pub(crate) const LAYOUT: &str = "layout 1";
const PATH: &str = "PATH=/bin";

pub(crate) fn make(build: &Build<'_>) -> Result<(), ArtifactError> {
    let part = |name: Name| -> Result<Artifact, ArtifactError> { build.cache.ensure(name) };
    let pause = part(Name::Pause)?;
    let coredns = part(Name::Coredns)?;
    let debian = part(Name::Debian)?;
    DockerArchive::new(fs_err::File::create(build.directory.join(FILE))?)
        .image(&Image {
            reference: "lab.local/pause:1".into(),
            config: json!({"Entrypoint": ["/pause"], "Env": [PATH]}),
            layer: Layer::new().file("pause", &pause.path)?.finish()?,
        })?
        .image(&Image {
            reference: "lab.local/busybox:1".into(),
            config: json!({"Entrypoint": ["/bin/sh"], "Env": [PATH]}),
            layer: busybox(&debian)?.finish()?,
        })?
        .image(&Image {
            reference: format!("lab.local/coredns:{}", coredns.version),
            config: json!({"Entrypoint": ["/coredns"], "Env": [PATH]}),
            layer: Layer::new().file("coredns", &coredns.path)?.finish()?,
        })?
        .finish()
}

/// A shell and its tools, out of the Debian packages.
pub(crate) fn busybox(debian: &Artifact) -> Result<Layer, ArtifactError> {
    let busybox = debian.path.with_file_name("root").join("bin/busybox");
    // A static binary lists its own applets, so the links can't name one that it lacks.
    let output = std::process::Command::new(&busybox).arg("--list").output()?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut layer = Layer::new();
    for directory in ["bin/", "tmp/", "etc/", "proc/", "sys/", "dev/", "www/"] {
        layer = layer.directory(directory)?;
    }
    layer =
        layer.file("bin/busybox", &busybox)?.text("etc/passwd", "root:x:0:0:root:/:/bin/sh\n")?;
    for applet in listed.lines().filter(|applet| *applet != "busybox") {
        layer = layer.link(&format!("bin/{applet}"), "busybox")?;
    }
    Ok(layer)
}
