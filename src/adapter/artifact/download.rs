//! Fetching by HTTP into a temporary file, hashed as it comes, renamed when it is whole and right.

use std::{error::Error, io::Write, time::Duration};

use camino::Utf8Path;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::{Progress, altered};
use crate::{
    error::{Failure, Kind, Result},
    inventory::desired::Artifact,
};

const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// A link that brings nothing for this long is dead; how long all of it takes is nobody's business.
const SILENCE: Duration = Duration::from_secs(60);

/// Why an attempt failed, and whether another may do better.
struct Setback {
    failure: Failure,
    passing: bool,
}

/// Fetches to `target`, which lies in `folder`.
pub(super) async fn into(
    artifact: &Artifact,
    folder: &Utf8Path,
    target: &Utf8Path,
    progress: Progress<'_>,
) -> Result<()> {
    // One provider for the process; whoever comes first installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(15))
        .read_timeout(SILENCE)
        .user_agent(concat!("homelab/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Failure::new(Kind::Runtime, error.to_string()))?;
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        match fetch(&client, artifact, folder, target, progress).await {
            Ok(()) => break,
            Err(setback) if setback.passing && attempt < ATTEMPTS => {
                tracing::debug!(url = artifact.url, attempt, failure = %setback.failure, "trying again");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            Err(setback) => return Err(setback.failure),
        }
    }
    Ok(())
}

async fn fetch(
    client: &reqwest::Client,
    artifact: &Artifact,
    folder: &Utf8Path,
    target: &Utf8Path,
    progress: Progress<'_>,
) -> Result<(), Setback> {
    let mut response =
        client.get(&artifact.url).send().await.map_err(|error| lost(artifact, &error))?;
    let status = response.status();
    if !status.is_success() {
        let failure = Failure::new(Kind::Unreachable, format!("the server answered {status}"))
            .at(&artifact.url);
        return Err(Setback { failure, passing: status.is_server_error() || status == 429 });
    }
    let total = response.content_length();
    let mut part = NamedTempFile::with_prefix_in(".fetching-", folder).map_err(ours)?;
    let mut hasher = Sha256::new();
    let mut done = 0;
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(artifact, &error))? {
        part.write_all(&chunk).map_err(ours)?;
        hasher.update(&chunk);
        done += chunk.len() as u64;
        progress(done, total);
    }
    let seen = hex::encode(hasher.finalize());
    if seen != artifact.sha256 {
        // Asking again would bring the same.
        let failure = altered(artifact, target, &seen);
        return Err(Setback { failure, passing: false });
    }
    part.as_file().sync_all().map_err(ours)?;
    part.persist(target).map_err(|error| ours(error.error))?;
    Ok(())
}

fn lost(artifact: &Artifact, error: &reqwest::Error) -> Setback {
    let mut reason: &dyn Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    let failure =
        Failure::new(Kind::Unreachable, format!("cannot be fetched: {reason}")).at(&artifact.url);
    Setback { failure, passing: !error.is_builder() }
}

fn ours(error: std::io::Error) -> Setback {
    Setback { failure: error.into(), passing: false }
}
