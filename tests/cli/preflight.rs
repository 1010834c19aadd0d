//! What is refused before anything is touched, each with its exit code and its own text.

use serde_json::json;

use crate::{
    served::Served,
    world::{BYSTANDER, Wish, World},
};

#[tokio::test]
async fn a_certificate_of_somebody_else_is_refused() {
    let world = World::new().await;
    let pinned = "00:".repeat(31) + "11";
    let text = fs_err::read_to_string(world.path("homelab.yaml")).unwrap();
    let line = text.lines().find(|line| line.contains("ca_file:")).unwrap().trim();
    world.edit(line, &format!("fingerprints: ['{pinned}']"));
    let told = world.homelab(&["up", "--yes"]).await.refused(17);
    insta::assert_snapshot!(told, @r##"
    up of cluster test
    error: https://PROXMOX: the certificate shown has the SHA-256 fingerprint FINGERPRINT; it is not the pinned one (00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:11). Check on the Proxmox host, not over this connection: `pvenode cert info`, or `openssl x509 -fingerprint -sha256 -noout -in /etc/pve/local/pve-ssl.pem` (pveproxy-ssl.pem where that file exists); if it is the same, put it into `proxmox.tls.fingerprints`
    "##);
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn a_token_that_proxmox_does_not_know_is_refused() {
    let world = World::new().await;
    let mut up = world.command(&["up", "--yes"]);
    up.env("TEST_TOKEN", "homelab@pve!homelab=00000000-0000-0000-0000-000000000000");
    let told = world.run(up).await.refused(17);
    insta::assert_snapshot!(told, @r##"
    up of cluster test
    error: Proxmox refused the API token: Authentication failed!
      hint: check the token's id, secret and expiry; `homelab init proxmox-role` prints how to make one
    "##);
    assert!(!told.contains("00000000"), "the secret is repeated");
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn a_missing_privilege_is_named_with_its_path_and_the_command_that_grants_it() {
    let wish = Wish { without: Some("VM.Config.CDROM"), ..Wish::default() };
    let world = World::with(wish).await;
    let told = world.homelab(&["up", "--yes"]).await.refused(17);
    insta::assert_snapshot!(told, @r##"
    up of cluster test
    error: /pool/homelab: missing privilege VM.Config.CDROM (attach the seed and take it out)
      hint: pveum role modify HomelabGuests --append 1 --privs VM.Config.CDROM && pveum acl modify /pool/homelab --users homelab@pve --tokens 'homelab@pve!homelab' --roles HomelabGuests
    "##);
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn a_storage_that_lacks_a_content_type_is_named_with_the_command_that_adds_it() {
    let wish = Wish { local_content: &["iso", "vztmpl", "backup"], ..Wish::default() };
    let world = World::with(wish).await;
    let told = world.homelab(&["up", "--yes"]).await.refused(20);
    insta::assert_snapshot!(told, @r##"
    up of cluster test
    error: storage local on pve1: does not take content import
      hint: as root on pve1: pvesm set local --content iso,vztmpl,backup,import
    "##);
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn a_foreign_guest_on_a_wanted_vmid_is_refused_even_where_the_token_cannot_see_it() {
    let world = World::new().await;
    world.fault(json!({"kind": "foreign", "vmid": 101, "name": "mail"})).await;
    let told = world.homelab(&["up", "--yes"]).await.refused(20);
    insta::assert_snapshot!(told, @r##"
    up of cluster test
    error: VMID 101: is taken by a guest that the token may not see
      hint: give agent another `vmid`
    "##);
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn a_proxmox_that_is_down_is_said_to_be_unreachable() {
    let world = World::new().await.without_proxmox().await;
    let ended = world.homelab(&["plan"]).await;
    assert_eq!(ended.code, Some(14), "{ended}");
    assert!(ended.err.contains("cannot reach Proxmox at https://127.0.0.1:"), "{ended}");
    assert!(ended.err.contains("check `proxmox.endpoint`"), "{ended}");
}

#[tokio::test]
async fn guests_that_do_not_fit_into_the_hosts_memory_are_refused_together() {
    let world = World::new().await;
    world.edit("memory: 2G", "memory: 12G");
    let told = world.homelab(&["up", "--yes"]).await.refused(20);
    insta::assert_snapshot!(told, @r##"
    up of cluster test
    error: pve1: the nodes to be made need 24576 MiB of memory, 14336 MiB of 16384 MiB are free
      hint: give the nodes less `memory`, or stop other guests
    "##);
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn a_bridge_that_carries_less_than_the_inventory_says_is_named_before_it_hurts() {
    let world = World::with(Wish { bridge_mtu: Some(1400), ..Wish::default() }).await;
    let told = world.homelab(&["up", "--yes"]).await.refused(20);
    insta::assert_snapshot!(told, @r##"
    up of cluster test
    error: bridge vmbr0 on pve1: carries 1400 bytes, the inventory's link has an MTU of 1500
      hint: set `network.mtu: 1400` (or the node's `mtu`), or raise the bridge's MTU and that of everything below it
    "##);
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn a_proxmox_node_and_a_storage_that_are_not_there_are_told_in_one_go() {
    let world = World::new().await;
    world.edit("disks: local-lvm", "disks: ceph");
    let told = world.homelab(&["up", "--until", "image", "--yes"]).await.refused(20);
    insta::assert_snapshot!(told, @r##"
    up of cluster test
    error: storage ceph on pve1: there is no such storage; there is local, local-lvm
    /storage/ceph: missing privilege Datastore.AllocateSpace (make the guests' disks)
    /storage/ceph: missing privilege Datastore.Audit (see free space and content types)
      hint: change `proxmox.storage` in the inventory
      hint: pveum role modify HomelabDisks --append 1 --privs Datastore.AllocateSpace && pveum acl modify /storage/ceph --users homelab@pve --tokens 'homelab@pve!homelab' --roles HomelabDisks
      hint: pveum role modify HomelabDisks --append 1 --privs Datastore.Audit && pveum acl modify /storage/ceph --users homelab@pve --tokens 'homelab@pve!homelab' --roles HomelabDisks
    "##);
    world.edit("proxmox_node: pve1", "proxmox_node: pve9");
    let told = world.homelab(&["up", "--until", "image", "--yes"]).await;
    assert!(told.code.is_some_and(|code| code >= 14), "{told}");
    assert!(told.err.contains("pve9"), "{told}");
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn an_altered_byte_in_the_image_fails_the_download_and_leaves_nothing() {
    let world = World::with(Wish { image: Served::altered_image(), ..Wish::default() }).await;
    let told = world.homelab(&["up", "--until", "image", "--yes"]).await.refused(17);
    assert!(told.contains("checksum mismatch"), "{told}");
    assert!(told.contains("pinned to sha256 IMAGE-SHA256"), "{told}");
    assert_eq!(world.changes().await, ["POST /nodes/pve1/storage/local/download-url"]);
    let left: Vec<_> = walk(&world.path("proxmox"))
        .into_iter()
        .filter(|path| path.contains("homelab-") && path.ends_with(".raw"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn a_plan_names_each_step_with_its_price_and_touches_nothing() {
    let world = World::new().await;
    let plan = world.homelab(&["plan", "--until", "machines"]).await.well().out;
    insta::assert_snapshot!(plan, @r##"
    image
      fetch the cloud image to pve1 [create]
          there is no template
      make template 9000 on pve1 [create]
          there is no template
    machines
      server: seed and clone [create]
          there is no such VM
      server: configure hardware, seed, disk [create]
          a new machine
      server: start [create]
          a new machine
      server: first contact [create]
          a new machine
      agent: seed and clone [create]
          there is no such VM
      agent: configure hardware, seed, disk [create]
          a new machine
      agent: start [create]
          a new machine
      agent: first contact [create]
          a new machine
    10 steps; the highest price is create.
    "##);
    let detailed = world.homelab(&["plan", "--until", "machines", "--detailed-exitcode"]).await;
    assert_eq!(detailed.code, Some(2), "{detailed}");
    assert!(world.changes().await.is_empty());
    let json = world.homelab(&["plan", "--until", "machines", "-o", "json"]).await.well().out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["steps"].as_array().unwrap().len() > 4, "{json}");
}

#[tokio::test]
async fn without_a_terminal_nothing_is_done_unless_yes_is_said() {
    let world = World::new().await;
    let told = world.homelab(&["up", "--until", "image"]).await.refused(64);
    assert!(told.contains("give --yes"), "{told}");
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn the_image_is_fetched_and_made_a_template_once_and_the_bystander_stays() {
    let world = World::new().await;
    world.homelab(&["up", "--until", "image", "--yes"]).await.well();
    let first = world.changes().await;
    let kinds: Vec<&str> = first.iter().map(String::as_str).collect();
    assert_eq!(
        kinds,
        [
            "POST /nodes/pve1/storage/local/download-url",
            "POST /nodes/pve1/qemu",
            "POST /nodes/pve1/qemu/9000/template",
            // Twice: the import took time, so the lease is renewed; at the end it is given back.
            "PUT /nodes/pve1/qemu/9000/config",
            "PUT /nodes/pve1/qemu/9000/config",
        ]
    );
    world.forget_requests().await;
    let again = world.homelab(&["up", "--until", "image", "--yes"]).await.well();
    assert!(again.err.contains("nothing to do"), "{again}");
    assert!(world.changes().await.is_empty());
    let bystander = format!("/{BYSTANDER}");
    assert!(!first.iter().any(|line| line.contains(&bystander)), "{first:?}");
}

fn walk(folder: &camino::Utf8Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in folder.read_dir_utf8().unwrap().flatten() {
        if entry.path().is_dir() {
            found.extend(walk(entry.path()));
        } else {
            found.push(entry.path().to_string());
        }
    }
    found
}
