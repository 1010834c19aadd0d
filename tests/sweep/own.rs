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
