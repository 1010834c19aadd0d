//! Connections that are on their way before Proxmox has said whose the guests are.

use std::{sync::Arc, time::Duration};

use homelab_lab::sim::{
    gate::{Moment, System},
    world::Options,
};

use crate::{operator::Operator, story::UP, warden::Pause};

const JOURNAL: &str = "state/homelab/sim/journal.jsonl";

/// Until every node has been connected to.
async fn all_connected(operator: &Operator) {
    loop {
        let mut connections = operator.world.gate.connections();
        connections.sort();
        if connections == ["agent-1", "agent-2", "server"] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_are_connected_to_while_proxmox_is_asked_and_nothing_runs_there_before_it_answers() {
    let operator = Operator::new(Options::default()).await;
    operator.succeed(UP).await;
    operator.world.gate.forget();
    let pause = Arc::new(Pause::new(Moment::Before, |effect| {
        effect.system == System::Proxmox && effect.kind == "GET /cluster/resources"
    }));
    operator.world.gate.set_warden(Some(pause.clone()));
    let meanwhile = async {
        pause.reached.notified().await;
        all_connected(&operator).await;
        let asked = operator.world.gate.log();
        assert!(asked.iter().all(|effect| effect.system != System::Host), "{asked:#?}");
        operator.world.gate.set_warden(None);
        pause.over.notify_one();
    };
    let (ended, ()) = tokio::join!(operator.succeed(UP), meanwhile);
    assert!(ended.err.contains("nothing to do"), "{}", ended.err);
    assert_eq!(operator.world.gate.connections().len(), 3, "one connection a host");
}

/// A run that changes something looks twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_look_goes_over_the_connections_of_the_first() {
    let operator = Operator::new(Options::default()).await;
    operator.succeed(UP).await;
    let guests = operator.world.hypervisor.guests();
    let agent = guests.iter().find(|guest| guest.vmid == 1001).unwrap();
    fs_err::remove_file(agent.root().join("usr/local/lib/homelab/await-address")).unwrap();
    operator.world.gate.forget();
    // The check of the network knocks at each node's sshd, too.
    let ended = operator.succeed(&["up", "--yes", "--until", "cluster"]).await;
    assert!(ended.err.contains("agent-1 cluster/agent: done"), "{}", ended.err);
    let mut connections = operator.world.gate.connections();
    connections.sort();
    assert_eq!(connections, ["agent-1", "agent-2", "server"]);
}

/// The marker has the last word: a guest may have been given another key since.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_key_that_is_no_longer_true_costs_a_connection_and_nothing_else() {
    let operator = Operator::new(Options::default()).await;
    operator.succeed(UP).await;
    let journal = operator.path(JOURNAL);
    let text = fs_err::read_to_string(&journal).unwrap();
    let (server, agent) = (known_key(&text, "server"), known_key(&text, "agent-1"));
    fs_err::write(&journal, text.replace(&server, &agent)).unwrap();
    operator.world.gate.forget();
    let ended = operator.succeed(UP).await;
    assert!(ended.err.contains("nothing to do"), "{}", ended.err);
    let connections = operator.world.gate.connections();
    let of = |name: &str| connections.iter().filter(|node| *node == name).count();
    assert_eq!((of("server"), of("agent-1")), (2, 1));
    assert!(!ended.err.contains("host key"), "nobody is alarmed: {}", ended.err);
    // What the marker vouched for is on record now.
    operator.world.gate.forget();
    operator.succeed(UP).await;
    assert_eq!(operator.world.gate.connections().len(), 3);
}

/// The key that a node's record of its verified host key names.
fn known_key(journal: &str, node: &str) -> String {
    let named = format!("\"node\":\"{node}\"");
    let line =
        journal.lines().find(|line| line.contains("host_key_verified") && line.contains(&named));
    let record: serde_json::Value = serde_json::from_str(line.unwrap()).unwrap();
    let key = record
        .as_object()
        .unwrap()
        .values()
        .find_map(|value| value.as_str().filter(|text| text.starts_with("ssh-ed25519")));
    key.unwrap().to_owned()
}
