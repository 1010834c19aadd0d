//! Snapshots of the datastore.

use super::cluster::answered;
use crate::{
    engine::Run,
    plan::{
        datastore::{SNAPSHOT, Snapshot},
        observed::Sight,
    },
    ports::{Objects, World},
};

/// What k3s knows of them: one request. None where it has taken none yet.
pub(super) async fn snapshots<W: World>(run: &Run<W>) -> Sight<Vec<Snapshot>> {
    answered(run, async {
        let listed = run.cluster().await?.list(SNAPSHOT, None).await?;
        Ok(listed.iter().filter_map(Snapshot::read).collect())
    })
    .await
}
