//! The sha256 of files.

use std::io::Read;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};

use crate::{
    error::{Failure, Kind, Result},
    named_file,
};

/// The sha256 of a file, in hexadecimal; `None` where there is no such file.
pub(super) async fn of_file(path: &Utf8Path) -> Result<Option<String>> {
    let path = path.to_owned();
    blocking(move || match named_file::open(&path) {
        Ok(mut file) => Ok(Some(of_reader(&mut file)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let failure = Failure::new(Kind::Runtime, "the artifact can't be read");
            Err(failure.at(&path).because(error))
        }
    })
    .await
}

pub(super) fn of_reader(reader: &mut impl Read) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let length = reader.read(&mut buffer)?;
        if length == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(&buffer[..length]);
    }
}

/// Work that would hold up everything else.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::new(Kind::Runtime, error.to_string()))?
}

/// The path of a `file://` URL.
pub(super) fn local_path(url: &str) -> Option<Utf8PathBuf> {
    let path = url.strip_prefix("file://")?;
    let path = path.strip_prefix("localhost").unwrap_or(path);
    let path = percent_encoding::percent_decode_str(path).decode_utf8().ok()?;
    Some(Utf8PathBuf::from(path.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_never_ends_is_not_hashed() {
        let (_folder, pipe) = named_file::tests::pipe();
        for path in [pipe.as_path(), Utf8Path::new("/dev/zero")] {
            let failure = of_file(path).await.unwrap_err();
            assert_eq!(failure.to_string(), format!("{path}: the artifact can't be read"));
        }
    }
}
