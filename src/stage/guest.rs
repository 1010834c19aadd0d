//! A guest's operating system, from first contact until it may be left alone.
//!
//! Each function is one effect, safe to repeat: when an answer is lost, do it again.

use std::{sync::OnceLock, time::Duration};

use serde::Deserialize;
use serde_json::json;

use super::{
    paths,
    run::{run, run_for},
};
use crate::{
    error::{Effect, Failure, Kind, Result},
    plan::probe::{CloudInit, CloudInitState, HostProbe, RootDisk},
    ports::Host,
    script::Script,
    secret::Secret,
    template,
};

/// A line between a probe's document and a kubeconfig.
const KUBECONFIG_BEGINS: &str = "\n--- kubeconfig ---\n";

/// Looks at everything, in one round trip, and changes nothing.
pub async fn probe(host: &impl Host) -> Result<HostProbe> {
    let printed = run(host, &probe_script(false)?).await?;
    HostProbe::parse(&printed).map_err(|failure| failure.at(host.node()))
}

/// The same on a server, and its kubeconfig, in the same round trip. `None` where k3s has written none.
pub async fn probe_server(host: &impl Host) -> Result<(HostProbe, Option<Secret>)> {
    let printed = run(host, &probe_script(true)?).await.map(Secret::document)?;
    let (probe, kubeconfig) = parted(printed.expose());
    let probe = HostProbe::parse(probe).map_err(|failure| failure.at(host.node()))?;
    Ok((probe, (!kubeconfig.is_empty()).then(|| Secret::document(kubeconfig))))
}

/// The probe's document, and what stands behind it: never read as one, so that no failure repeats a key.
fn parted(printed: &str) -> (&str, &str) {
    printed.split_once(KUBECONFIG_BEGINS).unwrap_or((printed, ""))
}

/// The same for every node, and rendered once: a run sends it some times to each.
pub(crate) fn probe_script(with_kubeconfig: bool) -> Result<Script> {
    static RENDERED: [OnceLock<Script>; 2] = [const { OnceLock::new() }; 2];
    let rendered = &RENDERED[usize::from(with_kubeconfig)];
    if let Some(script) = rendered.get() {
        return Ok(script.clone());
    }
    let script = render_probe(with_kubeconfig)?;
    Ok(rendered.get_or_init(|| script).clone())
}

fn render_probe(with_kubeconfig: bool) -> Result<Script> {
    let context = json!({
        "files": paths::FILES, "units": paths::UNITS,
        "kubeconfig_begins": with_kubeconfig.then_some(KUBECONFIG_BEGINS.trim()),
    });
    Ok(template::script("probe.sh", context)?.timeout(Duration::from_secs(60)))
}

/// How far cloud-init was when the wait ended, and the last line that it printed.
#[derive(Clone, Debug, Deserialize)]
pub struct CloudInitProgress {
    pub state: CloudInit,
    pub last_line: String,
}

/// Waits for cloud-init, `patience` at most (whole seconds; keep it under half a minute, so that the
/// caller can tell of it and connect again: cloud-init may restart sshd).
pub async fn await_cloud_init(host: &impl Host, patience: Duration) -> Result<CloudInitProgress> {
    run_for(host, &await_cloud_init_script(patience)?).await
}

pub(crate) fn await_cloud_init_script(patience: Duration) -> Result<Script> {
    let context = json!({ "seconds": patience.as_secs() });
    let script = template::script("guest/await-cloud-init.sh", context)?;
    Ok(script.timeout(patience + Duration::from_secs(30)))
}

/// What a wait has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloudInitVerdict {
    /// Go on; with what it complained of.
    Ready {
        warnings: Vec<String>,
    },
    Wait {
        stage: Option<String>,
    },
}

/// Reads a state; what cloud-init itself calls an error is one (CI-04).
pub fn cloud_init_verdict(state: &CloudInitState) -> Result<CloudInitVerdict> {
    match state {
        CloudInitState::Absent | CloudInitState::Disabled | CloudInitState::Done => {
            Ok(CloudInitVerdict::Ready { warnings: Vec::new() })
        }
        CloudInitState::Degraded { reasons } => {
            Ok(CloudInitVerdict::Ready { warnings: reasons.clone() })
        }
        CloudInitState::Running { stage } => Ok(CloudInitVerdict::Wait { stage: stage.clone() }),
        CloudInitState::Failed { errors } => Err(Failure::new(
            Kind::RemoteCommand,
            format!("cloud-init failed: {}", errors.join("; ")),
        )
        .effect(Effect::Partial)
        .hint("see /var/log/cloud-init-output.log and `cloud-init status --long` on the node")
        .hint("`homelab destroy --node NODE`, then `homelab up`, makes the guest anew")),
    }
}

/// Makes the next host key beside the current one; its public half, `ssh-ed25519 AAAA...`. The same
/// one when asked again, until it is installed.
pub async fn rotate_host_key(host: &impl Host) -> Result<String> {
    let script = template::script("guest/rotate-host-key.sh", json!({}))?;
    let public_key = run(host, &script).await?.trim().to_owned();
    if public_key.starts_with("ssh-ed25519 ") {
        return Ok(public_key);
    }
    Err(Failure::new(
        Kind::RemoteCommand,
        format!("`{}` printed no ed25519 key: {public_key}", script.name),
    )
    .at(host.node())
    .effect(Effect::Partial))
}

/// Puts the key with that public half in place and has sshd show it from the next connection on; host
/// keys of other kinds are removed.
pub async fn install_host_key(host: &impl Host, public_key: &str) -> Result<()> {
    run(host, &install_host_key_script(public_key)?).await.map(drop)
}

pub(crate) fn install_host_key_script(public_key: &str) -> Result<Script> {
    template::script("guest/install-host-key.sh", json!({ "public_key": public_key }))
}

/// Disables cloud-init for later boots.
pub async fn finish_cloud_init(host: &impl Host) -> Result<()> {
    run(host, &template::script("guest/finish-cloud-init.sh", json!({}))?).await.map(drop)
}

/// The root disk before and after.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Growth {
    pub before: RootDisk,
    pub after: RootDisk,
}

/// Grows partition and file system to the size of the disk.
pub async fn grow_root(host: &impl Host) -> Result<Growth> {
    run_for(host, &template::script("guest/grow-root.sh", json!({}))?).await
}

/// Whether the first boot is behind the guest for good: cloud-init finished, and will not run again.
pub fn is_finished(probe: &HostProbe) -> bool {
    probe.cloud_init.disabled || !probe.cloud_init.installed
}

/// Whether the root file system is smaller than a disk of that many bytes lets it be. A file system keeps
/// less than a sixteenth for itself, and partition tables and boot partitions about a gibibyte.
pub fn root_is_smaller_than_disk(probe: &HostProbe, disk_bytes: u64) -> bool {
    let allowance = disk_bytes / 16 + if probe.root_disk.partition.is_some() { 1 << 30 } else { 0 };
    probe
        .root_disk
        .filesystem_bytes
        .is_some_and(|bytes| bytes.saturating_add(allowance) < disk_bytes)
}
