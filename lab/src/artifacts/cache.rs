//! The cache: one directory an artifact, complete or absent.

use std::{
    fs::File,
    io::Read,
    process::{Command, Stdio},
    time::Instant,
};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Artifact, ArtifactError, Name, progress::Progress, recipe::Recipe, recipes, release};

/// Written last: a directory without it is the rest of a build that died.
const RECEIPT: &str = "receipt.json";

#[derive(Serialize, Deserialize)]
struct Receipt {
    file: String,
    sha256: String,
    seconds: u64,
}

/// The artifacts of this user, below `$XDG_CACHE_HOME/homelab-lab/artifacts`.
#[derive(Clone, Debug)]
pub struct Cache {
    root: Utf8PathBuf,
}

/// A build under way: where its files go, where its output goes.
pub(crate) struct Build<'a> {
    pub(crate) cache: &'a Cache,
    pub(crate) recipe: &'a Recipe,
    /// Becomes the artifact's directory when the recipe has succeeded.
    pub(crate) directory: Utf8PathBuf,
    log: Utf8PathBuf,
    progress: &'a Progress,
}

impl Cache {
    /// # Errors
    /// When neither `XDG_CACHE_HOME` nor `HOME` is set.
    pub fn open() -> Result<Self, ArtifactError> {
        let base = match (std::env::var("XDG_CACHE_HOME"), std::env::var("HOME")) {
            (Ok(cache), _) if !cache.is_empty() => Utf8PathBuf::from(cache),
            (_, Ok(home)) if !home.is_empty() => Utf8PathBuf::from(home).join(".cache"),
            _ => return Err(ArtifactError::NoCacheDirectory),
        };
        Ok(Self::at(base.join("homelab-lab/artifacts")))
    }

    /// A cache in a directory of the caller's choice, created when first needed.
    pub fn at(root: Utf8PathBuf) -> Self {
        Self { root }
    }

    /// The artifact if it is there and whole, without building anything.
    ///
    /// # Errors
    /// When the cache or the recipe's sources can't be read.
    pub fn look(&self, name: Name) -> Result<Option<Artifact>, ArtifactError> {
        let recipe = recipes::recipe(name);
        self.read(&recipe, &self.root.join(recipe.key()?))
    }

    /// See [`super::ensure`].
    ///
    /// # Errors
    /// See [`super::ensure`].
    pub fn ensure(&self, name: Name) -> Result<Artifact, ArtifactError> {
        if let Some(given) = release::instead_of_building(self, name)? {
            return Ok(given);
        }
        let recipe = recipes::recipe(name);
        let key = recipe.key()?;
        let place = self.root.join(&key);
        if let Some(found) = self.read(&recipe, &place)? {
            return Ok(found);
        }
        fs_err::create_dir_all(&self.root)?;
        let lock = File::create(self.root.join(format!("{key}.lock")))?;
        lock.lock()?;
        // Another process may have built it while this one waited for the lock.
        if let Some(found) = self.read(&recipe, &place)? {
            return Ok(found);
        }
        self.build(&recipe, &key, &place)?;
        let built = self.read(&recipe, &place)?.ok_or_else(|| ArtifactError::Content {
            artifact: key,
            reason: "was built and is not whole; is the disk full?".into(),
        })?;
        Ok(Artifact { hit: false, ..built })
    }

    fn build(&self, recipe: &Recipe, key: &str, place: &Utf8Path) -> Result<(), ArtifactError> {
        let staging = self.root.join(format!("{key}.part"));
        for stale in [staging.as_path(), place] {
            if stale.exists() {
                fs_err::remove_dir_all(stale)?;
            }
        }
        fs_err::create_dir_all(&staging)?;
        let begun = Instant::now();
        let progress = Progress::begin(recipe.name, &recipe.version, recipe.estimate);
        let build = Build {
            cache: self,
            recipe,
            directory: staging.clone(),
            log: self.root.join(format!("{key}.log")),
            progress: &progress,
        };
        File::create(&build.log)?;
        (recipe.method)(&build)?;
        let receipt = Receipt {
            file: recipe.file.clone(),
            sha256: sha256_of(&staging.join(&recipe.file))?,
            seconds: begun.elapsed().as_secs(),
        };
        let text = serde_json::to_vec_pretty(&receipt).expect("plain strings and a number");
        fs_err::write(staging.join(RECEIPT), text)?;
        fs_err::rename(&staging, place)?;
        progress.done(place);
        Ok(())
    }

    /// An artifact whose bytes no longer match its receipt counts as absent and is built again.
    fn read(&self, recipe: &Recipe, place: &Utf8Path) -> Result<Option<Artifact>, ArtifactError> {
        let Ok(text) = fs_err::read(place.join(RECEIPT)) else { return Ok(None) };
        let Ok(receipt) = serde_json::from_slice::<Receipt>(&text) else { return Ok(None) };
        let path = place.join(&receipt.file);
        if receipt.file != recipe.file || !path.is_file() || sha256_of(&path)? != receipt.sha256 {
            return Ok(None);
        }
        Ok(Some(Artifact {
            name: recipe.name,
            version: recipe.version.clone(),
            path,
            sha256: receipt.sha256,
            hit: true,
        }))
    }

    pub(crate) fn root(&self) -> &Utf8Path {
        &self.root
    }
}

impl Build<'_> {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.recipe.name, self.recipe.version)
    }

    /// Runs a tool, its output in the artifact's log, a line of it now and then as progress.
    pub(crate) fn run(&self, command: &mut Command, remedy: &str) -> Result<(), ArtifactError> {
        let shown = format!("{command:?}");
        let log = fs_err::OpenOptions::new().append(true).open(&self.log)?.into_parts().0;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let mut child = match child {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ArtifactError::MissingProgram {
                    program: command.get_program().to_string_lossy().into_owned(),
                    artifact: self.name(),
                    remedy: remedy.to_owned(),
                });
            }
            other => other?,
        };
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            self.progress.tick(&self.log);
            #[expect(clippy::disallowed_methods, reason = "the pause between two looks")]
            std::thread::sleep(super::progress::INTERVAL);
        };
        if status.success() {
            return Ok(());
        }
        Err(ArtifactError::Build {
            artifact: self.name(),
            command: shown,
            status: status.to_string(),
            log: self.log.clone(),
            tail: tail(&self.log)?,
        })
    }
}

fn tail(log: &Utf8Path) -> Result<String, ArtifactError> {
    let text = fs_err::read(log)?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(20)..].join("\n"))
}

/// The sha256 of a file in lower-case hex.
///
/// # Errors
/// When the file can't be read.
pub(crate) fn sha256_of(path: &Utf8Path) -> Result<String, ArtifactError> {
    let mut file = fs_err::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    use super::*;

    static BUILDS: AtomicU32 = AtomicU32::new(0);

    fn cache() -> (tempfile::TempDir, Cache) {
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(directory.path().to_owned()).unwrap();
        (directory, Cache::at(root))
    }

    fn recipe(method: fn(&Build<'_>) -> Result<(), ArtifactError>) -> Recipe {
        Recipe {
            name: Name::Pause,
            version: "1".into(),
            file: "pause".into(),
            ingredients: Vec::new(),
            estimate: Duration::ZERO,
            method,
        }
    }

    #[test]
    fn an_altered_artifact_is_no_hit() {
        let (_keep, cache) = cache();
        let recipe = recipe(|build| {
            BUILDS.fetch_add(1, Ordering::Relaxed);
            Ok(fs_err::write(build.directory.join("pause"), "bytes")?)
        });
        let place = cache.root().join("pause-1-0");
        cache.build(&recipe, "pause-1-0", &place).unwrap();
        assert_eq!(BUILDS.load(Ordering::Relaxed), 1);
        let found = cache.read(&recipe, &place).unwrap().unwrap();
        assert_eq!(found.sha256, sha256_of(&place.join("pause")).unwrap());

        fs_err::write(place.join("pause"), "other").unwrap();
        assert!(cache.read(&recipe, &place).unwrap().is_none());
    }

    #[test]
    fn a_build_that_fails_leaves_no_artifact_and_shows_the_end_of_its_log() {
        let (_keep, cache) = cache();
        let recipe = recipe(|build| {
            fs_err::write(build.directory.join("pause"), "half")?;
            build.run(Command::new("sh").args(["-c", "echo the reason >&2; exit 3"]), "")
        });
        let place = cache.root().join("pause-1-1");
        let error = cache.build(&recipe, "pause-1-1", &place).unwrap_err().to_string();
        assert!(error.contains("the reason"), "{error}");
        assert!(cache.read(&recipe, &place).unwrap().is_none());
    }

    #[test]
    fn a_missing_tool_is_named_with_what_to_do() {
        let (_keep, cache) = cache();
        let recipe =
            recipe(|build| build.run(&mut Command::new("no-such-tool-anywhere"), "build it first"));
        let error = cache.build(&recipe, "pause-1-2", &cache.root().join("pause-1-2")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("no-such-tool-anywhere") && text.contains("build it first"),
            "{text}"
        );
    }
}
