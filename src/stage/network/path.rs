//! How packets travel between two nodes of the tailnet: straight from one to the other, or through a relay, which
//! is slow and loses more of them than etcd bears (TS-20).

use super::Check;
use crate::{
    inventory::desired::{Desired, Overlay, Role},
    model::NodeName,
};

const ID: &str = "network/path";
const NEXT: &str = "UDP 41641 has to pass between the nodes: look at the firewalls of nodes, bridge and router, and at `tailscale netcheck` on both";

/// What `tailscale ping` said last of the way to a peer. Between servers, whose datastore waits for each
/// other's disks, only a straight way passes; elsewhere a relay is told.
pub(super) fn check(desired: &Desired, node: &NodeName, peer: &NodeName, printed: &str) -> Check {
    let title = format!("the way to {peer} is straight (tailnet)");
    let prefix = format!("path {peer} ");
    let said = printed.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default();
    // `pong from NAME (ADDRESS) via ENDPOINT in 1ms`, where a relay is `DERP(fra)` or `peer-relay(...)`.
    let way = said.split_once(" via ").map(|(_, rest)| rest.split(' ').next().unwrap_or(rest));
    let Some(way) = way else {
        let why = if said.is_empty() { "tailscale said nothing of it" } else { said };
        return Check::skipped(ID, node.clone(), title, why);
    };
    if !way.contains('(') {
        return Check::of(ID, node.clone(), title, Ok(format!("via {way}")));
    }
    let is_server =
        |name: &NodeName| desired.nodes.get(name).is_some_and(|node| node.role == Role::Server);
    let cause = format!("its packets go through the relay {way}");
    if desired.k3s.overlay == Overlay::Tailscale && is_server(node) && is_server(peer) {
        return Check::of(ID, node.clone(), title, Err((cause, NEXT.to_owned())));
    }
    Check::unattended(ID, node.clone(), title, format!("{cause}, which is slow; {NEXT}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::{check::CheckState, scripts::tests::desired};

    fn said(desired: &Desired, peer: &str, line: &str) -> Check {
        let server = desired.first_server().name.clone();
        let printed = format!("tailnet {peer} ok\npath {peer} {line}\n");
        check(desired, &server, &peer.parse().unwrap(), &printed)
    }

    const STRAIGHT: &str = "pong from k3s-agent-1 (100.64.0.2) via 10.0.0.12:41641 in 1ms";
    const RELAYED: &str = "pong from k3s-agent-1 (100.64.0.2) via DERP(fra) in 23ms";

    #[test]
    fn a_straight_way_passes_and_names_where_it_leads() {
        let straight = said(&desired(), "k3s-agent-1", STRAIGHT);
        assert_eq!(straight.state, CheckState::Passed { seen: "via 10.0.0.12:41641".into() });
    }

    #[test]
    fn a_relay_is_told_of_agents_and_fails_between_servers() {
        let mut desired = desired();
        let relayed = said(&desired, "k3s-agent-1", RELAYED);
        assert!(relayed.is_worth_telling() && !relayed.has_failed(), "{relayed:?}");
        let agent = desired.nodes.get_mut(&"k3s-agent-1".parse::<NodeName>().unwrap()).unwrap();
        agent.role = Role::Server;
        assert!(said(&desired, "k3s-agent-1", RELAYED).has_failed());
        assert!(!said(&desired, "k3s-agent-1", STRAIGHT).has_failed());
    }

    #[test]
    fn where_nothing_was_said_of_the_way_nothing_is_claimed() {
        for line in ["", "no reply"] {
            let check = said(&desired(), "k3s-agent-1", line);
            assert!(matches!(check.state, CheckState::Skipped { .. }), "{check:?}");
        }
    }
}
