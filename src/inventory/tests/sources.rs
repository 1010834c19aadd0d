//! Where values come from: the lock, the environment.

use super::{super::*, *};

#[test]
fn a_missing_or_stale_lock_entry_is_told_with_the_command_that_mends_it() {
    let folder = lab(&[("  mtu: auto", "  tailscale: {version: 1.102.3}")]);
    folder.lock(&LockFile {
        version: 1,
        tailscale: Some(locked("1.102.5", "http://10.79.0.1/tailscale.tgz")),
        k3s: Some(locked("v1.34.9+k3s1", "http://10.79.0.1/k3s")),
        ..LockFile::default()
    });
    insta::assert_snapshot!(folder.told(), @"
    error: no url is known for the cloud image
      --> /homelab.yaml:22:1
       |
    22 | image:
       | ^^^^^
       = help: write `url` here, then run `homelab lock`

    error: homelab.lock pins Tailscale 1.102.5, the inventory asks for 1.102.3
      --> /homelab.yaml:64:24
       |
    64 |   tailscale: {version: 1.102.3}
       |                        ^^^^^^^
       = help: run `homelab lock`
    ");
    fs_err::write(folder.path("homelab.lock"), "version: 1\nk3s: {version: v1, sha256: ABC}\n")
        .unwrap();
    insta::assert_snapshot!(folder.told(), @"
    error: `k3s` lacks the field `url`
     --> /homelab.lock:2:1
      |
    2 | k3s: {version: v1, sha256: ABC}
      | ^^^

    error: `sha256` is `ABC`; expected 64 hexadecimal digits in lower case
     --> /homelab.lock:2:28
      |
    2 | k3s: {version: v1, sha256: ABC}
      |                            ^^^
    ");
}

#[test]
fn a_hash_in_the_inventory_needs_no_lock() {
    let sha256 = "cd".repeat(32);
    let folder = lab(&[(
        "  template: 9000",
        &format!("  template: 9000\n  url: file:///srv/image.qcow2\n  sha256: {sha256}"),
    )]);
    let image = folder.load().unwrap().desired.image.artifact;
    assert_eq!((image.sha256, image.version), (sha256, "image.qcow2".to_owned()));
}

#[test]
fn the_environment_wins_over_the_file_and_is_checked_like_it() {
    let folder = lab(&[]);
    let environment = |name: &str| match name {
        "PROXMOX_VE_ENDPOINT" => Some("https://elsewhere:8006/".to_owned()),
        "PROXMOX_VE_FINGERPRINT" => Some("ab".repeat(32)),
        "HOMELAB_SSH_KEY" => Some(folder.path("key").into_string()),
        _ => None,
    };
    let overrides = Overrides::from_variables(environment);
    let loaded = load(&LoadOptions { overrides, ..folder.options() }).unwrap();
    assert_eq!(loaded.desired.proxmox.endpoint, "https://elsewhere:8006");
    assert_eq!(loaded.desired.proxmox.tls, desired::TlsTrust::Fingerprints(vec![[0xab; 32]]));
    let environment = |name: &str| match name {
        "PROXMOX_VE_ENDPOINT" => Some("elsewhere".to_owned()),
        _ => environment(name),
    };
    let overrides = Overrides::from_variables(environment);
    let failure = load(&LoadOptions { overrides, ..folder.options() }).unwrap_err();
    let told = Faults::of(&failure).unwrap().to_string();
    assert!(told.contains("PROXMOX_VE_ENDPOINT says `elsewhere`"), "{told}");
}

#[test]
fn the_fingerprint_follows_inventory_and_lock() {
    let folder = lab(&[]);
    let first = folder.load().unwrap().fingerprints;
    assert_eq!(folder.load().unwrap().fingerprints, first);
    let lock = fs_err::read_to_string(folder.path("homelab.lock")).unwrap();
    fs_err::write(folder.path("homelab.lock"), lock + "\n").unwrap();
    assert_ne!(folder.load().unwrap().fingerprints, first);
}

#[test]
fn a_ca_file_that_is_none_is_told_at_its_field() {
    let before = "  token: {env: PROXMOX_VE_API_TOKEN}\n";
    let folder = lab(&[(before, &format!("  tls: {{ca_file: ca.pem}}\n{before}"))]);
    insta::assert_snapshot!(folder.told(), @"
    error: the CA file can't be read: failed to open file `/ca.pem`: No such file or directory (os error 2)
      --> /homelab.yaml:13:18
       |
    13 |   tls: {ca_file: ca.pem}
       |                  ^^^^^^
       = help: copy /etc/pve/pve-root-ca.pem of the Proxmox host, or pin the certificate with `fingerprints: [...]`, as `homelab init fingerprint` shows it
    ");
    let mut told = Vec::new();
    for content in
        ["", "no certificate\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    {
        fs_err::write(folder.path("ca.pem"), content).unwrap();
        told.push(folder.told().lines().next().unwrap().to_owned());
    }
    fs_err::write(folder.path("ca.pem"), authority()).unwrap();
    assert_eq!(folder.told(), "");
    fs_err::remove_file(folder.path("ca.pem")).unwrap();
    fs_err::create_dir(folder.path("ca.pem")).unwrap();
    told.push(folder.told().lines().next().unwrap().to_owned());
    insta::assert_snapshot!(told.join("\n"), @"
    error: /ca.pem is empty; expected a CA certificate
    error: /ca.pem holds no PEM certificate
    error: /ca.pem holds a certificate that can't be used: invalid peer certificate: BadEncoding
    error: the CA file can't be read: `/ca.pem` is a folder, not a regular file
    ");
}

#[test]
fn a_ca_file_of_the_environment_is_told_by_its_variable() {
    let folder = lab(&[]);
    let file = folder.path("nowhere.pem");
    let environment = |name: &str| (name == "PROXMOX_VE_CA_FILE").then(|| file.to_string());
    let overrides = Overrides::from_variables(environment);
    let options = folder.options();
    let overrides = overrides.with_flags(None, options.overrides.ssh_key.map(|key| key.value));
    let failure = load(&LoadOptions { overrides, ..folder.options() }).unwrap_err();
    let told = Faults::of(&failure).unwrap().to_string();
    insta::assert_snapshot!(told.replace(file.parent().unwrap().as_str(), ""), @"
    error: PROXMOX_VE_CA_FILE: the CA file can't be read: failed to open file `/nowhere.pem`: No such file or directory (os error 2)
     --> environment PROXMOX_VE_CA_FILE
      = help: copy /etc/pve/pve-root-ca.pem of the Proxmox host, or pin the certificate with `fingerprints: [...]`, as `homelab init fingerprint` shows it
    ");
}
