//! Inventories that cannot be right: told with their place, before anything is contacted.

use crate::world::World;

#[tokio::test]
async fn an_unknown_field_is_told_with_its_place_and_what_was_meant() {
    let world = World::new().await;
    world.edit("  cores: 1", "  coers: 1");
    let told = world.homelab(&["validate"]).await.refused(15);
    insta::assert_snapshot!(told, @r##"
    error: unknown field `coers` in `defaults`
      --> homelab.yaml:29:3
       |
    29 |   coers: 1
       |   ^^^^^
       = help: did you mean `cores`?
    "##);
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn two_nodes_with_one_address_are_refused_by_every_command() {
    let world = World::new().await;
    world.edit("127.79.0.101", "127.79.0.102");
    let told = world.homelab(&["validate"]).await.refused(15);
    insta::assert_snapshot!(told, @r##"
    error: 127.79.0.102 is `server`'s (line 36)
      --> homelab.yaml:40:14
       |
    40 |     address: 127.79.0.102
       |              ^^^^^^^^^^^^
       = help: 127.79.0.103 is free in this inventory
    "##);
    let up = world.homelab(&["up", "--yes"]).await.refused(15);
    assert_eq!(up, told);
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn all_faults_are_told_at_once() {
    let world = World::new().await;
    world.edit("role: agent", "role: agnet");
    world.edit("vmid: 102", "vmid: 9000");
    world.edit("disk: 6G", "disk: six");
    let told = world.homelab(&["plan"]).await.refused(15);
    insta::assert_snapshot!(told, @r##"
    error: `disk` is `six`; expected a size with its unit, such as `32G` or `3072M` (powers of 1024)
      --> homelab.yaml:31:9
       |
    31 |   disk: six
       |         ^^^

    error: VMID 9000 is the template's (`image.template`)
      --> homelab.yaml:35:11
       |
    35 |     vmid: 9000
       |           ^^^^

    error: `role` is `agnet`; expected `server` or `agent`
      --> homelab.yaml:38:11
       |
    38 |     role: agnet
       |           ^^^^^
       = help: did you mean `agent`?
    "##);
}

#[tokio::test]
async fn a_fault_of_the_environment_is_not_pinned_on_the_file() {
    let world = World::new().await;
    let mut validate = world.command(&["validate"]);
    validate.env("PROXMOX_VE_ENDPOINT", "http://pve");
    let told = world.run(validate).await.refused(15);
    insta::assert_snapshot!(told, @r"
    error: PROXMOX_VE_ENDPOINT says `http://pve`; expected an `https://` origin without a path, such as `https://pve1.lan:8006`
     --> environment PROXMOX_VE_ENDPOINT
      = help: write `https://`: Proxmox speaks nothing else
    ");
}

#[tokio::test]
async fn a_default_that_cannot_be_is_told_once_and_not_once_a_node() {
    let world = World::new().await;
    world.edit("  memory: 2G", "  memory: 128M");
    let told = world.homelab(&["validate"]).await.refused(15);
    insta::assert_snapshot!(told, @r"
    error: 128 MiB of memory; expected at least 512
      --> homelab.yaml:30:11
       |
    30 |   memory: 128M
       |           ^^^^
    ");
}

#[tokio::test]
async fn an_inventory_that_is_not_there_is_said_to_be_missing() {
    let world = World::new().await;
    let told = world.homelab(&["plan", "-c", "nowhere.yaml"]).await.refused(15);
    insta::assert_snapshot!(told, @r##"
    error: nowhere.yaml: the inventory can't be read
      because: failed to open file `nowhere.yaml`: No such file or directory (os error 2)
      hint: name it with -c FILE, or make one with `homelab -c nowhere.yaml init`
    "##);
}
