use super::*;

#[test]
fn an_empty_probe_is_a_node_of_which_nothing_is_known() {
    let probe = HostProbe::parse("{\"version\":1}").unwrap();
    assert_eq!(probe, HostProbe { version: 1, ..HostProbe::default() });
    assert_eq!(probe.cloud_init.state(), CloudInitState::Absent);
    assert_eq!(probe.unit("k3s.service"), Unit::default());
}

#[test]
fn a_banner_in_front_and_unknown_fields_do_no_harm() {
    let probe =
        HostProbe::parse("Welcome!\n{\"version\":1,\"boot_id\":\"b\",\"moon\":[]}\n").unwrap();
    assert_eq!(probe.boot_id.as_deref(), Some("b"));
}

#[test]
fn what_is_no_probe_is_quoted_in_the_error() {
    let failure = HostProbe::parse("sudo: a password is required").unwrap_err();
    assert!(failure.message.contains("a password is required"), "{failure}");
}

#[test]
fn a_part_that_cannot_be_read_is_left_out() {
    let probe = HostProbe::parse(
        r#"{"version":1,"links":[{"ifname":"a","mtu":1420},{"mtu":1},"?"],"routes":null,
            "tailscale":{"status":"broken"},"units":{"x":null,"y":{"ActiveState":"active"}}}"#,
    )
    .unwrap();
    assert_eq!(probe.mtu("a"), Some(1420));
    assert_eq!(probe.links.len(), 1);
    assert_eq!(probe.tailscale.unwrap().status, None);
    assert!(probe.units["y"].is_active());
}

#[test]
fn the_overlay_is_read_from_what_iproute2_prints() {
    let probe = HostProbe::parse(
        r#"{"version":1,
        "links":[
          {"ifindex":4,"ifname":"tailscale0","flags":["UP","LOWER_UP"],"mtu":1420,
           "linkinfo":{"info_kind":"tun","info_data":{"type":"tun","pi":false,"vnet_hdr":true,"multi_queue":false,"persist":true}},
           "addr_info":[{"family":"inet","local":"100.64.0.1","prefixlen":32,"scope":"global"}]},
          {"ifindex":5,"ifname":"flannel.1","flags":["UP"],"mtu":1370,"address":"26:33:58:61:b9:14",
           "linkinfo":{"info_kind":"vxlan","info_data":{"id":1,"local":"100.64.0.1","link":"tailscale0","port":8472}},
           "addr_info":[{"family":"inet","local":"10.42.0.0","prefixlen":32}]}],
        "routes":[{"dst":"default","gateway":"10.79.0.1","dev":"host0","flags":[]},
          {"dst":"10.42.1.0/24","gateway":"10.42.1.0","dev":"flannel.1","flags":["onlink"]},
          {"type":"unreachable","dst":"100.64.0.0/10","metric":9999,"flags":[]}],
        "fdb":[{"mac":"4a:00:00:00:00:01","dst":"100.64.0.2","flags":["self"],"master":null,"state":"permanent"}],
        "neighbours":[{"dst":"10.42.1.0","lladdr":"4a:00:00:00:00:01","state":["PERMANENT"]}]}"#,
    )
    .unwrap();
    let tun = probe.link("tailscale0").unwrap();
    assert_eq!(tun.info.details.persist, Some(true));
    assert_eq!(probe.ipv4("tailscale0"), Some([100, 64, 0, 1].into()));
    let vtep = probe.link("flannel.1").unwrap();
    assert_eq!(vtep.info.details.local, Some([100, 64, 0, 1].into()));
    assert_eq!(probe.fdb[0].destination, Some([100, 64, 0, 2].into()));
    assert_eq!(probe.neighbours[0].mac, "4a:00:00:00:00:01".parse().ok());
    assert_eq!(probe.routes[2].kind.as_deref(), Some("unreachable"));
    assert_eq!(probe.interface_of([100, 64, 0, 1].into()).unwrap().name, "tailscale0");
}

fn cloud_init(status: &str, result: &str) -> CloudInitState {
    let document = format!(
        r#"{{"version":1,"cloud_init":{{"installed":true,"status":{status},"result":{result}}}}}"#
    );
    HostProbe::parse(&document).unwrap().cloud_init.state()
}

#[test]
fn cloud_init_is_running_until_its_result_is_there() {
    let status = r#"{"v1":{"stage":"modules-config","init":{"errors":[]}}}"#;
    let stage = Some("modules-config".to_owned());
    assert_eq!(cloud_init(status, "null"), CloudInitState::Running { stage });
    assert_eq!(cloud_init("null", "null"), CloudInitState::Running { stage: None });
}

#[test]
fn cloud_init_with_errors_failed_and_with_warnings_is_degraded() {
    let fine = r#"{"v1":{"datasource":"NoCloud","stage":null,"init":{"errors":[]}}}"#;
    assert_eq!(cloud_init(fine, r#"{"v1":{"errors":[]}}"#), CloudInitState::Done);
    let failed = r#"{"v1":{"errors":["('ssh', boom)"]}}"#;
    assert_eq!(
        cloud_init(fine, failed),
        CloudInitState::Failed { errors: vec!["('ssh', boom)".into()] }
    );
    let warned = r#"{"v1":{"init":{"errors":[],"recoverable_errors":{"WARNING":["schema"],"DEPRECATED":["old"]}}}}"#;
    assert_eq!(
        cloud_init(warned, r#"{"v1":{"errors":[]}}"#),
        CloudInitState::Degraded { reasons: vec!["WARNING: schema".into()] }
    );
}

#[test]
fn tailscale_is_read_from_its_own_words() {
    let probe = HostProbe::parse(
        r#"{"version":1,"tailscale":{"version":"1.102.5","release":"abab","release_intact":true,
        "status":{"Version":"1.102.5-t0","BackendState":"Running","Self":{"ID":"n1","HostName":"a",
          "DNSName":"a-1.tail.ts.net.","TailscaleIPs":["100.64.0.1","fd7a:115c:a1e0::1"],"Tags":["tag:k3s"],
          "KeyExpiry":null,"Online":true},"Health":null},
        "prefs":{"ControlURL":"http://x","RouteAll":false,"CorpDNS":true,"RunSSH":false,"WantRunning":true,
          "Hostname":"a","AutoUpdate":{"Check":true,"Apply":null}}}}"#,
    )
    .unwrap();
    let tailscale = probe.tailscale.unwrap();
    let this = tailscale.status.unwrap().this.unwrap();
    assert_eq!((this.name(), this.ipv4()), ("a-1", Some([100, 64, 0, 1].into())));
    assert_eq!(this.tags, ["tag:k3s"]);
    assert!(tailscale.prefs.unwrap().accept_dns);
}

#[test]
fn what_a_tool_says_twice_is_what_it_said_last() {
    let probe = HostProbe::parse(
        r#"{"version":1,"links":[{"ifname":"tailscale0","mtu":1500,"mtu":1420}],
            "tailscale":{"version":"1.90.0","status":{"BackendState":"NoState","BackendState":"Running"}}}"#,
    )
    .unwrap();
    assert_eq!(probe.mtu("tailscale0"), Some(1420));
    let status = probe.tailscale.unwrap().status.unwrap();
    assert_eq!(status.backend_state, "Running");
}
