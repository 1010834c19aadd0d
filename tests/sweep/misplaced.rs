//! Guests of ours that are not where the inventory has them: it was changed, or somebody moved them.

use homelab_lab::sim::world::Options;

use crate::{
    operator::Operator,
    story::{UP, three_servers},
};

async fn standing() -> Operator {
    let operator = Operator::new(Options { agents: 1, ..Options::default() }).await;
    operator.succeed(UP).await;
    operator
}

/// The VMIDs of the nodes, whose template is 9000.
async fn vmids(operator: &Operator) -> Vec<u32> {
    let guests = operator.world.picture().await.unwrap().guests;
    guests.into_keys().filter(|vmid| (200..9000).contains(vmid)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_vmid_was_changed_is_destroyed_where_it_is_and_made_where_it_is_to_be() {
    let operator = standing().await;
    operator.edit("vmid: 1001", "vmid: 1055");
    let refused = operator.run(UP).await;
    assert_eq!(refused.code, Some(20), "{}", refused.err);
    assert!(refused.err.contains("agent-1: it exists as VMID 1001 on pve1"), "{}", refused.err);
    operator.succeed(&["destroy", "--node", "agent-1", "--yes"]).await;
    assert_eq!(vmids(&operator).await, [1000]);
    let devices = operator.world.picture().await.unwrap().devices;
    assert_eq!(devices.len(), 1, "its device went with it: {devices:?}");
    operator.succeed(UP).await;
    assert_eq!(vmids(&operator).await, [1000, 1055]);
    let again = operator.succeed(UP).await;
    assert!(again.err.contains("nothing to do"), "{}", again.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_vmid_was_changed_is_not_taken_for_gone() {
    let operator = standing().await;
    operator.edit("vmid: 1000", "vmid: 1050");
    let refused = operator.run(UP).await;
    assert_eq!(refused.code, Some(20), "{}", refused.err);
    assert!(refused.err.contains("server: it exists as VMID 1000 on pve1"), "{}", refused.err);
    assert!(!refused.err.contains("gone"), "{}", refused.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_on_another_proxmox_node_than_the_inventory_says_is_known_as_ours() {
    let operator = three_servers().begin().await;
    operator.succeed(UP).await;
    operator.edit("vmid: 212\n    proxmox_node: pve2", "vmid: 212\n    proxmox_node: pve3");
    for words in [UP, &["up", "--yes", "--prune"]] {
        let refused = operator.run(words).await;
        assert_eq!(refused.code, Some(20), "{}", refused.err);
        let told = "agent-2: VM 212 is on pve2, the inventory says pve3";
        assert!(refused.err.contains(told), "{}", refused.err);
    }
    let status = operator.run(&["status"]).await;
    assert!(status.out.contains("VMID 212 on pve2"), "{}", status.out);
    operator.succeed(&["destroy", "--node", "agent-2", "--yes"]).await;
    assert!(!vmids(&operator).await.contains(&212));
    operator.succeed(UP).await;
    let guests = operator.world.picture().await.unwrap().guests;
    assert_eq!(guests[&212]["node"], "pve3");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_three_servers_is_made_anew_once_another_one_stands_first() {
    let operator = three_servers().begin().await;
    operator.succeed(UP).await;
    operator.succeed(&["destroy", "--node", "server-1", "--yes"]).await;
    let refused = operator.run(UP).await;
    assert_eq!(refused.code, Some(20), "{}", refused.err);
    assert!(refused.err.contains("put server-2 first in `nodes`"), "{}", refused.err);
    let inventory = fs_err::read_to_string(operator.path("homelab.yaml")).unwrap();
    let (before, rest) = inventory.split_once("  server-1:\n").unwrap();
    let (first, rest) = rest.split_once("  server-2:\n").unwrap();
    let (second, rest) = rest.split_once("  server-3:\n").unwrap();
    let turned = format!("{before}  server-2:\n{second}  server-1:\n{first}  server-3:\n{rest}");
    fs_err::write(operator.path("homelab.yaml"), turned).unwrap();
    operator.succeed(UP).await;
    let nodes = operator.world.picture().await.unwrap().nodes;
    assert!(nodes.values().all(|node| node["ready"] == "True"), "{nodes:?}");
    assert_eq!(nodes.len(), 5);
    let again = operator.succeed(UP).await;
    assert!(again.err.contains("nothing to do"), "{}", again.err);
}
