//! `plan --out` and `up --plan`: what was agreed to is carried out, and nothing beyond it.

use homelab::{model::Vmid, ports::Proxmox};

use crate::world::World;

const PLAN: [&str; 5] = ["plan", "--until", "image", "--out", "change.plan"];
const UP: [&str; 3] = ["up", "--plan", "change.plan"];

#[tokio::test]
async fn a_plan_is_carried_out_unasked_and_again_until_nothing_of_it_is_needed() {
    let world = World::new().await;
    let planned = world.homelab(&PLAN).await.well();
    assert!(planned.out.contains("make template 9000 on pve1"), "{planned}");
    assert!(world.changes().await.is_empty(), "a plan is a look");
    let written = fs_err::read_to_string(world.path("change.plan")).unwrap();
    assert!(!written.contains(&world.secret()), "the secret is written down");
    world.homelab(&UP).await.well();
    assert!(!world.changes().await.is_empty(), "it was done");
    world.forget_requests().await;
    let again = world.homelab(&UP).await.well();
    insta::assert_snapshot!(
        again.err.lines().find(|line| line.contains("no longer")).unwrap_or_default(),
        @"warning: 2 steps of the plan are no longer needed, since it is so already: `image/fetch/pve1`, `image/template/pve1`"
    );
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn a_plan_on_another_ground_is_refused_with_what_moved() {
    let world = World::new().await;
    world.homelab(&PLAN).await.well();
    world.forget_requests().await;
    world.edit("cores: 1", "cores: 2");
    fs_err::write(world.path("homelab.lock"), "version: 1\n").unwrap();
    let told = world.homelab(&UP).await.refused(20);
    assert!(told.contains("change.plan: what moved since the plan was made ("), "{told}");
    assert!(told.contains("the inventory was changed"), "{told}");
    assert!(told.contains("the lock file is new"), "{told}");
    assert_eq!(world.requests().await, 0, "the world is not even looked at");
}

#[tokio::test]
async fn a_world_that_moved_is_refused_and_each_step_that_goes_beyond_is_named() {
    let world = World::with_machines().await;
    world.edit("disk: 6G", "disk: 7G");
    let plan = ["plan", "--until", "machines", "--out", "change.plan"];
    world.homelab(&plan).await.well();
    let cores = [("cores".to_owned(), "3".to_owned())];
    world.api().configure("pve1", Vmid(102), &cores, &[], None).await.unwrap();
    world.forget_requests().await;
    let told = world.homelab(&UP).await.refused(20);
    let moved: Vec<&str> = told.lines().filter(|line| line.contains("machines/")).collect();
    insta::assert_snapshot!(
        moved.join("\n").trim(),
        @"`machines/configure/server` costs more [reboot]: cores: 3 -> 1; scsi0: 6 GiB -> 7 GiB; agreed to: [in place]"
    );
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn what_contradicts_a_plan_is_a_usage_error() {
    let world = World::new().await;
    for other in
        [&["--until", "image"][..], &["--from", "image"], &["--node", "agent"], &["--prune"]]
    {
        let told = world.homelab(&[&UP[..], other].concat()).await.refused(64);
        assert!(told.contains("cannot be used with"), "{told}");
    }
}

#[tokio::test]
async fn a_plan_is_never_written_over_anything_else() {
    let world = World::new().await;
    let before = fs_err::read(world.path("homelab.yaml")).unwrap();
    let plan = ["plan", "--until", "image", "--out", "homelab.yaml"];
    let told = world.homelab(&plan).await.refused(20);
    insta::assert_snapshot!(told, @"
    error: homelab.yaml: it is no plan, and is not overwritten by one
      hint: name a file that is not there yet, or an older plan
    ");
    assert_eq!(fs_err::read(world.path("homelab.yaml")).unwrap(), before);
    assert_eq!(world.requests().await, 0, "nothing is spent on it");
}
