//! A new host key after the first verified contact.

use super::{edit::mark, proved, start::await_contact};
use crate::{
    engine::StepContext,
    error::Result,
    journal::Record,
    model::{Marker, NodeName},
    ports::{HostOf, World},
    stage::guest,
};

/// Makes a key on the guest, lets the marker hold both, puts the new one in place, sees it, and lets the
/// marker forget the old one. Dead at any point, the marker knows whichever key the guest shows.
pub(super) async fn rotate<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    host: &HostOf<W>,
) -> Result<()> {
    let key = guest::rotate_host_key(host).await?;
    mark(context, node, |marker| {
        let mut both = marker.host_keys.clone();
        if !both.contains(&key) {
            both.push(key.clone());
        }
        Marker { host_keys: both, ..marker.clone() }
    })
    .await?;
    context.run.trust(node, proved(context, node).await?.marker.host_keys);
    guest::install_host_key(host, &key).await?;
    context.run.forget_host(node).await;
    context.run.trust(node, vec![key.clone()]);
    await_contact(context, node).await?;
    context.record(&Record::HostKeyVerified { node: node.clone(), key: key.clone() })?;
    mark(context, node, |marker| Marker { host_keys: vec![key.clone()], ..marker.clone() }).await?;
    context.run.trust(node, vec![key]);
    Ok(())
}
