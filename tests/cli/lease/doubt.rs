//! Leases that ran out, cannot be seen, or stand where nobody looks first: doubt never lets two work.

use homelab::{
    error::{Effect, Failure, Kind, Result},
    journal::{Holder, Record},
    model::{Lease, Vmid},
    ports::Proxmox,
};
use serde_json::json;

use super::{TEMPLATE, forbidden, lease, of_another_computer, put, write};
use crate::{ended::terminate, hurried::Operator, world::World};

/// Works until somebody stops it.
async fn for_ever() {
    std::future::pending().await
}

/// Works, and has a second operator try the same once the lease is there.
async fn beside<T>(
    first: &Operator,
    world: &World,
    other: impl Future<Output = T>,
) -> (Result<()>, T) {
    let other = async {
        world.until("a lease", async |world: &World| lease(world).await.is_some()).await;
        other.await
    };
    tokio::join!(Box::pin(first.works(for_ever())), async {
        let outcome = other.await;
        first.run.stop.cancel();
        outcome
    })
}

fn refused(outcome: Result<()>) -> Failure {
    let failure = outcome.expect_err("it is refused");
    assert_eq!(failure.kind, Kind::Locked, "{failure}");
    failure
}

/// So many seconds from now by Proxmox's clock.
async fn hence(world: &World, seconds: i64) -> i64 {
    world.api().time().await.unwrap() + seconds
}

/// A lease that the test renews or does not, in the template.
async fn with_lease_until(seconds: i64) -> (World, Lease) {
    let world = World::with_machines().await;
    let until = hence(&world, seconds).await;
    let lease = of_another_computer(until - 4000, until);
    write(&world, &lease).await;
    (world, lease)
}

#[tokio::test]
async fn a_template_that_may_not_be_looked_at_for_good_lets_nobody_work_beside_its_holder() {
    let world = World::with_machines().await;
    let (first, second) = (Operator::new(&world, "first"), Operator::new(&world, "second"));
    let (_, outcome) = beside(&first, &world, async {
        world.fault(forbidden(1, 0)).await;
        Box::pin(second.works(async {})).await
    })
    .await;
    let failure = refused(outcome);
    assert!(failure.to_string().contains("it may not be looked at"), "{failure}");
    assert_eq!(failure.effect, Effect::None);
    assert!(second.warnings().contains("waiting for the lease at VMID 9000 on pve1"));
}

#[tokio::test]
async fn a_run_that_can_no_longer_renew_its_lease_stops_before_others_may_take_it() {
    let world = World::with_machines().await;
    let first = Operator::new(&world, "first");
    let cut = async {
        world.until("a lease", async |world: &World| lease(world).await.is_some()).await;
        world.fault(forbidden(1, 0)).await;
    };
    let (outcome, ()) = tokio::join!(first.works(for_ever()), cut);
    let failure = refused(outcome);
    let told = failure.to_string();
    assert!(told.contains("the lease could not be renewed"), "{told}");
    assert!(told.contains("it may not be looked at"), "{told}");
    assert_eq!(failure.effect, Effect::Partial);
}

#[tokio::test]
async fn a_locked_template_keeps_others_out_too_and_ends_no_run() {
    let world = World::with_machines().await;
    let first = Operator::new(&world, "first");
    let lock = json!({ "kind": "lock", "vmid": 9000, "lock": "clone", "seconds": 12.0 });
    let work = async {
        world.fault(lock).await;
        first.until(500).await;
    };
    Box::pin(first.works(work)).await.expect("nobody can have taken it");
}

#[tokio::test]
async fn a_lease_that_ran_out_is_left_to_a_holder_who_renews_it() {
    let (world, expired) = with_lease_until(-1).await;
    let second = Operator::new(&world, "second");
    let renewal = async {
        second.until(20).await;
        let until = hence(&world, 200).await;
        write(&world, &Lease { until, ..expired.clone() }).await;
    };
    let (outcome, ()) = tokio::join!(second.works(async {}), renewal);
    let failure = refused(outcome);
    assert!(failure.to_string().contains("the cluster is held by ann@laptop"), "{failure}");
    assert!(second.warnings().contains("it is taken over unless it is renewed within 60 s"));
}

#[tokio::test]
async fn a_lease_that_ran_out_and_is_not_renewed_is_taken_over() {
    let (world, _) = with_lease_until(-1).await;
    let second = Operator::new(&world, "second");
    second.works(async {}).await.unwrap();
    let told = second.warnings();
    assert!(told.contains("taking over the lease of ann@laptop, process 4711"), "{told}");
    assert!(told.contains("it was not renewed in time"), "{told}");
    assert_eq!(lease(&world).await, None);
}

#[tokio::test]
async fn a_lease_that_would_last_for_hours_is_taken_over_when_nobody_renews_it() {
    let (world, _) = with_lease_until(36_000).await;
    let second = Operator::new(&world, "second");
    second.works(async {}).await.unwrap();
    let told = second.warnings();
    assert!(told.contains("it was not renewed since Proxmox's clock was set back"), "{told}");
    assert_eq!(lease(&world).await, None);
}

#[tokio::test]
async fn a_living_lease_behind_a_dead_one_is_seen() {
    let world = World::with_machines().await;
    let until = hence(&world, 200).await;
    let living = of_another_computer(until - 300, until);
    let dead = Lease { run: "20200101T000000Z-1".into(), until: until - 4000, ..living.clone() };
    let api = world.api();
    let config = api.guest_config("pve1", TEMPLATE).await.unwrap().unwrap();
    let notes = format!("{dead}\n{}\n{living}", config.get("description").unwrap());
    let set = [("description".to_owned(), notes)];
    api.configure("pve1", TEMPLATE, &set, &[], None).await.unwrap();
    let failure = refused(Operator::new(&world, "second").works(async {}).await);
    assert!(failure.to_string().contains("the cluster is held by ann@laptop"), "{failure}");
}

#[tokio::test]
async fn two_whose_inventories_name_other_templates_meet_all_the_same() {
    let world = World::with_machines().await;
    let first = Operator::new(&world, "first");
    world.edit("template: 9000", "template: 9001");
    let second = Operator::new(&world, "second");
    let (_, outcome) = beside(&first, &world, Box::pin(second.works(async {}))).await;
    let failure = refused(outcome);
    assert!(failure.to_string().contains("VMID 9000 on pve1: the cluster is held by"), "{failure}");
    let server = world.api().guest_config("pve1", Vmid(102)).await.unwrap().unwrap();
    assert_eq!(Lease::find(server.get("description").unwrap()), None, "given back");
}

#[tokio::test]
async fn a_run_is_stopped_while_the_answer_to_its_lease_does_not_come() {
    let world = World::with_machines().await;
    let hanging = json!({
        "kind": "delay", "seconds": 600.0,
        "method": "PUT", "path": "/nodes/pve1/qemu/9000/config",
    });
    world.fault(hanging).await;
    let up = world.start(&["up", "--until", "machines", "--yes"]);
    world.until("the lease", async |world: &World| lease(world).await.is_some()).await;
    terminate(&up);
    let ended = world.end(up).await;
    assert_eq!(ended.code, Some(130), "{ended}");
    assert_eq!(lease(&world).await, None, "given back: {ended}");
}

/// A template that is locked for long, with a dead run's lease in it.
async fn locked_with(world: &World, lease: Lease) {
    write(world, &lease).await;
    world.fault(json!({ "kind": "lock", "vmid": 9000, "lock": "clone", "seconds": 0.0 })).await;
}

/// The state folder `first` knows of a run that died.
fn is_ours(world: &World, dead: &Lease) {
    let record = Record::LeaseIntended { run: dead.run.clone() };
    Operator::new(world, "first").run.record(&record).unwrap();
}

#[tokio::test]
async fn a_dead_run_of_this_state_folder_is_followed_as_soon_as_the_template_can_be_written() {
    let (world, dead) = with_lease_until(200).await;
    is_ours(&world, &dead);
    write(&world, &dead).await;
    let lock = json!({ "kind": "lock", "vmid": 9000, "lock": "clone", "seconds": 0.5 });
    world.fault(lock).await;
    let again = Operator::new(&world, "first");
    again.works(async {}).await.unwrap();
    let told = again.warnings();
    assert!(told.contains("its lock is held"), "{told}");
    assert!(told.contains("a run of this state folder that died"), "{told}");
}

#[tokio::test]
async fn what_a_dead_run_left_in_other_guests_hinders_its_own_state_folder_never() {
    let (world, dead) = with_lease_until(200).await;
    is_ours(&world, &dead);
    put(&world, Vmid(102), &dead).await;
    for _ in 0..2 {
        let again = Operator::new(&world, "first");
        again.works(async {}).await.unwrap();
    }
}

#[tokio::test]
async fn all_leases_that_ran_out_are_watched_at_once() {
    let (world, expired) = with_lease_until(-1).await;
    for vmid in [101, 102] {
        put(&world, Vmid(vmid), &expired).await;
    }
    Operator::new(&world, "second").works(async {}).await.unwrap();
}

#[tokio::test]
async fn a_holder_whom_a_lock_kept_from_writing_has_his_time_when_it_opens() {
    let (world, expired) = with_lease_until(-1).await;
    let lock = json!({ "kind": "lock", "vmid": 9000, "lock": "backup", "seconds": 1.0 });
    world.fault(lock).await;
    let second = Operator::new(&world, "second");
    let renewal = async {
        second.until(75).await;
        let until = hence(&world, 200).await;
        write(&world, &Lease { until, ..expired.clone() }).await;
    };
    let (outcome, ()) = tokio::join!(second.works(async {}), renewal);
    let failure = refused(outcome);
    assert!(failure.to_string().contains("the cluster is held by ann@laptop"), "{failure}");
    assert!(second.warnings().contains("VM is locked (backup)"));
}

#[tokio::test]
async fn a_computer_that_slept_changes_nothing_when_it_wakes_up() {
    let world = World::with_machines().await;
    let first = Operator::new(&world, "first");
    let work = async {
        first.run.may_change().expect("nothing is wrong yet");
        first.sleeps(400);
        first.run.may_change()
    };
    let failure = refused(first.works(work).await.map(drop));
    assert!(failure.to_string().contains("another run may take it over now"), "{failure}");
}

#[tokio::test]
async fn a_dead_run_of_another_state_folder_is_followed_only_when_the_template_can_be_written() {
    let (world, dead) = with_lease_until(200).await;
    let Holder { place, .. } = Holder::this_process();
    locked_with(&world, Lease { process: "1@0".into(), place, ..dead }).await;
    let failure = refused(Operator::new(&world, "second").works(async {}).await);
    assert!(failure.to_string().contains("its lock is held"), "{failure}");
}

#[tokio::test]
async fn a_rivals_lease_at_another_place_is_watched_by_trying_its_lock_too() {
    let (world, expired) = with_lease_until(-1).await;
    let api = world.api();
    let config = api.guest_config("pve1", TEMPLATE).await.unwrap().unwrap();
    let notes = Lease::removed_from(config.get("description").unwrap());
    api.configure("pve1", TEMPLATE, &[("description".to_owned(), notes)], &[], None).await.unwrap();
    put(&world, Vmid(102), &expired).await;
    let locked = json!({
        "kind": "http", "status": 500, "times": 10,
        "reason": "can't lock file '/var/lock/qemu-server/lock-102.conf' - got timeout",
        "method": "PUT", "path": "/nodes/pve1/qemu/102/config",
    });
    world.fault(locked).await;
    let second = Operator::new(&world, "second");
    let renewal = async {
        second.until(85).await;
        let until = hence(&world, 200).await;
        put(&world, Vmid(102), &Lease { until, ..expired.clone() }).await;
    };
    let (outcome, ()) = tokio::join!(second.works(async {}), renewal);
    let failure = refused(outcome);
    assert!(failure.to_string().contains("the cluster is held by ann@laptop"), "{failure}");
}

#[tokio::test]
async fn a_run_whose_lease_stands_nowhere_stops_when_somebody_else_makes_the_cluster() {
    let world = World::new().await;
    let second = Operator::new(&world, "second");
    let first = async {
        let up = world.start(&["up", "--until", "machines", "--yes"]);
        world.until("a lease", async |world: &World| lease(world).await.is_some()).await;
        up
    };
    let (outcome, up) = tokio::join!(Box::pin(second.works(for_ever())), first);
    let failure = refused(outcome);
    assert_eq!(failure.effect, Effect::Partial, "{failure}");
    terminate(&up);
    world.end(up).await;
}
