//! The seed as cloud-init would find it.

use std::process::Command;

use super::*;
use crate::inventory::desired::{Exposure, Role};
use crate::model::Vmid;

fn node() -> Node {
    Node {
        name: "k3s-server".parse().unwrap(),
        role: Role::Server,
        proxmox_node: "pve1".into(),
        vmid: Vmid(101),
        cores: 2,
        memory_mib: 4096,
        disk_bytes: 20 << 30,
        storage_disk_bytes: None,
        storage_disk_storage: "local-lvm".into(),
        address: [192, 168, 1, 11].into(),
        prefix: 24,
        gateway: [192, 168, 1, 1].into(),
        nameservers: vec!["192.168.1.1".parse().unwrap(), "2001:db8::53".parse().unwrap()],
        search_domain: Some("lan.example".into()),
        link_mtu: 1500,
        labels: Default::default(),
        taints: Vec::new(),
        on_boot: true,
        cpu_type: "host".into(),
        tags: Vec::new(),
    }
}

fn access() -> Access {
    Access {
        user: "debian".into(),
        public_keys: vec!["ssh-ed25519 AAAAC3Nz me: \"the #1\"".into()],
        private_key: None,
        port: 22,
        exposure: Exposure::Lan,
    }
}

struct Parts {
    cluster: ClusterId,
    node: Node,
    access: Access,
    nonce: Nonce,
    host_key: HostKey,
}

impl Parts {
    fn new() -> Self {
        Self {
            cluster: "2f1b6a52-2f0e-4a35-9b39-3d4f0c1d2e3f".parse().unwrap(),
            node: node(),
            access: access(),
            nonce: Nonce::from_text("0123456789abcdef").unwrap(),
            host_key: HostKey::generate().unwrap(),
        }
    }

    fn seed(&self) -> Seed<'_> {
        let Self { cluster, node, access, nonce, host_key } = self;
        Seed { cluster, node, access, nonce, host_key }
    }
}

fn yaml(text: &str) -> serde_json::Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn user_data_lets_us_in_and_nobody_else() {
    let parts = Parts::new();
    let text = parts.seed().user_data().unwrap();
    assert!(text.expose().starts_with("#cloud-config\n"));
    let data = yaml(text.expose());
    assert_eq!(data["hostname"], "k3s-server");
    let user = &data["users"][0];
    assert_eq!(user["name"], "debian");
    assert_eq!(user["lock_passwd"], true);
    assert_eq!(user["ssh_authorized_keys"][0], parts.access.public_keys[0].as_str());
    assert_eq!(data["users"].as_array().unwrap().len(), 1, "no default user");
    assert_eq!((&data["ssh_pwauth"], &data["disable_root"]), (&false.into(), &true.into()));
    assert_eq!(data["ssh_keys"]["ed25519_private"], parts.host_key.private.expose());
    assert_eq!(data["ssh_keys"]["ed25519_public"], parts.host_key.public.as_str());
    assert_eq!(data["package_upgrade"], false);
}

#[test]
fn the_network_is_named_by_hardware_address() {
    let mut parts = Parts::new();
    let config = yaml(&parts.seed().network_config().unwrap());
    let (link, names) = (&config["config"][0], &config["config"][1]);
    assert_eq!(config["version"], 1);
    assert_eq!(link["mac_address"], Mac::of(&parts.cluster, &parts.node.name).linux());
    assert_eq!(link["subnets"][0]["address"], "192.168.1.11/24");
    assert_eq!(link["subnets"][0]["gateway"], "192.168.1.1");
    assert!(link.get("mtu").is_none());
    assert_eq!(names["address"], serde_json::json!(["192.168.1.1", "2001:db8::53"]));
    assert_eq!(names["search"], serde_json::json!(["lan.example"]));

    parts.node.link_mtu = 9000;
    parts.node.search_domain = None;
    let config = yaml(&parts.seed().network_config().unwrap());
    assert_eq!(config["config"][0]["mtu"], 9000);
    assert_eq!(config["config"][1]["search"], serde_json::json!([]));
    parts.node.nameservers.clear();
    let config = yaml(&parts.seed().network_config().unwrap());
    assert_eq!(config["config"].as_array().unwrap().len(), 1);
}

#[test]
fn a_new_nonce_is_a_new_instance() {
    let mut parts = Parts::new();
    let meta = yaml(&parts.seed().meta_data().unwrap());
    assert_eq!(meta["instance-id"], "homelab-k3s-server-0123456789abcdef");
    assert_eq!(meta["local-hostname"], "k3s-server");
    parts.nonce = Nonce::random();
    assert_ne!(yaml(&parts.seed().meta_data().unwrap())["instance-id"], meta["instance-id"]);
}

#[test]
fn the_same_parts_give_the_same_bytes() {
    let parts = Parts::new();
    assert_eq!(parts.seed().iso().unwrap(), parts.seed().iso().unwrap());
}

#[test]
fn a_seeds_name_tells_whose_it_is() {
    let parts = Parts::new();
    let name = SeedName::new(&parts.cluster, &parts.node.name, &parts.nonce);
    assert_eq!(name.to_string(), "homelab-2f1b6a52-k3s-server-0123456789abcdef.iso");
    assert_eq!(SeedName::parse(&format!("local:iso/{name}")), Some(name));
    for foreign in ["local:iso/debian-12.iso", "homelab-.iso", "homelab-2f1b6a52-a-b.iso"] {
        assert_eq!(SeedName::parse(foreign), None, "{foreign}");
    }
}

#[test]
fn a_written_seed_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let parts = Parts::new();
    let directory = tempfile::tempdir().unwrap();
    let directory = Utf8Path::from_path(directory.path()).unwrap();
    let file = parts.seed().write(directory).unwrap();
    let mode = fs_err::metadata(&file.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let bytes = fs_err::read(&file.path).unwrap();
    assert_eq!(hex::encode(Sha256::digest(&bytes)), file.sha256);
}

/// What a tool says, or `None` when it is not installed.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = match Command::new(program).args(arguments).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: {program} is not installed");
            return None;
        }
        Err(error) => panic!("{program}: {error}"),
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    Some(format!("{text}\n{errors}"))
}

#[test]
fn libarchive_reads_the_three_files_by_each_of_their_names() {
    let parts = Parts::new();
    let directory = tempfile::tempdir().unwrap();
    let directory = Utf8Path::from_path(directory.path()).unwrap();
    let file = parts.seed().write(directory).unwrap();
    for options in ["rockridge", "!rockridge,joliet"] {
        let options = format!("iso9660:{}", options.replace(',', ",iso9660:"));
        let arguments = ["--options", &options, "-tf", file.path.as_str()];
        let Some(listing) = said("bsdtar", &arguments) else { return };
        for name in ["user-data", "meta-data", "network-config"] {
            assert!(listing.lines().any(|line| line == name), "{name} by {options}: {listing}");
        }
    }
    let user = said("bsdtar", &["-xOf", file.path.as_str(), "user-data"]).unwrap();
    assert_eq!(user.trim_end(), parts.seed().user_data().unwrap().expose().trim_end());
}

#[test]
fn xorriso_finds_the_label_and_the_files_and_complains_of_nothing() {
    let parts = Parts::new();
    let directory = tempfile::tempdir().unwrap();
    let directory = Utf8Path::from_path(directory.path()).unwrap();
    let file = parts.seed().write(directory).unwrap();
    let copy = directory.join("network-config");
    let arguments = [
        "-abort_on",
        "WARNING",
        "-indev",
        file.path.as_str(),
        "-find",
        "/",
        "-exec",
        "lsdl",
        "--",
        "-osirrox",
        "on",
        "-extract",
        "/network-config",
        copy.as_str(),
    ];
    let Some(listing) = said("xorriso", &arguments) else { return };
    assert!(listing.contains("'cidata'"), "{listing}");
    for name in ["'/user-data'", "'/meta-data'", "'/network-config'"] {
        assert!(listing.contains(name), "{name}: {listing}");
    }
    assert_eq!(fs_err::read_to_string(copy).unwrap(), parts.seed().network_config().unwrap());
}
