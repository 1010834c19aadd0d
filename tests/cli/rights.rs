//! The rights that the lab grants are those that the program asks for.

use std::collections::{BTreeMap, BTreeSet};

use homelab_lab::world::rights::{GRANTS, ROLES};

use crate::world::World;

#[tokio::test]
async fn the_lab_grants_what_the_printed_role_grants_and_nothing_else() {
    let world = World::new().await;
    let lab = format!("{}/inventory/lab-bare.yaml", env!("CARGO_MANIFEST_DIR"));
    fs_err::copy(lab, world.path("lab.yaml")).unwrap();
    world.write_key_pair("key");
    let mut command = world.command(&[
        "init",
        "proxmox-role",
        "-c",
        "lab.yaml",
        "-o",
        "json",
        "--token",
        "homelab@pve!lab",
    ]);
    command.env("HOMELAB_SSH_KEY", world.path("key"));
    let printed = world.run(command).await.well().out;
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let roles: BTreeMap<String, BTreeSet<String>> = printed["roles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|role| {
            let privileges = role["privileges"].as_array().unwrap().iter().map(text).collect();
            (text(&role["name"]), privileges)
        })
        .collect();
    let granted: BTreeSet<(String, String)> = printed["grants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|grant| (text(&grant["path"]), text(&grant["role"])))
        .collect();
    let typed = ROLES.map(|(name, privileges)| {
        (name.to_owned(), privileges.split_whitespace().map(str::to_owned).collect())
    });
    assert_eq!(roles, typed.into_iter().collect());
    let typed = GRANTS.map(|(path, role)| (path.to_owned(), role.to_owned()));
    assert_eq!(granted, typed.into_iter().collect());
    assert_eq!(
        printed["grants"][0]["subjects"],
        serde_json::json!(["homelab@pve", "homelab@pve!lab"])
    );
}
