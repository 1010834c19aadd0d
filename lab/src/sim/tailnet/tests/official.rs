//! Tailscale's own Go client drives the stand-in (`lab/go/tailscale`), so that the two do not only agree
//! with us.

use serde_json::{Value, json};

use super::World;
use crate::sim::tailnet::{Plane, start};

#[tokio::test(flavor = "multi_thread")]
async fn the_official_client_finds_what_it_expects() {
    let Some(program) = std::env::var_os("HOMELAB_TEST_TAILSCALE_CLIENT") else {
        eprintln!("skipped: HOMELAB_TEST_TAILSCALE_CLIENT names no program of lab/go/tailscale");
        return;
    };
    let world = World::new(Plane::Tailscale);
    let own = world.join(&world.key().secret, "1", "1").unwrap();
    let twin = world.join(&world.key().secret, "2", "2").unwrap();
    world.tailnet.set_online(&own.device, true);
    let server = start(&world.tailnet, ([127, 0, 0, 1], 0).into()).await.unwrap();
    let scopes = ["auth_keys", "devices:core", "policy_file:read"];
    let oauth = world.tailnet.issue_oauth_client(&scopes, &["tag:k3s"]);
    let output = tokio::process::Command::new(program)
        .args(["-endpoint", &server.endpoint(), "-client", &oauth.id, "-tag", "tag:k3s"])
        .args(["-device", &twin.device, "-address", "100.77.0.1"])
        .env("TS_CLIENT_SECRET", &oauth.secret)
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout).expect(&told);
    assert_eq!(report["failed"], Value::Null, "{report}");
    let names: Vec<&Value> =
        report["devices"].as_array().unwrap().iter().map(|device| &device["name"]).collect();
    assert_eq!(names, ["k3s-agent.tail1234.ts.net", "k3s-agent-1.tail1234.ts.net"]);
    assert_eq!(report["devices"][0]["connectedToControl"], true);
    assert_eq!(report["key"]["capabilities"]["devices"]["create"]["tags"], json!(["tag:k3s"]));
    assert!(report["key"]["key"].as_str().unwrap().starts_with("tskey-auth-"), "{report}");
    assert_eq!(
        (&report["keyAgain"]["id"], &report["keyAgain"]["key"]),
        (&report["key"]["id"], &json!(""))
    );
    assert_eq!(report["keyDeleted"]["invalid"], true);
    assert_eq!(report["moved"]["addresses"][0], "100.77.0.1");
    assert_eq!(report["deletedAgain"], "no manageable device matching this ID found (404)");
    assert_eq!(report["tagOwners"]["tag:k3s"], json!(["tag:k3s"]));
    assert_eq!(world.tailnet.devices().len(), 1);
}
