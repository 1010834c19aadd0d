use std::collections::BTreeMap;

use super::*;
use crate::stage::scripts::tests::desired;

fn kube(name: &str, number: u8, mac: &str) -> KubeNode {
    let address: IpAddr = [100, 64, 0, number].into();
    KubeNode {
        name: name.into(),
        uid: "u".into(),
        ready: true,
        not_ready: None,
        pressures: Vec::new(),
        internal_ip: Some(address),
        vtep: Some(address),
        backend_data: Some(format!(r#"{{"VNI":1,"VtepMAC":"{mac}"}}"#)),
        pod_cidr: Some(format!("10.42.{number}.0/24").parse().unwrap()),
        kubelet_version: "v1.34.4+k3s1".into(),
        boot_id: String::new(),
        system_uuid: String::new(),
        unschedulable: false,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        taints: Vec::new(),
        control_plane: false,
    }
}

const MACS: [&str; 2] = ["4a:00:00:00:00:01", "4a:00:00:00:00:02"];

fn probe(own: u8, peer: u8) -> HostProbe {
    let mac = MACS[usize::from(peer) - 1];
    HostProbe::parse(&format!(
        r#"{{"version":1,"overlay_filter":true,
        "links":[{{"ifname":"tailscale0","mtu":1420,"linkinfo":{{"info_kind":"tun","info_data":{{"persist":true}}}},
            "addr_info":[{{"local":"100.64.0.{own}"}}]}},
          {{"ifname":"flannel.1","mtu":1370,"linkinfo":{{"info_kind":"vxlan","info_data":{{"local":"100.64.0.{own}"}}}}}},
          {{"ifname":"cni0","mtu":1370}}],
        "fdb":[{{"mac":"{mac}","dst":"100.64.0.{peer}"}}],
        "neighbours":[{{"dst":"10.42.{peer}.0","lladdr":"{mac}","state":["PERMANENT"]}}],
        "routes":[{{"dst":"10.42.{peer}.0/24","gateway":"10.42.{peer}.0","dev":"flannel.1"}}]}}"#
    ))
    .unwrap()
}

fn world() -> (Desired, BTreeMap<NodeName, HostProbe>, Vec<KubeNode>) {
    let desired = desired();
    let probes = desired.nodes.keys().cloned().zip([probe(1, 2), probe(2, 1)]).collect();
    (desired, probes, vec![kube("k3s-server", 1, MACS[0]), kube("k3s-agent-1", 2, MACS[1])])
}

fn seen(probes: &BTreeMap<NodeName, HostProbe>) -> Probes<'_> {
    probes.iter().map(|(node, probe)| (node.clone(), probe)).collect()
}

/// The failed checks of the server about overlay and cluster.
fn failed(
    desired: &Desired,
    probes: &BTreeMap<NodeName, HostProbe>,
    kube: &[KubeNode],
) -> Vec<&'static str> {
    evaluate(desired, &seen(probes), Ok(kube))
        .iter()
        .filter(|check| check.node.as_ref().is_some_and(|node| node.as_str() == "k3s-server"))
        .filter(|check| check.has_failed() && !check.id.starts_with("tailnet/"))
        .map(|check| check.id)
        .filter(|id| *id != "overlay/guard")
        .collect()
}

#[test]
fn an_overlay_that_is_as_planned_passes() {
    let (desired, probes, kube) = world();
    assert_eq!(failed(&desired, &probes, &kube), Vec::<&str>::new());
}

#[test]
fn each_table_that_lost_a_peer_fails_the_check_that_names_it() {
    let (desired, probes, kube) = world();
    let server: NodeName = "k3s-server".parse().unwrap();
    let with = |change: &dyn Fn(&mut HostProbe)| {
        let mut probes = probes.clone();
        change(probes.get_mut(&server).unwrap());
        failed(&desired, &probes, &kube)
    };
    assert_eq!(with(&|probe| probe.fdb.clear()), ["overlay/fdb"]);
    assert_eq!(with(&|probe| probe.neighbours.clear()), ["overlay/neighbour"]);
    assert_eq!(with(&|probe| probe.routes.clear()), ["overlay/route"]);
    assert_eq!(with(&|probe| probe.links[1].mtu = Some(1230)), ["overlay/mtu"]);
    assert_eq!(with(&|probe| probe.links[2].mtu = Some(1450)), ["overlay/pod-mtu"]);
    assert_eq!(
        with(&|probe| probe.fdb[0].destination = Some([192, 168, 1, 101].into())),
        ["overlay/fdb"]
    );
    // flannel.1 made anew after tailscaled went: it is there, and knows nobody.
    let emptied = with(&|probe| {
        probe.fdb.clear();
        probe.neighbours.clear();
        probe.routes.clear();
    });
    assert_eq!(emptied, ["overlay/fdb", "overlay/neighbour", "overlay/route"]);
}

#[test]
fn a_bridge_without_pods_has_an_mtu_of_its_own_and_nobody_is_hurt() {
    let (desired, mut probes, kube) = world();
    let server = probes.get_mut(&"k3s-server".parse::<NodeName>().unwrap()).unwrap();
    server.links[2].mtu = Some(1500);
    server.links[2].flags = vec!["NO-CARRIER".into(), "BROADCAST".into(), "UP".into()];
    assert_eq!(failed(&desired, &probes, &kube), Vec::<&str>::new());
    let checks = evaluate(&desired, &seen(&probes), Ok(&kube));
    assert!(checks.iter().any(|check| {
        check.id == "overlay/pod-mtu" && matches!(check.state, CheckState::Skipped { .. })
    }));
}

#[test]
fn a_vtep_on_the_lan_is_seen_whatever_the_node_says_of_being_ready() {
    let (desired, probes, mut kube) = world();
    kube[0].vtep = Some([192, 168, 1, 102].into());
    assert_eq!(failed(&desired, &probes, &kube), ["overlay/vtep"]);
}

#[test]
fn a_silent_node_is_skipped_and_a_silent_cluster_is_not_passed() {
    let (desired, mut probes, _) = world();
    assert_eq!(failed(&desired, &probes, &[]), ["cluster/node"]);
    probes.clear();
    let checks = evaluate(&desired, &seen(&probes), Ok(&[]));
    assert!(checks.iter().all(|check| matches!(check.state, CheckState::Skipped { .. })));
    assert_eq!(checks.len(), 2);
}

#[test]
fn where_the_api_cannot_be_asked_the_server_is_to_blame_and_no_other_node() {
    let (desired, mut probes, _) = world();
    let why = "k3s-server does not answer by SSH, so the Kubernetes API cannot be asked";
    let told = |probes: &BTreeMap<NodeName, HostProbe>| {
        let checks = evaluate(&desired, &seen(probes), Err(why));
        let red = checks.iter().filter(|check| check.has_failed() && check.id != "overlay/guard");
        let red = red.filter(|check| !check.id.starts_with("tailnet/"));
        let red: Vec<String> =
            red.map(|check| format!("{} {}", check.id, check.node.as_ref().unwrap())).collect();
        (red, checks)
    };
    assert_eq!(told(&probes).0, ["cluster/node k3s-server"]);
    // By SSH it does not answer either, which a check of its own tells.
    probes.remove(&"k3s-server".parse::<NodeName>().unwrap());
    let (red, checks) = told(&probes);
    assert_eq!(red, Vec::<String>::new());
    for id in ["cluster/node", "overlay/fdb", "overlay/neighbour", "overlay/route"] {
        let check = checks.iter().find(|check| check.id == id).unwrap();
        assert_eq!(check.state, CheckState::Skipped { why: why.into() }, "{id}");
        assert!(check.blind, "{id}");
    }
}

#[test]
fn what_kubelet_is_short_of_fails_although_the_node_is_ready() {
    let (desired, probes, mut kube) = world();
    kube[0].pressures =
        vec!["DiskPressure: KubeletHasDiskPressure: kubelet has disk pressure".into()];
    assert_eq!(failed(&desired, &probes, &kube), ["cluster/pressure"]);
}

#[test]
fn pods_too_small_for_a_tailscale_proxy_are_told() {
    let (mut desired, probes, kube) = world();
    desired.tailnet.mtu = 1280;
    let checks = evaluate(&desired, &seen(&probes), Ok(&kube));
    assert!(checks.iter().any(|check| check.id == "network/proxies"));
}

#[test]
fn every_node_sends_to_every_other_until_they_are_many() {
    let names = |count: u8| -> Vec<KubeNode> {
        (0..count).map(|number| kube(&format!("n{number:02}"), number, MACS[0])).collect()
    };
    let peers = |count: u8, own: &str| {
        let nodes = names(count);
        let own: NodeName = own.parse().unwrap();
        peers_of(&own, &nodes).iter().map(|peer| peer.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(peers(3, "n01"), ["n02", "n00"]);
    assert_eq!(peers(12, "n00").len(), 11);
    assert_eq!(peers(40, "n38"), ["n39", "n00"]);
    assert!(peers(3, "stranger").is_empty());
}

#[test]
fn what_ping_said_becomes_the_cause() {
    let desired = desired();
    let peer: NodeName = "k3s-agent-1".parse().unwrap();
    let targets = targets(&desired, &peer, [100, 64, 0, 2].into(), [10, 42, 1, 0].into());
    assert_eq!((targets[0].mtu, targets[1].mtu), (1420, 1370));
    let printed = "tailnet k3s-agent-1 ok\npods k3s-agent-1 3 packets transmitted, 0 received, 100% packet loss\n";
    assert!(answer(printed, &targets[0]).is_ok());
    let (cause, next) = answer(printed, &targets[1]).unwrap_err();
    assert!(cause.contains("100% packet loss") && next.contains("fdb"), "{cause} {next}");
    assert!(answer("", &targets[0]).is_err());
}

#[test]
fn a_link_that_carries_too_little_fails_a_check_of_its_own() {
    let desired = desired();
    let (own, peer) = ("k3s-server".parse().unwrap(), "k3s-agent-1".parse().unwrap());
    let link = link_target(&desired, &own, &peer).unwrap();
    assert_eq!((link.id(), link.mtu), ("network/link", 1500));
    assert_eq!(link.address, desired.nodes[&peer].address);
    let printed = "lan k3s-agent-1 3 packets transmitted, 0 received, 100% packet loss\n";
    let (_, next) = answer(printed, &link).unwrap_err();
    assert!(next.contains("network.mtu"), "{next}");
    assert_eq!(link_target(&desired, &own, &"stranger".parse().unwrap()), None);
}

#[test]
fn the_clusters_dns_is_the_tenth_address_of_its_services() {
    assert_eq!(dns_address(&desired()), Ipv4Addr::new(10, 43, 0, 10));
}

#[tokio::test]
async fn a_question_that_ended_too_soon_is_asked_once_more_and_no_oftener() {
    let asked = std::cell::Cell::new(0);
    let asked = &asked;
    let ask = async |fails: u32, why: &'static str| {
        asked.set(0);
        let attempt = || async move {
            asked.set(asked.get() + 1);
            if asked.get() <= fails { Err(why) } else { Ok(asked.get()) }
        };
        (twice(attempt, |error| *error == "unexpected end of file").await, asked.get())
    };
    let cut = "unexpected end of file";
    assert_eq!(ask(0, cut).await, (Ok(1), 1));
    assert_eq!(ask(1, cut).await, (Ok(2), 2));
    assert_eq!(ask(2, cut).await, (Err(cut), 2));
    let refused = "sshd does not forward";
    assert_eq!(ask(1, refused).await, (Err(refused), 1));
}
