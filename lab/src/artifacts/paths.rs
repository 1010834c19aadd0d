//! What the public path runs through in a cluster, as images: cloudflared's stand-in, Traefik, an app.
//!
//! They bear the names and versions that the rendered tree asks for, so the tree is applied as it is.

use serde_json::json;

use super::{
    Artifact, ArtifactError, Name,
    archive::{DockerArchive, Image, Layer},
    cache::Build,
    golang::Program,
    images::busybox,
    recipe::Ingredient,
    recipes::sources,
    traefik,
};

pub(crate) const IMAGES: &str = "path-images-amd64.tar";
/// Rises when what is in an image changes without its binary changing.
const LAYOUT: &str = "layout 1";
/// The version that the product pins for an image that something here stands in for.
const CLOUDFLARED: &str = "2026.8.2";
const JELLYFIN: &str = "10.11.10";
const PASSWD: &str =
    "root:x:0:0:root:/root:/bin/sh\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n";

/// The images of the rendered tree that something here stands in for, with the versions that are here.
pub(crate) const PINNED: [(&str, &str); 2] =
    [("cloudflare/cloudflared", CLOUDFLARED), ("jellyfin/jellyfin", JELLYFIN)];

pub(crate) fn ingredients() -> Vec<Ingredient> {
    vec![
        Ingredient::Text([LAYOUT, CLOUDFLARED, JELLYFIN, PASSWD].join("\n")),
        sources("paths"),
        Ingredient::Part(Name::Traefik),
        Ingredient::Part(Name::Debian),
    ]
}

/// The edge: a program of the lab's gateway.
pub(crate) fn edge(build: &Build<'_>) -> Result<(), ArtifactError> {
    program("./cmd/edge", "edge", &[]).build(build)
}

fn program<'a>(package: &'a str, output: &'a str, stamps: &'a [String]) -> Program<'a> {
    Program { module: "paths", package, tags: "osusergo,netgo", stamps, output }
}

pub(crate) fn images(build: &Build<'_>) -> Result<(), ArtifactError> {
    program("./cmd/cloudflared", "cloudflared", &[format!("main.Version={CLOUDFLARED}")])
        .build(build)?;
    program("./cmd/app", "app", &[]).build(build)?;
    let file = fs_err::File::create(build.directory.join(IMAGES))?;
    DockerArchive::new(std::io::BufWriter::new(file))
        .image(&cloudflared(build)?)?
        .image(&jellyfin(build)?)?
        .image(&traefik(&build.cache.ensure(Name::Traefik)?)?)?
        .finish()?;
    for rest in ["cloudflared", "app"] {
        fs_err::remove_file(build.directory.join(rest))?;
    }
    Ok(())
}

fn cloudflared(build: &Build<'_>) -> Result<Image, ArtifactError> {
    Ok(Image {
        reference: format!("docker.io/cloudflare/cloudflared:{CLOUDFLARED}"),
        config: json!({
            "Entrypoint": ["/usr/local/bin/cloudflared", "--no-autoupdate"],
            "Env": ["PATH=/usr/local/bin"],
            "User": "65532:65532",
        }),
        layer: Layer::new()
            .text("etc/passwd", PASSWD)?
            .file("usr/local/bin/cloudflared", &build.directory.join("cloudflared"))?
            .finish()?,
    })
}

/// With a shell: its Deployment's first container copies a file.
fn jellyfin(build: &Build<'_>) -> Result<Image, ArtifactError> {
    let mut layer = busybox(&build.cache.ensure(Name::Debian)?)?;
    for directory in ["config/", "cache/", "media/", "jellyfin/"] {
        layer = layer.directory(directory)?;
    }
    Ok(Image {
        reference: format!("docker.io/jellyfin/jellyfin:{JELLYFIN}"),
        config: json!({
            "Entrypoint": ["/jellyfin/jellyfin"],
            "Env": ["PATH=/bin"],
        }),
        layer: layer.file("jellyfin/jellyfin", &build.directory.join("app"))?.finish()?,
    })
}

fn traefik(built: &Artifact) -> Result<Image, ArtifactError> {
    let kinds = fs_err::read_to_string(built.path.with_file_name(traefik::KINDS))?;
    let installer = built.path.with_file_name(traefik::INSTALLER);
    Ok(Image {
        reference: format!("lab.local/traefik:{}", traefik::VERSION),
        config: json!({"Entrypoint": ["/traefik"], "User": "65532:65532"}),
        layer: Layer::new()
            .directory("tmp/")?
            .text("etc/passwd", PASSWD)?
            .file("traefik", &built.path)?
            .file(traefik::INSTALLER, &installer)?
            .text(traefik::KINDS, &kinds)?
            .finish()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_have_the_versions_that_the_product_pins() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/inventory/versions.rs");
        let pins = fs_err::read_to_string(file).unwrap();
        for (name, version) in
            [("cloudflare/cloudflared", CLOUDFLARED), ("jellyfin/jellyfin", JELLYFIN)]
        {
            assert!(pins.contains(&format!("Image \"{name}\" \"{version}\"")), "{name} {version}");
        }
    }

    #[test]
    fn the_images_have_the_names_that_the_rendered_manifests_ask_for() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../templates/gitops");
        for name in ["cloudflare/cloudflared", "jellyfin/jellyfin"] {
            let app = name.rsplit('/').next().unwrap();
            let text = fs_err::read_to_string(format!("{folder}/{app}/deployment.yaml")).unwrap();
            assert!(text.contains(&format!("docker.io/{name}:<{{ version }}>")), "{name}");
        }
    }
}
