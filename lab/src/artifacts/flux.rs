//! Flux: its controllers as container images, and the manifests that run them.
//!
//! Both are made from the modules that its publisher releases them from, and the images bear the names
//! that the manifests ask for: what runs in the lab is Flux, built here.

use std::process::Command;

use serde_json::json;

use super::{
    ArtifactError,
    archive::{DockerArchive, Image, Layer},
    cache::Build,
    golang::{self, Program},
};

/// Flux's own version; the controllers' are what this release names.
pub(crate) const VERSION: &str = "2.9.4";
/// In the order of Flux's own manifests. `lab/go/flux/go.mod` pins the same; a test compares.
pub(crate) const CONTROLLERS: [(&str, &str); 4] = [
    ("source-controller", "1.9.4"),
    ("kustomize-controller", "1.9.4"),
    ("helm-controller", "1.6.3"),
    ("notification-controller", "1.9.3"),
];
pub(crate) const IMAGES: &str = "flux-images-amd64.tar";
pub(crate) const COMPONENTS: &str = "gotk-components.yaml";
/// Rises when what is in an image changes without its binary changing.
pub(crate) const LAYOUT: &str = "layout 1";

/// What the manifests call a controller's image.
pub(crate) fn reference((name, version): (&str, &str)) -> String {
    format!("ghcr.io/fluxcd/{name}:v{version}")
}

pub(crate) fn images(build: &Build<'_>) -> Result<(), ArtifactError> {
    let file = fs_err::File::create(build.directory.join(IMAGES))?;
    let mut archive = DockerArchive::new(std::io::BufWriter::new(file));
    for controller in CONTROLLERS {
        let (name, _) = controller;
        // One after the other: the first one compiles what the others share.
        Program {
            module: "flux",
            package: &format!("github.com/fluxcd/{name}"),
            tags: "",
            stamps: &[],
            output: name,
        }
        .build(build)?;
        let binary = build.directory.join(name);
        let layer = Layer::new()
            // The user's home is looked up here when a container starts.
            .text("etc/passwd", "nobody:x:65534:65534:nobody:/:/sbin/nologin\n")?
            .file(&format!("usr/local/bin/{name}"), &binary)?
            .finish()?;
        archive = archive.image(&Image {
            reference: reference(controller),
            config: json!({
                "Entrypoint": [format!("/usr/local/bin/{name}")],
                "Env": ["PATH=/usr/local/bin", "GNUPGHOME=/tmp"],
                // The manifests' `runAsNonRoot` wants a number.
                "User": "65534:65534",
            }),
            layer,
        })?;
        fs_err::remove_file(binary)?;
    }
    archive.finish()
}

pub(crate) fn components(build: &Build<'_>) -> Result<(), ArtifactError> {
    Program { module: "gotk", package: ".", tags: "", stamps: &[], output: "gotk" }.build(build)?;
    let program = build.directory.join("gotk");
    let output = build.directory.join(COMPONENTS);
    let flux = golang::fetched(build, "gotk", &format!("github.com/fluxcd/flux2/v2@v{VERSION}"))?;
    let mut command = Command::new(&program);
    command.arg("-flux").arg(flux).arg("-output").arg(&output);
    command.args(["-version", &format!("v{VERSION}")]);
    for (name, version) in CONTROLLERS {
        let module = format!("github.com/fluxcd/{name}@v{version}");
        command.arg(format!("{name}={}", golang::fetched(build, "flux", &module)?));
    }
    build.run(&mut command, "it is built by this very recipe")?;
    fs_err::remove_file(program)?;
    let text = fs_err::read_to_string(&output)?;
    match missing_image(&text) {
        None => Ok(()),
        Some(reference) => Err(ArtifactError::Content {
            artifact: build.name(),
            reason: format!("{COMPONENTS} asks for no image {reference}, which the lab builds"),
        }),
    }
}

/// An image of ours that the manifests don't ask for: their pods would wait for another one for ever.
fn missing_image(manifests: &str) -> Option<String> {
    let asked: Vec<&str> =
        manifests.lines().filter_map(|line| line.trim().strip_prefix("image: ")).collect();
    CONTROLLERS.map(reference).into_iter().find(|reference| !asked.contains(&reference.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modules_pin_the_versions_that_the_images_are_named_by() {
        let text = |name| fs_err::read_to_string(golang::module(name).join("go.mod")).unwrap();
        let (flux, gotk) = (text("flux"), text("gotk"));
        for (name, version) in CONTROLLERS {
            assert!(flux.contains(&format!("\tgithub.com/fluxcd/{name} v{version}\n")), "{name}");
        }
        assert!(gotk.contains(&format!("github.com/fluxcd/flux2/v2 v{VERSION}\n")), "{gotk}");
    }

    #[test]
    fn manifests_that_ask_for_another_version_are_refused() {
        let mut manifests: String = CONTROLLERS
            .map(|controller| format!("        image: {}\n", reference(controller)))
            .concat();
        assert_eq!(missing_image(&manifests), None);
        manifests = manifests.replace("helm-controller:v1.6.3", "helm-controller:v1.6.30");
        assert_eq!(
            missing_image(&manifests).as_deref(),
            Some("ghcr.io/fluxcd/helm-controller:v1.6.3")
        );
    }
}
