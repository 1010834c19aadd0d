//! Kubeconfigs that no k3s writes: what is connected to is this end of the tunnel, or nothing.

use proptest::prelude::*;

use super::*;
use crate::{
    damage::{cases, damaged},
    stage::cluster::{local_kubeconfig, merge_kubeconfig, portable_kubeconfig},
};

/// As k3s writes it.
fn recorded() -> String {
    let authority = rcgen::generate_simple_self_signed(["k3s".to_owned()]).unwrap().cert.pem();
    let authority = STANDARD.encode(authority);
    format!(
        "apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {authority}
    server: https://127.0.0.1:6443
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
users:
- name: default
  user:
    client-certificate-data: aGk=
    client-key-data: aGk=
"
    )
}

#[test]
fn what_k3s_writes_is_read() {
    let config = configuration(&recorded()).unwrap();
    assert_eq!(config.cluster_url.to_string(), "https://127.0.0.1:6443/");
}

#[test]
fn a_kubeconfig_whose_parts_are_no_mappings_is_refused() {
    for (from, to) in [
        ("- cluster:\n    certificate", "- cluster: 5\n  other:\n    certificate"),
        ("- context:\n", "- context: [1]\n  other:\n"),
    ] {
        let odd = recorded().replacen(from, to, 1);
        assert_ne!(odd, recorded());
        configuration(&odd).unwrap_err();
        let refused = portable_kubeconfig(&Secret::new(odd), "home", [100, 64, 0, 1].into());
        assert!(refused.unwrap_err().message.contains("is no mapping"));
    }
}

#[test]
fn a_bottomless_kubeconfig_is_refused_without_a_crash() {
    for deep in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000)] {
        configuration(&deep).unwrap_err();
        merge_kubeconfig(&deep, &recorded()).unwrap_err();
    }
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn a_damaged_kubeconfig_leads_nowhere_else(text in damaged(recorded())) {
        match configuration(&text) {
            Ok(config) => {
                prop_assert_eq!(config.cluster_url.host(), Some("127.0.0.1"));
                prop_assert_eq!(config.cluster_url.scheme_str(), Some("https"));
                prop_assert!(config.root_cert.is_some_and(|authorities| !authorities.is_empty()));
                prop_assert!(!config.accept_invalid_certs);
                // Nothing that runs a program or reads a file of ours.
                prop_assert!(config.auth_info.exec.is_none() && config.auth_info.token_file.is_none());
            }
            Err(told) => prop_assert!(!told.is_empty()),
        }
    }

    #[test]
    fn a_damaged_kubeconfig_is_rewritten_for_the_tailnet_or_refused(text in damaged(recorded())) {
        let secret = Secret::new(text.clone());
        let portable = portable_kubeconfig(&secret, "home", [100, 64, 0, 1].into());
        let local = local_kubeconfig(&secret, "home", ([127, 0, 0, 1], 7000).into());
        prop_assert_eq!(portable.is_ok(), local.is_ok());
        if let Ok(portable) = portable {
            prop_assert!(portable.expose().contains("https://100.64.0.1:6443"));
        }
        if let Ok(merged) = merge_kubeconfig(&text, &recorded()) {
            prop_assert!(merged.contains("certificate-authority-data"), "what was added is in it");
        }
    }
}
