//! Whether volumes find room, and what their copies share.

use super::*;

#[test]
fn volumes_that_no_disk_has_room_for_and_copies_on_one_host_without_a_backup_are_warned_of() {
    let with = |gitops: &str| {
        let text = format!(
            "\nlonghorn: {{replicas: 2, default_class: false}}\nflux: {{url: 'https://github.com/me/it', path: clusters/lab, credentials: {{token: {{env: TOKEN}}}}}}\ngitops:\n  secrets: external\n{gitops}k3s:"
        );
        lab(&[("\nk3s:", &text)]).told()
    };
    insta::assert_snapshot!(with("  jellyfin: {ways: [], config_size: 1G, library_size: 6G}\n"), @"
    warning: the volumes are backed up nowhere: `backup` is not written, and all copies of them are on one host, `pve1`
      --> /homelab.yaml:67:1
       |
    67 | longhorn: {replicas: 2, default_class: false}
       | ^^^^^^^^

    warning: the apps' volumes ask for 7.0 GiB, 2 times each; the storage nodes' disks can promise 8.4 GiB (70 %): some claims would wait for ever
      --> /homelab.yaml:67:1
       |
    67 | longhorn: {replicas: 2, default_class: false}
       | ^^^^^^^^
       = help: give the storage nodes a larger `storage_disk`, or the apps smaller volumes
    ");
    assert!(
        !with("  jellyfin: {ways: [], config_size: 1G, library_size: 1G}\n").contains("promise")
    );
}
