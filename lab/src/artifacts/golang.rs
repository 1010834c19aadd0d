//! Builds with the Go toolchain: finding it, refusing one that is too old, calling it always alike.
//!
//! Modules are fetched by Go itself, checked against `go.sum` (or, for `go install`, the checksum
//! database), so a recipe's hash over `go.mod` and `go.sum` covers every line of source.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

use super::{ArtifactError, cache::Build};

const REMEDY: &str = "get Go from https://go.dev/dl/ and put its bin directory in PATH";

/// Below this repository's `lab/go`.
pub(crate) fn module(name: &str) -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(name)
}

/// One `go build` of a package in a module of ours.
pub(crate) struct Program<'a> {
    pub(crate) module: &'a str,
    /// An import path or `.`.
    pub(crate) package: &'a str,
    pub(crate) tags: &'a str,
    /// Values of string variables, `import/path.name=value`.
    pub(crate) stamps: &'a [String],
    /// The file's name in the artifact's directory.
    pub(crate) output: &'a str,
}

impl Program<'_> {
    pub(crate) fn build(&self, build: &Build<'_>) -> Result<(), ArtifactError> {
        self.build_with(build, &[])
    }

    /// With further arguments for `go build`.
    pub(crate) fn build_with(
        &self,
        build: &Build<'_>,
        further: &[&str],
    ) -> Result<(), ArtifactError> {
        let module = module(self.module);
        require(build, &wanted(&module)?)?;
        let mut command = go();
        command.current_dir(&module).args([
            "build",
            "-trimpath",
            "-ldflags",
            &link_flags(self.stamps),
        ]);
        if !self.tags.is_empty() {
            command.args(["-tags", self.tags]);
        }
        command.args(further);
        command.arg("-o").arg(build.directory.join(self.output)).arg(self.package);
        build.run(&mut command, REMEDY)
    }
}

/// `go install` of packages at a version, for modules whose commands may be installed so.
pub(crate) fn install(
    build: &Build<'_>,
    packages: &[String],
    wanted: &str,
    stamps: &[String],
) -> Result<(), ArtifactError> {
    require(build, wanted)?;
    let mut command = go();
    command.env("GOBIN", &build.directory);
    command.args(["install", "-trimpath", "-ldflags", &link_flags(stamps)]).args(packages);
    build.run(&mut command, REMEDY)
}

/// Where Go keeps a module's sources once it was fetched.
pub(crate) fn sources(
    build: &Build<'_>,
    module_at_version: &str,
) -> Result<Utf8PathBuf, ArtifactError> {
    let output = go().args(["env", "GOMODCACHE"]).output()?;
    let root = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let path = Utf8PathBuf::from(root).join(module_at_version);
    if path.is_dir() {
        return Ok(path);
    }
    Err(ArtifactError::Content {
        artifact: build.name(),
        reason: format!("Go built it, but its sources are not in {path}"),
    })
}

/// The sources of a module at a version, fetched if need be under the checksums of a module of ours.
pub(crate) fn fetched(
    build: &Build<'_>,
    checksums: &str,
    module_at_version: &str,
) -> Result<Utf8PathBuf, ArtifactError> {
    let output = go()
        .current_dir(module(checksums))
        .args(["mod", "download", "-json", module_at_version])
        .output()?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    match answer["Dir"].as_str() {
        Some(directory) => Ok(directory.into()),
        None => Err(ArtifactError::Content {
            artifact: build.name(),
            reason: format!(
                "Go did not fetch {module_at_version}: {}",
                answer["Error"]
                    .as_str()
                    .map_or_else(|| String::from_utf8_lossy(&output.stderr), Into::into)
                    .trim()
            ),
        }),
    }
}

fn go() -> Command {
    let mut command = Command::new("go");
    // Static binaries: they run in guests whose C library is older than the host's. Not nice'd by us:
    // a person waits for it.
    command.env("CGO_ENABLED", "0").env("GOFLAGS", "-buildvcs=false").env("GOWORK", "off");
    command
}

fn link_flags(stamps: &[String]) -> String {
    let mut flags = String::from("-s -w");
    for stamp in stamps {
        flags.push_str(" -X ");
        flags.push_str(stamp);
    }
    flags
}

/// The `go` line of a module.
fn wanted(module: &Utf8Path) -> Result<String, ArtifactError> {
    let text = fs_err::read_to_string(module.join("go.mod"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("go "));
    Ok(line.unwrap_or("1.24").trim().to_owned())
}

fn require(build: &Build<'_>, wanted: &str) -> Result<(), ArtifactError> {
    let output = match go().args(["env", "GOVERSION"]).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(ArtifactError::MissingProgram {
                program: format!("Go {wanted} or newer (`go`)"),
                artifact: build.name(),
                remedy: REMEDY.into(),
            });
        }
        Err(error) => return Err(error.into()),
    };
    let found = String::from_utf8_lossy(&output.stdout).trim().trim_start_matches("go").to_owned();
    if numbers(&found) >= numbers(wanted) {
        return Ok(());
    }
    Err(ArtifactError::OldGo { artifact: build.name(), wanted: wanted.to_owned(), found })
}

/// `1.26.8` as `[1, 26, 8]`; a suffix such as `rc1` counts as nothing.
fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map(|part| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().unwrap_or(0)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_versions_compare_by_number_and_not_by_letter() {
        assert!(numbers("1.26.8") >= numbers("1.26.6"));
        assert!(numbers("1.9") < numbers("1.26"));
        assert!(numbers("1.27rc1") >= numbers("1.26.6"));
        assert!(numbers("") < numbers("1.24"));
    }

    #[test]
    fn every_module_of_ours_says_which_go_it_wants() {
        for name in [
            "headscale",
            "coredns",
            "pause",
            "flux",
            "gotk",
            "versitygw",
            "longhorn",
            "traefik",
            "paths",
            "private",
        ] {
            let text = wanted(&module(name)).unwrap();
            assert!(numbers(&text) >= vec![1, 24], "{name}: {text}");
        }
    }
}
