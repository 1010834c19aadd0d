//! Tailscale's dialect.

use serde_json::{Value, json};

use super::{Client, World, message, new_tailscale_key};
use crate::sim::tailnet::Plane;

const KEYS: &str = "/api/v2/tailnet/-/keys";

async fn lab() -> (World, Client) {
    let world = World::new(Plane::Tailscale);
    let client = Client::new(&world).await;
    (world, client)
}

/// The same server asked by another one's token.
async fn by_oauth(world: &World, client: Client, scopes: &[&str], scope: &str) -> (Client, Value) {
    let oauth = world.tailnet.issue_oauth_client(scopes, &["tag:k3s"]);
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope={scope}",
        oauth.id, oauth.secret
    );
    let url = format!("{}/api/v2/oauth/token", client.server.endpoint());
    let answer = client.http.post(url).body(form).send().await.unwrap();
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let token = answer["access_token"].as_str().unwrap_or_default();
    (Client { authorization: format!("Bearer {token}"), ..client }, answer)
}

#[tokio::test]
async fn a_token_may_do_what_its_scopes_say_for_an_hour() {
    let (world, client) = lab().await;
    let (client, token) = by_oauth(&world, client, &["auth_keys", "devices:core:read"], "").await;
    assert_eq!(token["scope"], "auth_keys devices:core:read");
    assert_eq!((&token["expires_in"], &token["token_type"]), (&json!(3600), &json!("Bearer")));
    assert_eq!(client.get("/api/v2/tailnet/-/devices?fields=all").await.0, 200);
    assert_eq!(client.post(KEYS, new_tailscale_key(&["tag:k3s"])).await.0, 200);
    let denied = client.ask("DELETE", "/api/v2/device/n1", None).await;
    let wanted = "calling actor does not have enough permissions to perform this function";
    assert_eq!(message(&denied), (403, wanted));
    assert_eq!(client.get("/api/v2/tailnet/-/acl").await.0, 403);
    world.pass(60);
    let over = client.get("/api/v2/tailnet/-/devices").await;
    assert_eq!(message(&over), (401, "API token invalid"));
}

#[tokio::test]
async fn a_client_cannot_grant_what_it_does_not_have() {
    let (world, client) = lab().await;
    let (client, answer) = by_oauth(&world, client, &["auth_keys"], "dns").await;
    assert_eq!(answer["message"], "OAuth client cannot grant scopes \"dns\"");
    let (client, token) = by_oauth(&world, client, &["all"], "devices:core:read").await;
    assert_eq!(token["scope"], "devices:core:read");
    assert_eq!(client.post(KEYS, new_tailscale_key(&["tag:k3s"])).await.0, 403);
}

#[tokio::test]
async fn a_client_gives_its_own_tags_and_must_give_some() {
    let (world, client) = lab().await;
    let (client, _) = by_oauth(&world, client, &["auth_keys"], "").await;
    let untagged = client.post(KEYS, new_tailscale_key(&[])).await;
    assert_eq!(message(&untagged), (400, "tailnet-owned auth key must have tags set"));
    let foreign = client.post(KEYS, new_tailscale_key(&["tag:k3s", "tag:k8s-operator"])).await;
    let wanted = "requested tags [tag:k3s tag:k8s-operator] are invalid or not permitted";
    assert_eq!(message(&foreign), (400, wanted));
}

#[tokio::test]
async fn a_key_is_shown_once_is_invalid_when_used_and_gone_when_deleted() {
    let (world, client) = lab().await;
    let (status, made) = client.post(KEYS, new_tailscale_key(&["tag:k3s"])).await;
    assert_eq!((status, &made["expirySeconds"]), (200, &json!(3600)), "{made}");
    let one = format!("{KEYS}/{}", made["id"].as_str().unwrap());
    let (_, shown) = client.get(&one).await;
    assert_eq!((&shown["key"], &shown["invalid"]), (&Value::Null, &Value::Null));
    assert_eq!(shown["description"], "homelab k3s-agent");
    world.join(made["key"].as_str().unwrap(), "1", "1").unwrap();
    assert_eq!(client.get(&one).await.1["invalid"], true);
    assert_eq!(client.get(KEYS).await.1, json!({ "keys": [] }));
    assert_eq!(client.ask("DELETE", &one, None).await.0, 200);
    assert_eq!(client.ask("DELETE", &one, None).await.0, 404);
    assert!(client.get(&one).await.1["revoked"].is_string());
    assert_eq!(client.get(&format!("{KEYS}/kNone")).await.0, 404);
}

#[tokio::test]
async fn a_key_lives_90_days_at_most_and_is_described_in_plain_letters() {
    let (_world, client) = lab().await;
    let with = |name: &str, value: Value| {
        let mut body = new_tailscale_key(&["tag:k3s"]);
        body[name] = value;
        client.post(KEYS, body)
    };
    assert_eq!(with("expirySeconds", json!(90 * 86_400 + 1)).await.0, 400);
    assert_eq!(with("expirySeconds", json!(90 * 86_400)).await.0, 200);
    assert_eq!(with("description", json!("homelab: k3s")).await.0, 400);
    assert_eq!(with("description", json!("x".repeat(51))).await.0, 400);
}

#[tokio::test]
async fn a_device_is_given_an_address_that_is_free_and_then_deleted() {
    let (world, client) = lab().await;
    let device = world.join(&world.key().secret, "1", "1").unwrap();
    let twin = world.join(&world.key().secret, "2", "2").unwrap();
    world.tailnet.set_online(&device.device, true);
    let one = format!("/api/v2/device/{}", device.device);
    let (_, list) = client.get("/api/v2/tailnet/-/devices").await;
    assert_eq!(list["devices"][1]["name"], "k3s-agent-1.tail1234.ts.net");
    assert!(list["devices"][1]["lastSeen"].is_string(), "{list}");
    let (_, shown) = client.get(&one).await;
    assert_eq!((&shown["connectedToControl"], &shown["lastSeen"]), (&json!(true), &Value::Null));
    assert_eq!((&shown["keyExpiryDisabled"], &shown["tags"]), (&json!(true), &json!(["tag:k3s"])));
    let legacy = shown["id"].as_str().unwrap();
    let ip = async |address: &str| {
        client.post(&format!("/api/v2/device/{legacy}/ip"), json!({ "ipv4": address })).await
    };
    assert_eq!(ip("100.77.0.1").await, (200, json!({})));
    assert_eq!(world.tailnet.device(&device.device).unwrap().ipv4.to_string(), "100.77.0.1");
    assert_eq!(ip(&twin.address.to_string()).await.0, 400);
    assert_eq!(ip("192.0.2.1").await.0, 400);
    assert_eq!(client.ask("DELETE", &one, None).await.0, 200);
    let gone = client.ask("DELETE", &one, None).await;
    assert_eq!(message(&gone), (404, "no manageable device matching this ID found"));
}

#[tokio::test]
async fn a_device_is_approved_renamed_retagged_and_expired() {
    let (world, client) = lab().await;
    let device = world.join(&world.key().secret, "1", "1").unwrap().device;
    let set = async |what: &str, body: Value| {
        client.post(&format!("/api/v2/device/{device}/{what}"), body).await
    };
    assert_eq!(set("authorized", json!({ "authorized": false })).await.0, 200);
    assert_eq!(world.tailnet.peers(&device), None);
    set("authorized", json!({ "authorized": true })).await;
    set("name", json!({ "name": "other.tail1234.ts.net" })).await;
    set("tags", json!({ "tags": ["tag:k8s-operator"] })).await;
    let seen = world.tailnet.device(&device).unwrap();
    assert_eq!(
        (seen.name.as_str(), seen.tags.as_slice()),
        ("other", &["tag:k8s-operator".to_owned()][..])
    );
    let untagged = set("tags", json!({ "tags": [] })).await;
    assert_eq!(message(&untagged), (400, "tagged nodes cannot be untagged without reauth"));
    set("key", json!({ "keyExpiryDisabled": false })).await;
    assert!(!world.tailnet.device(&device).unwrap().key_expiry_disabled);
    assert_eq!(set("expire", json!({})).await.0, 200);
    assert!(!world.tailnet.set_online(&device, true));
}

#[tokio::test]
async fn the_policy_has_a_version_and_a_strange_tailnet_or_path_is_not_found() {
    let (_world, client) = lab().await;
    let answer =
        client.request("GET", "/api/v2/tailnet/tail1234.ts.net/acl", None).send().await.unwrap();
    assert!(answer.headers().contains_key("etag"));
    let policy: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(policy["tagOwners"]["tag:k3s"], json!(["tag:k3s"]));
    assert_eq!(client.get("/api/v2/tailnet/example.com/devices").await.0, 404);
    assert_eq!(message(&client.get("/api/v2/nothing").await), (404, "404 page not found"));
    assert_eq!(client.ask("PUT", KEYS, None).await.0, 405);
}
