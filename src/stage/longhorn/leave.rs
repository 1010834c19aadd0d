//! Whether a node may go for a while: the data of each volume must be whole elsewhere (LH-14). Longhorn's own
//! disruption budget guards the last copy alone, and only while the volume is attached.

use std::time::Duration;

use crate::{
    engine::{Look, StepContext},
    error::{Effect, Failure, Kind, Result},
    model::NodeName,
    observe,
    plan::{
        longhorn::{LonghornSight, Volume},
        observed::Sight,
    },
    ports::World,
};

/// How long copies that are made again are waited for. A copy of 100 GB takes about this long at 500 Mbit/s.
const LIMIT: Duration = Duration::from_secs(1800);

/// Waits until no volume needs this node.
///
/// # Errors
/// When a volume still does after half an hour, or Longhorn cannot be seen: nothing was changed.
pub async fn await_copies_elsewhere<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
) -> Result<()> {
    let wanted = "every volume to have a whole copy on another node";
    let waited = context
        .wait_for(wanted, LIMIT, || async {
            Ok(match observe::longhorn(&context.run).await {
                Sight::Unseen => Look::There(()),
                Sight::Silent(why) => Look::NotYet(format!("Longhorn cannot be seen: {why}")),
                Sight::Seen(seen) => {
                    let needed = needed(&seen, node);
                    match needed.is_empty() {
                        true => Look::There(()),
                        false => Look::NotYet(needed.join("; ")),
                    }
                }
            })
        })
        .await;
    waited.map_err(|failure| match failure.kind {
        Kind::Interrupted => failure,
        _ => Failure { kind: Kind::Kubernetes, ..failure }.at(node).effect(Effect::None).hint(
            "its page, under Volume, shows what keeps its copies; then run `homelab up` again",
        ),
    })
}

/// The volumes whose data would not be whole without the node. Those that have one copy alone by their own
/// wish are none of them: they are down while it is away, and as whole afterwards.
fn needed(seen: &LonghornSight, node: &NodeName) -> Vec<String> {
    let needs = |volume: &&Volume| {
        let here = volume.copies.iter().any(|copy| copy == node.as_str());
        let elsewhere = volume.whole.iter().any(|copy| copy != node.as_str());
        volume.wanted > 1 && here && !elsewhere
    };
    let told = |volume: &Volume| {
        let others = volume.copies.iter().any(|copy| copy != node.as_str());
        let rest = if others { "another is being made" } else { "there is no other" };
        format!("{} has its only whole copy here, {rest}", volume.title())
    };
    seen.volumes.iter().filter(needs).map(told).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn volume(wanted: u32, copies: &[(&str, bool)]) -> Volume {
        let replicas: Vec<_> = copies
            .iter()
            .map(|(node, whole)| {
                let healthy = if *whole { "2026-11-28T00:00:00Z" } else { "" };
                json!({ "spec": { "volumeName": "pvc-1", "nodeID": node, "healthyAt": healthy, "failedAt": "" } })
            })
            .collect();
        let object =
            json!({ "metadata": { "name": "pvc-1" }, "spec": { "numberOfReplicas": wanted } });
        Volume::read(&object, &replicas)
    }

    #[test]
    fn a_node_stays_while_it_has_the_only_whole_copy_of_a_volume() {
        let node: NodeName = "agent".parse().unwrap();
        let needed = |wanted, copies: &[(&str, bool)]| {
            let seen =
                LonghornSight { volumes: vec![volume(wanted, copies)], ..Default::default() };
            needed(&seen, &node)
        };
        assert!(needed(2, &[("agent", true), ("other", true)]).is_empty());
        // It has none of it, or none that counts.
        assert!(needed(2, &[("other", true), ("third", false)]).is_empty());
        assert!(needed(2, &[("agent", false), ("other", true)]).is_empty());
        assert_eq!(
            needed(2, &[("agent", true), ("other", false)]),
            ["volume pvc-1 has its only whole copy here, another is being made"]
        );
        assert_eq!(
            needed(2, &[("agent", true)]),
            ["volume pvc-1 has its only whole copy here, there is no other"]
        );
        // One copy is what it was made with.
        assert!(needed(1, &[("agent", true)]).is_empty());
    }
}
