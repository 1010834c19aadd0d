//! Fetching by HTTP: what a broken connection left is gone on with, and nothing is used before all of it
//! was hashed.
//!
//! The part that is there is continued only on condition that the server still has the same file
//! (`If-Range` with the validator that it gave): otherwise it sends the whole anew. What was put together
//! from parts and has another sha256 is fetched once more in one piece before anybody is blamed.

use std::{error::Error, time::Duration};

use camino::Utf8Path;
use reqwest::{Response, StatusCode, header};

use super::{Progress, altered, hash, part::Part};
use crate::{
    error::{Failure, Kind, Result},
    inventory::desired::Artifact,
};

/// Attempts in a row that brought nothing.
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
    let mut part = Part::open(folder, &artifact.sha256)?;
    // An earlier run may have been killed when only the name was missing.
    if part.length()? > 0 && hash::of_file(part.path()).await?.as_ref() == Some(&artifact.sha256) {
        return part.become_whole(target);
    }
    let (mut pause, mut fruitless) = (FIRST_PAUSE, 0);
    loop {
        let before = part.length()?;
        match fetch(&client, artifact, &mut part, progress).await {
            Ok(pieces) => {
                let seen = hash::of_file(part.path()).await?.unwrap_or_default();
                if seen == artifact.sha256 {
                    return part.become_whole(target);
                }
                part.clear()?;
                if pieces == Pieces::One {
                    // Asking again would bring the same.
                    part.remove()?;
                    return Err(altered(artifact, target, &seen));
                }
                tracing::debug!(url = artifact.url, "the pieces do not fit; fetching the whole");
            }
            Err(setback) => {
                fruitless = if part.length()? > before { 0 } else { fruitless + 1 };
                if !setback.passing || fruitless >= ATTEMPTS {
                    return Err(setback.failure);
                }
                tracing::debug!(url = artifact.url, failure = %setback.failure, "trying again");
                tokio::time::sleep(pause).await;
                pause = if fruitless == 0 { FIRST_PAUSE } else { pause * 2 };
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pieces {
    One,
    Several,
}

async fn fetch(
    client: &reqwest::Client,
    artifact: &Artifact,
    part: &mut Part,
    progress: Progress<'_>,
) -> Result<Pieces, Setback> {
    let mut request = client.get(&artifact.url);
    let have = part.length().map_err(ours)?;
    if have > 0
        && let Some(validator) = part.validator()
    {
        request = request
            .header(header::RANGE, format!("bytes={have}-"))
            .header(header::IF_RANGE, validator);
    }
    let mut response = request.send().await.map_err(|error| lost(artifact, &error))?;
    let status = response.status();
    let goes_on = status == StatusCode::PARTIAL_CONTENT && begins_at(&response) == Some(have);
    if status == StatusCode::RANGE_NOT_SATISFIABLE || (status == 206 && !goes_on) {
        // It has less than we have, or sends another part: from the start, then.
        part.clear().map_err(ours)?;
        let failure = Failure::new(Kind::Unreachable, format!("the server answered {status}"))
            .at(&artifact.url);
        return Err(Setback { failure, passing: have > 0 });
    }
    if !status.is_success() {
        let failure = Failure::new(Kind::Unreachable, format!("the server answered {status}"))
            .at(&artifact.url);
        return Err(Setback { failure, passing: status.is_server_error() || status == 429 });
    }
    let mut done = if goes_on { have } else { 0 };
    if !goes_on {
        part.clear().map_err(ours)?;
        part.remember(validator(&response)).map_err(ours)?;
    }
    let total = response.content_length().map(|length| done + length);
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(artifact, &error))? {
        part.append(&chunk).map_err(ours)?;
        done += chunk.len() as u64;
        progress(done, total);
    }
    Ok(if goes_on { Pieces::Several } else { Pieces::One })
}

/// What tells this file from a later one of the same name: a strong `ETag`, or the time of its change.
fn validator(response: &Response) -> Option<String> {
    let text = |name| response.headers().get(name)?.to_str().ok().map(str::to_owned);
    let strong = text(header::ETAG).filter(|tag| !tag.starts_with("W/"));
    strong.or_else(|| text(header::LAST_MODIFIED))
}

/// Where a part begins: `bytes 100-199/200`.
fn begins_at(response: &Response) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
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

fn ours(error: impl Into<Failure>) -> Setback {
    Setback { failure: error.into(), passing: false }
}
