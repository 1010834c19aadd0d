use super::*;

fn new() -> NewInventory {
    NewInventory {
        cluster: "homelab".into(),
        endpoint: "https://pve.lan:8006".into(),
        tls: NewTls::Fingerprint("AB:".repeat(31) + "AB"),
        pool: "homelab".into(),
        proxmox_node: "pve".into(),
        bridge: "vmbr0".into(),
        disk_storage: "local-lvm".into(),
        image_storage: "local".into(),
        seed_storage: "local".into(),
        image_url: "https://cloud.debian.org/images/cloud/bookworm/latest/debian.qcow2".into(),
        user: "debian".into(),
        network: "192.168.1.0/24".parse().unwrap(),
        gateway: None,
        servers: vec![("k3s-server".parse().unwrap(), [192, 168, 1, 101].into())],
        agents: vec![("k3s-agent-1".parse().unwrap(), [192, 168, 1, 102].into())],
        first_vmid: None,
        template: 9000,
        headscale: None,
        oauth_client: None,
        tailscale_version: "1.102.5".into(),
        k3s_version: "v1.34.9+k3s1".into(),
    }
}

#[test]
fn a_new_inventory_is_sound_and_has_an_identity_of_its_own() {
    let first = new_inventory(&new()).unwrap();
    let second = new_inventory(&new()).unwrap();
    let id = |text: &str| load::validate_text("x".into(), text).unwrap().0.cluster.id;
    assert_ne!(id(&first), id(&second));
    let headscale =
        NewInventory { headscale: Some("https://headscale.example.org".into()), ..new() };
    new_inventory(&headscale).unwrap();
    let oauth = NewInventory { oauth_client: Some("k123CNTRL".into()), ..new() };
    new_inventory(&oauth).unwrap();
}

#[test]
fn vmids_follow_the_addresses_where_they_can() {
    let with = |last: [u8; 2], first_vmid, template| {
        let node = |name: &str, last| (name.parse().unwrap(), [192, 168, 1, last].into());
        vmids(&NewInventory {
            servers: vec![node("k3s-server", last[0])],
            agents: vec![node("k3s-agent-1", last[1])],
            first_vmid,
            template,
            ..new()
        })
    };
    assert_eq!(with([102, 101], None, 9000), [102, 101], "as README.md has it");
    assert_eq!(with([102, 101], Some(300), 9000), [300, 301], "what is said counts");
    assert_eq!(with([20, 101], None, 9000), [101, 102], "Proxmox has none below 100");
    assert_eq!(with([102, 102], None, 9000), [101, 102]);
    assert_eq!(with([102, 101], None, 102), [101, 102], "the template has it");
}

#[test]
fn what_can_not_be_is_told_before_anything_is_written() {
    let unsound = NewInventory {
        agents: vec![("k3s-agent-1".parse().unwrap(), [10, 0, 0, 1].into())],
        cluster: "My: Lab".into(),
        ..new()
    };
    let failure = new_inventory(&unsound).unwrap_err();
    assert_eq!(failure.kind, Kind::Usage);
    let told = failure.to_string();
    assert!(told.contains("--cluster: `name` is `My: Lab`"), "{told}");
    let twice = NewInventory {
        agents: vec![
            ("k3s-agent-1".parse().unwrap(), [10, 0, 0, 1].into()),
            ("k3s-agent-2".parse().unwrap(), [192, 168, 1, 101].into()),
        ],
        ..new()
    };
    let told = new_inventory(&twice).unwrap_err().to_string();
    assert!(told.contains("k3s-agent-1: 10.0.0.1 is not in the LAN"), "{told}");
    assert!(told.contains("192.168.1.101 is `k3s-server`'s"), "{told}");
    assert!(!told.contains("line") && !told.contains("homelab.yaml"), "{told}");
}

#[test]
fn a_name_that_is_given_twice_is_told_by_its_flags() {
    let twice = NewInventory {
        agents: vec![("k3s-server".parse().unwrap(), [192, 168, 1, 102].into())],
        ..new()
    };
    assert_eq!(
        new_inventory(&twice).unwrap_err().to_string(),
        "`k3s-server` is named more than once: --server, --agent"
    );
}

#[test]
fn a_file_that_exists_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(folder.path()).unwrap().join("homelab.yaml");
    write_new(&path, "mine").unwrap();
    let failure = write_new(&path, "other").unwrap_err();
    assert_eq!(failure.kind, Kind::Refused);
    assert_eq!(fs_err::read_to_string(&path).unwrap(), "mine");
}
