//! What a faulty inventory gets told.

use super::*;

#[test]
fn many_faults_are_told_at_once_each_with_its_place_and_a_suggestion() {
    let folder = lab(&[
        ("  pool: homelab", "  poll: homelab"),
        ("memory: 3072M", "memory: 3072"),
        ("vmid: 101", "vmid: 102"),
        ("address: 10.79.0.103", "address: 10.79.1.103"),
        ("tag: tag:k3s", "tag: k3s"),
        ("overlay: tailscale", "overlay: tailscal"),
    ]);
    insta::assert_snapshot!(folder.told(), @"
    error: unknown field `poll` in `proxmox`
      --> /homelab.yaml:14:3
       |
    14 |   poll: [redacted]
       |   ^^^^
       = help: did you mean `pool`?

    error: `memory` is a number; expected a size with its unit, such as `32G` or `3072M` (powers of 1024)
      --> /homelab.yaml:39:11
       |
    39 |   memory: 3072
       |           ^^^^
       = help: write `3072M` for mebibytes or `3072G` for gibibytes

    error: VMID 102 is `k3s-server`'s (line 46)
      --> /homelab.yaml:50:11
       |
    50 |     vmid: 102
       |           ^^^
       = help: 104 is free in this inventory

    error: 10.79.1.103 is not in the LAN 10.79.0.0/24
      --> /homelab.yaml:55:14
       |
    55 |     address: 10.79.1.103
       |              ^^^^^^^^^^^
       = help: 10.79.0.103 is free in this inventory

    error: `tag` is `k3s`; expected a tag such as `tag:k3s`: letters, digits and `-` after `tag:`, a letter first
      --> /homelab.yaml:63:8
       |
    63 |   tag: k3s
       |        ^^^
       = help: write `tag:k3s`

    error: `overlay` is `tailscal`; expected `tailscale` or `lan`
      --> /homelab.yaml:70:12
       |
    70 |   overlay: tailscal
       |            ^^^^^^^^
       = help: did you mean `tailscale`?
    ");
}

#[test]
fn addresses_and_networks_must_fit() {
    let folder = lab(&[
        ("gateway: 10.79.0.1", "gateway: 10.79.0.0"),
        ("cidr: 10.79.0.0/24", "cidr: 10.79.0.5/24"),
        ("address: 10.79.0.101", "address: 10.79.0.255"),
        ("address: 10.79.0.103", "address: 10.79.0.102"),
        ("cluster_cidr: 10.42.0.0/16", "cluster_cidr: 10.43.0.0/18"),
        ("service_cidr: 10.43.0.0/16", "service_cidr: 10.43.0.0/29"),
        ("  mtu: auto", "  prefixes: [10.79.0.0/16]"),
    ]);
    insta::assert_snapshot!(folder.told(), @"
    error: 10.79.0.5/24 has bits set beyond its prefix
      --> /homelab.yaml:31:9
       |
    31 |   cidr: 10.79.0.5/24
       |         ^^^^^^^^^^^^
       = help: write `10.79.0.0/24`

    error: the gateway 10.79.0.0 is the address of the network 10.79.0.0/24 itself
      --> /homelab.yaml:32:12
       |
    32 |   gateway: 10.79.0.0
       |            ^^^^^^^^^

    error: 10.79.0.255 is the broadcast address of 10.79.0.0/24
      --> /homelab.yaml:51:14
       |
    51 |     address: 10.79.0.255
       |              ^^^^^^^^^^^
       = help: 10.79.0.103 is free in this inventory

    error: 10.79.0.102 is `k3s-server`'s (line 47)
      --> /homelab.yaml:55:14
       |
    55 |     address: 10.79.0.102
       |              ^^^^^^^^^^^
       = help: 10.79.0.103 is free in this inventory

    error: the tailnet, 10.79.0.0/16, overlaps the LAN, 10.79.0.5/24 (line 31)
      --> /homelab.yaml:64:14
       |
    64 |   prefixes: [10.79.0.0/16]
       |              ^^^^^^^^^^^^

    error: the services' network, 10.43.0.0/29, overlaps the pods' network, 10.43.0.0/18 (line 68)
      --> /homelab.yaml:69:17
       |
    69 |   service_cidr: 10.43.0.0/29
       |                 ^^^^^^^^^^^^

    error: 10.43.0.0/29: the services' network has a prefix from 12 to 28
      --> /homelab.yaml:69:17
       |
    69 |   service_cidr: 10.43.0.0/29
       |                 ^^^^^^^^^^^^
       = help: Kubernetes takes at most 20 bits, and cluster DNS is the tenth address
    ");
}

#[test]
fn the_mtu_must_fit_the_links_and_the_pods() {
    let mtu = |text: &str| lab(&[("  mtu: auto", text)]).told();
    insta::assert_snapshot!(mtu("  mtu: 1450"), @"
    error: tailscale0 at 1450 needs links of 1510; the smallest has 1500: TCP would stand still
      --> /homelab.yaml:64:8
       |
    64 |   mtu: 1450
       |        ^^^^
       = help: write `auto`, which is 1420 here
    ");
    insta::assert_snapshot!(mtu("  mtu: 1440"), @"
    warning: tailscale0 at 1440 fits links of 1500 over IPv4 alone; over IPv6 it needs 1520
      --> /homelab.yaml:64:8
       |
    64 |   mtu: 1440
       |        ^^^^
    ");
    insta::assert_snapshot!(mtu("  mtu: 1380"), @"
    warning: pods get an MTU of 1330; Tailscale's proxies among them need 1340: their TCP would stand still
      --> /homelab.yaml:64:8
       |
    64 |   mtu: 1380
       |        ^^^^
       = help: tailscale0 at 1390 or more does it, on links of 1450
    ");
    insta::assert_snapshot!(mtu("  mtu: 1000"), @"
    error: `mtu` is 1000; expected a whole number from 1280 to 9136
      --> /homelab.yaml:64:8
       |
    64 |   mtu: 1000
       |        ^^^^
    ");
    let links = |link: &str| lab(&[("  mtu: 1500", link)]).told();
    insta::assert_snapshot!(links("  mtu: 1400"), @"
    warning: pods get an MTU of 1270; Tailscale's proxies among them need 1340: their TCP would stand still
      --> /homelab.yaml:34:8
       |
    34 |   mtu: 1400
       |        ^^^^
       = help: tailscale0 at 1390 or more does it, on links of 1450
    ");
    insta::assert_snapshot!(links("  mtu: 1300"), @"
    error: tailscale0 at 1280 needs links of 1340; the smallest has 1300: TCP would stand still
      --> /homelab.yaml:34:8
       |
    34 |   mtu: 1300
       |        ^^^^
    ");
}

#[test]
fn what_stands_twice_or_is_missing_is_told() {
    let folder = lab(&[
        ("  bridge: vmbr0", "  bridge: vmbr0\n  bridge: vmbr1"),
        ("    vmid: 103\n", ""),
        ("  user: debian", "  user: debian\n  user: Debian"),
        ("cluster:\n  name: lab", "cluster:\n  nam: lab"),
        ("  gateway: 10.79.0.1", "  gateway:"),
    ]);
    insta::assert_snapshot!(folder.told(), @"
    error: unknown field `nam` in `cluster`
     --> /homelab.yaml:8:3
      |
    8 |   nam: lab
      |   ^^^
      = help: did you mean `name`?

    error: `bridge` stands here a second time; the first is on line 15
      --> /homelab.yaml:16:3
       |
    16 |   bridge: vmbr1
       |   ^^^^^^
       = help: take one of them out

    error: `user` stands here a second time; the first is on line 28
      --> /homelab.yaml:29:3
       |
    29 |   user: Debian
       |   ^^^^
       = help: take one of them out

    error: `gateway` has no value
      --> /homelab.yaml:34:3
       |
    34 |   gateway:
       |   ^^^^^^^
       = help: write one, or take the line out

    error: `k3s-agent-2` lacks the field `vmid`
      --> /homelab.yaml:54:3
       |
    54 |   k3s-agent-2:
       |   ^^^^^^^^^^^
    ");
}

#[test]
fn the_servers_are_one_or_an_odd_number() {
    let folder = lab(&[("role: agent", "role: server")]);
    insta::assert_snapshot!(folder.told(), @"
    error: 2 servers: etcd wants an odd number, since 2 bear no more failures than 1
      --> /homelab.yaml:43:1
       |
    43 | nodes:
       | ^^^^^
       = help: make it 1 or 3
    ");
    assert_eq!(lab(&[("role: agent", "role: server"), ("role: agent", "role: server")]).told(), "");
    let folder = lab(&[("role: server", "role: agent")]);
    insta::assert_snapshot!(folder.told(), @"
    error: no node is a server
      --> /homelab.yaml:43:1
       |
    43 | nodes:
       | ^^^^^
       = help: give one node `role: server`; the first of them makes the cluster
    ");
}

#[test]
fn keys_of_k3s_that_are_ours_are_refused() {
    let folder = lab(&[(
        "  overlay: tailscale",
        "  server_config: {flannel-iface: eth0, tls-san+: [x], etcd-snapshot-retention: 3, node_label: [a=b]}",
    )]);
    insta::assert_snapshot!(folder.told(), @"
    error: `flannel-iface` of k3s's configuration is the program's own
      --> /homelab.yaml:70:19
       |
    70 |   server_config: {flannel-iface: eth0, tls-san+: [x], etcd-snapshot-retention: 3, node_label: [a=b]}
       |                   ^^^^^^^^^^^^^
       = help: it follows from `k3s.overlay`

    error: `tls-san` of k3s's configuration is the program's own
      --> /homelab.yaml:70:40
       |
    70 |   server_config: {flannel-iface: eth0, tls-san+: [x], etcd-snapshot-retention: 3, node_label: [a=b]}
       |                                        ^^^^^^^^
       = help: say it with `k3s.tls_sans`

    error: `node_label` is no key of k3s: they are written with `-`
      --> /homelab.yaml:70:83
       |
    70 |   server_config: {flannel-iface: eth0, tls-san+: [x], etcd-snapshot-retention: 3, node_label: [a=b]}
       |                                                                                   ^^^^^^^^^^
       = help: write `node-label`
    ");
}

#[test]
fn longhorn_and_flux_are_validated_before_they_are_carried_out() {
    let folder = lab(&[(
        "\nk3s:",
        "
longhorn:
  replicas: 3
  nodes: [k3s-agent-1, k3s-agent-3]
  recurring_jobs:
    nightly: {task: backup, cron: 0 3 * *, retain: 7}
    hourly: {task: snapshots, cron: 0 * * * *, retain: 24}
    daily: {task: backup, cron: 0 4 * * *, retain: 0}
flux:
  url: https://github.com/me/homelab
  path: ../elsewhere
  interval: 10
  credentials: {deploy_key: {env: DEPLOY_KEY}}
k3s:",
    )]);
    insta::assert_snapshot!(folder.told(), @"
    error: 3 replicas on 2 storage nodes: each replica is on another node, so volumes would stay degraded
      --> /homelab.yaml:68:13
       |
    68 |   replicas: 3
       |             ^
       = help: write `replicas: 2`, or name more `nodes`

    error: there is no node `k3s-agent-3`
      --> /homelab.yaml:69:24
       |
    69 |   nodes: [k3s-agent-1, k3s-agent-3]
       |                        ^^^^^^^^^^^
       = help: did you mean `k3s-agent-1`?

    error: `cron` is `0 3 * *`; expected a cron schedule of five fields, such as `0 3 * * *`
      --> /homelab.yaml:71:35
       |
    71 |     nightly: {task: backup, cron: 0 3 * *, retain: 7}
       |                                   ^^^^^^^

    error: `task` is `snapshots`; expected `snapshot`, `backup`, `snapshot-cleanup`, `filesystem-trim` or `system-backup`
      --> /homelab.yaml:72:20
       |
    72 |     hourly: {task: snapshots, cron: 0 * * * *, retain: 24}
       |                    ^^^^^^^^^
       = help: did you mean `snapshot`?

    error: `retain` is 0; expected a whole number from 1 to 100
      --> /homelab.yaml:73:52
       |
    73 |     daily: {task: backup, cron: 0 4 * * *, retain: 0}
       |                                                    ^

    error: `../elsewhere` leaves the repository
      --> /homelab.yaml:76:9
       |
    76 |   path: ../elsewhere
       |         ^^^^^^^^^^^^
       = help: write a path from the repository's root, such as `clusters/homelab`

    error: `interval` is a number; expected a duration, such as `90s`, `5m` or `1h`
      --> /homelab.yaml:77:13
       |
    77 |   interval: 10
       |             ^^
       = help: write `10s` for seconds or `10m` for minutes

    error: a deploy key opens `ssh://` URLs alone
      --> /homelab.yaml:78:3
       |
    78 |   credentials: {deploy_key: {env: DEPLOY_KEY}}
       |   ^^^^^^^^^^^
       = help: write the URL as `ssh://git@HOST/PATH`, or use `token`
    ");
}

#[test]
fn a_clash_with_a_node_that_is_faulty_itself_is_told_with_its_own_fault() {
    let clash = [
        ("    role: agent\n    vmid: 101", "    role: agnet\n    vmid: 102"),
        ("address: 10.79.0.101", "address: 10.79.0.103"),
        ("vmid: 103", "vmid: 9000"),
    ];
    let told = lab(&clash).told();
    for expected in [
        "`role` is `agnet`",
        "VMID 102 is `k3s-server`'s (line 46)",
        "10.79.0.103 is `k3s-agent-1`'s (line 51)",
        "VMID 9000 is the template's",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    // Also where the file as a whole makes no sense yet.
    let told = lab(&[&clash[..], &[("version: 1", "version: one")]].concat()).told();
    assert!(told.contains("`version` is"), "{told}");
    assert!(told.contains("VMID 102 is `k3s-server`'s (line 46)"), "{told}");
    assert!(told.contains("10.79.0.103 is `k3s-agent-1`'s (line 51)"), "{told}");
}

#[test]
fn a_vmid_that_is_refused_itself_clashes_with_nothing() {
    let told = lab(&[("vmid: 102", "vmid: 7"), ("vmid: 101", "vmid: 7")]).told();
    assert_eq!(told.matches("expected").count(), 2, "{told}");
    assert!(!told.contains("is `k3s-server`'s"), "{told}");
}
