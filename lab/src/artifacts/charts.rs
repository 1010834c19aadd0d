//! The lab's Helm repository: charts of stand-ins, under the names and versions that the product pins.
//!
//! A chart is a folder of `lab/charts` and a row of [`CHARTS`]; its images are rows of
//! [`super::apps::IMAGES`]. The mirror serves what is made here below `charts/`.

use std::io::Write;

use camino::{Utf8Path, Utf8PathBuf};
use flate2::{Compression, write::GzEncoder};
use serde_json::json;

use super::{
    ArtifactError,
    archive::Layer,
    cache::{Build, sha256_of},
    custom_resources::{self, CustomResource},
    recipe::{Ingredient, files_below},
};

/// What lists the charts of a Helm repository.
pub(crate) const INDEX: &str = "index.yaml";
/// Rises when the packaging changes without a chart's files changing.
pub(crate) const LAYOUT: &str = "layout 1";

/// A chart of the lab.
pub(crate) struct Chart {
    pub(crate) name: &'static str,
    /// The one that the product pins for the chart that this one stands in for.
    pub(crate) version: &'static str,
    /// Below `lab/charts`.
    pub(crate) folder: &'static str,
    /// The kinds that come with it, into its folder `crds`.
    pub(crate) kinds: &'static [CustomResource],
}

/// Every chart that the lab serves.
pub(crate) const CHARTS: &[Chart] = &[
    Chart {
        name: "longhorn",
        version: "1.12.1",
        folder: "longhorn",
        kinds: custom_resources::LONGHORN,
    },
    Chart {
        name: "tailscale-operator",
        version: "1.102.3",
        folder: "tailscale-operator",
        kinds: custom_resources::TAILSCALE,
    },
];

impl Chart {
    fn path(&self) -> Utf8PathBuf {
        Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("charts").join(self.folder)
    }

    fn file(&self) -> String {
        format!("{}-{}.tgz", self.name, self.version)
    }

    fn package(&self) -> Result<Vec<u8>, ArtifactError> {
        let root = self.path();
        let mut layer = Layer::new();
        for path in files_below(&root)? {
            let relative = path.strip_prefix(&root).expect("found below the root");
            let bytes = fs_err::read(&path)?;
            layer = layer.bytes(&format!("{}/{relative}", self.name), &bytes, 0o644)?;
        }
        for kind in self.kinds {
            let (name, text) = kind.manifest()?;
            layer = layer.text(&format!("{}/crds/{name}", self.name), &text)?;
        }
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(&layer.finish()?)?;
        Ok(packed.finish()?)
    }
}

/// Whatever could change a byte of the repository.
pub(crate) fn ingredients() -> Vec<Ingredient> {
    let mut ingredients = vec![Ingredient::Text(LAYOUT.into())];
    for chart in CHARTS {
        ingredients.push(Ingredient::Text(chart.file()));
        ingredients.push(Ingredient::Tree(chart.path()));
        ingredients.extend(chart.kinds.iter().map(CustomResource::ingredient));
    }
    ingredients
}

pub(crate) fn make(build: &Build<'_>) -> Result<(), ArtifactError> {
    let mut entries = serde_json::Map::new();
    for chart in CHARTS {
        let path = build.directory.join(chart.file());
        fs_err::write(&path, chart.package()?)?;
        let entry = json!([{
            "apiVersion": "v2",
            "name": chart.name,
            "version": chart.version,
            "description": format!("A stand-in of the lab for {}", chart.name),
            // Beside the index: whoever serves it needs no name of its own.
            "urls": [chart.file()],
            "digest": sha256_of(&path)?,
            "created": "2026-01-01T00:00:00Z",
        }]);
        entries.insert(chart.name.to_owned(), entry);
    }
    let index = json!({
        "apiVersion": "v1",
        "entries": entries,
        "generated": "2026-01-01T00:00:00Z",
    });
    // JSON is YAML.
    let text = serde_json::to_vec_pretty(&index).expect("plain JSON");
    Ok(fs_err::write(build.directory.join(INDEX), text)?)
}

/// The files of the repository: the index that `path` names, and the charts beside it.
///
/// # Errors
/// When their folder can't be read.
pub(crate) fn files(index: &Utf8Path) -> Result<Vec<Utf8PathBuf>, ArtifactError> {
    let mut files = vec![index.to_owned()];
    files.extend(CHARTS.iter().map(|chart| index.with_file_name(chart.file())));
    match files.iter().find(|file| !file.is_file()) {
        None => Ok(files),
        Some(missing) => Err(ArtifactError::Content {
            artifact: "charts".into(),
            reason: format!("{missing} is not there: delete its folder, and it is made anew"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn each_chart_says_its_name_its_version_and_that_it_is_a_stand_in() {
        for chart in CHARTS {
            let text = fs_err::read_to_string(chart.path().join("Chart.yaml")).unwrap();
            let says = |line: &str| assert!(text.contains(line), "{}: {line}", chart.name);
            says(&format!("name: {}\n", chart.name));
            says(&format!("version: {}\n", chart.version));
            says("stand-in");
        }
    }

    #[test]
    fn each_chart_has_the_version_that_the_product_pins() {
        let file = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/inventory/versions.rs");
        let pins = fs_err::read_to_string(file).unwrap();
        for Chart { name, version, .. } in CHARTS {
            let row = pins.contains(&format!("Chart \"{name}\" \"{version}\""));
            let constant =
                pins.split_once(&format!("name: \"{name}\"")).is_some_and(|(_, rest)| {
                    rest.split_once("field:")
                        .unwrap()
                        .0
                        .contains(&format!("default: \"{version}\""))
                });
            assert!(row || constant, "the product pins another version of {name} than {version}");
        }
    }

    #[test]
    fn a_package_holds_the_charts_files_and_its_kinds_below_its_name() {
        for chart in CHARTS {
            let packed = chart.package().unwrap();
            let mut names = Vec::new();
            let mut bytes = Vec::new();
            flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).unwrap();
            for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
                names.push(entry.unwrap().path().unwrap().to_string_lossy().into_owned());
            }
            assert!(names.contains(&format!("{}/Chart.yaml", chart.name)), "{names:?}");
            let kinds = names.iter().filter(|name| name.contains("/crds/")).count();
            assert_eq!(kinds, chart.kinds.len(), "{names:?}");
            assert_eq!(packed, chart.package().unwrap(), "two packages differ");
        }
    }
}
