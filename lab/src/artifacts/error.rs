//! What can go wrong while an artifact is made, said so that the next thing to do is in the text.

use camino::Utf8PathBuf;

/// Why an artifact could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error("no cache directory: neither XDG_CACHE_HOME nor HOME is set; set one of them")]
    NoCacheDirectory,

    #[error("{program} is needed to make {artifact} and is not in PATH; {remedy}")]
    MissingProgram { program: String, artifact: String, remedy: String },

    #[error(
        "{artifact} needs Go {wanted} or newer, this one is {found}; \
         install a newer Go from https://go.dev/dl/ and put its bin directory first in PATH"
    )]
    OldGo { artifact: String, wanted: String, found: String },

    #[error("{artifact}: `{command}` failed ({status}); whole log: {log}\n{tail}")]
    Build { artifact: String, command: String, status: String, log: Utf8PathBuf, tail: String },

    #[error("{artifact}: {file} has sha256 {found}, wanted {wanted}; nothing was kept")]
    WrongHash { artifact: String, file: String, wanted: String, found: String },

    #[error("{variable}={value}: {reason}")]
    Setting { variable: &'static str, value: String, reason: String },

    #[error("{url}: {reason}")]
    Download { url: String, reason: String },

    #[error("{artifact}: {reason}")]
    Content { artifact: String, reason: String },

    #[error(transparent)]
    Io(#[from] std::io::Error),
}
