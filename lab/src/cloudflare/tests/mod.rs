//! The stand-in by its own wire; an official client drives it in the product's tests.

mod official;

use serde_json::{Value, json};

use super::{Fault, Harm, Permission, Running, Site, start};

struct Client {
    server: Running,
    token: String,
    http: reqwest::Client,
}

impl Client {
    async fn new(permissions: &[Permission]) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let server = start(([127, 0, 0, 1], 0).into(), &Site::default()).await.unwrap();
        let token = server.token(permissions);
        Self { server, token, http: reqwest::Client::new() }
    }

    async fn ask(&self, method: &str, url: &str, body: Option<Value>) -> (u16, Value) {
        let method = method.parse().unwrap();
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    async fn api(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}{path}", self.server.endpoint());
        self.ask(method, &url, body).await
    }

    fn tunnels(&self) -> String {
        format!("/accounts/{}/cfd_tunnel", self.server.account())
    }

    fn records(&self) -> String {
        format!("/zones/{}/dns_records", self.server.zone())
    }
}

#[tokio::test]
async fn a_tunnel_lives_from_its_name_to_its_deletion() {
    let client = Client::new(&Permission::ENOUGH).await;
    let wanted = json!({ "name": "homelab", "config_src": "cloudflare" });
    let (status, made) = client.api("POST", &client.tunnels(), Some(wanted.clone())).await;
    assert_eq!((status, &made["result"]["status"]), (200, &json!("inactive")));
    let (status, twin) = client.api("POST", &client.tunnels(), Some(wanted)).await;
    assert_eq!((status, &twin["errors"][0]["code"]), (409, &json!(1013)));

    let id = made["result"]["id"].as_str().unwrap();
    let one = format!("{}/{id}", client.tunnels());
    let door = format!("{}/tunnels/{id}/connections", client.server.control());
    for (number, status) in [(4, "healthy"), (1, "degraded"), (0, "down"), (8, "healthy")] {
        let list = Value::Array(vec![json!({ "client_id": "a" }); number]);
        client.ask("POST", &door, Some(list)).await;
        let (_, seen) = client.api("GET", &one, None).await;
        assert_eq!(seen["result"]["status"], status, "{number} connections");
    }
    let (_, clients) = client.api("GET", &format!("{one}/connections"), None).await;
    assert_eq!(clients["result"][0]["conns"].as_array().unwrap().len(), 8);

    let (status, refused) = client.api("DELETE", &one, None).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (400, &json!(1022)));
    client.api("DELETE", &format!("{one}/connections"), None).await;
    let (status, deleted) = client.api("DELETE", &one, None).await;
    assert!(status == 200 && deleted["result"]["deleted_at"].is_string(), "{deleted}");
    let alive = format!("{}?is_deleted=false", client.tunnels());
    let (_, alive) = client.api("GET", &alive, None).await;
    assert_eq!(alive["result_info"]["total_count"], 0);
    let (_, all) = client.api("GET", &client.tunnels(), None).await;
    assert_eq!(all["result_info"]["total_count"], 1, "deleted tunnels stay listed");
}

#[tokio::test]
async fn rules_that_cloudflared_would_refuse_are_refused() {
    let client = Client::new(&Permission::ENOUGH).await;
    let wanted = json!({ "name": "homelab", "config_src": "cloudflare" });
    let (_, made) = client.api("POST", &client.tunnels(), Some(wanted)).await;
    let path =
        format!("{}/{}/configurations", client.tunnels(), made["result"]["id"].as_str().unwrap());
    let open = json!({ "config": { "ingress": [{ "hostname": "a.lab.example", "service": "http://a" }] } });
    let (status, refused) = client.api("PUT", &path, Some(open)).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (400, &json!(1056)));
    let sound = json!({ "config": { "ingress": [
        { "hostname": "a.lab.example", "service": "http://a" },
        { "service": "http_status:404" },
    ] } });
    let (status, _) = client.api("PUT", &path, Some(sound.clone())).await;
    let (_, seen) = client.api("GET", &path, None).await;
    assert_eq!((status, &seen["result"]["version"]), (200, &json!(1)));
    assert_eq!(seen["result"]["config"], sound["config"]);
}

#[tokio::test]
async fn records_collide_as_they_do_in_the_real_zone() {
    let client = Client::new(&Permission::ENOUGH).await;
    let record = |form: &str, content: &str| {
        Some(json!({ "type": form, "name": "a", "content": content, "proxied": true, "ttl": 1 }))
    };
    let (_, made) = client.api("POST", &client.records(), record("CNAME", "x.example")).await;
    assert_eq!(made["result"]["name"], "a.lab.example");
    for (body, code) in [
        (record("CNAME", "x.example"), 81058),
        (record("CNAME", "y.example"), 81053),
        (record("A", "192.0.2.1"), 81054),
    ] {
        let (status, refused) = client.api("POST", &client.records(), body).await;
        assert_eq!((status, &refused["errors"][0]["code"]), (400, &json!(code)));
    }
    let one = format!("{}/{}", client.records(), made["result"]["id"].as_str().unwrap());
    let (_, kept) = client.api("PATCH", &one, Some(json!({ "comment": "ours" }))).await;
    assert_eq!(kept["result"]["content"], "x.example");
    let (_, found) =
        client.api("GET", &format!("{}?comment.contains=OUR", client.records()), None).await;
    assert_eq!(found["result_info"]["count"], 1);
    client.api("DELETE", &one, None).await;
    let (status, gone) = client.api("DELETE", &one, None).await;
    assert_eq!((status, &gone["errors"][0]["code"]), (404, &json!(81044)));
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let client = Client::new(&Permission::ENOUGH).await;
    for number in 0..5 {
        let body = json!({ "type": "A", "name": format!("n{number}"), "content": "192.0.2.1" });
        client.api("POST", &client.records(), Some(body)).await;
    }
    let second = format!("{}?per_page=2&page=3", client.records());
    let (_, page) = client.api("GET", &second, None).await;
    assert_eq!(page["result"][0]["name"], "n4.lab.example");
    assert_eq!(
        page["result_info"],
        json!({ "page": 3, "per_page": 2, "count": 1, "total_count": 5, "total_pages": 3 })
    );
}

#[tokio::test]
async fn a_token_does_what_it_may_and_no_more() {
    let client = Client::new(&[Permission::DnsRead]).await;
    let code = |(status, body): (u16, Value)| (status, body["errors"][0]["code"].clone());
    assert_eq!(client.api("GET", &client.records(), None).await.0, 200);
    let write = client.api("POST", &client.records(), Some(json!({}))).await;
    assert_eq!(code(write), (403, json!(10000)));
    assert_eq!(code(client.api("GET", &client.tunnels(), None).await), (403, json!(10000)));
    assert_eq!(code(client.api("GET", "/zones", None).await), (403, json!(0)));
    let zone = format!("/zones/{}", client.server.zone());
    assert_eq!(code(client.api("GET", &zone, None).await), (403, json!(9109)));

    let stranger = Client { token: "x".repeat(40), ..client };
    assert_eq!(code(stranger.api("GET", "/zones", None).await), (403, json!(9109)));
    let nobody = Client { token: "x".to_owned(), ..stranger };
    assert_eq!(code(nobody.api("GET", "/zones", None).await), (400, json!(6003)));
}

#[tokio::test]
async fn a_lost_reply_was_done_and_a_lost_request_was_not() {
    let client = Client::new(&Permission::ENOUGH).await;
    for (harm, made) in [(Harm::LoseReply, 1), (Harm::LoseRequest, 1), (Harm::TooMany, 1)] {
        client.server.break_with(Fault {
            method: Some("POST".to_owned()),
            path: "/cfd_tunnel".to_owned(),
            harm,
            times: 1,
        });
        let url = format!("{}{}", client.server.endpoint(), client.tunnels());
        let body = json!({ "name": format!("{harm:?}") }).to_string();
        let sent = client.http.post(url).bearer_auth(&client.token).body(body).send().await;
        match harm {
            Harm::TooMany => {
                let answer = sent.unwrap();
                assert_eq!(answer.status(), 429);
                assert_eq!(answer.headers()["retry-after"], "1");
            }
            _ => assert!(sent.is_err(), "{harm:?} answered"),
        }
        let (_, all) = client.api("GET", &client.tunnels(), None).await;
        assert_eq!(all["result_info"]["total_count"], made, "after {harm:?}");
    }
}
