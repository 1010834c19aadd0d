use std::collections::BTreeMap;

use super::*;
use crate::{
    plan::probe::HostProbe,
    ports::{KubeNode, OUR_LABELS, OUR_TAINTS, Taint},
    stage::scripts::tests::desired,
};

fn place(server: Option<[u8; 4]>) -> Place {
    Place {
        address: [100, 64, 0, 7].into(),
        lan_interface: Some("eth0".into()),
        server: server.map(Into::into),
    }
}

fn config_of(node: &str, server: Option<[u8; 4]>) -> serde_json::Value {
    let desired = desired();
    let files = files(
        &desired,
        &desired.nodes[&node.parse::<crate::model::NodeName>().unwrap()],
        &place(server),
    )
    .unwrap();
    let config = files.iter().find(|file| file.path == paths::K3S_CONFIG).unwrap();
    assert_eq!(config.mode, "0600");
    serde_saphyr::from_str(&config.content).unwrap()
}

#[test]
fn the_first_server_makes_the_cluster_on_its_tailnet_address() {
    let config = config_of("k3s-server", None);
    assert_eq!(config["cluster-init"], json!(true));
    assert_eq!(config["node-ip"], json!("100.64.0.7"));
    assert_eq!(config["advertise-address"], json!("100.64.0.7"));
    assert_eq!(config["flannel-iface"], json!("tailscale0"));
    assert_eq!(
        config["tls-san"],
        json!(["100.64.0.7", "192.168.1.102", "k3s-server", "k3s.example"])
    );
    assert_eq!(config["disable"], json!(["servicelb"]));
    assert_eq!(config["write-kubeconfig-mode"], json!("0600"));
    assert_eq!(config["node-taint"], json!(["storage=:NoSchedule"]));
    assert_eq!(config.get("server"), None);
    assert_eq!(config.get("token"), None);
}

#[test]
fn an_agent_joins_by_the_servers_tailnet_address_with_a_token_in_a_file() {
    let config = config_of("k3s-agent-1", Some([100, 64, 0, 1]));
    assert_eq!(config["server"], json!("https://100.64.0.1:6443"));
    assert_eq!(config["token-file"], json!("/etc/rancher/k3s/token"));
    for key in ["cluster-init", "agent-token-file", "tls-san", "cluster-cidr", "disable"] {
        assert_eq!(config.get(key), None, "{key}");
    }
}

#[test]
fn what_the_user_adds_wins_over_what_we_set() {
    let mut desired = desired();
    desired.k3s.server_config.insert("write-kubeconfig-mode".into(), json!("0640"));
    desired.k3s.server_config.insert("etcd-snapshot-retention".into(), json!(7));
    let files = files(&desired, desired.first_server(), &place(None)).unwrap();
    let config: serde_json::Value = serde_saphyr::from_str(&files[0].content).unwrap();
    assert_eq!(config["write-kubeconfig-mode"], json!("0640"));
    assert_eq!(config["etcd-snapshot-retention"], json!(7));
}

#[test]
fn a_token_holds_its_hash_or_it_is_not_pinned() {
    let hash = "ab".repeat(32);
    assert_eq!(token_hash(&format!("K10{hash}::node:secret")), Some(hash.as_str()));
    for token in ["secret", "K10::node:secret", "K10ab::node:secret"] {
        assert_eq!(token_hash(token), None);
    }
}

#[test]
fn known_troubles_are_told_with_their_meaning_and_the_latest_counts() {
    assert_eq!(diagnose("all is well\nstarting"), None);
    let rejected = "level=error msg=\"Node password rejected, duplicate hostname\"";
    assert!(diagnose(rejected).unwrap().is_final);
    let later =
        format!("{rejected}\nWaiting to retrieve agent configuration; server is not ready: EOF");
    assert_eq!(diagnose(&later).unwrap().text, "server is not ready");
    let desired = desired();
    let failure = diagnose(rejected).unwrap().failure(desired.first_server());
    assert!(failure.hints[0].contains("kube-system/k3s-server.node-password.k3s"), "{failure:?}");
}

fn sound() -> (Desired, HostProbe, KubeNode) {
    let desired = desired();
    let node = desired.first_server();
    let mut probe = HostProbe::parse(
        r#"{"version":1,"links":[{"ifname":"tailscale0","mtu":1420,"addr_info":[{"local":"100.64.0.7"}]}],
        "k3s":{"datastore":"etcd","agent_data":true,"node_password":true,
          "settings":["node-ip: 100.64.0.7","cluster-cidr: 10.42.0.0/16","secrets-encryption: true"]}}"#,
    )
    .unwrap();
    let own = Place { lan_interface: None, ..place(None) };
    for file in files(&desired, node, &own).unwrap() {
        probe.files.insert(file.path.clone(), file.sha256());
    }
    for file in crate::stage::overlay::guard_files(&desired, node).unwrap() {
        probe.files.insert(file.path.clone(), file.sha256());
    }
    for (artifact, path, _) in artifacts(&desired) {
        probe.files.insert(path.into(), artifact.sha256.clone());
    }
    for unit in ["k3s.service", "homelab-guard.service"] {
        let state = json!({ "ActiveState": "active", "UnitFileState": "enabled" });
        probe.units.insert(unit.into(), serde_json::from_value(state).unwrap());
    }
    let address: std::net::IpAddr = [100, 64, 0, 7].into();
    let kube = KubeNode {
        name: "k3s-server".into(),
        uid: "u".into(),
        ready: true,
        not_ready: None,
        pressures: Vec::new(),
        internal_ip: Some(address),
        vtep: Some(address),
        backend_data: None,
        pod_cidr: None,
        kubelet_version: "v1.34.4+k3s1".into(),
        boot_id: String::new(),
        system_uuid: String::new(),
        unschedulable: false,
        labels: node.labels.clone(),
        annotations: BTreeMap::from([
            (OUR_LABELS.to_owned(), json!(node.labels).to_string()),
            (OUR_TAINTS.to_owned(), json!(["storage:NoSchedule"]).to_string()),
        ]),
        taints: node.taints.clone(),
        control_plane: true,
    };
    (desired, probe, kube)
}

#[test]
fn a_node_that_is_as_planned_has_no_reason_to_be_touched() {
    let (desired, probe, kube) = sound();
    let node = desired.first_server();
    assert_eq!(install_reasons(&desired, node, &probe, Some(&kube)), Vec::<String>::new());
    assert_eq!(label_reasons(node, Some(&kube)), Vec::<String>::new());
    assert_eq!(immutable_change(&desired, node, &probe, Some(&kube)), None);
    assert!(!has_stale_node(&probe, Some(&kube)));
}

#[test]
fn what_we_set_and_no_longer_name_is_taken_off_and_what_others_set_is_not() {
    let (mut desired, _, mut kube) = sound();
    let name = desired.first_server().name.clone();
    let node = desired.nodes.get_mut(&name).unwrap();
    node.labels.clear();
    node.taints.clear();
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    kube.labels = BTreeMap::from([label("tier", "gold"), label("rack", "2"), label("zone", "a")]);
    let taint = |key: &str| Taint { key: key.into(), value: None, effect: "NoSchedule".into() };
    kube.taints = vec![taint("ours"), taint("theirs")];
    kube.annotations.clear();
    assert_eq!(label_reasons(node, Some(&kube)), Vec::<String>::new());
    let note = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    kube.annotations = BTreeMap::from([
        // A person gave `rack` another value since.
        note(OUR_LABELS, r#"{"tier":"gold","rack":"1"}"#),
        note(OUR_TAINTS, r#"["ours:NoSchedule"]"#),
    ]);
    let reasons = ["label tier=gold is taken off", "taint ours:NoSchedule is taken off"];
    assert_eq!(label_reasons(node, Some(&kube)), reasons);
    node.labels.insert("tier".into(), "gold".into());
    assert_eq!(label_reasons(node, Some(&kube)), ["taint ours:NoSchedule is taken off"]);
}

#[test]
fn each_difference_is_a_reason_of_its_own() {
    let (desired, probe, kube) = sound();
    let node = desired.first_server();
    let reasons =
        |probe: &HostProbe, kube: &KubeNode| install_reasons(&desired, node, probe, Some(kube));
    let mut other = probe.clone();
    other.files.insert(paths::K3S.into(), "00".into());
    assert_eq!(reasons(&other, &kube), ["/usr/local/bin/k3s is not v1.34.4+k3s1"]);
    let mut other = probe.clone();
    other.files.insert(paths::K3S_CONFIG.into(), "00".into());
    assert_eq!(reasons(&other, &kube), ["/etc/rancher/k3s/config.yaml differs"]);
    let lan = KubeNode { vtep: Some([192, 168, 1, 102].into()), ..kube.clone() };
    assert_eq!(reasons(&probe, &lan), ["the VTEP is 192.168.1.102, not 100.64.0.7"]);
    let mut low = probe.clone();
    low.links.push(
        serde_json::from_value(serde_json::json!({ "ifname": "flannel.1", "mtu": 1230 })).unwrap(),
    );
    assert_eq!(reasons(&low, &kube), ["flannel.1 has MTU 1230, not 1370"]);
    let old = KubeNode { kubelet_version: "v1.33.1+k3s1".into(), ..kube };
    assert_eq!(reasons(&probe, &old), ["kubelet is v1.33.1+k3s1, not v1.34.4+k3s1"]);
    assert_eq!(
        install_reasons(&desired, node, &probe, None),
        ["the cluster has no Node object of this name"]
    );
}

#[test]
fn k3s_is_kept_from_starting_by_what_is_missing_and_not_by_what_differs() {
    let (desired, probe, _) = sound();
    let node = desired.first_server();
    assert_eq!(missing(&desired, node, &probe), None);
    for path in [paths::K3S, paths::K3S_CONFIG, paths::AWAIT_ADDRESS, paths::K3S_SERVER_UNIT] {
        let mut other = probe.clone();
        other.files.insert(path.into(), "00".into());
        assert_eq!(missing(&desired, node, &other), None);
        other.files.remove(path);
        assert_eq!(missing(&desired, node, &other).as_deref(), Some(path));
    }
}

#[test]
fn a_node_object_that_somebody_deleted_is_made_by_a_start_where_the_node_has_joined() {
    let (desired, mut probe, kube) = sound();
    let node = desired.first_server();
    let why = |probe: &HostProbe, kube| announced_wrongly(&desired, node, probe, kube);
    assert_eq!(why(&probe, Some(&kube)), None);
    let gone = "the cluster has no Node object of this name";
    assert_eq!(why(&probe, None).as_deref(), Some(gone));
    probe.k3s.node_password = false;
    assert_eq!(why(&probe, None), None, "its first start is not over");
}

#[test]
fn what_k3s_cannot_change_is_refused_with_the_way_out() {
    let (mut desired, probe, kube) = sound();
    desired.k3s.cluster_cidr = "10.52.0.0/16".parse().unwrap();
    let (what, _) =
        immutable_change(&desired, desired.first_server(), &probe, Some(&kube)).unwrap();
    assert_eq!(what, "cluster-cidr is 10.42.0.0/16 and cannot become 10.52.0.0/16");
    let mut agent = desired.first_server().clone();
    agent.role = Role::Agent;
    let (what, hint) = immutable_change(&desired, &agent, &probe, None).unwrap();
    assert!(what.contains("server") && hint.contains("--node k3s-server"), "{what} {hint}");
    let old = KubeNode { kubelet_version: "v1.33.1+k3s1".into(), ..kube };
    let mut replaced = probe.clone();
    replaced.files.insert(paths::K3S.into(), "00".into());
    desired.k3s.cluster_cidr = "10.42.0.0/16".parse().unwrap();
    let change = |probe| immutable_change(&desired, desired.first_server(), probe, Some(&old));
    assert_eq!(change(&probe), None, "the pinned binary has only to be started");
    let (what, _) = change(&replaced).unwrap();
    assert_eq!(
        what,
        "k3s is v1.33.1+k3s1 and the inventory says v1.34.4+k3s1: upgrades come later"
    );
}

#[test]
fn a_node_object_without_a_password_on_the_disk_is_a_former_selfs() {
    let (_, mut probe, kube) = sound();
    probe.k3s.node_password = false;
    assert!(has_stale_node(&probe, Some(&kube)));
    assert!(!has_stale_node(&probe, None));
}

const K3S_YAML: &str = "apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: Q0E=
    server: https://127.0.0.1:6443
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
users:
- name: default
  user:
    client-key-data: S0VZ
";

#[test]
fn a_portable_kubeconfig_is_called_after_its_cluster() {
    let portable =
        portable_kubeconfig(&Secret::new(K3S_YAML), "home", [100, 64, 0, 1].into()).unwrap();
    let document: serde_json::Value = serde_saphyr::from_str(portable.expose()).unwrap();
    assert_eq!(document["clusters"][0]["cluster"]["server"], json!("https://100.64.0.1:6443"));
    assert_eq!(document["contexts"][0]["context"], json!({ "cluster": "home", "user": "home" }));
    assert_eq!(document["current-context"], json!("home"));
    assert_eq!(document["users"][0]["user"]["client-key-data"], json!("S0VZ"));
}

#[test]
fn merging_keeps_what_others_put_there_and_replaces_what_is_ours() {
    let ours = portable_kubeconfig(&Secret::new(K3S_YAML), "home", [100, 64, 0, 1].into()).unwrap();
    let once = merge_kubeconfig(K3S_YAML, ours.expose()).unwrap();
    let twice = merge_kubeconfig(&once, ours.expose()).unwrap();
    assert_eq!(once, twice);
    let document: serde_json::Value = serde_saphyr::from_str(&twice).unwrap();
    assert_eq!(document["clusters"].as_array().unwrap().len(), 2);
    assert_eq!(document["current-context"], json!("default"));
    assert!(merge_kubeconfig("- a list", ours.expose()).is_err());
    assert_eq!(merge_kubeconfig("", ours.expose()).unwrap(), ours.expose());
}

#[tokio::test]
async fn snapshots_go_to_the_bucket_and_their_key_stands_in_a_file_of_its_own() {
    let key = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(key.path(), "it's \"secret\"\n").unwrap();
    let mut desired = crate::stage::backup::tests::desired();
    let backup = desired.k3s.datastore_backup.as_mut().unwrap();
    let source = crate::inventory::desired::SecretSource::File(
        camino::Utf8PathBuf::from_path_buf(key.path().to_owned()).unwrap(),
    );
    backup.store.access_key_id = source.clone();
    backup.store.secret_access_key = source;
    backup.store.authority = Some("PEM".into());
    let node = desired.first_server();
    let made = files(&desired, node, &place(None)).unwrap();
    let config: serde_json::Value = serde_saphyr::from_str(&made[0].content).unwrap();
    for (name, value) in [
        ("etcd-s3", json!(true)),
        ("etcd-s3-endpoint", json!("10.79.0.1:9000")),
        ("etcd-s3-insecure", json!(true)),
        ("etcd-s3-bucket", json!("homelab")),
        ("etcd-s3-folder", json!("k3s/lab")),
        ("etcd-s3-region", json!("us-east-1")),
        ("etcd-s3-retention", json!(20)),
        ("etcd-snapshot-retention", json!(20)),
        ("etcd-snapshot-schedule-cron", json!("0 */6 * * *")),
        ("etcd-s3-endpoint-ca", json!(paths::K3S_DATASTORE_CA)),
    ] {
        assert_eq!(config[name], value, "{name}");
    }
    assert!(made.iter().any(|file| file.path == paths::K3S_DATASTORE_CA && file.content == "PEM"));
    assert!(made.iter().all(|file| !file.content.contains("secret\\")));
    let agent = desired.agents().next().unwrap();
    let agents = files(&desired, agent, &place(Some([100, 64, 0, 1]))).unwrap();
    assert!(!agents[0].content.contains("etcd-"));

    let secret = datastore::key(&desired).await.unwrap().unwrap();
    let read: serde_json::Value = serde_saphyr::from_str(secret.expose()).unwrap();
    assert_eq!(read["etcd-s3-secret-key"], json!("it's \"secret\""));
    let script = install_script(&desired, node, &place(None), None, Some(&secret), None).unwrap();
    assert!(script.text.contains("${DATASTORE_KEY:?}") && !script.text.contains("it's"));
    assert_eq!(script.secrets.len(), 1);
    let script = install_script(&desired, agent, &place(None), None, Some(&secret), None).unwrap();
    assert!(!script.text.contains("${DATASTORE_KEY:?}") && script.secrets.is_empty());

    let expected = datastore::expected_key(&desired).await;
    let reasons = |found: Option<&str>, expected: &crate::plan::observed::Sight<String>| {
        let mut probe = HostProbe::default();
        if let Some(found) = found {
            probe.files.insert(paths::K3S_DATASTORE_KEY.into(), found.into());
        }
        datastore::key_reasons(&desired, &probe, expected)
    };
    let written =
        hex::encode(<sha2::Sha256 as sha2::Digest>::digest(format!("{}\n", secret.expose())));
    assert_eq!(reasons(Some(&written), &expected), Vec::<String>::new());
    assert!(reasons(Some("other"), &expected)[0].contains("is another"));
    assert!(reasons(None, &expected)[0].contains("is missing"));
    let silent = crate::plan::observed::Sight::Silent("not set".to_owned());
    assert_eq!(reasons(Some("other"), &silent), Vec::<String>::new());
    let mut probe = HostProbe::default();
    probe.files.insert(paths::K3S_DATASTORE_KEY.into(), written);
    let without = crate::stage::scripts::tests::desired();
    let left = datastore::key_reasons(&without, &probe, &crate::plan::observed::Sight::Unseen);
    assert!(left[0].contains("no longer wanted"));
}
