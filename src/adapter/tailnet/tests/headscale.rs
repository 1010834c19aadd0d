use std::time::Duration;

use serde_json::json;

use crate::{
    adapter::tailnet::{
        Headscale,
        credential::Credential,
        scripted::{Answer, Scripted},
    },
    ports::{KeyMark, Tailnet, TailnetError},
};

fn headscale(server: &Scripted) -> Headscale {
    Headscale::new(&server.endpoint, Credential::given("hskey-api-1"), "lab").unwrap()
}

fn users() -> Answer {
    Answer::ok(json!({ "users": [{ "id": "3", "name": "lab" }] }).to_string())
}

#[tokio::test]
async fn a_server_before_keys_had_ids_is_given_user_and_key() {
    let keys =
        json!({ "preAuthKeys": [{ "id": "8", "key": "other" }, { "id": "9", "key": "0a1b" }] });
    let server = Scripted::start(vec![
        Answer::status("404 Not Found"),
        users(),
        Answer::ok(keys.to_string()),
        Answer::ok("{}"),
    ])
    .await;
    headscale(&server).revoke_key("9").await.unwrap();
    assert_eq!(server.lines()[2], "GET /api/v1/preauthkey?user=3");
    assert_eq!(server.requests()[3].json(), json!({ "user": "3", "key": "0a1b" }));
}

#[tokio::test]
async fn a_server_whose_keys_have_ids_is_given_the_id() {
    let version = Answer::ok(r#"{"version":"v0.28.0"}"#);
    let server = Scripted::start(vec![version, Answer::ok("{}")]).await;
    headscale(&server).revoke_key("9").await.unwrap();
    assert_eq!(server.requests()[1].json(), json!({ "id": "9" }));
}

#[tokio::test]
async fn a_key_whose_id_was_never_heard_of_is_known_by_its_expiry() {
    let mark = KeyMark::new("homelab", Duration::from_secs(600));
    let other = KeyMark::new("homelab", Duration::from_secs(601));
    let keys = json!({ "preAuthKeys": [
        { "id": "7", "key": "***", "expiration": null },
        { "id": "8", "key": "***", "expiration": other.expires.to_string() },
        { "id": "9", "key": "***", "expiration": mark.expires.to_string() },
    ] });
    let answers =
        [users(), Answer::ok(keys.to_string()), users(), Answer::ok(r#"{"preAuthKeys":[]}"#)];
    let server = Scripted::start(answers.into()).await;
    let headscale = headscale(&server);
    assert_eq!(headscale.marked_key(&mark).await.unwrap().as_deref(), Some("9"));
    assert_eq!(headscale.marked_key(&mark).await.unwrap(), None);
}

#[tokio::test]
async fn tags_are_read_from_old_and_new_servers() {
    let node = |tags: serde_json::Value| {
        let mut node = json!({
            "id": "4", "name": "k3s-agent", "givenName": "k3s-agent-h7x2", "ipAddresses": ["100.64.0.4"],
            "online": true, "lastSeen": "2026-11-22T10:00:00Z", "expiry": "0001-01-01T00:00:00Z",
        });
        node.as_object_mut().unwrap().extend(tags.as_object().unwrap().clone());
        json!({ "nodes": [node] }).to_string()
    };
    let server = Scripted::start(vec![
        Answer::ok(node(json!({ "tags": ["tag:k3s"] }))),
        Answer::ok(node(json!({ "validTags": ["tag:k3s"], "forcedTags": ["tag:k3s"] }))),
    ])
    .await;
    let headscale = headscale(&server);
    for _ in 0..2 {
        let device = headscale.devices().await.unwrap().remove(0);
        assert_eq!(device.tags, ["tag:k3s"]);
        assert_eq!((device.name.as_str(), device.key_expiry), ("k3s-agent-h7x2", None));
    }
}

#[tokio::test]
async fn a_user_that_is_missing_is_named_with_the_command_that_makes_it() {
    let server = Scripted::start(vec![Answer::ok(r#"{"users":[]}"#)]).await;
    let lifetime = Duration::from_secs(60);
    let error =
        headscale(&server).mint_key("tag:k3s", &KeyMark::new("", lifetime)).await.unwrap_err();
    assert!(error.to_string().contains("headscale users create lab"), "{error}");
}

#[tokio::test]
async fn an_address_cannot_be_given() {
    let server = Scripted::start(vec![]).await;
    let error =
        headscale(&server).set_address("1", "100.64.0.1".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, TailnetError::Unsupported { .. }));
}

#[tokio::test]
async fn a_node_that_an_old_server_does_not_have_need_not_be_removed() {
    // 0.26 has no better words for it.
    let gone = r#"{"code":2,"message":"record not found"}"#;
    let gone = Answer::Say("500 Internal Server Error", "", gone.into());
    let server = Scripted::start(vec![gone]).await;
    headscale(&server).delete_device("5").await.unwrap();
}
