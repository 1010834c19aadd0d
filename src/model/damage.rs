//! What people and programs write where our marks stand: nothing crashes their readers, and no mark costs another.

use proptest::{collection::vec, prelude::*};

use super::{
    ClusterId, Drive, Lease, Marker, Nonce, PropertyString, Upid,
    device::{is_drive_key, network_mac, parse_tags, print_tags, smbios_uuid},
    marker::MarkerRole,
};
use crate::damage::{cases, damaged, nonsense};

fn cluster() -> ClusterId {
    "2f1b6a52-2f0e-4a35-9b39-3d4f0c1d2e3f".parse().unwrap()
}

prop_compose! {
    fn any_marker()(
        node in "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?",
        sha256 in "[0-9a-f]{64}",
        is_template in any::<bool>(),
        nonce in "[0-9a-f]{16}",
        host_keys in vec("ssh-ed25519 [A-Za-z0-9+/=]{1,40}", 0..3),
        address in proptest::option::of(any::<[u8; 4]>()),
    ) -> Marker {
        let role = if is_template {
            MarkerRole::Template { image_sha256: sha256 }
        } else {
            MarkerRole::Node(node.parse().unwrap())
        };
        let nonce = Nonce::from_text(&nonce).unwrap();
        Marker { cluster: cluster(), role, nonce, host_keys, address: address.map(Into::into) }
    }
}

prop_compose! {
    fn any_lease()(
        words in ["[A-Za-z0-9._@:]{1,12}", "[a-z@]{1,12}", "[0-9@]{1,12}", "[0-9a-f:]{1,12}"],
        since in any::<i64>(),
        until in any::<i64>(),
    ) -> Lease {
        let [run, holder, process, place] = words;
        Lease { run, holder, process, place, since, until }
    }
}

/// A description with both marks and a person's notes.
fn whole_notes() -> impl Strategy<Value = String> {
    let parts = (any_marker(), any_lease(), "\\PC{0,30}");
    parts.prop_map(|(marker, lease, notes)| format!("{notes}\n{marker}\n{lease}\n{notes}\n"))
}

/// The same, damaged or not; or something else.
fn any_notes() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,60}",
        vec(nonsense(), 0..6).prop_map(|pieces| pieces.join("\n")),
        whole_notes(),
        whole_notes().prop_flat_map(damaged),
    ]
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn a_lease_comes_and_goes_and_the_marker_stays(notes in any_notes(), lease in any_lease(), now in any::<i64>()) {
        let written = lease.written_into(&notes);
        prop_assert_eq!(Lease::all(&written), std::slice::from_ref(&lease));
        prop_assert_eq!(Marker::find(&written), Marker::find(&notes));
        let removed = Lease::removed_from(&written);
        prop_assert_eq!(Lease::all(&removed), []);
        prop_assert_eq!(Marker::find(&removed), Marker::find(&notes));
        prop_assert_eq!(lease.is_over(now), lease.seconds_left(now) <= 0);
        // Far ahead and over at once is nothing that a clock can do.
        prop_assert!(!(lease.is_over(now) && lease.is_implausible(now)));
    }

    #[test]
    fn a_marker_that_is_written_is_found(notes in any_notes(), marker in any_marker()) {
        let written = marker.written_into(&notes);
        prop_assert_eq!(Marker::find(&written), Some(marker.clone()));
        prop_assert_eq!(&marker.written_into(&written), &written);
        // Only of a guest that has one is it ever written anew, beside a lease.
        if Marker::find(&notes).is_some() {
            prop_assert_eq!(Lease::all(&written), Lease::all(&notes));
        }
    }

    #[test]
    fn a_upid_is_kept_verbatim_and_its_parts_are_those_that_were_put_in(
        node in "[a-z][a-z0-9.-]{0,10}", numbers in any::<[u32; 3]>(), kind in "[a-z]{2,12}", id in "[0-9]{0,9}",
    ) {
        let [pid, start, time] = numbers;
        let text = format!("UPID:{node}:{pid:08X}:{start:08X}:{time:08X}:{kind}:{id}:homelab@pve!up:");
        let upid: Upid = text.parse().unwrap();
        prop_assert_eq!(upid.to_string(), text);
        prop_assert_eq!((upid.node(), upid.kind(), upid.id()), (&*node, &*kind, &*id));
        prop_assert_eq!(upid.start_time(), Some(i64::from(time)));
    }

    #[test]
    fn what_is_no_upid_is_refused_and_what_is_one_stays_itself(
        text in damaged("UPID:pve1:0000C530:001A2B3C:65A0F0F0:qmclone:9000:homelab@pve!up:"),
    ) {
        match text.parse::<Upid>() {
            Ok(upid) => {
                prop_assert_eq!(upid.as_str(), &text);
                prop_assert!(!upid.node().is_empty() && !upid.node().contains(['/', '\n']));
            }
            Err(error) => prop_assert!(error.to_string().ends_with("is no UPID")),
        }
    }

    #[test]
    fn a_line_of_a_configuration_is_read_whatever_it_says(text in prop_oneof![
        "\\PC{0,40}",
        nonsense(),
        damaged("local-lvm:vm-101-disk-0,discard=on,size=2560M"),
        damaged("virtio=BC:24:11:0A:0B:0C,bridge=vmbr0,uuid=873f7f76-aa1b-4569-8ad6-ec82ea72fa74"),
    ]) {
        let read = PropertyString::parse(&text);
        prop_assert_eq!(PropertyString::parse(&read.to_string()), read);
        let drive = Drive::parse(&text);
        if let Some(storage) = drive.storage() {
            prop_assert!(drive.volume().unwrap().starts_with(storage));
        }
        if let Some(bytes) = drive.bytes() {
            prop_assert!(drive.option("size").is_some(), "{bytes}");
        }
        if let Some(mac) = network_mac(&text) {
            prop_assert!(text.to_ascii_uppercase().contains(&mac), "{mac}");
        }
        if let Some(uuid) = smbios_uuid(&text) {
            prop_assert!(text.contains("uuid"), "{uuid}");
        }
        if is_drive_key(&text) {
            prop_assert!(text.ends_with(|last: char| last.is_ascii_digit()), "{text}");
        }
    }

    #[test]
    fn tags_that_are_printed_read_back_as_the_same_set(tags in vec("[a-zA-Z0-9_.-]{1,8}", 0..6)) {
        let printed = print_tags(tags.iter().map(String::as_str));
        prop_assert_eq!(parse_tags(&printed), parse_tags(&tags.join(",")));
        prop_assert_eq!(print_tags([printed.as_str()]), printed);
    }
}
