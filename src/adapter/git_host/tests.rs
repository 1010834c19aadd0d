//! What a host answers that is not as it should be; `tests/cli/deploy_key.rs` has the way through.

use serde_json::{Value, json};

use super::*;
use crate::adapter::tailnet::scripted::{Answer, Scripted};

fn host(server: &Scripted) -> GitHost {
    let repository = Repository { api: server.endpoint.clone(), path: "me/homelab".into() };
    GitHost::new(Dialect::Github, repository, Secret::new("not-to-be-told")).unwrap()
}

fn key(id: u64) -> Value {
    json!({ "id": id, "title": "ci", "key": format!("ssh-ed25519 AAAA{id}"), "read_only": true })
}

async fn told(answers: Vec<Answer>) -> String {
    let server = Scripted::start(answers).await;
    let failure = host(&server).keys().await.unwrap_err();
    assert_eq!(failure.kind, Kind::Git);
    failure.to_string()
}

#[tokio::test]
async fn an_answer_that_is_no_list_of_keys_is_not_taken_for_none() {
    for odd in [
        String::new(),
        r#"{"message":"ok"}"#.to_owned(),
        "null".to_owned(),
        json!([{ "title": "ci" }]).to_string(),
        json!([{ "id": "7", "title": "ci", "key": "ssh-ed25519 AAAA", "read_only": true }])
            .to_string(),
        json!([{ "id": 7, "title": "ci", "key": null, "read_only": true }]).to_string(),
        json!([{ "id": 7, "title": "ci", "key": "ssh-ed25519 AAAA" }]).to_string(),
    ] {
        let text = told(vec![Answer::ok(odd.clone())]).await;
        assert!(text.contains("is not understood"), "{odd}: {text}");
        assert!(!text.contains("per_page"), "{text}");
    }
    let cut = || Answer::Say("200 OK", "transfer-encoding: chunked\r\n", "2\r\n[]\r\n".into());
    told((0..4).map(|_| cut()).collect()).await;
}

#[tokio::test]
async fn a_host_without_pages_ends_and_one_without_an_end_is_given_up() {
    let all: Vec<Value> = (0..60).map(key).collect();
    let page = || Answer::ok(Value::from(all.clone()).to_string());
    let server = Scripted::start((0..3).map(|_| page()).collect()).await;
    assert_eq!(host(&server).keys().await.unwrap().len(), 60);
    assert_eq!(server.requests().len(), 2);

    let endless = (0..300).map(|page| {
        let keys: Vec<Value> = (0..50).map(|number| key(page * 50 + number)).collect();
        Answer::ok(Value::from(keys).to_string())
    });
    let text = told(endless.collect()).await;
    assert!(text.contains("has no end"), "{text}");
}

#[tokio::test]
async fn haste_is_waited_for_and_what_is_told_is_cut() {
    let busy = Answer::Say("429 Too Many Requests", "retry-after: 1\r\n", "{}".into());
    let server = Scripted::start(vec![busy, Answer::ok("[]")]).await;
    let begun = std::time::Instant::now();
    host(&server).keys().await.unwrap();
    assert!(begun.elapsed().as_secs_f64() >= 1.0);
    let long = json!({ "message": "x".repeat(100_000) }).to_string();
    let text = told(vec![Answer::Say("400 Bad Request", "", long)]).await;
    assert!(text.len() < 400, "{}", text.len());
    let text = told(vec![Answer::ok("A".repeat(9 << 20))]).await;
    assert!(text.contains("longer than"), "{text}");
}
