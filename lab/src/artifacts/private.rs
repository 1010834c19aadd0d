//! The private path: a stand-in for Tailscale's operator, and the proxies that it makes, with real Tailscale.

use std::io::Read;

use serde_json::json;

use super::{
    Artifact, ArtifactError, Name,
    archive::{DockerArchive, Image, Layer},
    cache::Build,
    golang::{self, Program},
    recipe::Ingredient,
    recipes::sources,
    tailscale,
};

pub(crate) const IMAGES: &str = "private-images-amd64.tar";
/// Rises when what is in an image changes without its binary changing.
const LAYOUT: &str = "layout 1";
/// Named by the chart `lab/charts/tailscale-operator`.
pub(crate) const OPERATOR: &str = "lab.local/tailscale-operator:1";
pub(crate) const PROXY: &str = "lab.local/tailscale:1";
const PASSWD: &str =
    "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n";

/// Runs tailscaled in a container, as in Tailscale's own image.
fn containerboot() -> String {
    format!("tailscale.com/cmd/containerboot@v{}", tailscale::VERSION)
}

pub(crate) fn ingredients() -> Vec<Ingredient> {
    vec![
        Ingredient::Text([LAYOUT, OPERATOR, PROXY, PASSWD, &containerboot()].join("\n")),
        sources("private"),
        Ingredient::Part(Name::Tailscale),
    ]
}

pub(crate) fn images(build: &Build<'_>) -> Result<(), ArtifactError> {
    golang::install(build, &[containerboot()], tailscale::GO, &tailscale::stamps())?;
    for (package, output) in [("./cmd/operator", "operator"), ("./cmd/front", "front")] {
        Program { module: "private", package, tags: "osusergo,netgo", stamps: &[], output }
            .build(build)?;
    }
    let file = fs_err::File::create(build.directory.join(IMAGES))?;
    DockerArchive::new(std::io::BufWriter::new(file))
        .image(&operator(build)?)?
        .image(&proxy(build, &build.cache.ensure(Name::Tailscale)?)?)?
        .finish()?;
    for rest in ["containerboot", "operator", "front"] {
        fs_err::remove_file(build.directory.join(rest))?;
    }
    Ok(())
}

fn operator(build: &Build<'_>) -> Result<Image, ArtifactError> {
    Ok(Image {
        reference: OPERATOR.into(),
        config: json!({
            "Entrypoint": ["/usr/local/bin/operator"],
            "Env": ["PATH=/usr/local/bin"],
            "User": "65532:65532",
        }),
        layer: Layer::new()
            .text("etc/passwd", PASSWD)?
            .file("usr/local/bin/operator", &build.directory.join("operator"))?
            .finish()?,
    })
}

fn proxy(build: &Build<'_>, tailscale: &Artifact) -> Result<Image, ArtifactError> {
    let mut layer = Layer::new().directory("tmp/")?.text("etc/passwd", PASSWD)?;
    let packed = flate2::read::GzDecoder::new(fs_err::File::open(&tailscale.path)?);
    for entry in tar::Archive::new(packed).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.file_name().map(|name| name.to_string_lossy().into_owned());
        if let Some(name @ ("tailscale" | "tailscaled")) = name.as_deref() {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            layer = layer.bytes(&format!("usr/local/bin/{name}"), &bytes, 0o755)?;
        }
    }
    for name in ["containerboot", "front"] {
        layer = layer.file(&format!("usr/local/bin/{name}"), &build.directory.join(name))?;
    }
    Ok(Image {
        reference: PROXY.into(),
        config: json!({
            "Entrypoint": ["/usr/local/bin/containerboot"],
            "Env": ["PATH=/usr/local/bin"],
        }),
        layer: layer.finish()?,
    })
}
