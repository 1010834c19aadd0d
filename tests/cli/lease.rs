//! Two operators, each with a state folder of his own: one works at a time.

mod doubt;
mod question;

use homelab::{
    model::{Lease, Vmid},
    ports::{ContentKind, Proxmox},
};
use serde_json::json;
use tokio::process::Child;

use crate::{
    ended::terminate,
    world::{Wish, World},
};

pub(crate) const TEMPLATE: Vmid = Vmid(9000);
const UP: [&str; 4] = ["up", "--until", "machines", "--yes"];

pub(crate) async fn notes(world: &World) -> Option<String> {
    let config = world.api().guest_config("pve1", TEMPLATE).await.ok()??;
    config.get("description").map(str::to_owned)
}

pub(crate) async fn lease(world: &World) -> Option<Lease> {
    Lease::find(&notes(world).await?)
}

/// What an operator at another computer would have written.
pub(crate) async fn write(world: &World, lease: &Lease) {
    put(world, TEMPLATE, lease).await;
}

/// The same in another guest.
pub(crate) async fn put(world: &World, vmid: Vmid, lease: &Lease) {
    let api = world.api();
    let config = api.guest_config("pve1", vmid).await.unwrap().unwrap();
    let notes = lease.written_into(config.get("description").unwrap());
    let set = [("description".to_owned(), notes)];
    api.configure("pve1", vmid, &set, &[], None).await.unwrap();
}

pub(crate) fn of_another_computer(since: i64, until: i64) -> Lease {
    Lease {
        run: "20261122T190000Z-4711".into(),
        holder: "ann@laptop".into(),
        process: "4711@99".into(),
        place: "somewhere_else".into(),
        since,
        until,
    }
}

/// A run that holds the lease and goes on for minutes: nobody answers SSH on paper.
async fn at_work(world: &World) -> (Child, Lease) {
    let up = world.start(&UP);
    world.until("a lease", async |world: &World| lease(world).await.is_some()).await;
    (up, lease(world).await.unwrap())
}

#[tokio::test]
async fn a_second_operator_is_told_who_holds_the_cluster_and_touches_nothing() {
    let world = World::with_machines().await;
    let (up, held) = at_work(&world).await;
    assert_eq!(held.pid(), up.id().unwrap().to_string());
    assert!(held.until > held.since, "{held}");
    world.forget_requests().await;
    for words in [&UP[..], &["destroy", "--all", "--yes"]] {
        let told = world.run(world.elsewhere(words)).await.refused(21);
        assert!(told.contains(&format!("the cluster is held by {}", held.holder)), "{told}");
        assert!(told.contains(&format!("process {}, since 20", held.pid())), "{told}");
        assert!(told.contains("VMID 9000 on pve1"), "{told}");
    }
    world.run(world.elsewhere(&["plan", "--until", "machines"])).await.well();
    world.run(world.elsewhere(&["status"])).await.well();
    let changes = world.changes().await;
    assert!(changes.iter().all(|line| line == "PUT /nodes/pve1/qemu/9000/config"), "{changes:?}");
    assert_eq!(lease(&world).await.unwrap().run, held.run);

    terminate(&up);
    assert_eq!(world.end(up).await.code, Some(130));
    assert_eq!(lease(&world).await, None, "given back");
    assert!(notes(&world).await.unwrap().contains("homelab:v1 cluster="), "the marker stays");
    let next = world.elsewhere(&UP).spawn().unwrap();
    world.until("the other's lease", async |world: &World| lease(world).await.is_some()).await;
    terminate(&next);
    assert_eq!(world.end(next).await.code, Some(130));
}

#[tokio::test]
async fn of_two_that_begin_a_cluster_at_once_one_makes_it() {
    let world = World::new().await;
    let slow = json!({
        "kind": "delay", "seconds": 2.0, "times": 2,
        "method": "POST", "path": "/nodes/{node}/qemu",
    });
    world.fault(slow).await;
    let image = ["up", "--until", "image", "--yes"];
    let (one, other) = (world.start(&image), world.elsewhere(&image).spawn().unwrap());
    let (one, other) = tokio::join!(world.end(one), world.end(other));
    let mut codes = [one.code, other.code];
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(21)], "{one}\n{other}");
    assert_eq!(lease(&world).await, None);
    for command in [world.command(&image), world.elsewhere(&image)] {
        let again = world.run(command).await.well();
        assert!(again.err.contains("nothing to do"), "{again}");
    }
}

#[tokio::test]
async fn a_killed_run_leaves_a_lease_that_its_own_operator_and_this_computer_need_not_wait_for() {
    let world = World::with_machines().await;
    let (mut up, held) = at_work(&world).await;
    up.kill().await.unwrap();
    assert_eq!(lease(&world).await, Some(held.clone()));
    let told = interrupted(&world, world.elsewhere(&UP)).await;
    assert!(told.contains(&format!("taking over the lease of {}", held.holder)), "{told}");
    assert!(told.contains("its process is no more"), "{told}");

    let (mut up, held) = at_work(&world).await;
    up.kill().await.unwrap();
    // As after a reboot, or from a container: nothing is known of that process.
    write(&world, &Lease { place: "unknown".into(), ..held }).await;
    let told = interrupted(&world, world.command(&UP)).await;
    assert!(told.contains("a run of this state folder that died"), "{told}");
    assert_eq!(lease(&world).await, None);
}

#[tokio::test]
async fn the_lease_of_an_operator_elsewhere_is_never_taken_over_before_it_has_run_out() {
    let world = World::with_machines().await;
    let now = world.api().time().await.unwrap();
    let alive = of_another_computer(now - 4000, now + 200);
    write(&world, &alive).await;
    world.forget_requests().await;
    let told = world.homelab(&UP).await.refused(21);
    assert!(told.contains("the cluster is held by ann@laptop, process 4711"), "{told}");
    assert!(world.changes().await.is_empty());
}

#[tokio::test]
async fn a_lease_is_renewed_and_a_run_that_lost_it_stops() {
    let world = World::with_machines().await;
    let (up, held) = at_work(&world).await;
    let renewed = async |world: &World| {
        lease(world).await.is_some_and(|lease| lease.run == held.run && lease.until > held.until)
    };
    world.until("a renewal", renewed).await;
    write(&world, &of_another_computer(held.since, held.until + 30)).await;
    let told = world.end(up).await.refused(21);
    assert!(told.contains("the lease was taken over by ann@laptop"), "{told}");
    assert_eq!(lease(&world).await.unwrap().holder, "ann@laptop", "it is not ours to give back");
}

/// Runs until it holds the lease under its own name, then stops it; what it printed.
async fn interrupted(world: &World, mut command: tokio::process::Command) -> String {
    let up = command.spawn().unwrap();
    let pid = up.id().unwrap().to_string();
    let taken = async |world: &World| lease(world).await.is_some_and(|lease| lease.pid() == pid);
    world.until("a lease of its own", taken).await;
    terminate(&up);
    let ended = world.end(up).await;
    assert_eq!(ended.code, Some(130), "{ended}");
    ended.err
}

#[tokio::test]
async fn a_lease_whose_template_is_deleted_goes_on_with_the_first_guest() {
    let world = World::with_machines().await;
    let (up, held) = at_work(&world).await;
    world.api().delete_guest("pve1", TEMPLATE).await.unwrap();
    let moved = async |world: &World| {
        let config = world.api().guest_config("pve1", Vmid(102)).await.ok().flatten();
        let notes = config.and_then(|config| config.get("description").map(str::to_owned));
        notes.and_then(|notes| Lease::find(&notes)).is_some_and(|lease| lease.run == held.run)
    };
    world.until("the lease on the server's guest", moved).await;
    let told = world.run(world.elsewhere(&UP)).await.refused(21);
    assert!(told.contains("VMID 102 on pve1"), "{told}");
    terminate(&up);
    assert_eq!(world.end(up).await.code, Some(130));
    assert!(!moved(&world).await, "given back");
}

#[tokio::test]
async fn a_template_whose_making_failed_keeps_no_lease_behind() {
    let world = World::new().await;
    let failing = json!({
        "kind": "task", "exit": "unable to create VM 9000 - no space left", "instead": false,
        "method": "POST", "path": "/nodes/{node}/qemu",
    });
    world.fault(failing).await;
    world.homelab(&["up", "--until", "image", "--yes"]).await.refused(17);
    assert!(notes(&world).await.is_some(), "what was made stays, to be looked at");
    assert_eq!(lease(&world).await, None, "given back");
}

/// The template may not be looked at: from the nth look on, so many times (0 is always).
pub(crate) fn forbidden(nth: u32, times: u32) -> serde_json::Value {
    json!({
        "kind": "http", "status": 403, "reason": "Permission check failed",
        "method": "GET", "path": "/nodes/pve1/qemu/9000/config", "nth": nth, "times": times,
    })
}

#[tokio::test]
async fn a_lease_that_could_not_be_looked_at_once_is_not_taken_elsewhere() {
    let world = World::with_machines().await;
    let (up, held) = at_work(&world).await;
    world.forget_requests().await;
    // The first look is the plan's, the second one asks for the lease.
    world.fault(forbidden(2, 1)).await;
    let told = world.run(world.elsewhere(&UP)).await.refused(21);
    assert!(told.contains(&format!("the cluster is held by {}", held.holder)), "{told}");
    let changes = world.changes().await;
    assert!(changes.iter().all(|line| line == "PUT /nodes/pve1/qemu/9000/config"), "{changes:?}");
    terminate(&up);
    assert_eq!(world.end(up).await.code, Some(130));
}

#[tokio::test]
async fn a_lease_that_cannot_be_looked_at_at_the_end_is_not_told_as_given_back() {
    let world = World::with_machines().await;
    let (up, held) = at_work(&world).await;
    world.fault(forbidden(1, 0)).await;
    terminate(&up);
    let ended = world.end(up).await;
    assert_eq!(ended.code, Some(130), "{ended}");
    assert!(ended.err.contains("the lease was not given back"), "{ended}");
    assert!(ended.err.contains("it may not be looked at"), "{ended}");
    world.forget_faults().await;
    assert_eq!(lease(&world).await, Some(held));
    let told = interrupted(&world, world.command(&UP)).await;
    assert!(told.contains("a run of this state folder that died"), "{told}");
    assert_eq!(lease(&world).await, None);
}

#[tokio::test]
async fn a_run_whose_template_went_while_another_took_the_next_place_stops_in_the_middle() {
    let world = World::with_machines().await;
    let (up, held) = at_work(&world).await;
    put(&world, Vmid(102), &of_another_computer(held.since, held.until + 30)).await;
    world.api().delete_guest("pve1", TEMPLATE).await.unwrap();
    let told = world.end(up).await.refused(21);
    assert!(told.contains("the lease was taken over by ann@laptop"), "{told}");
    assert!(told.contains("a part of it was done"), "{told}");
}

#[tokio::test]
async fn a_renewal_that_was_forbidden_once_does_not_end_the_lease() {
    let world = World::with_machines().await;
    let (up, held) = at_work(&world).await;
    world.fault(forbidden(1, 1)).await;
    let renewed = async |world: &World| {
        lease(world).await.is_some_and(|lease| lease.run == held.run && lease.until > held.until)
    };
    world.until("a renewal", renewed).await;
    terminate(&up);
    assert_eq!(world.end(up).await.code, Some(130));
    assert_eq!(lease(&world).await, None, "given back");
}

#[tokio::test]
async fn a_run_that_deleted_its_own_place_takes_nothing_from_who_makes_the_cluster_anew() {
    // As slow as the real thing: the creation waits for the storage's lock, and is seen by its task alone.
    let world = World::with(Wish { pace: 1.0, ..Wish::default() }).await;
    world.homelab(&["up", "--until", "image", "--yes"]).await.well();
    let busy = json!({
        "kind": "http", "status": 500, "times": 5,
        "reason": "can't lock file '/var/lock/pve-manager/pve-storage-local' - got timeout",
        "method": "DELETE", "path": "/nodes/{node}/storage/{storage}/content/{volume}",
    });
    world.fault(busy).await;
    let destroy = world.start(&["destroy", "--all", "--yes"]);
    world.until("the template to go", async |world: &World| notes(world).await.is_none()).await;
    world.fault(json!({ "kind": "busy", "storage": "local-lvm", "seconds": 28.0 })).await;
    let up = world.elsewhere(&UP).spawn().unwrap();
    let told = world.end(destroy).await.refused(21);
    let making = told.contains("another run makes template 9000 now");
    assert!(making || told.contains("the cluster is held by"), "{told}");
    let made = async |world: &World| {
        matches!(world.api().guest_config("pve1", Vmid(102)).await, Ok(Some(_)))
    };
    world.until("the other's guests", made).await;
    terminate(&up);
    assert_eq!(world.end(up).await.code, Some(130));
    let volumes = world.api().volumes("pve1", "local", ContentKind::Import).await.unwrap();
    assert_eq!(volumes.len(), 1, "the image is the other's now");
}
