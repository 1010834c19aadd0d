//! Traefik, which k3s brings: the binary, and the definitions of its kinds.
//!
//! Its certificates by ACME are left out together with every DNS provider's SDK: one of them is not to be
//! had as a module, and all of them are minutes of building for what the lab never asks for.

use camino::Utf8Path;

use super::{
    ArtifactError,
    cache::Build,
    golang::{self, Program},
    recipe::{Ingredient, files_below},
    recipes::sources,
};

/// `lab/go/traefik/go.mod` pins the same; a test compares.
pub(crate) const VERSION: &str = "3.7.13";
pub(crate) const FILE: &str = "traefik";
/// The program that applies the definitions, beside the binary.
pub(crate) const INSTALLER: &str = "install-kinds";
/// The definitions, beside the binary.
pub(crate) const KINDS: &str = "kinds.yaml";
/// The library for ACME that Traefik is built with.
const LEGO: (&str, &str) = ("github.com/go-acme/lego/v5", "v5.4.1");
/// Where that library's DNS providers are, and what stands there instead of them.
const PROVIDERS: &str = "providers/dns";
const NO_PROVIDERS: &str = r#"package dns

import (
	"fmt"

	"github.com/go-acme/lego/v5/challenge"
)

// NewDNSChallengeProviderByName has none to give.
func NewDNSChallengeProviderByName(name string) (challenge.Provider, error) {
	return nil, fmt.Errorf("the lab's build of Traefik has no DNS provider, and so not %s", name)
}
"#;

pub(crate) fn ingredients() -> Vec<Ingredient> {
    let text = [NO_PROVIDERS, LEGO.1, &stamps().concat()].join("\n");
    vec![sources("traefik"), Ingredient::Text(text)]
}

fn stamps() -> Vec<String> {
    vec![format!("github.com/traefik/traefik/v3/pkg/version.Version={VERSION}")]
}

pub(crate) fn make(build: &Build<'_>) -> Result<(), ArtifactError> {
    let lego = build.directory.join("lego");
    let published = golang::fetched(build, "traefik", &format!("{}@{}", LEGO.0, LEGO.1))?;
    without_providers(&published, &lego)?;
    let modules = build.directory.join("go.mod");
    let module = golang::module("traefik");
    let text = fs_err::read_to_string(module.join("go.mod"))?;
    fs_err::write(&modules, format!("{text}\nreplace {} => {lego}\n", LEGO.0))?;
    fs_err::copy(module.join("go.sum"), build.directory.join("go.sum"))?;
    let program =
        |package, output| Program { module: "traefik", package, tags: "", stamps: &[], output };
    Program { stamps: &stamps(), ..program("github.com/traefik/traefik/v3/cmd/traefik", FILE) }
        .build_with(build, &[&format!("-modfile={modules}")])?;
    program("./kinds", INSTALLER).build(build)?;
    let traefik = format!("github.com/traefik/traefik/v3@v{VERSION}");
    let kinds = golang::fetched(build, "traefik", &traefik)?
        .join("docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml");
    fs_err::write(build.directory.join(KINDS), fs_err::read(kinds)?)?;
    fs_err::remove_dir_all(lego)?;
    for rest in ["go.mod", "go.sum"] {
        fs_err::remove_file(build.directory.join(rest))?;
    }
    Ok(())
}

/// Copies the library, but for its DNS providers and its own commands.
fn without_providers(published: &Utf8Path, copy: &Utf8Path) -> Result<(), ArtifactError> {
    for file in files_below(published)? {
        let relative = file.strip_prefix(published).expect("found below it");
        if [PROVIDERS, "cmd", "e2e", "main.go"].iter().any(|left| relative.starts_with(left)) {
            continue;
        }
        let target = copy.join(relative);
        fs_err::create_dir_all(target.parent().expect("a file is in a folder"))?;
        // Written, not copied: Go's own files are read-only.
        fs_err::write(target, fs_err::read(&file)?)?;
    }
    let folder = copy.join(PROVIDERS);
    fs_err::create_dir_all(&folder)?;
    Ok(fs_err::write(folder.join("none.go"), NO_PROVIDERS)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_pins_what_is_built() {
        let text = fs_err::read_to_string(golang::module("traefik").join("go.mod")).unwrap();
        for line in [
            format!("github.com/traefik/traefik/v3 v{VERSION}"),
            format!("{} {} // indirect", LEGO.0, LEGO.1),
        ] {
            assert!(text.contains(&line), "{line}");
        }
    }

    #[test]
    fn the_copy_has_one_provider_file_and_no_command() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        let (published, copy) = (folder.join("published"), folder.join("copy"));
        for file in ["lego/client.go", "providers/dns/azure/azure.go", "cmd/x.go", "main.go"] {
            let file = published.join(file);
            fs_err::create_dir_all(file.parent().unwrap()).unwrap();
            fs_err::write(file, "package x").unwrap();
        }
        without_providers(&published, &copy).unwrap();
        let found = files_below(&copy).unwrap();
        let names: Vec<_> =
            found.iter().map(|file| file.strip_prefix(&copy).unwrap().as_str()).collect();
        assert_eq!(names, ["lego/client.go", "providers/dns/none.go"]);
    }
}
