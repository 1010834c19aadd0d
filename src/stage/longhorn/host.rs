//! What Longhorn needs of a node before it may come: iSCSI, NFS and dm-crypt, modules, an initiator name of
//! its own, multipath out of the way, and a disk of its own where the inventory gives one.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    engine::{Look, StepContext},
    error::{Kind, Result},
    inventory::desired::{Desired, Node},
    model::NodeName,
    plan::probe::{HostProbe, StorageDisk},
    ports::World,
    script::Script,
    stage::{
        Outcome,
        check::{Check, expect},
        files::{ManagedFile, drift},
        paths,
        run::run,
    },
    template,
};

/// Packages are fetched from the distribution's mirror.
const LIMIT: Duration = Duration::from_secs(900);

/// Our files around Longhorn on a node.
pub fn files(desired: &Desired, node: &Node) -> Result<Vec<ManagedFile>> {
    let initiator = json!({ "name": desired.id.initiator(&node.name) });
    let mut files = vec![
        ManagedFile::rendered(
            paths::ISCSI_INITIATOR,
            "0600",
            "files/initiatorname.iscsi",
            initiator,
        )?,
        ManagedFile::rendered(
            paths::LONGHORN_MODULES,
            "0644",
            "files/longhorn-modules.conf",
            json!({}),
        )?,
        ManagedFile::rendered(
            paths::LONGHORN_MULTIPATH,
            "0644",
            "files/longhorn-multipath.conf",
            json!({}),
        )?,
    ];
    if let Some(disk) = disk(desired, node) {
        files.push(ManagedFile::rendered(paths::STORAGE_PROGRAM, "0755", "files/storage", disk)?);
        let unit = "files/homelab-storage.service";
        files.push(ManagedFile::rendered(paths::STORAGE_UNIT, "0644", unit, json!({}))?);
    }
    Ok(files)
}

/// Where the storage disk goes, where the node has one.
fn disk(desired: &Desired, node: &Node) -> Option<Value> {
    node.storage_disk_bytes.map(
        |_| json!({ "uuid": desired.id.storage_uuid(&node.name), "place": paths::LONGHORN_DATA }),
    )
}

pub(crate) fn prepare_script(desired: &Desired, node: &Node) -> Result<Script> {
    let context = json!({ "files": files(desired, node)?, "disk": disk(desired, node) });
    Ok(template::script("longhorn/prepare-host.sh", context)?.timeout(LIMIT))
}

/// What [`prepare`] would change on a node; empty when nothing, and where there is to be no Longhorn.
pub fn reasons(desired: &Desired, node: &Node, probe: &HostProbe) -> Vec<String> {
    if desired.longhorn.is_none() {
        return Vec::new();
    }
    let host = &probe.storage_host;
    let programs = [
        (host.iscsiadm, "iscsiadm"),
        (host.mount_nfs, "mount.nfs"),
        (host.cryptsetup, "cryptsetup"),
    ];
    let mut reasons: Vec<String> = programs
        .iter()
        .filter(|(there, _)| !there)
        .map(|(_, program)| format!("it has no {program}"))
        .collect();
    if !host.iscsi_tcp {
        reasons.push("its kernel cannot load iscsi_tcp".to_owned());
    }
    // A template that cannot be rendered is told when it is installed.
    let files = files(desired, node).unwrap_or_default();
    reasons.extend(drift(&files, probe).iter().map(|path| format!("{path} differs")));
    let socket = probe.unit("iscsid.socket");
    // Once iscsid itself runs, the socket is its own.
    if !socket.is_enabled() || !socket.is_active() {
        reasons.push("iscsid.socket is not there for iSCSI's first use".to_owned());
    }
    if node.storage_disk_bytes.is_some() {
        let uuid = desired.id.storage_uuid(&node.name).to_string();
        reasons.extend(disk_reasons(probe.storage_disk.as_ref(), &uuid));
        if !probe.unit("homelab-storage.service").is_enabled() {
            reasons.push("nothing mounts its storage disk at the next boot".to_owned());
        }
    }
    reasons
}

fn disk_reasons(disk: Option<&StorageDisk>, uuid: &str) -> Vec<String> {
    let Some(disk) = disk else { return vec!["its storage disk is not there".to_owned()] };
    if disk.uuid.as_deref() != Some(uuid) {
        return vec![match &disk.uuid {
            Some(other) => {
                format!("its storage disk holds a file system that is not ours ({other})")
            }
            None => "its storage disk holds no file system".to_owned(),
        }];
    }
    if disk.mount_point.as_deref() != Some(paths::LONGHORN_DATA) {
        return vec![format!("its storage disk is not mounted at {}", paths::LONGHORN_DATA)];
    }
    // A file system keeps less than a sixteenth for itself.
    match (disk.filesystem_bytes, disk.bytes) {
        (Some(used), Some(bytes)) if used.saturating_add(bytes / 16) < bytes => {
            vec![format!("its storage disk has {bytes} bytes, the file system {used}")]
        }
        _ => Vec::new(),
    }
}

/// Judges a node; nothing where there is to be no Longhorn.
pub fn check(desired: &Desired, node: &Node, probe: &HostProbe) -> Option<Check> {
    desired.longhorn.as_ref()?;
    let mut causes = reasons(desired, node, probe);
    let maps = &probe.storage_host.multipath_maps;
    if !maps.is_empty() {
        causes.push(format!("multipath has made devices: {}", maps.join(", ")));
    }
    let next = "`homelab up` prepares it anew; of multipath, `multipath -ll` on the node says more";
    let finding = expect(causes.is_empty(), causes.join("; "), next);
    Some(Check::of("longhorn/host", node.name.clone(), "it is fit for Longhorn", finding))
}

/// Makes a node fit for Longhorn.
pub async fn prepare<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<Outcome> {
    let desired = &context.run.desired;
    let wanted = &desired.nodes[node];
    let host = context.run.host(node).await?;
    for line in run(&host, &prepare_script(desired, wanted)?).await?.lines() {
        context.output(line.to_owned());
    }
    context
        .wait_for("the node to be fit for Longhorn", Duration::from_secs(60), || async {
            let left = reasons(desired, wanted, &context.run.probe(node).await?);
            Ok(if left.is_empty() { Look::There(()) } else { Look::NotYet(left.join("; ")) })
        })
        .await
        .map_err(|failure| failure.told_as(Kind::RemoteCommand, None))?;
    Ok(Outcome::Done)
}
