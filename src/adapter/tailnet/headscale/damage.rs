//! Answers that no Headscale should give.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::damage::{any_json, cases, damaged_json, nonsense};

fn recorded() -> Vec<Value> {
    let node = json!({"id": "1", "name": "agent", "givenName": "agent-1", "ipAddresses": ["100.64.0.1", "fd7a::1"],
        "tags": ["tag:k3s"], "validTags": [], "forcedTags": ["tag:k3s"], "online": true,
        "lastSeen": "2026-11-22T20:00:00Z", "expiry": null, "preAuthKey": {"id": "7", "ephemeral": false}});
    vec![
        json!({"nodes": [node, node]}),
        json!({"version": "v0.27.1"}),
        json!({"users": [{"id": "1", "name": "homelab"}]}),
        json!({"preAuthKey": {"id": "7", "key": "x"}}),
        json!({"preAuthKeys": [{"id": "7", "key": "x"}]}),
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
        if let Ok(answer) = serde_json::from_str::<NodesAnswer>(&text) {
            for device in answer.nodes.into_iter().map(Device::from) {
                prop_assert_eq!(&device.id, &device.node_id);
                prop_assert!(device.auth_key.is_none_or(|id| !id.is_empty()), "an empty id is everybody's");
            }
        }
        // A list of fields would be taken for the object, too: that no server gives.
        if let Ok(answer) = serde_json::from_str::<UsersAnswer>(&text) && json.is_object() {
            prop_assert!(json["users"].as_array().is_some_and(|users| users.len() == answer.users.len()));
        }
        if let Ok(answer) = serde_json::from_str::<KeysAnswer>(&text) && json.is_object() {
            prop_assert!(json["preAuthKeys"].as_array().is_some_and(|keys| keys.len() == answer.pre_auth_keys.len()));
        }
        let _ = serde_json::from_str::<KeyAnswer>(&text);
    }

    #[test]
    fn any_version_is_one(text in prop_oneof![nonsense(), "v?[0-9]{0,12}(\\.[0-9]{0,12}){0,4}", "\\PC{0,12}"]) {
        let version = Version::of(&text);
        // Only of a release is it known that it is old.
        prop_assert!(version.minor == u32::MAX || version.text.starts_with('0'), "{}", version.text);
    }
}
