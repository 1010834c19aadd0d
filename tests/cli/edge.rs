//! The public edge: what `up`, `verify` and `destroy` do at Cloudflare, for which the lab's stand-in stands.
//! The token's way into the cluster needs one, and so is left open here.

use homelab_lab::cloudflare::{Fault, Harm, Permission, Running, Site, start};
use serde_json::{Value, json};

use crate::world::World;

const ID: &str = "11111111-2222-4333-8444-555555555555";
const UP: [&str; 6] = ["up", "--from", "edge", "--until", "edge", "--yes"];
const PLAN: [&str; 5] = ["plan", "--from", "edge", "--until", "edge"];

/// A world whose inventory has public names, and the stand-in that they are made at.
struct There {
    world: World,
    cloudflare: Running,
    token: String,
}

impl There {
    async fn new() -> Self {
        Self::with(&Permission::ENOUGH).await
    }

    async fn with(rights: &[Permission]) -> Self {
        // One provider for the process; whoever comes first installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let world = World::new().await;
        let cloudflare = start(([127, 0, 0, 1], 0).into(), &Site::default()).await.unwrap();
        let (account, endpoint) = (cloudflare.account(), cloudflare.endpoint());
        let made_up = "ab".repeat(32);
        let sections = format!(
            "\
flux:
  url: https://git@127.0.0.1:1/homelab.git
  path: clusters/test
  version: 2.9.4
  components: http://127.0.0.1:1/install.yaml
  sha256: {made_up}
longhorn: {{version: 1.12.1, replicas: 1}}
gitops:
  domain: lab.example
  email: me@lab.example
  outside: {{edge: 127.79.0.1}}
  secrets: external
  cloudnative_pg: {{version: 0.29.0, plugin_version: 0.7.0}}
  traefik: {{}}
  authentik: {{version: 2026.8.0}}
  monitoring: {{version: 88.5.3, ways: [public]}}
  cloudflared:
    version: 2026.8.2
    cloudflare:
      account_id: {account}
      api_token: {{env: TEST_CLOUDFLARE}}
      endpoint: {endpoint}
k3s:
  disable: [local-storage]
"
        );
        world.edit("k3s:\n", &sections);
        let token = cloudflare.token(rights);
        Self { world, cloudflare, token }
    }

    fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = self.world.command(arguments);
        command.env("TEST_CLOUDFLARE", &self.token);
        command
    }

    async fn homelab(&self, arguments: &[&str]) -> crate::ended::Ended {
        let ended = self.world.run(self.command(arguments)).await;
        for text in [&ended.out, &ended.err, &self.world.journal()] {
            assert!(!text.contains(&self.token), "the token is shown: {ended}");
        }
        ended
    }

    /// A request to the stand-in, as somebody who may do everything.
    async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.cloudflare.endpoint());
        let client = reqwest::Client::new().request(method.parse().unwrap(), url);
        let client = client.bearer_auth(self.cloudflare.token(&Permission::ENOUGH));
        let answer = match body {
            Value::Null => client.send(),
            body => client.json(&body).send(),
        };
        let answer: Value = answer.await.unwrap().json().await.unwrap();
        assert_eq!(answer["success"], true, "{method} {path}: {answer}");
        answer["result"].clone()
    }

    async fn tunnels(&self) -> Vec<Value> {
        let path = format!("/accounts/{}/cfd_tunnel?is_deleted=false", self.cloudflare.account());
        self.ask("GET", &path, Value::Null).await.as_array().cloned().unwrap()
    }

    fn records_path(&self) -> String {
        format!("/zones/{}/dns_records", self.cloudflare.zone())
    }

    async fn records(&self) -> Vec<Value> {
        self.ask("GET", &self.records_path(), Value::Null).await.as_array().cloned().unwrap()
    }

    /// Names with what they point to.
    async fn names(&self) -> Vec<String> {
        let records = self.records().await;
        let line = |record: &Value| {
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("name"), text("content"), text("comment"))
        };
        let mut lines: Vec<String> = records.iter().map(line).collect();
        lines.sort();
        lines
    }

    /// What an edge would say: so many connections.
    async fn connect(&self, tunnel: &str, number: usize) {
        let url = format!("{}/tunnels/{tunnel}/connections", self.cloudflare.control());
        let connections = Value::Array(vec![json!({}); number]);
        reqwest::Client::new().post(url).json(&connections).send().await.unwrap();
    }

    /// How often it was asked to change something.
    fn changes(&self) -> usize {
        let requests = self.cloudflare.requests();
        requests.iter().filter(|request| !request.starts_with("GET ")).count()
    }

    /// All but the token's way into the cluster, which is not there.
    async fn up(&self) -> String {
        self.homelab(&UP).await.refused(14)
    }

    /// Each check of the edge that failed, with its cause.
    async fn red(&self) -> Vec<String> {
        let ended = self.homelab(&["-o", "json", "verify"]).await;
        let checks: Vec<Value> = serde_json::from_str(&ended.out).unwrap();
        let of_edge =
            checks.iter().filter(|check| check["id"].as_str().unwrap().starts_with("edge/"));
        let failed = of_edge.filter(|check| check["state"] == "failed");
        failed.map(|check| format!("{}: {}", check["id"], check["cause"])).collect()
    }
}

#[tokio::test]
async fn tunnel_routes_and_names_are_made_once_and_then_left_alone() {
    let there = There::new().await;
    let plan = there.homelab(&PLAN).await.well();
    for line in [
        "make the tunnel at Cloudflare",
        "lead each public name through the tunnel to Traefik",
        "put the tunnel's token into the cluster",
        "point DNS record auth.lab.example at the tunnel",
        "point DNS record grafana.lab.example at the tunnel",
    ] {
        assert!(plan.out.contains(line), "{line}: {plan}");
    }
    assert_eq!(there.changes(), 0, "a plan changes nothing");

    let told = there.up().await;
    assert!(told.contains("there is no VM of ours"), "{told}");
    let tunnels = there.tunnels().await;
    assert_eq!(tunnels.len(), 1);
    assert_eq!(tunnels[0]["name"], format!("homelab-test-{ID}"));
    assert_eq!(tunnels[0]["remote_config"], true);
    let id = tunnels[0]["id"].as_str().unwrap();
    let line = |name: &str| format!("{name}.lab.example {id}.cfargotunnel.com homelab {ID}");
    assert_eq!(there.names().await, [line("auth"), line("grafana")]);
    assert!(there.records().await.iter().all(|record| record["proxied"] == true));
    let journal = there.world.journal();
    for record in ["tunnel_intended", "tunnel_made", "name_intended", "name_pointed"] {
        assert!(journal.contains(record), "{record}: {journal}");
    }

    let before = there.changes();
    let plan = there.homelab(&PLAN).await.well();
    assert!(plan.out.contains("put the tunnel's token"), "{plan}");
    assert!(!plan.out.contains("at Cloudflare") && !plan.out.contains("point DNS"), "{plan}");
    there.up().await;
    assert_eq!(there.changes(), before, "{:#?}", there.cloudflare.requests());
}

#[tokio::test]
async fn a_run_that_was_killed_while_the_tunnel_was_made_leaves_one_and_the_next_finds_it() {
    let there = There::new().await;
    let hold =
        |harm| Fault { method: Some("POST".into()), path: "/cfd_tunnel".into(), harm, times: 1 };
    there.cloudflare.break_with(hold(Harm::Hold));
    let mut up = there.command(&UP).spawn().unwrap();
    there.world.until("a tunnel", async |_: &World| !there.tunnels().await.is_empty()).await;
    up.kill().await.unwrap();
    let journal = there.world.journal();
    assert!(journal.contains("tunnel_intended") && !journal.contains("tunnel_made"), "{journal}");
    let made = there.tunnels().await;

    let record = Fault { path: "/dns_records".into(), ..hold(Harm::Hold) };
    there.cloudflare.break_with(record);
    let mut up = there.command(&UP).spawn().unwrap();
    there.world.until("a record", async |_: &World| !there.records().await.is_empty()).await;
    up.kill().await.unwrap();

    there.up().await;
    assert_eq!(there.tunnels().await.len(), 1);
    assert_eq!(there.tunnels().await[0]["id"], made[0]["id"]);
    assert_eq!(there.names().await.len(), 2);
}

#[tokio::test]
async fn lost_replies_and_haste_make_nothing_twice() {
    let there = There::new().await;
    for (path, harm) in [
        ("/cfd_tunnel", Harm::LoseReply),
        ("/cfd_tunnel", Harm::LoseRequest),
        ("/dns_records", Harm::LoseReply),
        ("/dns_records", Harm::TooMany),
    ] {
        let (method, path) = (Some("POST".into()), path.into());
        there.cloudflare.break_with(Fault { method, path, harm, times: 1 });
    }
    there.up().await;
    assert_eq!(there.tunnels().await.len(), 1);
    assert_eq!(there.names().await.len(), 2);
}

#[tokio::test]
async fn a_record_of_somebody_elses_is_refused_before_anything_is_touched() {
    let there = There::new().await;
    let theirs = json!({
        "type": "A", "name": "auth.lab.example", "content": "192.0.2.7", "ttl": 60,
    });
    there.ask("POST", &there.records_path(), theirs).await;
    let before = there.changes();
    let told = there.homelab(&UP).await.refused(20);
    assert!(
        told.contains("DNS record auth.lab.example: there is one of type A to 192.0.2.7"),
        "{told}"
    );
    assert!(told.contains(&format!("`homelab {ID}`")), "{told}");
    assert_eq!(there.changes(), before);
    assert!(there.tunnels().await.is_empty());
    assert!(there.red().await.iter().any(|line| line.contains("192.0.2.7")));
    there.homelab(&["destroy", "--yes"]).await.well();
    assert_eq!(there.records().await.len(), 1, "it is left alone");
}

#[tokio::test]
async fn an_edge_that_cannot_be_looked_at_is_not_taken_for_one_that_is_as_it_should_be() {
    let there = There::new().await;
    // Nothing listens there.
    there.world.edit(&there.cloudflare.endpoint(), "http://127.0.0.1:1/client/v4");
    let preflight = ["up", "--until", "preflight", "--yes"];
    for words in
        [&UP[..], &PLAN, &["plan", "--from", "edge"], &preflight, &["up", "--yes"], &["plan"]]
    {
        let told = there.homelab(words).await.refused(14);
        assert!(told.contains("cannot reach Cloudflare's API"), "{words:?}: {told}");
        assert!(told.contains("--until flux"), "{words:?}: {told}");
    }
    let before = there.homelab(&["plan", "--until", "machines"]).await.well();
    assert!(before.out.contains("VM"), "{}", before.out);
}

#[tokio::test]
async fn a_token_that_lacks_something_is_told_what() {
    use Permission::{DnsEdit, TunnelEdit, ZoneRead};
    for (rights, lacks) in [
        ([TunnelEdit, ZoneRead], "Zone / DNS / Edit"),
        ([DnsEdit, ZoneRead], "Account / Cloudflare Tunnel / Edit"),
        ([TunnelEdit, DnsEdit], "Zone / Zone / Read"),
    ] {
        let there = There::with(&rights).await;
        let told = there.homelab(&UP).await.refused(20);
        assert!(told.contains(lacks) && told.contains("gitops.cloudflared.cloudflare"), "{told}");
        assert_eq!(there.changes(), 0);
        assert!(there.red().await.concat().contains(lacks));
        let told = there.homelab(&["destroy", "--yes"]).await.refused(20);
        assert!(told.contains(lacks) && told.contains("out of the inventory"), "{told}");
    }
    let mut there = There::new().await;
    there.token = "x".repeat(40);
    let told = there.homelab(&PLAN).await.refused(20);
    assert!(told.contains("Cloudflare does not know this API token"), "{told}");
}

#[tokio::test]
async fn a_name_that_is_no_longer_wanted_goes_and_what_was_changed_by_hand_is_set_back() {
    let there = There::new().await;
    there.up().await;
    there.world.edit("  monitoring: {version: 88.5.3, ways: [public]}\n", "");
    let grafana = there.records().await;
    let auth = grafana.iter().find(|record| record["name"] == "auth.lab.example").unwrap();
    let one = format!("{}/{}", there.records_path(), auth["id"].as_str().unwrap());
    there.ask("PATCH", &one, json!({ "proxied": false })).await;
    let plan = there.homelab(&PLAN).await.well();
    assert!(plan.out.contains("delete DNS record grafana.lab.example"), "{plan}");
    assert!(plan.out.contains("it is not proxied"), "{plan}");
    assert!(plan.out.contains("grafana.lab.example to http://traefik"), "{plan}");
    assert!(!plan.out.contains("data loss"), "{plan}");
    there.up().await;
    let names = there.names().await;
    assert!(names.len() == 1 && names[0].starts_with("auth."), "{names:?}");
    assert_eq!(there.records().await[0]["proxied"], true);
}

#[tokio::test]
async fn verify_sees_each_break_and_destroy_takes_ours_and_nothing_else() {
    let there = There::new().await;
    assert_eq!(there.red().await.len(), 4, "nothing is there: {:?}", there.red().await);
    there.up().await;
    let tunnel = there.tunnels().await[0]["id"].as_str().unwrap().to_owned();
    let only = |red: Vec<String>, expected: &str| {
        assert!(red.len() == 1 && red[0].contains(expected), "{expected}: {red:?}");
    };
    only(there.red().await, "inactive: no connector has ever connected");
    there.connect(&tunnel, 8).await;
    assert_eq!(there.red().await, Vec::<String>::new());
    there.connect(&tunnel, 2).await;
    only(there.red().await, "degraded: 2 connections");
    there.connect(&tunnel, 4).await;
    let rules =
        format!("/accounts/{}/cfd_tunnel/{tunnel}/configurations", there.cloudflare.account());
    let old = there.ask("GET", &rules, Value::Null).await["config"].clone();
    let closed = json!({ "config": { "ingress": [{ "service": "http_status:503" }] } });
    there.ask("PUT", &rules, closed).await;
    only(there.red().await, "auth.lab.example to http://traefik.kube-system");
    there.ask("PUT", &rules, json!({ "config": old })).await;
    let records = there.records().await;
    let one = format!("{}/{}", there.records_path(), records[0]["id"].as_str().unwrap());
    there.ask("PATCH", &one, json!({ "content": "elsewhere.example" })).await;
    only(there.red().await, "it points to elsewhere.example");

    let text = json!({ "type": "TXT", "name": "auth.lab.example", "content": "theirs", "ttl": 60 });
    there.ask("POST", &there.records_path(), text).await;
    let ended = there.homelab(&["destroy", "--yes"]).await.well();
    for line in [
        "delete DNS record auth.lab.example",
        "delete DNS record grafana.lab.example",
        "end the tunnel's connections and delete it",
    ] {
        assert!(ended.out.contains(line) || ended.err.contains(line), "{line}: {ended}");
    }
    assert!(there.tunnels().await.is_empty());
    assert_eq!(there.names().await, ["auth.lab.example theirs "]);
    let requests = there.cloudflare.requests();
    let last = |word: &str| {
        requests.iter().rposition(|line| line.starts_with("DELETE") && line.contains(word))
    };
    assert!(last("/dns_records/") < last("/connections"), "{requests:#?}");
    assert!(last("/connections") < last(&format!("/cfd_tunnel/{tunnel}")), "{requests:#?}");
    assert!(there.world.journal().contains("tunnel_dropped"));
}

#[tokio::test]
async fn status_asks_nobody_whose_answer_it_does_not_print() {
    let there = There::new().await;
    let before = there.cloudflare.requests();
    let shown = there.homelab(&["status"]).await.well();
    assert!(shown.out.contains("absent"), "{shown}");
    assert_eq!(there.cloudflare.requests(), before, "{shown}");
}
