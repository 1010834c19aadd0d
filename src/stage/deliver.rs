//! Bringing artifacts to a node: it fetches them itself, or they are fetched here and sent.

use std::sync::atomic::{AtomicU64, Ordering};

use camino::Utf8PathBuf;

use super::artifact;
use crate::{
    adapter,
    engine::StepContext,
    error::Result,
    inventory::desired::Artifact,
    plan::probe::HostProbe,
    ports::{Host, HostOf, RemoteFile, World},
};

/// Has the node fetch an artifact, or fetches and pushes it for a node that cannot.
pub(super) async fn deliver<W: World>(
    context: &StepContext<W>,
    host: &HostOf<W>,
    wanted: &Artifact,
) -> Result<()> {
    context.output(format!("fetching {}", wanted.url));
    if artifact::fetch(host, wanted).await?.is_some() {
        return Ok(());
    }
    context.output(format!("{} cannot fetch it; fetching here and pushing", host.node()));
    let local = fetched_here(context, wanted).await?;
    artifact::push(host, wanted, &local).await
}

/// Our own copy of an artifact; how far its transfer has come is told a mebibyte at a time.
async fn fetched_here<W: World>(
    context: &StepContext<W>,
    wanted: &Artifact,
) -> Result<Utf8PathBuf> {
    adapter::artifact::file(wanted, &by_mebibytes(context)).await
}

/// Tells how far a transfer has come, each mebibyte once.
fn by_mebibytes<W: World>(
    context: &StepContext<W>,
) -> impl Fn(u64, Option<u64>) + Send + Sync + use<W> {
    let context = context.clone();
    let told = AtomicU64::new(0);
    move |done, total| {
        let mebibytes = done >> 20;
        if told.swap(mebibytes, Ordering::Relaxed) != mebibytes {
            context.progress(mebibytes, total.map(|total| total >> 20), "MiB");
        }
    }
}

/// Fetches an artifact once, for all nodes, and sends it to one that lacks it.
pub(super) async fn send<W: World>(
    context: &StepContext<W>,
    host: &HostOf<W>,
    probe: &HostProbe,
    wanted: &Artifact,
    remote: &str,
    mode: u32,
) -> Result<()> {
    if probe.sha256(remote) == Some(wanted.sha256.as_str()) {
        return Ok(());
    }
    context.output(format!("fetching {}", wanted.url));
    let local = fetched_here(context, wanted).await?;
    context.output(format!("sending {remote}"));
    let file = RemoteFile { local, remote: remote.to_owned(), mode, sha256: wanted.sha256.clone() };
    let size = fs_err::metadata(&file.local)?.len();
    let progress = by_mebibytes(context);
    Ok(host.write_telling(&file, &|sent| progress(sent, Some(size))).await?)
}
