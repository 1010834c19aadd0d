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
    error: agent: VMID 101 is taken by a guest that the token may not see
      hint: give agent another `vmid`, or delete that VM yourself
    "##);
    let rows = world.homelab(&["status", "-o", "json"]).await.well().out;
    let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
    assert_eq!(rows[0]["machine"], "absent");
    assert_eq!(rows[1]["machine"], "taken by a guest that the token may not see");
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
async fn who_asks_for_the_preflight_alone_gets_it() {
    let world = World::new().await;
    world.edit("memory: 2G", "memory: 12G");
    let told = world.homelab(&["up", "--until", "preflight", "--yes"]).await.refused(20);
    assert!(told.contains("memory"), "{told}");
    assert!(world.changes().await.is_empty());
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
async fn a_guest_that_hides_under_the_templates_vmid_is_found_before_anything_is_fetched() {
    let world = World::new().await;
    world.fault(json!({"kind": "foreign", "vmid": 9000, "name": "mail"})).await;
    let told = world.homelab(&["plan", "--until", "image"]).await.refused(20);
    insta::assert_snapshot!(told, @r##"
    error: template on pve1: VMID 9000 is taken by a guest that the token may not see
      hint: choose another `image.template`: the templates count up from it, one for each Proxmox node in the order of their names
    "##);
}

#[tokio::test]
async fn a_token_without_any_right_is_told_all_that_it_lacks() {
    let world = World::with(Wish { access: false, ..Wish::default() }).await;
    let told = world.homelab(&["plan"]).await.refused(17);
    assert_eq!(world.homelab(&["status"]).await.refused(17), told);
    insta::assert_snapshot!(told, @r##"
    error: /pool/homelab: missing privilege VM.Allocate (make and delete guests and the template)
           /pool/homelab: missing privilege VM.Audit (read configurations and states)
           /pool/homelab: missing privilege VM.Clone (clone the template)
           /pool/homelab: missing privilege VM.Config.CDROM (attach the seed and take it out)
           /pool/homelab: missing privilege VM.Config.CPU (set cores and CPU type)
           /pool/homelab: missing privilege VM.Config.Disk (add and grow disks)
           /pool/homelab: missing privilege VM.Config.HWType (set SMBIOS UUID, SCSI controller and serial console)
           /pool/homelab: missing privilege VM.Config.Memory (set memory)
           /pool/homelab: missing privilege VM.Config.Network (set the network interface)
           /pool/homelab: missing privilege VM.Config.Options (set name, description, tags and start at boot)
           /pool/homelab: missing privilege VM.PowerMgmt (start, stop and reboot)
           /storage/local-lvm: missing privilege Datastore.AllocateSpace (make the guests' disks)
           /storage/local-lvm: missing privilege Datastore.Audit (see free space and content types)
           /storage/local: missing privilege Datastore.AllocateTemplate (fetch the cloud image; upload seeds)
           /storage/local: missing privilege Datastore.Audit (see and import the cloud image; see and attach seeds)
           /storage/local: missing privilege Datastore.Allocate (delete seeds; reaches every volume on this storage)
           /nodes/pve1: missing privilege Sys.AccessNetwork (let the node fetch the cloud image)
           /nodes/pve1: missing privilege Sys.Audit (see capacity and running tasks)
           /sdn/zones/localnetwork/vmbr0: missing privilege SDN.Use (attach guests to the bridge); whether there is a bridge vmbr0 cannot be seen without Sys.Audit on /nodes/pve1
      hint: pveum acl modify /pool/homelab --users homelab@pve --tokens 'homelab@pve!homelab' --roles HomelabGuests
      hint: pveum acl modify /storage/local-lvm --users homelab@pve --tokens 'homelab@pve!homelab' --roles HomelabDisks
      hint: pveum acl modify /storage/local --users homelab@pve --tokens 'homelab@pve!homelab' --roles HomelabImages
      hint: pveum acl modify /storage/local --users homelab@pve --tokens 'homelab@pve!homelab' --roles HomelabSeeds
      hint: pveum acl modify /nodes/pve1 --users homelab@pve --tokens 'homelab@pve!homelab' --roles HomelabNode
      hint: pveum acl modify /sdn/zones/localnetwork/vmbr0 --users homelab@pve --tokens 'homelab@pve!homelab' --roles HomelabBridge
    "##);
}

#[tokio::test]
async fn a_pool_that_is_not_there_is_told_with_the_one_command_that_makes_it() {
    let world = World::new().await;
    world.edit("pool: homelab", "pool: nowhere");
    let told = world.homelab(&["plan"]).await.refused(20);
    insta::assert_snapshot!(told, @r##"
    error: pool nowhere: there is no such pool
      hint: change `proxmox.pool` in the inventory, or as root on a Proxmox node: pveum pool add nowhere && pveum acl modify /pool/nowhere --users homelab@pve --tokens 'homelab@pve!homelab' --roles HomelabGuests
    "##);
}

#[tokio::test]
async fn a_bridge_that_is_not_there_is_told_with_those_that_are() {
    let world = World::new().await;
    world.edit("  pool: homelab", "  pool: homelab\n  bridge: vmbr9");
    let told = world.homelab(&["plan"]).await.refused(20);
    insta::assert_snapshot!(told, @r##"
    error: bridge vmbr9 on pve1: there is no such bridge; there is vmbr0
      hint: change `proxmox.bridge` in the inventory, or make the bridge on the Proxmox node
    "##);
}

#[tokio::test]
async fn a_storage_that_is_not_there_is_told_once_and_one_that_cannot_hold_images_points_elsewhere()
{
    let world = World::new().await;
    world.edit("disks: local-lvm", "disks: ceph");
    world.edit("image: local\n", "image: local-lvm\n");
    let told = world.homelab(&["plan"]).await.refused(20);
    insta::assert_snapshot!(told, @r##"
    error: storage local-lvm on pve1: is of type lvmthin, which cannot hold content import
           storage ceph on pve1: there is no such storage, or the token may not see it; it sees local, local-lvm
      hint: set `proxmox.storage.image` to a storage of files, such as `local`
      hint: change `proxmox.storage.disks` in the inventory; or, if there is a storage ceph, as root on a Proxmox node: pveum acl modify /storage/ceph --users homelab@pve --tokens 'homelab@pve!homelab' --roles HomelabDisks
    "##);
}

#[tokio::test]
async fn a_proxmox_node_that_is_not_there_is_told_by_every_command_with_those_that_are() {
    let world = World::new().await;
    world.edit("proxmox_node: pve1", "proxmox_node: pve");
    let told = world.homelab(&["status"]).await.refused(20);
    insta::assert_snapshot!(told, @r##"
    error: `proxmox_node` of server and agent: Proxmox has no node `pve`; it has pve1
      hint: change `proxmox_node` (in `defaults`, or of the node) to a name that Proxmox shows; it is no address
    "##);
    for command in [&["plan"][..], &["destroy", "--yes"], &["verify"]] {
        let again = world.homelab(command).await.refused(20);
        assert!(again.ends_with(&told), "{again}");
    }
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn more_cores_than_the_host_has_are_refused_and_more_disk_than_a_thin_pool_has_is_warned_of()
{
    let world = World::new().await;
    world.edit("disk: 6G", "disk: 3T");
    let planned = world.homelab(&["plan", "--until", "machines"]).await.well();
    insta::assert_snapshot!(planned.err, @"warning: storage local-lvm on pve1: the disks to be made may grow to 6144 GiB, 48 GiB of 48 GiB are free: over-committed by 6096 GiB. Guests with disks there stop when it is full");
    world.edit("cores: 1", "cores: 200");
    let told = world.homelab(&["plan"]).await.refused(20);
    assert!(
        told.contains("agent: has 200 cores, pve1 has 8 CPUs: Proxmox would not start it"),
        "{told}"
    );
    assert!(told.contains("hint: set `cores` to 8 at most"), "{told}");
}

#[tokio::test]
async fn what_the_tailnets_credentials_do_not_show_is_said_not_to_be_checked() {
    let world = World::new().await;
    world.edit("headscale:", "auth_key:");
    world.edit("api_key:", "key:");
    world.edit("      user: homelab\n", "");
    let planned = world.homelab(&["plan"]).await.well();
    let warning = "warning: not checked: whether the auth key is still valid";
    assert!(planned.err.contains(warning), "{planned}");
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
