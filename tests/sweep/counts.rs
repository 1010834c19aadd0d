//! How much a run asks for that has nothing to do.

use std::collections::BTreeMap;

use homelab_lab::sim::{gate::System, world::Options};

use crate::operator::Operator;

/// Requests to Proxmox whatever the number of guests: the guests, the nodes, the template, the seeds.
const FOR_ALL: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_with_nothing_to_do_asks_each_guest_once() {
    let options = Options { agents: 3, ..Options::default() };
    let nodes = options.agents as usize + 1;
    let operator = Operator::new(options).await;
    operator.succeed(&["up", "--yes"]).await;
    operator.world.gate.forget();
    operator.succeed(&["up", "--yes"]).await;
    let effects = operator.world.gate.log();
    let kinds = |system: System| {
        let mut kinds = BTreeMap::<&str, usize>::new();
        for effect in effects.iter().filter(|effect| effect.system == system) {
            *kinds.entry(&effect.kind).or_default() += 1;
        }
        kinds
    };
    let proxmox = kinds(System::Proxmox);
    assert!(proxmox.values().sum::<usize>() <= FOR_ALL + nodes, "{proxmox:#?}");
    let mut connections = operator.world.gate.connections();
    connections.sort();
    assert_eq!(connections, ["agent-1", "agent-2", "agent-3", "server"]);
    let hosts = kinds(System::Host);
    assert_eq!(hosts.values().sum::<usize>(), nodes, "{hosts:#?}");
    let tailnet = kinds(System::Tailnet);
    assert_eq!(tailnet.values().sum::<usize>(), 1, "{tailnet:#?}");
    // The nodes, and the datastore's snapshots.
    let kubernetes = kinds(System::Kubernetes);
    assert!(kubernetes.values().sum::<usize>() <= 2, "{kubernetes:#?}");
}
