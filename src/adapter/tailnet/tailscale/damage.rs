//! Answers that no Tailscale should give.

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::*;
use crate::damage::{any_json, cases, damaged_json};

fn recorded() -> Vec<Value> {
    let device = json!({"id": "1", "nodeId": "n1", "hostname": "agent", "name": "agent-1.tail.ts.net",
        "addresses": ["100.64.0.1", "fd7a:115c:a1e0::1"], "tags": ["tag:k3s"], "connectedToControl": true,
        "lastSeen": "2026-11-22T20:00:00Z", "expires": "0001-01-01T00:00:00Z", "keyExpiryDisabled": true,
        "isEphemeral": false});
    vec![
        json!({"devices": [device, device]}),
        json!({"access_token": "t", "expires_in": 3600, "scope": "devices:core auth_keys"}),
        json!({"id": "k1", "key": "tskey-auth-k1-x"}),
    ]
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn an_answer_of_any_shape_is_read_or_refused(json in prop_oneof![
        1 => any_json(),
        4 => proptest::sample::select(recorded()).prop_flat_map(damaged_json),
    ]) {
        let text = json.to_string();
        if let Ok(answer) = serde_json::from_str::<DevicesAnswer>(&text) {
            for device in answer.devices.into_iter().map(Device::from) {
                prop_assert!(!device.name.contains('.'), "{}", device.name);
            }
        }
        if let Ok(answer) = serde_json::from_str::<TokenAnswer>(&text) {
            prop_assert!(moment_after(Duration::from_secs(answer.expires_in)) + Duration::from_secs(1) > Instant::now());
        }
        if let Err(error) = serde_json::from_str::<KeyAnswer>(&text) {
            prop_assert!(error.to_string().contains("line"), "{error}");
        }
    }

    #[test]
    fn a_description_is_one_that_tailscale_takes(text in "\\PC{0,80}", bytes in vec(any::<u8>(), 0..8)) {
        let text = text + &String::from_utf8_lossy(&bytes);
        let taken = KeyMark::new(&text, Duration::from_secs(600)).description;
        prop_assert!(taken.chars().count() <= 50);
        prop_assert!(taken.chars().all(|letter| letter.is_ascii_alphanumeric() || " -".contains(letter)));
        prop_assert!(!encoded(&text).contains(['/', '?', '#', ' ']));
    }
}

#[test]
fn a_token_that_never_ends_is_asked_for_anew_at_once() {
    assert!(moment_after(Duration::from_secs(u64::MAX)) <= Instant::now());
    assert!(moment_after(Duration::from_secs(3600)) > Instant::now());
}
