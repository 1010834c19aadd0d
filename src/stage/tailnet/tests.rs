use super::{
    twins::{Record, Twins, find},
    *,
};
use crate::{
    plan::probe::{HostProbe, TailscalePrefs},
    ports::Device,
    stage::{check::CheckState, scripts::tests::desired},
};

fn device(id: &str, name: &str, address: [u8; 4], online: bool) -> Device {
    Device {
        id: id.into(),
        node_id: format!("n{id}"),
        hostname: name.trim_end_matches("-1").into(),
        name: name.into(),
        ipv4: Some(address.into()),
        ipv6: None,
        tags: vec!["tag:k3s".into()],
        online: Some(online),
        last_seen: None,
        key_expiry: None,
        ephemeral: false,
        auth_key: None,
    }
}

fn found(devices: &[Device], record: &Record) -> Twins {
    find(devices, &"agent".parse().unwrap(), "tag:k3s", record)
}

#[test]
fn a_device_with_our_name_and_tag_alone_is_not_ours() {
    let devices = [device("1", "agent", [100, 64, 0, 1], false)];
    let twins = found(&devices, &Record::default());
    assert_eq!((twins.stale.len(), twins.foreign.len()), (0, 1));
}

#[test]
fn a_recorded_device_that_is_offline_is_a_left_over() {
    let devices = [device("1", "agent", [100, 64, 0, 1], false)];
    let by_id = Record { ids: vec!["n1".into()], ..Record::default() };
    assert_eq!(found(&devices, &by_id).stale.len(), 1);
    let by_address = Record { address: Some([100, 64, 0, 1].into()), ..Record::default() };
    assert_eq!(found(&devices, &by_address).stale.len(), 1);
    let mut untagged = devices[0].clone();
    untagged.tags.clear();
    assert_eq!(found(&[untagged], &by_address).stale.len(), 0);
}

#[test]
fn a_device_that_was_made_with_a_key_of_ours_is_ours_before_it_is_on_record() {
    let mut made = device("1", "agent", [100, 64, 0, 1], true);
    made.auth_key = Some("7".into());
    let record = Record { auth_keys: vec!["7".into()], ..Record::default() };
    assert_eq!(found(&[made.clone()], &record).alive.len(), 1);
    made.auth_key = Some("8".into());
    assert_eq!(found(&[made.clone()], &record).foreign.len(), 1);
    made.auth_key = None;
    assert_eq!(found(&[made], &record).foreign.len(), 1);
}

#[test]
fn a_recorded_device_that_is_online_is_left_alone() {
    let devices = [device("1", "agent", [100, 64, 0, 1], true)];
    let record = Record { ids: vec!["1".into()], ..Record::default() };
    let twins = found(&devices, &record);
    assert_eq!((twins.stale.len(), twins.alive.len()), (0, 1));
}

#[test]
fn the_running_node_is_no_twin_of_itself_and_another_node_is_none_either() {
    let mut other = device("2", "agent-1", [100, 64, 0, 2], true);
    other.hostname = "agent-1".into();
    let devices = [device("1", "agent", [100, 64, 0, 1], true), other];
    let record = Record { ids: vec!["1".into()], current: Some("n1".into()), ..Record::default() };
    assert!(found(&devices, &record).is_empty());
}

#[test]
fn a_second_device_of_the_same_host_name_is_seen() {
    let devices = [device("7", "agent-1", [100, 64, 0, 7], true)];
    assert_eq!(found(&devices, &Record::default()).foreign.len(), 1);
}

#[test]
fn only_the_preferences_that_differ_are_set() {
    let desired = desired();
    let node = desired.first_server();
    let fine = TailscalePrefs { hostname: node.name.to_string(), ..TailscalePrefs::default() };
    assert!(prefs::drift(&fine, node).is_empty());
    let wrong = TailscalePrefs { accept_dns: true, ssh: true, ..fine };
    assert_eq!(prefs::drift(&wrong, node), ["--accept-dns=false", "--ssh=false"]);
}

fn sound_probe(desired: &Desired) -> HostProbe {
    let document = format!(
        r#"{{"version":1,"overlay_filter":true,
        "links":[{{"ifname":"tailscale0","mtu":1420,"linkinfo":{{"info_kind":"tun","info_data":{{"persist":true}}}},
          "addr_info":[{{"local":"100.64.0.1"}}]}}],
        "routes":[{{"type":"unreachable","dst":"100.64.0.0/10","metric":9999}}],
        "routes6":[{{"type":"unreachable","dst":"fd7a:115c:a1e0::/48","dev":"lo","metric":9999}}],
        "tailscale":{{"version":"1.102.5","release":"{}","release_intact":true,
          "status":{{"BackendState":"Running","Self":{{"ID":"n1","DNSName":"k3s-server.t.","TailscaleIPs":["100.64.0.1"],"Tags":["tag:k3s"]}}}}}}}}"#,
        desired.tailnet.tailscale.sha256
    );
    HostProbe::parse(&document).unwrap()
}

fn failed(probe: &HostProbe, recorded: Option<Ipv4Addr>) -> Vec<&'static str> {
    let desired = desired();
    let checks = checks(&desired, desired.first_server(), probe, recorded);
    assert!(checks.iter().all(|check| !matches!(check.state, CheckState::Skipped { .. })));
    checks.iter().filter(|check| check.has_failed()).map(|check| check.id).collect()
}

#[test]
fn a_node_that_is_as_planned_passes_every_check() {
    let probe = sound_probe(&desired());
    assert_eq!(failed(&probe, Some([100, 64, 0, 1].into())), Vec::<&str>::new());
}

#[test]
fn each_thing_that_is_wrong_fails_the_check_that_names_it() {
    let sound = sound_probe(&desired());
    let with = |change: &dyn Fn(&mut HostProbe)| {
        let mut probe = sound.clone();
        change(&mut probe);
        failed(&probe, Some([100, 64, 0, 1].into()))
    };
    let this = |probe: &mut HostProbe, change: &dyn Fn(&mut crate::plan::probe::TailscaleSelf)| {
        change(probe.tailscale.as_mut().unwrap().status.as_mut().unwrap().this.as_mut().unwrap());
    };
    assert_eq!(with(&|probe| probe.links[0].mtu = Some(1280)), ["tailnet/mtu"]);
    assert_eq!(with(&|probe| probe.links[0].info.details.persist = Some(false)), ["tailnet/tun"]);
    assert_eq!(with(&|probe| probe.routes.clear()), ["tailnet/leak"]);
    assert_eq!(with(&|probe| probe.overlay_filter = false), ["tailnet/filter"]);
    assert_eq!(with(&|probe| this(probe, &|this| this.tags.clear())), ["tailnet/tag"]);
    assert_eq!(
        with(&|probe| this(probe, &|this| this.dns_name = "k3s-server-1.t.".into())),
        ["tailnet/name"]
    );
    assert_eq!(
        with(&|probe| this(probe, &|this| this.addresses = vec![[100, 64, 0, 9].into()])),
        ["tailnet/address"]
    );
    assert_eq!(
        with(&|probe| probe.tailscale.as_mut().unwrap().release_intact = false),
        ["tailnet/version"]
    );
    assert_eq!(with(&|probe| probe.tailscale.as_mut().unwrap().status = None), ["tailnet/running"]);
}

#[test]
fn a_lan_in_the_tailnets_own_range_is_seen_before_joining() {
    let desired = desired();
    let mut probe = sound_probe(&desired);
    assert_eq!(foreign_address(&desired, &probe), None);
    probe.links.push(
        serde_json::from_str(r#"{"ifname": "eth0", "addr_info": [{"local": "100.100.0.5"}]}"#)
            .unwrap(),
    );
    assert_eq!(foreign_address(&desired, &probe), Some(("eth0".into(), [100, 100, 0, 5].into())));
}

#[test]
fn files_that_are_on_the_node_as_rendered_are_no_drift() {
    let desired = desired();
    let mut probe = sound_probe(&desired);
    for file in files(&desired).unwrap() {
        probe.files.insert(file.path.clone(), file.sha256());
    }
    for unit in ["homelab-filter.service", "homelab-tun.service", "tailscaled.service"] {
        let state = json!({ "ActiveState": "active", "UnitFileState": "enabled" });
        probe.units.insert(unit.into(), serde_json::from_value(state).unwrap());
    }
    assert_eq!(install_drift(&desired, &probe).unwrap(), Vec::<String>::new());
    probe.files.insert(paths::TUN_PROGRAM.into(), "00".into());
    probe.tailscale = None;
    insta::assert_snapshot!(install_drift(&desired, &probe).unwrap().join("\n"), @"
    Tailscale 1.102.5 is not installed
    /usr/local/lib/homelab/tun differs
    ");
}

fn join(anew: bool) -> Script {
    let desired = desired();
    join_script(&desired, desired.first_server(), Secret::new("tskey-123"), anew).unwrap()
}

#[test]
fn a_node_gives_up_what_it_was_only_when_it_joins_anew() {
    assert!(!join(false).text.contains("tailscale logout"));
    assert!(join(true).text.contains("tailscale logout"));
}

#[test]
fn a_device_that_was_removed_is_missed() {
    let probe = sound_probe(&desired());
    let devices = vec![device("1", "k3s-server", [100, 64, 0, 1], true)];
    assert!(!is_forgotten(Some(&devices), &probe));
    assert!(is_forgotten(Some(&vec![device("2", "other", [100, 64, 0, 2], true)]), &probe));
    assert!(!is_forgotten(None, &probe), "who may not look cannot say so");
}

#[test]
fn the_key_is_in_no_text_that_is_shown() {
    let script = join(false);
    assert!(!script.text.contains("tskey-123"));
    assert!(script.standard_input().expose().contains("AUTH_KEY='tskey-123'"));
}

#[test]
fn a_spent_key_is_told_with_where_the_next_one_comes_from() {
    let explained = |said: &str, control: &TailnetControl| {
        let failure = explain_join(
            Failure::new(Kind::RemoteCommand, format!("backend error: {said}")),
            control,
        );
        assert_eq!(failure.kind, Kind::Tailnet);
        format!("{:?}", failure.hints)
    };
    let told = |control: &TailnetControl| explained("authkey already used", control);
    let own = desired().tailnet.control;
    assert!(told(&own).contains("tailnet.control.auth_key.key"), "{}", told(&own));
    let minted = TailnetControl::Headscale {
        login_server: "http://192.0.2.1:8080".into(),
        api_key: crate::inventory::desired::SecretSource::Env("KEY".into()),
        user: "homelab".into(),
    };
    assert!(told(&minted).contains("a new one is minted"), "{}", told(&minted));
    // Headscale's words for a key that it does not know, by its versions.
    for said in ["AuthKey not found", "auth-key not found", "invalid pre auth key"] {
        assert!(explained(said, &minted).contains("a new one is minted"), "{said}");
    }
}
