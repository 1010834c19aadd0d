//! The inventories that the repository shows, each in a world that has what it names.

use homelab_lab::sim::world::Options;

use crate::operator::Operator;

async fn comes_up(name: &str) -> Operator {
    let operator = Operator::of(name, Options::default()).await;
    operator.succeed(&["up", "--yes"]).await;
    let again = operator.succeed(&["up", "--yes"]).await;
    assert!(again.err.contains("nothing to do"), "{}", again.err);
    operator
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_one_comes_up() {
    let operator = comes_up("one-node.yaml").await;
    let picture = operator.world.picture().await.unwrap();
    assert_eq!(picture.nodes.keys().collect::<Vec<_>>(), ["k3s"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_of_three_servers_on_three_hosts_comes_up() {
    let operator = comes_up("ha.yaml").await;
    let picture = operator.world.picture().await.unwrap();
    let nodes: Vec<_> = picture.nodes.keys().collect();
    assert_eq!(nodes, ["agent-1", "agent-2", "server-1", "server-2", "server-3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_one_comes_up() {
    let operator = comes_up("homelab.yaml").await;
    let picture = operator.world.picture().await.unwrap();
    assert_eq!(
        picture.nodes.keys().collect::<Vec<_>>(),
        ["k3s-agent-1", "k3s-agent-2", "k3s-server"]
    );
}

/// Templates count up over the Proxmox nodes, so that a change of the inventory may want a VMID for one which another
/// one has.
#[tokio::test(flavor = "multi_thread")]
async fn a_template_whose_vmid_is_taken_on_another_proxmox_node_is_refused_before_anything_is_done()
{
    let operator = Operator::of("ha.yaml", Options::default()).await;
    operator.succeed(&["up", "--yes"]).await;
    operator.succeed(&["destroy", "--node", "agent-1", "--yes"]).await;
    let before = operator.world.picture().await.unwrap();
    operator.edit("template: 9000", "template: 9001");
    let refused = operator.run(&["up", "--yes"]).await;
    assert_eq!(refused.code, Some(20), "{}", refused.err);
    let told = "template on pve1: VMID 9001 is taken by this cluster's own template on pve2";
    assert!(refused.err.contains(told), "{}", refused.err);
    assert!(operator.world.picture().await.unwrap() == before, "nothing was touched");
    operator.edit("template: 9001", "template: 9010");
    operator.succeed(&["up", "--yes"]).await;
}
