//! The adapter against the lab's stand-in, which Cloudflare's own client drives in a test of its own.

use homelab_lab::cloudflare::{Fault, Harm, Permission as Right, Running, Site, start};
use serde_json::json;

use super::*;
use crate::{
    adapter::tailnet::scripted::{Answer, Scripted},
    error::{Effect, Kind},
    inventory::desired::SecretSource,
    ports::TunnelHealth,
};

struct There {
    server: Running,
    api: CloudflareApi,
}

impl There {
    async fn new() -> Self {
        Self::with(&Right::ENOUGH, &["home.lab.example", "lab.example"]).await
    }

    async fn with(rights: &[Right], zones: &[&str]) -> Self {
        let server = start(([127, 0, 0, 1], 0).into(), &Site::default()).await.unwrap();
        let token = server.token(rights);
        let api = api(&server, &token, zones);
        Self { server, api }
    }

    fn harm(&self, method: &str, path: &str, harm: Harm, times: u32) {
        let (method, path) = (Some(method.to_owned()), path.to_owned());
        self.server.break_with(Fault { method, path, harm, times });
    }

    fn asked(&self, line: &str) -> usize {
        self.server.requests().iter().filter(|request| request.contains(line)).count()
    }
}

/// A token that lies in no file which would outlive the test.
fn said(token: &str) -> SecretSource {
    SecretSource::Command(vec!["printf".into(), "%s".into(), token.into()])
}

fn api(server: &Running, token: &str, zones: &[&str]) -> CloudflareApi {
    CloudflareApi::new(&Cloudflare {
        account_id: server.account(),
        api_token: said(token),
        zones: zones.iter().map(|zone| (*zone).to_owned()).collect(),
        endpoint: server.endpoint(),
        ca_file: None,
    })
    .unwrap()
}

fn alias(name: &str) -> Alias {
    Alias { name: name.into(), target: "t.cfargotunnel.com".into(), comment: "homelab x".into() }
}

#[tokio::test]
async fn a_tunnel_is_made_routed_opened_and_deleted() {
    let there = There::new().await;
    let api = &there.api;
    assert_eq!(api.tunnels("homelab-a").await.unwrap(), []);
    let tunnel = api.create_tunnel("homelab-a").await.unwrap();
    assert_eq!(
        (&tunnel.health, tunnel.connections, tunnel.remote),
        (&TunnelHealth::Inactive, 0, true)
    );
    assert_eq!(api.tunnels("homelab-a").await.unwrap(), std::slice::from_ref(&tunnel));
    assert_eq!(api.rules(&tunnel.id).await.unwrap(), []);
    let rules = [
        Rule { hostname: Some("a.lab.example".into()), service: "http://a".into(), more: false },
        Rule { hostname: None, service: "http_status:404".into(), more: false },
    ];
    api.set_rules(&tunnel.id, &rules).await.unwrap();
    assert_eq!(api.rules(&tunnel.id).await.unwrap(), rules);
    let token = api.token(&tunnel.id).await.unwrap();
    assert_eq!(crate::plan::edge::tunnel_of_token(token.expose()), Some(tunnel.id.clone()));

    let door = format!("{}/tunnels/{}/connections", there.server.control(), tunnel.id);
    let connections = json!([{}, {}, {}, {}, { "is_pending_reconnect": true }]);
    reqwest::Client::new().post(door).json(&connections).send().await.unwrap();
    let seen = api.tunnels("homelab-a").await.unwrap();
    assert_eq!((&seen[0].health, seen[0].connections), (&TunnelHealth::Healthy, 4));
    let error = api.delete_tunnel(&tunnel.id).await.unwrap_err();
    assert!(matches!(&error, EdgeError::Refused { codes, .. } if *codes == [1022]), "{error}");
    api.drop_connections(&tunnel.id).await.unwrap();
    api.delete_tunnel(&tunnel.id).await.unwrap();
    api.delete_tunnel(&tunnel.id).await.unwrap();
    assert_eq!(api.tunnels("homelab-a").await.unwrap(), [], "deleted ones stay in the API's list");
}

#[tokio::test]
async fn the_nearest_zone_is_found_and_its_records_are_all_seen() {
    let there = There::new().await;
    let api = &there.api;
    let zone = api.zone().await.unwrap();
    assert_eq!((zone.id.as_str(), zone.name.as_str()), (&*there.server.zone(), "lab.example"));
    for number in 0..205 {
        api.create_record(&zone, &alias(&format!("n{number}.lab.example"))).await.unwrap();
    }
    let records = api.records(&zone).await.unwrap();
    assert_eq!(records.len(), 205, "three pages");
    let first = records.iter().find(|record| record.name == "n0.lab.example").unwrap();
    assert_eq!((first.form.as_str(), first.proxied), ("CNAME", true));
    assert_eq!((first.content.as_str(), &*first.comment), ("t.cfargotunnel.com", "homelab x"));
    let other = Alias { target: "u.cfargotunnel.com".into(), ..alias("n0.lab.example") };
    let error = api.create_record(&zone, &other).await.unwrap_err();
    assert!(matches!(&error, EdgeError::Refused { codes, .. } if *codes == [81053]), "{error}");
    api.update_record(&zone, &first.id, &other).await.unwrap();
    api.delete_record(&zone, &first.id).await.unwrap();
    api.delete_record(&zone, &first.id).await.unwrap();
    assert_eq!(api.records(&zone).await.unwrap().len(), 204);
}

#[tokio::test]
async fn what_the_token_lacks_is_named() {
    type Lacks = (&'static [Right], &'static str);
    let cases: [Lacks; 3] = [
        (&[Right::DnsEdit, Right::ZoneRead], "Account / Cloudflare Tunnel / Edit"),
        (&[Right::TunnelEdit, Right::ZoneRead], "Zone / DNS / Edit"),
        (&[Right::TunnelEdit, Right::DnsEdit], "Zone / Zone / Read"),
    ];
    for (rights, lacks) in cases {
        let there = There::with(rights, &["lab.example"]).await;
        let zone = Zone { id: there.server.zone(), name: "lab.example".into() };
        let errors = [
            there.api.tunnels("x").await.err(),
            there.api.records(&zone).await.err(),
            there.api.zone().await.err(),
        ];
        let told: Vec<String> =
            errors.into_iter().flatten().map(|error| error.to_string()).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(lacks), "{told:?}");
    }
    let elsewhere = There::with(&Right::ENOUGH, &["other.example"]).await;
    let error = elsewhere.api.zone().await.unwrap_err();
    assert!(matches!(&error, EdgeError::NoZone { .. }), "{error}");
}

#[tokio::test]
async fn a_token_that_is_none_is_told_as_such_and_not_tried_again() {
    let there = There::new().await;
    for token in ["x".repeat(40), "short".to_owned()] {
        let before = there.server.requests().len();
        let error = api(&there.server, &token, &["lab.example"]).tunnels("x").await.unwrap_err();
        assert!(matches!(&error, EdgeError::Token { .. }), "{error}");
        assert_eq!(there.server.requests().len(), before + 1);
        let failure = Failure::from(error);
        assert_eq!((failure.kind, failure.effect), (Kind::Edge, Effect::None));
        assert!(!format!("{failure:?}").contains(&token));
    }
}

#[tokio::test]
async fn haste_is_waited_for_and_reads_are_tried_again() {
    let there = There::new().await;
    there.harm("POST", "/cfd_tunnel", Harm::TooMany, 1);
    let begun = std::time::Instant::now();
    there.api.create_tunnel("homelab-a").await.unwrap();
    assert!(begun.elapsed().as_secs_f64() >= 1.0, "Retry-After said a second");
    assert_eq!(there.asked("POST"), 2);
    for harm in [Harm::Broken, Harm::BadGateway, Harm::LoseReply, Harm::LoseRequest] {
        there.harm("GET", "/cfd_tunnel", harm, 1);
        assert_eq!(there.api.tunnels("homelab-a").await.unwrap().len(), 1, "{harm:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_not_asked_for_twice_and_may_have_been_a_deed() {
    for (harm, made) in [(Harm::LoseReply, 1), (Harm::LoseRequest, 0), (Harm::BadGateway, 0)] {
        let there = There::new().await;
        there.harm("POST", "/cfd_tunnel", harm, 1);
        let error = there.api.create_tunnel("homelab-a").await.unwrap_err();
        assert_eq!(error.effect(), Effect::Unknown, "{harm:?}: {error}");
        assert_eq!(there.asked("POST"), 1, "{harm:?}");
        assert_eq!(there.api.tunnels("homelab-a").await.unwrap().len(), made, "{harm:?}");
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_believed() {
    let there = There::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = camino::Utf8PathBuf::try_from(folder.path().join("ca.pem")).unwrap();
    let site = |text: &str| {
        fs_err::write(&file, text).unwrap();
        Cloudflare {
            account_id: there.server.account(),
            api_token: SecretSource::Env("UNUSED".into()),
            zones: Vec::new(),
            endpoint: "https://localhost:1/client/v4".into(),
            ca_file: Some(file.clone()),
        }
    };
    let failure = CloudflareApi::new(&site("nothing")).unwrap_err();
    assert_eq!(failure.place.as_deref(), Some("gitops.cloudflared.cloudflare.ca_file"));
    let key = rcgen::KeyPair::generate().unwrap();
    let authority = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    assert!(CloudflareApi::new(&site(&authority.pem())).is_ok());
}

/// The API before a server that answers as it is told.
fn before(server: &Scripted) -> CloudflareApi {
    CloudflareApi::new(&Cloudflare {
        account_id: "a".into(),
        api_token: said("token"),
        zones: vec!["lab.example".into()],
        endpoint: server.endpoint.clone(),
        ca_file: None,
    })
    .unwrap()
}

#[tokio::test]
async fn a_list_that_never_ends_is_given_up() {
    let page = json!({
        "success": true,
        "result": vec![json!({ "id": "t", "name": "homelab-a" }); 100],
        "result_info": { "page": 1, "per_page": 100, "total_count": 1_000_000_000 },
    });
    let server = Scripted::start((0..9).map(|_| Answer::ok(page.to_string())).collect()).await;
    let error = before(&server).tunnels("homelab-a").await.unwrap_err();
    assert!(matches!(&error, EdgeError::Malformed { .. }), "{error}");
    assert!(error.to_string().contains("repeats"), "{error}");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn numbers_beyond_reason_and_bodies_without_end_break_nothing() {
    let info = json!({ "page": u64::MAX, "per_page": u64::MAX, "total_count": 5 });
    let page =
        json!({ "success": true, "result": [{ "id": "t", "name": "a" }], "result_info": info });
    let endless = "A".repeat(9 << 20);
    let chain = vec![json!({ "code": 2, "message": "y" }); 2000];
    let told = json!({ "code": 7, "message": "x".repeat(20_000), "error_chain": chain });
    let complaint = json!({ "success": false, "errors": [told], "result": null });
    let server = Scripted::start(vec![
        Answer::ok(page.to_string()),
        Answer::ok(endless),
        Answer::Say("400 Bad Request", "", complaint.to_string()),
    ])
    .await;
    let api = before(&server);
    assert_eq!(api.tunnels("a").await.unwrap().len(), 1);
    let error = api.tunnels("a").await.unwrap_err();
    assert!(error.to_string().contains("longer than"), "{error}");
    let error = api.tunnels("a").await.unwrap_err().to_string();
    assert!(error.len() < 400, "{}", error.len());
}
