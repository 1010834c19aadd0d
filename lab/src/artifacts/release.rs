//! A real k3s instead of the stand-in, wherever one can be had.
//!
//! `HOMELAB_LAB_K3S` decides: a path, a URL (with `HOMELAB_LAB_K3S_SHA256`), `release` for the
//! publisher's release of the pinned version, `stand-in`. Unset, the release is taken where it can be
//! reached, and then Go isn't needed for the cluster. The sha256 of a release is the publisher's own
//! (`sha256sum-amd64.txt`), never one that this repository made up.

use std::{
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    process::Command,
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};

use super::{Artifact, ArtifactError, Cache, Name, cache::sha256_of, standin};

const CHOICE: &str = "HOMELAB_LAB_K3S";
const CHOICE_SHA256: &str = "HOMELAB_LAB_K3S_SHA256";
/// Where releases lie; a mirror may be named instead.
const BASE: &str = "HOMELAB_LAB_K3S_RELEASES";
const PUBLISHER: &str = "https://github.com/k3s-io/k3s/releases/download";
/// A network that drops packets must not cost a minute at each start.
const PATIENCE: Duration = Duration::from_secs(4);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Automatic,
    StandIn,
    Release,
    Path(Utf8PathBuf),
    Url { url: String, sha256: String },
}

impl Choice {
    fn from_environment() -> Result<Self, ArtifactError> {
        Self::parse(std::env::var(CHOICE).ok(), std::env::var(CHOICE_SHA256).ok())
    }

    fn parse(choice: Option<String>, sha256: Option<String>) -> Result<Self, ArtifactError> {
        let Some(value) = choice.filter(|value| !value.is_empty()) else {
            return Ok(Self::Automatic);
        };
        match value.as_str() {
            "stand-in" => return Ok(Self::StandIn),
            "release" => return Ok(Self::Release),
            path if path.starts_with('/') => return Ok(Self::Path(path.into())),
            _ => {}
        }
        let wrong = |reason: &str| ArtifactError::Setting {
            variable: CHOICE,
            value: value.clone(),
            reason: reason.to_owned(),
        };
        if !value.starts_with("https://") && !value.starts_with("http://") {
            return Err(wrong("wanted an absolute path, a URL, `release` or `stand-in`"));
        }
        let sha256 = sha256.unwrap_or_default().to_ascii_lowercase();
        if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong("a URL needs HOMELAB_LAB_K3S_SHA256 with 64 hex digits beside it"));
        }
        Ok(Self::Url { url: value, sha256 })
    }
}

/// What takes the place of the recipe, if anything does.
pub(crate) fn instead_of_building(
    cache: &Cache,
    name: Name,
) -> Result<Option<Artifact>, ArtifactError> {
    let file = match name {
        Name::K3s => "k3s",
        Name::Images => "k3s-airgap-images-amd64.tar.zst",
        _ => return Ok(None),
    };
    match (Choice::from_environment()?, name) {
        (Choice::StandIn, _) => Ok(None),
        (Choice::Path(path), Name::K3s) => given(path, true).map(Some),
        (Choice::Url { url, sha256 }, Name::K3s) => {
            fetch(cache, name, "given", "k3s", &url, &sha256).map(Some)
        }
        // Beside a binary that was named, the lab's own images are what the tests run.
        (Choice::Path(_) | Choice::Url { .. }, _) => Ok(None),
        (Choice::Release, _) => Release::reach()?.fetch(cache, name, file).map(Some),
        (Choice::Automatic, _) => automatic(cache, name, file),
    }
}

fn automatic(cache: &Cache, name: Name, file: &str) -> Result<Option<Artifact>, ArtifactError> {
    // What was decided once stays decided: a cluster's binary must not change with the weather.
    if cache.look(Name::K3s)?.is_some() || Release::refused(cache) {
        return Ok(None);
    }
    match Release::reach() {
        Ok(release) => release.fetch(cache, name, file).map(Some),
        Err(error) => {
            crate::print::say(format_args!(
                "artifact k3s: the release can't be reached ({error}); building the stand-in"
            ));
            Release::refuse(cache)?;
            Ok(None)
        }
    }
}

/// The publisher's checksums of one version.
struct Release {
    base: String,
    sums: String,
}

impl Release {
    fn reach() -> Result<Self, ArtifactError> {
        let root = std::env::var(BASE).unwrap_or_else(|_| PUBLISHER.into());
        let base =
            format!("{}/{}", root.trim_end_matches('/'), standin::version().replace('+', "%2B"));
        let url = format!("{base}/sha256sum-amd64.txt");
        let mut sums = String::new();
        get(&url, Some(PATIENCE))?.read_to_string(&mut sums)?;
        Ok(Self { base, sums })
    }

    fn fetch(&self, cache: &Cache, name: Name, file: &str) -> Result<Artifact, ArtifactError> {
        let url = format!("{}/{file}", self.base);
        let sha256 = sum_of(&self.sums, file).ok_or_else(|| ArtifactError::Download {
            url: format!("{}/sha256sum-amd64.txt", self.base),
            reason: format!("lists no {file}"),
        })?;
        fetch(cache, name, &standin::version(), file, &url, sha256)
    }

    /// Remembered for an hour: a start must not wait for the same timeout for each artifact.
    fn refused(cache: &Cache) -> bool {
        let age = fs_err::metadata(Self::note(cache)).and_then(|note| note.modified()).ok();
        age.and_then(|time| time.elapsed().ok()).is_some_and(|age| age < Duration::from_secs(3600))
    }

    fn refuse(cache: &Cache) -> Result<(), ArtifactError> {
        fs_err::create_dir_all(cache.root())?;
        Ok(fs_err::write(Self::note(cache), "the release of k3s could not be reached\n")?)
    }

    fn note(cache: &Cache) -> Utf8PathBuf {
        cache.root().join("k3s-release-unreachable")
    }
}

/// The line of `sha256sum`'s format that names the file.
fn sum_of<'a>(sums: &'a str, file: &str) -> Option<&'a str> {
    sums.lines().find_map(|line| {
        let (sum, name) = line.split_once(char::is_whitespace)?;
        (name.trim_start_matches([' ', '*']) == file && sum.len() == 64).then_some(sum)
    })
}

fn fetch(
    cache: &Cache,
    name: Name,
    version: &str,
    file: &str,
    url: &str,
    sha256: &str,
) -> Result<Artifact, ArtifactError> {
    let directory = cache.root().join(format!("{name}-{version}-{}", &sha256[..16]));
    let path = directory.join(file);
    let hit = path.is_file() && sha256_of(&path)? == sha256;
    if !hit {
        fs_err::create_dir_all(&directory)?;
        let partial = directory.join(format!("{file}.part"));
        download(url, &partial)?;
        let found = sha256_of(&partial)?;
        if found != sha256 {
            fs_err::remove_file(&partial)?;
            return Err(ArtifactError::WrongHash {
                artifact: name.to_string(),
                file: url.to_owned(),
                wanted: sha256.to_owned(),
                found,
            });
        }
        fs_err::set_permissions(&partial, std::fs::Permissions::from_mode(0o755))?;
        fs_err::rename(&partial, &path)?;
    }
    let artifact = match name {
        Name::K3s => given(path, hit)?,
        _ => Artifact { name, version: version.to_owned(), sha256: sha256.to_owned(), path, hit },
    };
    Ok(artifact)
}

/// A binary says itself which version it is.
fn given(path: Utf8PathBuf, hit: bool) -> Result<Artifact, ArtifactError> {
    let sha256 = sha256_of(&path)?;
    let output =
        Command::new(&path).arg("--version").output().map_err(|error| ArtifactError::Setting {
            variable: CHOICE,
            value: path.to_string(),
            reason: format!("`{path} --version` does not run: {error}"),
        })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = version_in(&text).ok_or_else(|| ArtifactError::Setting {
        variable: CHOICE,
        value: path.to_string(),
        reason: format!("`{path} --version` prints no `k3s version v...`: {text:?}"),
    })?;
    Ok(Artifact { name: Name::K3s, version: version.to_owned(), path, sha256, hit })
}

fn version_in(text: &str) -> Option<&str> {
    text.lines().next()?.strip_prefix("k3s version ")?.split_whitespace().next()
}

fn download(url: &str, path: &Utf8Path) -> Result<(), ArtifactError> {
    let mut body = get(url, None)?;
    let mut file = fs_err::File::create(path)?;
    std::io::copy(&mut body, &mut file)?;
    Ok(file.flush()?)
}

fn get(
    url: &str,
    patience: Option<Duration>,
) -> Result<reqwest::blocking::Response, ArtifactError> {
    // An error means that another part of the program has chosen a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let wrong = |error: reqwest::Error| ArtifactError::Download {
        url: url.to_owned(),
        reason: error_chain(&error),
    };
    let client = reqwest::blocking::Client::builder()
        .connect_timeout(PATIENCE)
        .timeout(patience)
        .build()
        .map_err(wrong)?;
    client.get(url).send().and_then(reqwest::blocking::Response::error_for_status).map_err(wrong)
}

/// reqwest's own text leaves out the cause.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
