//! Whole inventories: the examples, and what a faulty one gets told.

use camino::Utf8PathBuf;
use proptest::prelude::*;

use super::*;

/// A folder with an inventory, a lock file that fits it, and a key pair.
pub(crate) struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn with(inventory: &str) -> Self {
        let this = Self { folder: tempfile::tempdir().unwrap() };
        fs_err::write(this.path("homelab.yaml"), inventory).unwrap();
        fs_err::write(this.path("key.pub"), "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me\n").unwrap();
        this.lock(&LockFile {
            version: 1,
            image: Some(locked("debian-12", "http://10.79.0.1/image.qcow2")),
            tailscale: Some(locked("1.102.5", "http://10.79.0.1/tailscale.tgz")),
            k3s: Some(locked("v1.34.9+k3s1", "http://10.79.0.1/k3s")),
            ..fitting()
        });
        this
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.folder.path().join(name)).unwrap()
    }

    pub(crate) fn lock(&self, lock: &LockFile) {
        fs_err::write(self.path("homelab.lock"), serde_json::to_string(lock).unwrap()).unwrap();
    }

    pub(crate) fn options(&self) -> LoadOptions {
        LoadOptions {
            path: self.path("homelab.yaml"),
            lock: None,
            overrides: Overrides::default().with_flags(None, Some(self.path("key"))),
        }
    }

    pub(crate) fn load(&self) -> Result<Loaded, crate::error::Failure> {
        load(&self.options())
    }

    /// What a person sees: faults of an unsound inventory, warnings of a sound one.
    fn told(&self) -> String {
        let text = match self.load() {
            Ok(loaded) => Faults(loaded.warnings).to_string(),
            Err(failure) => Faults::of(&failure).expect("faults").to_string(),
        };
        text.replace(self.folder.path().to_str().unwrap(), "")
    }
}

/// What a GitOps tree is made of, as `homelab lock` leaves it.
fn fitting() -> LockFile {
    LockFile {
        flux: Some(locked("2.9.4", "http://10.79.0.1/install.yaml")),
        charts: versions::defaults(versions::Packaging::Chart),
        containers: versions::defaults(versions::Packaging::Image),
        ..LockFile::empty()
    }
}

/// Hashes in tests are plainly made up.
fn locked(version: &str, url: &str) -> LockedArtifact {
    LockedArtifact { version: version.into(), url: url.into(), sha256: "ab".repeat(32) }
}

pub(crate) fn example(name: &str) -> String {
    fs_err::read_to_string(format!("{}/inventory/{name}.yaml", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The lab's inventory with lines changed.
fn lab(changes: &[(&str, &str)]) -> Folder {
    let mut text = example("lab");
    for (from, to) in changes {
        assert!(text.contains(from), "the lab's inventory has no `{from}`");
        text = text.replacen(from, to, 1);
    }
    Folder::with(&text)
}

const EXAMPLES: [&str; 4] = ["homelab", "one-node", "ha", "lab"];

#[test]
fn every_example_is_sound_by_the_program_and_by_the_schema() {
    let validator = jsonschema::validator_for(&schema::inventory_schema()).unwrap();
    for name in EXAMPLES {
        let mut text = example(name);
        // Nobody's home folder has to hold a key for this.
        text = text.replace("~/.ssh/id_ed25519.pub", "key.pub");
        let folder = Folder::with(&text);
        let url = serde_saphyr::from_str::<serde_json::Value>(&text).unwrap();
        let image = url.pointer("/image/url").and_then(|url| url.as_str());
        let mut lock = LockFile {
            version: 1,
            image: Some(locked("debian-12", image.unwrap_or("http://10.79.0.1/image"))),
            tailscale: Some(locked("1.102.5", "http://10.79.0.1/tailscale.tgz")),
            k3s: Some(locked("v1.34.9+k3s1", "http://10.79.0.1/k3s")),
            ..fitting()
        };
        if url.pointer("/k3s/images").is_some() {
            lock.k3s_images = Some(locked("v1.34.9+k3s1", "http://10.79.0.1/images"));
        }
        folder.lock(&lock);
        assert_eq!(folder.told(), "", "{name}");
        let errors: Vec<String> = validator
            .iter_errors(&url)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn the_committed_schema_is_the_generated_one() {
    let path = format!("{}/inventory/schema.json", env!("CARGO_MANIFEST_DIR"));
    let generated = schema::printed(&schema::inventory_schema());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs_err::write(&path, &generated).unwrap();
    }
    assert_eq!(
        fs_err::read_to_string(&path).unwrap(),
        generated,
        "run `homelab schema > inventory/schema.json`"
    );
}

#[test]
fn the_schema_and_the_program_refuse_the_same_ill_shaped_fields() {
    let validator = jsonschema::validator_for(&schema::inventory_schema()).unwrap();
    for (from, to) in [
        ("vmid: 102", "vmid: 99"),
        ("memory: 3072M", "memory: 3072"),
        ("role: server", "role: master"),
        ("pool: homelab", "pol: homelab"),
        ("tag: tag:k3s", "tag: k3s"),
        ("mtu: auto", "mtu: automatic"),
        ("token: {env: PROXMOX_VE_API_TOKEN}", "token: {env: A, file: b}"),
        ("    vmid: 102\n", ""),
    ] {
        let folder = lab(&[(from, to)]);
        assert!(folder.load().is_err(), "the program takes `{to}`");
        let text = fs_err::read_to_string(folder.path("homelab.yaml")).unwrap();
        let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert!(!validator.is_valid(&value), "the schema takes `{to}`");
    }
}

#[test]
fn many_faults_are_told_at_once_each_with_its_place_and_a_suggestion() {
    let folder = lab(&[
        ("  pool: homelab", "  poll: homelab"),
        ("memory: 3072M", "memory: 3072"),
        ("vmid: 101", "vmid: 102"),
        ("address: 10.79.0.103", "address: 10.79.1.103"),
        ("tag: tag:k3s", "tag: k3s"),
        ("overlay: tailscale", "overlay: tailscal"),
    ]);
    insta::assert_snapshot!(folder.told(), @"
    error: unknown field `poll` in `proxmox`
      --> /homelab.yaml:14:3
       |
    14 |   poll: homelab
       |   ^^^^
       = help: did you mean `pool`?

    error: `memory` is a number; expected a size with its unit, such as `32G` or `3072M` (powers of 1024)
      --> /homelab.yaml:39:11
       |
    39 |   memory: 3072
       |           ^^^^
       = help: write `3072M` for mebibytes or `3072G` for gibibytes

    error: VMID 102 is `k3s-server`'s (line 46)
      --> /homelab.yaml:50:11
       |
    50 |     vmid: 102
       |           ^^^
       = help: 104 is free in this inventory

    error: 10.79.1.103 is not in the LAN 10.79.0.0/24
      --> /homelab.yaml:55:14
       |
    55 |     address: 10.79.1.103
       |              ^^^^^^^^^^^
       = help: 10.79.0.103 is free in this inventory

    error: `tag` is `k3s`; expected a tag such as `tag:k3s`: letters, digits and `-` after `tag:`, a letter first
      --> /homelab.yaml:63:8
       |
    63 |   tag: k3s
       |        ^^^
       = help: write `tag:k3s`

    error: `overlay` is `tailscal`; expected `tailscale` or `lan`
      --> /homelab.yaml:70:12
       |
    70 |   overlay: tailscal
       |            ^^^^^^^^
       = help: did you mean `tailscale`?
    ");
}

#[test]
fn addresses_and_networks_must_fit() {
    let folder = lab(&[
        ("gateway: 10.79.0.1", "gateway: 10.79.0.0"),
        ("cidr: 10.79.0.0/24", "cidr: 10.79.0.5/24"),
        ("address: 10.79.0.101", "address: 10.79.0.255"),
        ("address: 10.79.0.103", "address: 10.79.0.102"),
        ("cluster_cidr: 10.42.0.0/16", "cluster_cidr: 10.43.0.0/18"),
        ("service_cidr: 10.43.0.0/16", "service_cidr: 10.43.0.0/29"),
        ("  mtu: auto", "  prefixes: [10.79.0.0/16]"),
    ]);
    insta::assert_snapshot!(folder.told(), @"
    error: 10.79.0.5/24 has bits set beyond its prefix
      --> /homelab.yaml:31:9
       |
    31 |   cidr: 10.79.0.5/24
       |         ^^^^^^^^^^^^
       = help: write `10.79.0.0/24`

    error: the gateway 10.79.0.0 is the address of the network 10.79.0.0/24 itself
      --> /homelab.yaml:32:12
       |
    32 |   gateway: 10.79.0.0
       |            ^^^^^^^^^

    error: 10.79.0.255 is the broadcast address of 10.79.0.0/24
      --> /homelab.yaml:51:14
       |
    51 |     address: 10.79.0.255
       |              ^^^^^^^^^^^
       = help: 10.79.0.103 is free in this inventory

    error: 10.79.0.102 is `k3s-server`'s (line 47)
      --> /homelab.yaml:55:14
       |
    55 |     address: 10.79.0.102
       |              ^^^^^^^^^^^
       = help: 10.79.0.103 is free in this inventory

    error: the tailnet, 10.79.0.0/16, overlaps the LAN, 10.79.0.5/24 (line 31)
      --> /homelab.yaml:64:14
       |
    64 |   prefixes: [10.79.0.0/16]
       |              ^^^^^^^^^^^^

    error: the services' network, 10.43.0.0/29, overlaps the pods' network, 10.43.0.0/18 (line 68)
      --> /homelab.yaml:69:17
       |
    69 |   service_cidr: 10.43.0.0/29
       |                 ^^^^^^^^^^^^

    error: 10.43.0.0/29: the services' network has a prefix from 12 to 28
      --> /homelab.yaml:69:17
       |
    69 |   service_cidr: 10.43.0.0/29
       |                 ^^^^^^^^^^^^
       = help: Kubernetes takes at most 20 bits, and cluster DNS is the tenth address
    ");
}

#[test]
fn the_mtu_must_fit_the_links_and_the_pods() {
    let mtu = |text: &str| lab(&[("  mtu: auto", text)]).told();
    insta::assert_snapshot!(mtu("  mtu: 1450"), @"
    error: tailscale0 at 1450 needs links of 1510; the smallest has 1500: TCP would stand still
      --> /homelab.yaml:64:8
       |
    64 |   mtu: 1450
       |        ^^^^
       = help: write `auto`, which is 1420 here
    ");
    insta::assert_snapshot!(mtu("  mtu: 1440"), @"
    warning: tailscale0 at 1440 fits links of 1500 over IPv4 alone; over IPv6 it needs 1520
      --> /homelab.yaml:64:8
       |
    64 |   mtu: 1440
       |        ^^^^
    ");
    insta::assert_snapshot!(mtu("  mtu: 1380"), @"
    warning: pods get an MTU of 1330; Tailscale's proxies among them need 1340: their TCP would stand still
      --> /homelab.yaml:64:8
       |
    64 |   mtu: 1380
       |        ^^^^
       = help: tailscale0 at 1390 or more does it, on links of 1450
    ");
    insta::assert_snapshot!(mtu("  mtu: 1000"), @"
    error: `mtu` is 1000; expected a whole number from 1280 to 9136
      --> /homelab.yaml:64:8
       |
    64 |   mtu: 1000
       |        ^^^^
    ");
    let links = |link: &str| lab(&[("  mtu: 1500", link)]).told();
    insta::assert_snapshot!(links("  mtu: 1400"), @"
    warning: pods get an MTU of 1270; Tailscale's proxies among them need 1340: their TCP would stand still
      --> /homelab.yaml:34:8
       |
    34 |   mtu: 1400
       |        ^^^^
       = help: tailscale0 at 1390 or more does it, on links of 1450
    ");
    insta::assert_snapshot!(links("  mtu: 1300"), @"
    error: tailscale0 at 1280 needs links of 1340; the smallest has 1300: TCP would stand still
      --> /homelab.yaml:34:8
       |
    34 |   mtu: 1300
       |        ^^^^
    ");
}

#[test]
fn what_stands_twice_or_is_missing_is_told() {
    let folder = lab(&[
        ("  bridge: vmbr0", "  bridge: vmbr0\n  bridge: vmbr1"),
        ("    vmid: 103\n", ""),
        ("  user: debian", "  user: debian\n  user: Debian"),
        ("cluster:\n  name: lab", "cluster:\n  nam: lab"),
        ("  gateway: 10.79.0.1", "  gateway:"),
    ]);
    insta::assert_snapshot!(folder.told(), @"
    error: unknown field `nam` in `cluster`
     --> /homelab.yaml:8:3
      |
    8 |   nam: lab
      |   ^^^
      = help: did you mean `name`?

    error: `bridge` stands here a second time; the first is on line 15
      --> /homelab.yaml:16:3
       |
    16 |   bridge: vmbr1
       |   ^^^^^^
       = help: take one of them out

    error: `user` stands here a second time; the first is on line 28
      --> /homelab.yaml:29:3
       |
    29 |   user: Debian
       |   ^^^^
       = help: take one of them out

    error: `gateway` has no value
      --> /homelab.yaml:34:3
       |
    34 |   gateway:
       |   ^^^^^^^
       = help: write one, or take the line out

    error: `k3s-agent-2` lacks the field `vmid`
      --> /homelab.yaml:54:3
       |
    54 |   k3s-agent-2:
       |   ^^^^^^^^^^^
    ");
}

#[test]
fn a_secret_that_stands_where_a_reference_belongs_is_not_printed() {
    for secret in [
        "token: root@pam!up=hunter2-hunter2",
        "token: {env: root@pam!up=hunter2-hunter2}",
        "token: {enw: hunter2}",
        "token: {env: [hunter2]}",
        "token: {command: hunter2}",
        "token: {file: \"\", env: hunter2}",
        "token: {file: {path: hunter2}}",
        "token: [hunter2]",
    ] {
        let folder = lab(&[("token: {env: PROXMOX_VE_API_TOKEN}", secret)]);
        let told = folder.told();
        assert!(told.contains("homelab.yaml:13:"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    let folder = lab(&[("token: {env: PROXMOX_VE_API_TOKEN}", "token: root@pam!up=hunter2")]);
    insta::assert_snapshot!(folder.told(), @"
    error: `token` is a text; expected a mapping with one of `env`, `file`, `command`, `age`
      --> /homelab.yaml:13:10
       = help: an inventory holds no secrets, only where they are: `env: NAME`, `file: PATH`, `command: [...]` or `age: {...}`
    ");
}

#[test]
fn the_servers_are_one_or_an_odd_number() {
    let folder = lab(&[("role: agent", "role: server")]);
    insta::assert_snapshot!(folder.told(), @"
    error: 2 servers: etcd wants an odd number, since 2 bear no more failures than 1
      --> /homelab.yaml:43:1
       |
    43 | nodes:
       | ^^^^^
       = help: make it 1 or 3
    ");
    assert_eq!(lab(&[("role: agent", "role: server"), ("role: agent", "role: server")]).told(), "");
    let folder = lab(&[("role: server", "role: agent")]);
    insta::assert_snapshot!(folder.told(), @"
    error: no node is a server
      --> /homelab.yaml:43:1
       |
    43 | nodes:
       | ^^^^^
       = help: give one node `role: server`; the first of them makes the cluster
    ");
}

#[test]
fn keys_of_k3s_that_are_ours_are_refused() {
    let folder = lab(&[(
        "  overlay: tailscale",
        "  server_config: {flannel-iface: eth0, tls-san+: [x], etcd-snapshot-retention: 3, node_label: [a=b]}",
    )]);
    insta::assert_snapshot!(folder.told(), @"
    error: `flannel-iface` of k3s's configuration is the program's own
      --> /homelab.yaml:70:19
       |
    70 |   server_config: {flannel-iface: eth0, tls-san+: [x], etcd-snapshot-retention: 3, node_label: [a=b]}
       |                   ^^^^^^^^^^^^^
       = help: it follows from `k3s.overlay`

    error: `tls-san` of k3s's configuration is the program's own
      --> /homelab.yaml:70:40
       |
    70 |   server_config: {flannel-iface: eth0, tls-san+: [x], etcd-snapshot-retention: 3, node_label: [a=b]}
       |                                        ^^^^^^^^
       = help: say it with `k3s.tls_sans`

    error: `node_label` is no key of k3s: they are written with `-`
      --> /homelab.yaml:70:83
       |
    70 |   server_config: {flannel-iface: eth0, tls-san+: [x], etcd-snapshot-retention: 3, node_label: [a=b]}
       |                                                                                   ^^^^^^^^^^
       = help: write `node-label`
    ");
}

#[test]
fn longhorn_and_flux_are_validated_before_they_are_carried_out() {
    let folder = lab(&[(
        "\nk3s:",
        "
longhorn:
  replicas: 3
  nodes: [k3s-agent-1, k3s-agent-3]
  recurring_jobs:
    nightly: {task: backup, cron: 0 3 * *, retain: 7}
    hourly: {task: snapshots, cron: 0 * * * *, retain: 24}
    daily: {task: backup, cron: 0 4 * * *, retain: 0}
flux:
  url: https://github.com/me/homelab
  path: ../elsewhere
  interval: 10
  credentials: {deploy_key: {env: DEPLOY_KEY}}
k3s:",
    )]);
    insta::assert_snapshot!(folder.told(), @"
    error: 3 replicas on 2 storage nodes: each replica is on another node, so volumes would stay degraded
      --> /homelab.yaml:68:13
       |
    68 |   replicas: 3
       |             ^
       = help: write `replicas: 2`, or name more `nodes`

    error: there is no node `k3s-agent-3`
      --> /homelab.yaml:69:24
       |
    69 |   nodes: [k3s-agent-1, k3s-agent-3]
       |                        ^^^^^^^^^^^
       = help: did you mean `k3s-agent-1`?

    error: `cron` is `0 3 * *`; expected a cron schedule of five fields, such as `0 3 * * *`
      --> /homelab.yaml:71:35
       |
    71 |     nightly: {task: backup, cron: 0 3 * *, retain: 7}
       |                                   ^^^^^^^

    error: `task` is `snapshots`; expected `snapshot`, `backup`, `snapshot-cleanup`, `filesystem-trim` or `system-backup`
      --> /homelab.yaml:72:20
       |
    72 |     hourly: {task: snapshots, cron: 0 * * * *, retain: 24}
       |                    ^^^^^^^^^
       = help: did you mean `snapshot`?

    error: `retain` is 0; expected a whole number from 1 to 100
      --> /homelab.yaml:73:52
       |
    73 |     daily: {task: backup, cron: 0 4 * * *, retain: 0}
       |                                                    ^

    error: `../elsewhere` leaves the repository
      --> /homelab.yaml:76:9
       |
    76 |   path: ../elsewhere
       |         ^^^^^^^^^^^^
       = help: write a path from the repository's root, such as `clusters/homelab`

    error: `interval` is a number; expected a duration, such as `90s`, `5m` or `1h`
      --> /homelab.yaml:77:13
       |
    77 |   interval: 10
       |             ^^
       = help: write `10s` for seconds or `10m` for minutes

    error: a deploy key opens `ssh://` URLs alone
      --> /homelab.yaml:78:3
       |
    78 |   credentials: {deploy_key: {env: DEPLOY_KEY}}
       |   ^^^^^^^^^^^
       = help: write the URL as `ssh://git@HOST/PATH`, or use `token`
    ");
}

#[test]
fn a_missing_or_stale_lock_entry_is_told_with_the_command_that_mends_it() {
    let folder = lab(&[("  mtu: auto", "  tailscale: {version: 1.102.3}")]);
    folder.lock(&LockFile {
        version: 1,
        tailscale: Some(locked("1.102.5", "http://10.79.0.1/tailscale.tgz")),
        k3s: Some(locked("v1.34.9+k3s1", "http://10.79.0.1/k3s")),
        ..LockFile::default()
    });
    insta::assert_snapshot!(folder.told(), @"
    error: no url is known for the cloud image
      --> /homelab.yaml:22:1
       |
    22 | image:
       | ^^^^^
       = help: write `url` here, then run `homelab lock`

    error: homelab.lock pins Tailscale 1.102.5, the inventory asks for 1.102.3
      --> /homelab.yaml:64:24
       |
    64 |   tailscale: {version: 1.102.3}
       |                        ^^^^^^^
       = help: run `homelab lock`
    ");
    fs_err::write(folder.path("homelab.lock"), "version: 1\nk3s: {version: v1, sha256: ABC}\n")
        .unwrap();
    insta::assert_snapshot!(folder.told(), @"
    error: `k3s` lacks the field `url`
     --> /homelab.lock:2:1
      |
    2 | k3s: {version: v1, sha256: ABC}
      | ^^^

    error: `sha256` is `ABC`; expected 64 hexadecimal digits in lower case
     --> /homelab.lock:2:28
      |
    2 | k3s: {version: v1, sha256: ABC}
      |                            ^^^
    ");
}

#[test]
fn a_hash_in_the_inventory_needs_no_lock() {
    let sha256 = "cd".repeat(32);
    let folder = lab(&[(
        "  template: 9000",
        &format!("  template: 9000\n  url: file:///srv/image.qcow2\n  sha256: {sha256}"),
    )]);
    let image = folder.load().unwrap().desired.image.artifact;
    assert_eq!((image.sha256, image.version), (sha256, "image.qcow2".to_owned()));
}

#[test]
fn yaml_that_is_none_is_told_with_its_place() {
    let folder = lab(&[("cluster:", "cluster: [")]);
    insta::assert_snapshot!(folder.told(), @"
    error: this is no valid YAML: while parsing a flow mapping, did not find expected ',' or '}'
     --> /homelab.yaml:9:5
      |
    9 |   id: 6d1f0f1e-6a0c-4c55-9d0e-0d6f5f3f1a10
      |     ^
    ");
    insta::assert_snapshot!(Folder::with("").told(), @"
    error: the file is empty
     --> /homelab.yaml:1:1
      = help: `homelab init` writes an inventory, `homelab lock` a lock file
    ");
    insta::assert_snapshot!(Folder::with("version: 1\n").told(), @"
    error: the file lacks the fields `cluster`, `proxmox`, `image`, `network`, `nodes`, `tailnet`, `k3s`
     --> /homelab.yaml:1:1
      |
    1 | version: 1
      | ^
    ");
}

#[test]
fn the_environment_wins_over_the_file_and_is_checked_like_it() {
    let folder = lab(&[]);
    let environment = |name: &str| match name {
        "PROXMOX_VE_ENDPOINT" => Some("https://elsewhere:8006/".to_owned()),
        "PROXMOX_VE_FINGERPRINT" => Some("ab".repeat(32)),
        "HOMELAB_SSH_KEY" => Some(folder.path("key").into_string()),
        _ => None,
    };
    let overrides = Overrides::from_variables(environment);
    let loaded = load(&LoadOptions { overrides, ..folder.options() }).unwrap();
    assert_eq!(loaded.desired.proxmox.endpoint, "https://elsewhere:8006");
    assert_eq!(loaded.desired.proxmox.tls, desired::TlsTrust::Fingerprints(vec![[0xab; 32]]));
    let environment = |name: &str| match name {
        "PROXMOX_VE_ENDPOINT" => Some("elsewhere".to_owned()),
        _ => environment(name),
    };
    let overrides = Overrides::from_variables(environment);
    let failure = load(&LoadOptions { overrides, ..folder.options() }).unwrap_err();
    let told = Faults::of(&failure).unwrap().to_string();
    assert!(told.contains("PROXMOX_VE_ENDPOINT says `elsewhere`"), "{told}");
}

#[test]
fn the_fingerprint_follows_inventory_and_lock() {
    let folder = lab(&[]);
    let first = folder.load().unwrap().fingerprint;
    assert_eq!(folder.load().unwrap().fingerprint, first);
    let lock = fs_err::read_to_string(folder.path("homelab.lock")).unwrap();
    fs_err::write(folder.path("homelab.lock"), lock + "\n").unwrap();
    assert_ne!(folder.load().unwrap().fingerprint, first);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_bytes_crash_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_all(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_damage_to_a_sound_inventory_crashes_the_reader(
        example_index in 0..EXAMPLES.len(),
        at in 0.0..1.0_f64,
        length in 0..40_usize,
        inserted in "[\\PC\n \\[\\]{}:,&*!|>'\"%@#-]{0,8}",
    ) {
        let mut characters: Vec<char> = example(EXAMPLES[example_index]).chars().collect();
        let start = (at * characters.len() as f64) as usize;
        let end = (start + length).min(characters.len());
        characters.splice(start..end, inserted.chars());
        read_all(&characters.into_iter().collect::<String>());
    }
}

/// Everything that a text goes through but the reading of other files.
fn read_all(text: &str) {
    let source = fault::Source::new("fuzzed.yaml", text);
    match document::parse(source) {
        Err(fault) => drop(fault.to_string()),
        Ok(document) => {
            let shaped = shape::compare(&document, &schema::inventory_schema());
            let faults = Faults::sorted(shaped.faults.clone());
            drop(faults.to_string());
            let Some(value) = shaped.value else {
                assert!(!faults.0.is_empty(), "nothing is usable and nothing was told");
                return;
            };
            // What the shape check lets through, the types take: no gap between schema and types.
            let file: InventoryFile =
                serde_json::from_value(value).expect("schema and types agree");
            let mut report = report::Report::new(&document, shaped.faults, shaped.dropped);
            load::validate(&file, &mut report);
            check::all(&file, &mut report);
            for fault in report.finish().0 {
                drop(fault.to_string());
            }
        }
    }
}
