//! The environment's variables, which may hold any bytes.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use crate::world::World;

fn bytes() -> &'static OsStr {
    OsStr::from_bytes(b"/no\xfftext")
}

#[tokio::test]
async fn a_home_folder_that_is_no_text_is_refused_only_where_it_is_needed() {
    let world = World::new().await;
    let mut command = world.command(&["plan", "--until", "image"]);
    command.env("HOME", bytes());
    world.run(command).await.well();
    world.edit("  user: debian\n", "  user: debian\n  public_key_files: [~/id.pub]\n");
    let mut command = world.command(&["validate"]);
    command.env("HOME", bytes());
    let told = world.run(command).await.refused(64);
    insta::assert_snapshot!(told, @"
    error: homelab.yaml: what the environment variable HOME holds is no UTF-8 text
      hint: set it anew, or `unset HOME`
      hint: the inventory has paths that begin with `~/`
    ");
}

#[tokio::test]
async fn a_variable_that_is_no_text_is_refused_by_name() {
    let world = World::new().await;
    for name in ["HOMELAB_CONFIG", "HOMELAB_LOCK", "HOMELAB_LOG", "PROXMOX_VE_ENDPOINT"] {
        for format in ["text", "json"] {
            let mut command = world.command(&["validate", "-o", format]);
            command.env(name, bytes());
            let told = world.run(command).await.refused(64);
            let expected = format!("what the environment variable {name} holds is no UTF-8 text");
            assert!(told.contains(&expected), "{told}");
            assert_eq!(told.starts_with('{'), format == "json", "{told}");
        }
    }
}

#[tokio::test]
async fn a_filter_of_the_log_that_is_none_is_refused() {
    let world = World::new().await;
    let mut command = world.command(&["validate"]);
    command.env("HOMELAB_LOG", "homelab=loud");
    let told = world.run(command).await.refused(64);
    assert!(told.contains("what HOMELAB_LOG holds is no filter"), "{told}");
}
