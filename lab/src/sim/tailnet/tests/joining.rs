//! Who is let in, as what, and for how long.

use super::{NEWEST, World};
use crate::sim::tailnet::{Joining, NewKey, Plane, Reason, Release, Settings};

#[test]
fn each_control_plane_says_in_its_own_words_why_a_key_lets_nobody_in() {
    for plane in Release::ALL.map(Plane::Headscale) {
        let world = World::new(plane);
        let key = world.key();
        world.join(&key.secret, "1", "1").unwrap();
        let used = world.join(&key.secret, "2", "2").unwrap_err();
        assert_eq!(
            (used.reason, used.to_string().as_str()),
            (Reason::Used, "authkey already used")
        );
        let key = world.key();
        world.tailnet.expire_key(&key.id);
        let expired = world.join(&key.secret, "2", "2").unwrap_err();
        assert_eq!(expired.to_string(), "authkey expired");
        let unknown = world.join("hskey-auth-x", "2", "2").unwrap_err().to_string();
        let wanted = match plane {
            Plane::Headscale(Release::V0_29) => "invalid pre auth key",
            Plane::Headscale(Release::V0_28) => "auth-key not found",
            _ => "AuthKey not found",
        };
        assert!(unknown.ends_with(wanted), "{plane:?}: {unknown}");
    }
    let world = World::new(Plane::Tailscale);
    let key = world.key();
    world.join(&key.secret, "1", "1").unwrap();
    let used = world.join(&key.secret, "2", "2").unwrap_err().to_string();
    assert_eq!(used, format!("invalid key: API key {} not valid", key.id));
    let told = |key: &str| world.join(key, "2", "2").unwrap_err().to_string();
    assert_eq!(told("tskey-auth-kx-y"), "invalid key: API key does not exist");
    assert_eq!(told("whatever"), "invalid key: unable to validate API key");
}

#[test]
fn a_key_expires_by_the_worlds_clock() {
    let world = World::new(NEWEST);
    let soon = world.tailnet.now() + jiff::SignedDuration::from_mins(10);
    let key = world.tailnet.add_key(NewKey { expires: Some(soon), ..NewKey::default() });
    world.pass(11);
    assert_eq!(world.join(&key.secret, "1", "1").unwrap_err().reason, Reason::Expired);
}

#[test]
fn a_machine_keeps_its_device_when_it_logs_in_anew() {
    for plane in [NEWEST, Plane::Tailscale] {
        let world = World::new(plane);
        let first = world.join(&world.key().secret, "1", "1").unwrap();
        world.tailnet.logout(&first.device);
        let second = world.join(&world.key().secret, "1", "2").unwrap();
        assert!(!first.kept && second.kept, "{plane:?}");
        assert_eq!((&first.device, first.address), (&second.device, second.address));
        assert_eq!(world.tailnet.device_of("mkey:1").unwrap().node_key, "nodekey:2");
    }
}

#[test]
fn a_machine_that_only_starts_again_may_show_its_used_key() {
    let world = World::new(NEWEST);
    let key = world.key().secret;
    let first = world.join(&key, "1", "1").unwrap();
    assert_eq!(world.join(&key, "1", "1").unwrap().device, first.device);
    let anew = world.join(&key, "1", "2").unwrap_err();
    assert_eq!(anew.reason, Reason::Used, "another node key is a login");
}

#[test]
fn a_twin_has_a_name_and_an_address_of_its_own() {
    for plane in [NEWEST, Plane::Tailscale] {
        let world = World::new(plane);
        let first = world.join(&world.key().secret, "1", "1").unwrap();
        let twin = world.join(&world.key().secret, "2", "2").unwrap();
        assert_eq!((first.name.as_str(), twin.name.as_str()), ("k3s-agent", "k3s-agent-1"));
        assert_ne!(first.address, twin.address);
        assert_eq!(world.tailnet.device(&twin.device).unwrap().hostname, "k3s-agent");
        assert!(twin.dns_name.starts_with("k3s-agent-1."), "{}", twin.dns_name);
    }
}

#[test]
fn another_host_name_renames_a_device_and_that_of_a_twin_is_free_again() {
    let world = World::new(NEWEST);
    let key = world.key().secret;
    let first = world.join(&key, "1", "1").unwrap();
    world.tailnet.delete_device(&first.device);
    let again = world.join(&world.key().secret, "2", "2").unwrap();
    assert_eq!(again.name, "k3s-agent");
    let renamed = world.tailnet.register(&Joining {
        auth_key: &world.key().secret,
        hostname: "k3s-server",
        machine: "mkey:2",
        node_key: "nodekey:2",
    });
    assert_eq!(renamed.unwrap().name, "k3s-server");
}

#[test]
fn a_device_that_was_deleted_behind_its_back_is_nobody_and_comes_back_as_another() {
    for plane in [NEWEST, Plane::Tailscale] {
        let world = World::new(plane);
        let first = world.join(&world.key().secret, "1", "1").unwrap();
        assert!(world.tailnet.set_online(&first.device, true));
        assert!(world.tailnet.delete_device(&first.device));
        assert!(!world.tailnet.set_online(&first.device, true));
        assert_eq!(world.tailnet.peers(&first.device), None);
        let second = world.join(&world.key().secret, "1", "1").unwrap();
        assert_ne!(first.device, second.device);
        assert!(!second.kept);
    }
}

#[test]
fn an_ephemeral_device_goes_when_it_was_away_for_half_an_hour() {
    let world = World::new(NEWEST);
    let key = world.ephemeral_key().secret;
    let device = world.join(&key, "1", "1").unwrap().device;
    world.tailnet.set_online(&device, true);
    world.pass(24 * 60);
    assert!(world.tailnet.device(&device).is_some(), "it is there as long as it is connected");
    world.tailnet.set_online(&device, false);
    world.pass(29);
    assert!(world.tailnet.device(&device).is_some());
    world.pass(1);
    assert_eq!(world.tailnet.devices(), []);
    let lasting = world.join(&world.key().secret, "2", "2").unwrap().device;
    world.pass(24 * 60);
    assert!(world.tailnet.device(&lasting).is_some(), "one that is not ephemeral stays");
    let fleeting = world.join(&key, "3", "3").unwrap().device;
    world.tailnet.logout(&fleeting);
    assert_eq!(world.tailnet.device(&fleeting), None, "and one that logs out goes at once");
}

#[test]
fn whoever_logs_out_must_log_in_but_for_tagged_nodes_of_a_new_headscale() {
    let planes =
        [(NEWEST, true), (Plane::Headscale(Release::V0_28), false), (Plane::Tailscale, false)];
    for (plane, goes_on) in planes {
        let world = World::new(plane);
        let device = world.join(&world.key().secret, "1", "1").unwrap().device;
        world.tailnet.set_online(&device, true);
        world.tailnet.logout(&device);
        assert!(!world.tailnet.device(&device).unwrap().online);
        assert_eq!(world.tailnet.set_online(&device, true), goes_on, "{plane:?}");
    }
}

#[test]
fn a_device_whose_key_expired_sees_nobody_until_it_logs_in() {
    let world = World::new(Plane::Tailscale);
    let own = world.join(&world.key().secret, "1", "1").unwrap().device;
    let other = world.join(&world.key().secret, "2", "2").unwrap().device;
    let seen = world.tailnet.peers(&own).unwrap();
    assert_eq!(seen.iter().map(|peer| &peer.id).collect::<Vec<_>>(), [&other]);
    world.pass(365 * 24 * 60);
    assert!(world.tailnet.peers(&own).is_some(), "the key of a tagged device does not expire");
    assert!(world.tailnet.expire_device(&own));
    assert_eq!(world.tailnet.peers(&own), None);
    world.join(&world.key().secret, "1", "1").unwrap();
    assert!(world.tailnet.peers(&own).is_some());
}

#[test]
fn where_devices_are_approved_one_waits_unless_its_key_was_preauthorised() {
    let world = World::with(Settings { approval: true, ..Settings::new(Plane::Tailscale) });
    assert!(!world.join(&world.key().secret, "1", "1").unwrap().awaits_approval);
    let key = world.tailnet.add_key(NewKey::default()).secret;
    let waiting = world.join(&key, "2", "2").unwrap();
    assert!(waiting.awaits_approval);
    assert_eq!(world.tailnet.peers(&waiting.device), None);
}
