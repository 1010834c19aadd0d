//! `homelab gitops deploy-key`, before a small Git host of each kind: its answers are those that the hosts'
//! documentation shows.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use crate::{ended::Ended, world::World};

const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ0123";

/// A repository's keys, and what was asked.
#[derive(Default)]
struct Host {
    keys: Vec<Value>,
    asked: Vec<String>,
    next: u64,
    /// The answer of the next POST is lost after it was carried out.
    loses_an_answer: bool,
    /// What is registered may write, whatever was asked for.
    lets_write: bool,
    /// What is registered is another key than it was given.
    takes_another: bool,
    /// Where the repository is now.
    moved: Option<&'static str>,
    /// The next DELETE is refused.
    keeps_one: bool,
}

struct Api {
    url: String,
    host: Arc<Mutex<Host>>,
}

impl Api {
    /// `path`: where the keys of the repository are; `credentials`: the header that opens them.
    fn serve(path: &'static str, credentials: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let host = Arc::new(Mutex::new(Host { next: 1, ..Host::default() }));
        let shared = Arc::clone(&host);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &mut shared.lock().unwrap(), path, &credentials);
            }
        });
        Self { url, host }
    }

    fn keys(&self) -> Vec<Value> {
        self.host.lock().unwrap().keys.clone()
    }
}

fn answer(mut stream: TcpStream, host: &mut Host, path: &str, credentials: &str) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while reader.read_line(&mut head).unwrap() > 2 {}
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    host.asked.push(format!("{method} {target}"));
    let (target, _) = target.split_once('?').unwrap_or((target, ""));
    if let Some(place) = host.moved {
        let _ = write!(
            stream,
            "HTTP/1.1 301 Moved Permanently\r\nlocation: {place}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        return;
    }
    let allowed = head.lines().any(|line| line == credentials);
    let (status, said) = match (method, target.strip_prefix(path)) {
        _ if !allowed => ("401 Unauthorized", json!({ "message": "Bad credentials" })),
        ("GET", Some("")) => ("200 OK", Value::Array(host.keys.clone())),
        ("POST", Some("")) => {
            let mut key: Value = serde_json::from_slice(&body).unwrap();
            key["id"] = json!(host.next);
            if host.takes_another {
                key["key"] = json!("ssh-ed25519 AAAA other");
            }
            if host.lets_write {
                key["read_only"] = json!(false);
            }
            host.next += 1;
            host.keys.push(key.clone());
            if std::mem::take(&mut host.loses_an_answer) {
                return;
            }
            ("201 Created", key)
        }
        ("DELETE", Some(_)) if std::mem::take(&mut host.keeps_one) => {
            ("400 Bad Request", json!({ "message": "not now" }))
        }
        ("DELETE", Some(id)) => {
            let id: u64 = id.trim_start_matches('/').parse().unwrap();
            host.keys.retain(|key| key["id"] != id);
            ("204 No Content", Value::Null)
        }
        _ => ("404 Not Found", json!({ "message": "Not Found" })),
    };
    let said = if said.is_null() { String::new() } else { said.to_string() };
    let length = said.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{said}"
    );
}

async fn world() -> World {
    let world = World::new().await;
    let flux = "flux:
  url: ssh://git@git.lan:2222/me/homelab.git
  path: clusters/test
  known_hosts: ['[git.lan]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl']
  credentials: {deploy_key: {file: keys/deploy}}
k3s:
";
    world.edit("k3s:\n", flux);
    world
}

async fn run(world: &World, api: &Api, kind: &str, more: &[&str]) -> Ended {
    let mut words = vec!["gitops", "deploy-key", "--host", kind, "--api", &api.url];
    words.extend(more);
    let mut command = world.command(&words);
    command.env("HOMELAB_GIT_TOKEN", TOKEN);
    world.run(command).await
}

#[tokio::test]
async fn a_key_is_made_registered_for_reading_alone_and_found_again() {
    let kinds = [
        ("github", "/repos/me/homelab/keys", format!("authorization: Bearer {TOKEN}")),
        ("gitlab", "/projects/me%2Fhomelab/deploy_keys", format!("private-token: {TOKEN}")),
        ("forgejo", "/repos/me/homelab/keys", format!("authorization: token {TOKEN}")),
    ];
    for (kind, path, credentials) in kinds {
        let world = world().await;
        let api = Api::serve(path, credentials);
        let first = run(&world, &api, kind, &[]).await.well();
        let file = world.path("keys/deploy");
        assert_eq!(fs_err::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let [key] = api.keys().try_into().unwrap();
        assert_eq!(key["key"], first.out.trim(), "{kind}");
        match kind {
            "gitlab" => assert_eq!(key["can_push"], false),
            _ => assert_eq!(key["read_only"], true),
        }
        let again = run(&world, &api, kind, &[]).await.well();
        assert_eq!(again.out, first.out);
        assert!(again.err.contains("It was registered"), "{}", again.err);
        assert_eq!(api.keys().len(), 1, "{kind}");
        for said in [&first.out, &first.err, &again.err] {
            assert!(!said.contains(TOKEN) && !said.contains("PRIVATE KEY"), "{said}");
        }
    }
}

fn github() -> Api {
    Api::serve("/repos/me/homelab/keys", format!("authorization: Bearer {TOKEN}"))
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_key() {
    let (world, api) = (world().await, github());
    api.host.lock().unwrap().loses_an_answer = true;
    let lost = run(&world, &api, "github", &[]).await.refused(19);
    assert!(lost.contains("run it again"), "{lost}");
    run(&world, &api, "github", &[]).await.well();
    assert_eq!(api.keys().len(), 1);
}

#[tokio::test]
async fn a_lost_key_is_replaced_when_asked_and_strangers_keys_stay() {
    let (world, api) = (world().await, github());
    let stranger =
        json!({ "id": 900, "title": "ci", "key": "ssh-ed25519 AAAA ci", "read_only": true });
    api.host.lock().unwrap().keys.push(stranger.clone());
    let first = run(&world, &api, "github", &[]).await.well();
    fs_err::remove_file(world.path("keys/deploy")).unwrap();
    let refused = run(&world, &api, "github", &[]).await.refused(20);
    assert!(refused.contains("--replace"), "{}", refused);
    let second = run(&world, &api, "github", &["--replace"]).await.well();
    assert_ne!(second.out, first.out);
    let keys = api.keys();
    assert_eq!(keys[0], stranger);
    assert_eq!((keys.len(), &keys[1]["key"]), (2, &json!(second.out.trim())));
    let asked = api.host.lock().unwrap().asked.clone();
    let place = |method: &str| asked.iter().rposition(|one| one.starts_with(method)).unwrap();
    assert!(place("POST") < place("DELETE"), "Flux can read all the time: {asked:?}");
}

#[tokio::test]
async fn a_replacement_that_was_broken_off_is_finished_by_the_next() {
    let (world, api) = (world().await, github());
    run(&world, &api, "github", &[]).await.well();
    fs_err::remove_file(world.path("keys/deploy")).unwrap();
    api.host.lock().unwrap().keeps_one = true;
    let broken = run(&world, &api, "github", &["--replace"]).await.refused(19);
    assert!(broken.contains("not now"), "{broken}");
    assert_eq!(api.keys().len(), 2);
    let told = run(&world, &api, "github", &[]).await.well();
    assert!(told.err.contains("--replace"), "{}", told.err);
    let last = run(&world, &api, "github", &["--replace"]).await.well();
    let keys = api.keys();
    assert_eq!((keys.len(), &keys[0]["key"]), (1, &json!(last.out.trim())));
}

#[tokio::test]
async fn a_host_that_lets_the_new_key_write_is_told_of() {
    let (world, api) = (world().await, github());
    api.host.lock().unwrap().lets_write = true;
    let refused = run(&world, &api, "github", &[]).await.refused(20);
    assert!(refused.contains("lets this key write"), "{refused}");
}

#[tokio::test]
async fn a_host_that_registers_another_key_is_no_success() {
    let (world, api) = (world().await, github());
    api.host.lock().unwrap().takes_another = true;
    let refused = run(&world, &api, "github", &[]).await.refused(19);
    assert!(refused.contains("another key"), "{refused}");
}

#[tokio::test]
async fn a_repository_that_was_renamed_is_told_with_where_it_is_now() {
    let (world, api) = (world().await, github());
    let place = "https://api.github.com/repositories/77/keys";
    api.host.lock().unwrap().moved = Some(place);
    let refused = run(&world, &api, "github", &[]).await.refused(19);
    assert!(refused.contains(place) && refused.contains("nothing was registered"), "{refused}");
    assert!(refused.contains("flux.url"), "{refused}");
}

#[tokio::test]
async fn a_key_that_others_may_read_is_refused_as_ssh_does() {
    let (world, api) = (world().await, github());
    run(&world, &api, "github", &[]).await.well();
    let file = world.path("keys/deploy");
    fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let refused = run(&world, &api, "github", &[]).await.refused(15);
    assert!(refused.contains("others may read") && refused.contains("chmod 600"), "{refused}");
}

#[tokio::test]
async fn a_key_that_may_write_and_a_token_that_may_not_are_told() {
    let (world, api) = (world().await, github());
    let made = world.homelab(&["gitops", "deploy-key"]).await.well();
    assert!(made.err.contains("Register the line below"), "{}", made.err);
    let key = json!({ "id": 7, "title": "mine", "key": made.out.trim(), "read_only": false });
    api.host.lock().unwrap().keys.push(key);
    let refused = run(&world, &api, "github", &[]).await.refused(20);
    assert!(refused.contains("the host lets this key write, as `mine`"), "{}", refused);

    let other = Api::serve("/repos/me/homelab/keys", "authorization: Bearer other".into());
    let refused = run(&world, &other, "github", &[]).await.refused(19);
    assert!(refused.contains("Administration: read and write"), "{}", refused);
    assert!(!refused.contains(TOKEN), "{}", refused);
}

#[tokio::test]
async fn a_token_goes_nowhere_in_the_clear_and_to_no_host_of_unknown_kind() {
    let world = world().await;
    let refused = world
        .homelab(&["gitops", "deploy-key", "--host", "gitea", "--api", "http://git.lan/api/v1"])
        .await;
    assert_eq!(refused.code, Some(64), "{}", refused);
    let mut command = world.command(&["gitops", "deploy-key"]);
    command.env("HOMELAB_GIT_TOKEN", TOKEN);
    let refused = world.run(command).await.refused(64);
    assert!(refused.contains("whose API git.lan speaks"), "{refused}");
    assert!(!world.path("keys/deploy").exists(), "nothing is made before all is known");
}
