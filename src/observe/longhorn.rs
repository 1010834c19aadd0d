//! Longhorn and its volumes.

use super::cluster::answered;
use crate::{
    engine::Run,
    error::Result,
    plan::{
        flux::SECRET,
        longhorn::{
            BACKUP_TARGET, CSI_NODE, DEFAULT_TARGET, LonghornSight, NAMESPACE, NODE, REPLICA,
            SETTING, STORAGE_CLASS, StorageNode, Target, VOLUME, Volume, driver, is_default_class,
            setting,
        },
        observed::Sight,
    },
    ports::{ClusterError, Objects, World},
};

/// What the cluster shows: seven requests at once, and the backup target's Secret as soon as the target has named
/// it; where it is to have Longhorn and Flux to bring it.
pub async fn longhorn<W: World>(run: &Run<W>) -> Sight<LonghornSight> {
    if run.desired.longhorn.is_none() || run.desired.flux.is_none() {
        return Sight::Unseen;
    }
    answered(run, look(run)).await
}

async fn look<W: World>(run: &Run<W>) -> Result<LonghornSight> {
    let cluster = run.cluster().await?;
    let (nodes, volumes, replicas, target, settings, classes, csi_nodes) = futures::try_join!(
        cluster.list(NODE, Some(NAMESPACE)),
        cluster.list(VOLUME, Some(NAMESPACE)),
        cluster.list(REPLICA, Some(NAMESPACE)),
        target(&cluster),
        cluster.list(SETTING, Some(NAMESPACE)),
        cluster.list(STORAGE_CLASS, None),
        cluster.list(CSI_NODE, None),
    )?;
    let default = |class: &serde_json::Value| {
        let name = class["metadata"]["name"].as_str()?.to_owned();
        is_default_class(class).then_some(name)
    };
    Ok(LonghornSight {
        nodes: nodes.iter().map(StorageNode::read).collect(),
        volumes: volumes.iter().map(|volume| Volume::read(volume, &replicas)).collect(),
        target,
        default_classes: classes.iter().filter_map(default).collect(),
        settings: settings.iter().map(setting).collect(),
        drivers: csi_nodes.iter().map(driver).collect(),
    })
}

/// With what its Secret holds: the names alone are kept.
async fn target(cluster: &impl Objects) -> std::result::Result<Option<Target>, ClusterError> {
    let Some(object) = cluster.get(BACKUP_TARGET, NAMESPACE, DEFAULT_TARGET).await? else {
        return Ok(None);
    };
    let Some(name) = Target::secret(&object) else { return Ok(Some(Target::read(&object))) };
    let secret = cluster.get(SECRET, NAMESPACE, name).await?;
    Ok(Some(Target::read(&object).opened_by(name, secret.as_ref())))
}
