//! Images of what the lab's charts run: one Go program of `lab/go` each, in one air-gap archive.

use serde_json::json;

use super::{
    ArtifactError,
    archive::{DockerArchive, Image, Layer},
    cache::Build,
    golang::Program,
    recipe::Ingredient,
    recipes::sources,
};

pub(crate) const FILE: &str = "app-images-amd64.tar";
/// Rises when what is in an image changes without its binary changing.
pub(crate) const LAYOUT: &str = "layout 1";

/// An image that holds a binary, a `passwd`, and nothing else.
pub(crate) struct AppImage {
    /// What charts ask for. A name of `lab.local` is on no registry.
    pub(crate) reference: &'static str,
    /// Below `lab/go`.
    pub(crate) module: &'static str,
    /// An import path, or `.`.
    pub(crate) package: &'static str,
    /// The binary's name below `/usr/local/bin`: the image's entry point.
    pub(crate) binary: &'static str,
    /// `uid:gid`.
    pub(crate) user: &'static str,
}

/// Every image of the lab's charts.
pub(crate) const IMAGES: &[AppImage] = &[
    AppImage {
        reference: "lab.local/longhorn:1",
        module: "longhorn",
        package: ".",
        binary: "longhorn",
        // It mounts, and writes what the pods of any user wrote.
        user: "0:0",
    },
    AppImage {
        reference: "lab.local/outpost:1",
        module: "paths",
        package: "./cmd/outpost",
        binary: "outpost",
        user: "65532:65532",
    },
];

pub(crate) fn ingredients() -> Vec<Ingredient> {
    let mut ingredients = vec![Ingredient::Text(LAYOUT.into())];
    for AppImage { reference, module, package, binary, user } in IMAGES {
        ingredients
            .push(Ingredient::Text([reference, package, binary, user].map(|s| *s).join("\n")));
        ingredients.push(sources(module));
    }
    ingredients
}

pub(crate) fn make(build: &Build<'_>) -> Result<(), ArtifactError> {
    let file = fs_err::File::create(build.directory.join(FILE))?;
    let mut archive = DockerArchive::new(std::io::BufWriter::new(file));
    for image in IMAGES {
        Program {
            module: image.module,
            package: image.package,
            tags: "osusergo,netgo",
            stamps: &[],
            output: image.binary,
        }
        .build(build)?;
        let binary = build.directory.join(image.binary);
        let passwd =
            "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n";
        let mut layer = Layer::new();
        for directory in ["etc/", "tmp/", "proc/", "sys/", "dev/", "usr/local/bin/"] {
            layer = layer.directory(directory)?;
        }
        let layer = layer
            .text("etc/passwd", passwd)?
            .file(&format!("usr/local/bin/{}", image.binary), &binary)?
            .finish()?;
        archive = archive.image(&Image {
            reference: image.reference.into(),
            config: json!({
                "Entrypoint": [format!("/usr/local/bin/{}", image.binary)],
                "Env": ["PATH=/usr/local/bin"],
                "User": image.user,
            }),
            layer,
        })?;
        fs_err::remove_file(binary)?;
    }
    archive.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::charts::CHARTS;

    #[test]
    fn every_image_that_a_chart_asks_for_is_made() {
        let charts = camino::Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("charts");
        for chart in CHARTS {
            for file in crate::artifacts::recipe::files_below(&charts.join(chart.folder)).unwrap() {
                let text = fs_err::read_to_string(&file).unwrap();
                let asked = text.split('"').filter(|word| word.starts_with("lab.local/"));
                for reference in asked.chain(text.lines().filter_map(|line| {
                    line.trim().strip_prefix("image: ").filter(|word| word.starts_with("lab."))
                })) {
                    let ours = IMAGES.iter().map(|image| image.reference);
                    // In the archive of every lab.
                    let all = ours.chain([
                        "lab.local/busybox:1",
                        "lab.local/pause:1",
                        crate::artifacts::private::OPERATOR,
                        crate::artifacts::private::PROXY,
                    ]);
                    assert!(all.into_iter().any(|one| one == reference), "{file}: {reference}");
                }
            }
        }
    }
}
