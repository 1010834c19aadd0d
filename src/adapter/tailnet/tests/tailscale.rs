use std::time::Duration;

use serde_json::json;

use crate::{
    adapter::tailnet::{
        Tailscale,
        credential::Credential,
        scripted::{Answer, Scripted},
        tailscale::Access,
    },
    error::{Effect, Failure, Kind},
    ports::{KeyMark, Tailnet, TailnetError},
};

const HOUR: Duration = Duration::from_secs(3600);

fn by_key(server: &Scripted) -> Tailscale {
    Tailscale::new(&server.endpoint, "-", Access::Key(Credential::given("tskey-api-1"))).unwrap()
}

fn by_oauth(server: &Scripted) -> Tailscale {
    let access = Access::oauth("client-1", Credential::given("tskey-client-1"));
    Tailscale::new(&format!("{}/", server.endpoint), "example.com", access).unwrap()
}

fn token(scope: &str) -> Answer {
    let answer = json!({ "access_token": "token-1", "expires_in": 3600, "scope": scope });
    Answer::ok(answer.to_string())
}

#[tokio::test]
async fn a_key_is_made_once_usable_tagged_and_preauthorised() {
    let key = json!({ "id": "k1", "key": "tskey-auth-1" }).to_string();
    let server =
        Scripted::start(vec![token("auth_keys"), Answer::ok(key.clone()), Answer::ok(key)]).await;
    let tailscale = by_oauth(&server);
    let minted =
        tailscale.mint_key("tag:k3s", &KeyMark::new("homelab: k3s_server", HOUR)).await.unwrap();
    assert_eq!((minted.id.as_str(), minted.secret.expose()), ("k1", "tskey-auth-1"));
    tailscale.mint_key("tag:k3s", &KeyMark::new(&"x".repeat(80), HOUR * 24 * 365)).await.unwrap();
    let requests = server.requests();
    // One token serves both.
    let lines = ["POST /api/v2/oauth/token", "POST /api/v2/tailnet/example%2Ecom/keys"];
    assert_eq!(server.lines(), [lines[0], lines[1], lines[1]]);
    assert!(requests[0].body.contains("client_secret=tskey-client-1"));
    assert_eq!(requests[1].authorization.as_deref(), Some("Bearer token-1"));
    let lives = |request: usize| requests[request].json()["expirySeconds"].as_i64().unwrap();
    assert!((3595..=3600).contains(&lives(1)), "{}", lives(1));
    let by_lot = insta::dynamic_redaction(|text, _| {
        text.as_str().unwrap().trim_end_matches(|digit: char| digit.is_ascii_digit()).to_owned()
    });
    insta::assert_json_snapshot!(requests[1].json(), {
        ".expirySeconds" => "[an hour]", ".description" => by_lot,
    }, @r#"
    {
      "capabilities": {
        "devices": {
          "create": {
            "reusable": false,
            "ephemeral": false,
            "preauthorized": true,
            "tags": [
              "tag:k3s"
            ]
          }
        }
      },
      "expirySeconds": "[an hour]",
      "description": "homelab- k3s-server "
    }
    "#);
    assert_eq!(requests[2].json()["expirySeconds"], 7_776_000);
    let description = requests[2].json()["description"].as_str().unwrap().to_owned();
    assert_eq!(description.len(), 50);
    assert!(description.starts_with(&"x".repeat(43)), "{description}");
}

#[tokio::test]
async fn devices_are_read_with_their_names_in_the_tailnet() {
    let devices = json!({ "devices": [{
        "addresses": ["100.64.0.7", "fd7a:115c:a1e0::7"],
        "id": "393735751060", "nodeId": "n5SUKe8CNTRL",
        "name": "k3s-agent-1.tail1234.ts.net", "hostname": "k3s-agent",
        "tags": ["tag:k3s"], "expires": "2027-05-01T00:00:00Z", "keyExpiryDisabled": true,
        "lastSeen": "2026-11-22T10:00:00Z", "connectedToControl": false, "isEphemeral": false,
    }, {
        "addresses": [], "id": "1", "name": "phone.tail1234.ts.net", "hostname": "phone",
        "expires": "2027-05-01T00:00:00Z", "lastSeen": "",
    }, {
        "addresses": [], "id": "2", "name": "shared", "hostname": "shared",
        "expires": "0001-01-01T00:00:00Z",
    }] });
    let server = Scripted::start(vec![Answer::ok(devices.to_string())]).await;
    let devices = by_key(&server).devices().await.unwrap();
    assert_eq!(server.lines(), ["GET /api/v2/tailnet/-/devices?fields=all"]);
    let twin = &devices[0];
    assert_eq!((twin.hostname.as_str(), twin.name.as_str()), ("k3s-agent", "k3s-agent-1"));
    assert_eq!((twin.id.as_str(), twin.node_id.as_str()), ("n5SUKe8CNTRL", "n5SUKe8CNTRL"));
    assert_eq!(twin.ipv4, Some("100.64.0.7".parse().unwrap()));
    assert_eq!(twin.ipv6, Some("fd7a:115c:a1e0::7".parse().unwrap()));
    assert_eq!((twin.online, twin.key_expiry), (Some(false), None));
    assert_eq!(devices[1].key_expiry, Some("2027-05-01T00:00:00Z".parse().unwrap()));
    assert_eq!((devices[1].last_seen, devices[2].key_expiry), (None, None));
}

#[tokio::test]
async fn a_read_is_repeated_until_the_server_has_recovered() {
    let server = Scripted::start(vec![
        Answer::status("503 Service Unavailable"),
        Answer::HangUp,
        Answer::ok(r#"{"devices":[]}"#),
    ])
    .await;
    assert_eq!(by_key(&server).devices().await.unwrap(), []);
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn a_key_whose_id_was_never_heard_of_is_known_by_its_description() {
    let mark = KeyMark::new("homelab 1f0e k3s-server", HOUR);
    let keys = json!({ "keys": [
        { "id": "k7" },
        { "id": "k8", "description": "homelab 1f0e k3s-server" },
        { "id": "k9", "description": mark.description },
    ] });
    let server = Scripted::start(vec![Answer::ok(keys.to_string())]).await;
    assert_eq!(by_key(&server).marked_key(&mark).await.unwrap().as_deref(), Some("k9"));
    assert_eq!(server.lines(), ["GET /api/v2/tailnet/-/keys?all=true"]);
}

#[tokio::test]
async fn a_key_turned_away_for_haste_is_asked_for_again() {
    let server = Scripted::start(vec![
        Answer::Say("429 Too Many Requests", "retry-after: 0\r\n", String::new()),
        Answer::ok(r#"{"id":"k1","key":"tskey-auth-1"}"#),
    ])
    .await;
    by_key(&server).mint_key("tag:k3s", &KeyMark::new("", HOUR)).await.unwrap();
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn a_key_whose_answer_was_lost_is_not_made_twice_and_may_exist() {
    for answer in [Answer::HangUp, Answer::status("502 Bad Gateway")] {
        let server = Scripted::start(vec![answer, Answer::ok(r#"{"id":"k2","key":"k"}"#)]).await;
        let error = by_key(&server).mint_key("tag:k3s", &KeyMark::new("", HOUR)).await.unwrap_err();
        assert_eq!(Failure::from(error).effect, Effect::Unknown);
        assert_eq!(server.lines().len(), 1);
    }
}

#[tokio::test]
async fn wrong_credentials_are_told_at_once_with_what_to_do() {
    let server = Scripted::start(vec![Answer::status("403 Forbidden")]).await;
    let error = by_key(&server).devices().await.unwrap_err();
    assert!(matches!(&error, TailnetError::Unauthorized { .. }), "{error}");
    let failure = Failure::from(error);
    assert_eq!(failure.kind, Kind::Tailnet);
    assert!(failure.hints[0].contains("tailnet-policy"));
}

#[tokio::test]
async fn what_is_gone_already_need_not_be_removed() {
    let server = Scripted::start(vec![
        Answer::status("404 Not Found"),
        Answer::status("404 Not Found"),
        Answer::ok("{}"),
    ])
    .await;
    let tailscale = by_key(&server);
    tailscale.delete_device("n5").await.unwrap();
    tailscale.revoke_key("k1").await.unwrap();
    tailscale.revoke_key("").await.unwrap();
    tailscale.set_address("n5", "100.64.0.7".parse().unwrap()).await.unwrap();
    let lines = [
        "DELETE /api/v2/device/n5",
        "DELETE /api/v2/tailnet/-/keys/k1",
        "POST /api/v2/device/n5/ip",
    ];
    assert_eq!(server.lines(), lines);
    assert_eq!(server.requests()[2].json(), json!({ "ipv4": "100.64.0.7" }));
}

#[tokio::test]
async fn the_scopes_of_an_oauth_client_tell_what_it_can_do() {
    let server = Scripted::start(vec![
        token("devices:core:read auth_keys"),
        Answer::ok(r#"{"devices":[]}"#),
    ])
    .await;
    let can = by_oauth(&server).check().await.unwrap();
    assert_eq!((can.mint_keys, can.list_devices, can.set_address), (true, true, false));
    assert!(!can.unchecked.is_empty());
    let server = Scripted::start(vec![token("dns")]).await;
    let can = by_oauth(&server).check().await.unwrap();
    assert_eq!((can.mint_keys, can.list_devices, can.set_address), (false, false, false));
}

#[test]
fn nothing_prints_a_secret() {
    let access = Access::oauth("client-1", Credential::given("tskey-client-1"));
    let tailscale = Tailscale::new("https://api.tailscale.com", "-", access).unwrap();
    assert!(!format!("{tailscale:?}").contains("tskey"));
}
