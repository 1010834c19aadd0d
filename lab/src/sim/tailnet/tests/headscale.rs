//! Headscale's dialect.

use serde_json::{Value, json};

use super::{Client, NEWEST, World, message};
use crate::sim::tailnet::{Plane, Release};

const HOUR_AWAY: &str = "2026-11-22T11:00:00Z";

async fn lab(release: Release) -> (World, Client) {
    let world = World::new(Plane::Headscale(release));
    world.tailnet.add_user("lab");
    let client = Client::new(&world).await;
    (world, client)
}

async fn made(client: &Client) -> Value {
    let body = json!({ "user": "1", "expiration": HOUR_AWAY, "aclTags": ["tag:k3s"] });
    let (status, answer) = client.post("/api/v1/preauthkey", body).await;
    assert_eq!(status, 200, "{answer}");
    answer["preAuthKey"].clone()
}

#[tokio::test]
async fn a_key_is_shown_once_and_named_by_the_node_that_joined_with_it() {
    let (world, client) = lab(Release::V0_29).await;
    let (_, users) = client.get("/api/v1/user?name=lab").await;
    assert_eq!(users["users"][0]["id"], "1");
    let key = made(&client).await;
    let device = world.join(key["key"].as_str().unwrap(), "1", "1").unwrap();
    world.tailnet.set_online(&device.device, true);
    let (_, keys) = client.get("/api/v1/preauthkey").await;
    let masked = keys["preAuthKeys"][0]["key"].as_str().unwrap();
    assert!(masked.starts_with("hskey-auth-") && masked.ends_with("-***"), "{masked}");
    assert_eq!(keys["preAuthKeys"][0]["used"], true);
    let (_, nodes) = client.get("/api/v1/node").await;
    let node = &nodes["nodes"][0];
    assert_eq!(node["preAuthKey"]["id"], key["id"]);
    assert_eq!(node["tags"], json!(["tag:k3s"]));
    assert_eq!((&node["user"]["name"], &node["expiry"]), (&json!("tagged-devices"), &Value::Null));
    assert_eq!((&node["online"], &node["ipAddresses"][0]), (&json!(true), &json!("100.64.0.1")));
    let (_, one) = client.get("/api/v1/node/1").await;
    assert_eq!((&one["node"]["id"], &one["node"]["user"]), (&json!("1"), &Value::Null));
}

#[tokio::test]
async fn a_key_is_ended_by_its_id_and_twice_and_deleting_it_takes_it_from_its_node() {
    let (world, client) = lab(Release::V0_28).await;
    let key = made(&client).await;
    world.join(key["key"].as_str().unwrap(), "1", "1").unwrap();
    for id in [key["id"].clone(), key["id"].clone(), json!("99")] {
        let answer = client.post("/api/v1/preauthkey/expire", json!({ "id": id })).await;
        assert_eq!(answer, (200, json!({})));
    }
    assert!(world.tailnet.keys()[0].is_expired(world.tailnet.now()));
    let (status, _) = client.ask("DELETE", "/api/v1/preauthkey?id=1", None).await;
    assert_eq!((status, world.tailnet.keys().len()), (200, 0));
    let (_, nodes) = client.get("/api/v1/node").await;
    assert_eq!(nodes["nodes"][0]["preAuthKey"], Value::Null);
}

#[tokio::test]
async fn before_keys_had_ids_they_are_ended_by_user_and_text() {
    let (world, client) = lab(Release::V0_27).await;
    let key = made(&client).await;
    let (_, listed) = client.get("/api/v1/preauthkey?user=1").await;
    assert_eq!(listed["preAuthKeys"][0]["key"], key["key"]);
    let none = client.get("/api/v1/preauthkey").await;
    assert_eq!(message(&none), (500, "user not found"));
    let expire = |user: &str, text: &Value| {
        client.post("/api/v1/preauthkey/expire", json!({ "user": user, "key": text }))
    };
    let unknown = expire("1", &json!("0a1b")).await;
    assert_eq!(message(&unknown), (500, "AuthKey not found"));
    let foreign = expire("2", &key["key"]).await;
    assert_eq!(message(&foreign), (500, "preauth key does not belong to user"));
    assert_eq!(expire("1", &key["key"]).await.0, 200);
    let late = world.join(key["key"].as_str().unwrap(), "1", "1").unwrap_err();
    assert_eq!(late.to_string(), "authkey expired");
    let (status, _) = client.ask("DELETE", "/api/v1/preauthkey?id=1", None).await;
    assert_eq!(status, 501);
}

#[tokio::test]
async fn a_key_without_an_expiration_is_over_at_once_and_one_of_nobody_needs_tags() {
    let (world, client) = lab(Release::V0_29).await;
    let (_, key) = client.post("/api/v1/preauthkey", json!({ "user": "1" })).await;
    let text = key["preAuthKey"]["key"].as_str().unwrap();
    assert_eq!(world.join(text, "1", "1").unwrap_err().to_string(), "authkey expired");
    let nobodys = client.post("/api/v1/preauthkey", json!({})).await;
    assert_eq!(message(&nobodys).0, 500);
    let stranger = client.post("/api/v1/preauthkey", json!({ "user": "7" })).await;
    assert_eq!(message(&stranger), (500, "user not found"));
    let body = json!({ "user": "1", "aclTags": ["k3s"] });
    let untagged = client.post("/api/v1/preauthkey", body).await;
    assert_eq!(message(&untagged), (400, "tag must start with the string 'tag:'"));
}

#[tokio::test]
async fn the_releases_show_tags_and_versions_each_in_its_own_way() {
    for release in Release::ALL {
        let (world, client) = lab(release).await;
        let (status, version) = client.get("/version").await;
        let key = made(&client).await;
        world.join(key["key"].as_str().unwrap(), "1", "1").unwrap();
        let (_, nodes) = client.get("/api/v1/node").await;
        let node = &nodes["nodes"][0];
        let (tags, expiry) = match release >= Release::V0_28 {
            true => ("tags", Value::Null),
            false => ("forcedTags", json!("0001-01-01T00:00:00Z")),
        };
        assert_eq!((&node[tags], &node["expiry"]), (&json!(["tag:k3s"]), &expiry), "{release:?}");
        match release {
            Release::V0_26 => assert_eq!(status, 404),
            _ => assert_eq!(version["version"], release.text()),
        }
    }
}

#[tokio::test]
async fn a_node_that_is_gone_is_not_found_and_at_the_oldest_an_error() {
    for (release, wanted) in
        [(Release::V0_26, (500, "record not found")), (Release::V0_27, (404, "node not found"))]
    {
        let (world, client) = lab(release).await;
        world.join(&world.key().secret, "1", "1").unwrap();
        assert_eq!(client.ask("DELETE", "/api/v1/node/1", None).await, (200, json!({})));
        assert_eq!(world.tailnet.devices(), []);
        let again = client.ask("DELETE", "/api/v1/node/1", None).await;
        assert_eq!(message(&again), wanted);
    }
}

#[tokio::test]
async fn a_node_is_renamed_tagged_and_expired() {
    let (world, client) = lab(Release::V0_29).await;
    let device = world.join(&world.key().secret, "1", "1").unwrap().device;
    world.join(&world.key().secret, "2", "2").unwrap();
    let taken = client.post("/api/v1/node/1/rename/k3s-agent-1", json!({})).await;
    assert_eq!(message(&taken), (500, "node name is not unique: k3s-agent-1"));
    let (_, renamed) = client.post("/api/v1/node/1/rename/other", json!({})).await;
    assert_eq!(
        (&renamed["node"]["givenName"], &renamed["node"]["name"]),
        (&json!("other"), &json!("k3s-agent"))
    );
    let strange = client.post("/api/v1/node/1/tags", json!({ "tags": ["tag:x"] })).await;
    assert_eq!(message(&strange), (400, "requested tags [tag:x] are invalid or not permitted"));
    let tags = json!({ "tags": ["tag:k8s-operator"] });
    let (_, tagged) = client.post("/api/v1/node/1/tags", tags).await;
    assert_eq!(tagged["node"]["tags"], json!(["tag:k8s-operator"]));
    client.post("/api/v1/node/1/expire", json!({})).await;
    assert!(!world.tailnet.set_online(&device, true));
    let gone = client.post("/api/v1/node/9/expire", json!({})).await;
    assert_eq!(message(&gone).0, 500);
}

#[tokio::test]
async fn strangers_and_strange_paths_are_told_so() {
    let world = World::new(NEWEST);
    let client = Client::new(&world).await;
    assert_eq!(message(&client.get("/api/v1/nodes").await), (404, "Not Found"));
    let put = client.ask("PUT", "/api/v1/node", None).await;
    assert_eq!(message(&put), (501, "Method Not Allowed"));
    assert_eq!(client.get("/nodes").await, (404, Value::Null));
    assert_eq!(client.get("/api/v1/node/x").await.0, 400);
    let stranger = Client { authorization: "Bearer hskey-api-x".to_owned(), ..client };
    assert_eq!(stranger.get("/api/v1/node").await, (401, Value::Null));
    assert_eq!(stranger.get("/health").await, (200, json!({ "status": "pass" })));
}

#[tokio::test]
async fn users_come_and_go() {
    let (world, client) = lab(Release::V0_29).await;
    let (_, made) = client.post("/api/v1/user", json!({ "name": "second" })).await;
    assert_eq!(made["user"]["id"], "2");
    assert_eq!(client.post("/api/v1/user", json!({ "name": "lab" })).await.0, 500);
    let key =
        client.post("/api/v1/preauthkey", json!({ "user": "2", "expiration": HOUR_AWAY })).await.1;
    world.join(key["preAuthKey"]["key"].as_str().unwrap(), "1", "1").unwrap();
    let full = client.ask("DELETE", "/api/v1/user/2", None).await;
    assert_eq!(message(&full), (500, "user not empty: node(s) found"));
    assert_eq!(client.ask("DELETE", "/api/v1/user/1", None).await.0, 200);
    assert_eq!(client.get("/api/v1/user?name=lab").await.1, json!({ "users": [] }));
}
