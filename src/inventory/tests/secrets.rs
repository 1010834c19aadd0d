//! Secrets in the wrong place are not repeated.

use super::*;

#[test]
fn a_secret_that_stands_where_a_reference_belongs_is_not_printed() {
    for secret in [
        "token: root@pam!up=hunter2-hunter2",
        "token: {env: root@pam!up=hunter2-hunter2}",
        "token: {enw: hunter2}",
        "token: {env: [hunter2]}",
        "token: {command: hunter2}",
        "token: {file: \"\", env: hunter2}",
        "token: {file: {path: hunter2}}",
        "token: [hunter2]",
    ] {
        let folder = lab(&[("token: {env: PROXMOX_VE_API_TOKEN}", secret)]);
        let told = folder.told();
        assert!(told.contains("homelab.yaml:13:"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    let folder = lab(&[("token: {env: PROXMOX_VE_API_TOKEN}", "token: root@pam!up=hunter2")]);
    insta::assert_snapshot!(folder.told(), @"
    error: `token` is a text; expected a mapping with one of `env`, `file`, `command`, `age`
      --> /homelab.yaml:13:10
       = help: an inventory holds no secrets, only where they are: `env: NAME`, `file: PATH`, `command: [...]` or `age: {...}`
    ");
}
