//! TLS and HTTP as the real server has them.

use super::*;

#[tokio::test]
async fn a_client_that_trusts_the_authority_gets_an_answer() {
    let world = world(root_only()).await;
    let answer = world.root("GET", "/version", "").await;
    assert_eq!(answer.status(), "HTTP/1.1 200 OK");
    assert_eq!(answer.body["data"]["release"], "9.2");
}

#[tokio::test]
async fn the_authority_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let data = Utf8PathBuf::try_from(folder.path().to_owned()).unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let first = Server::start(Config::recording(listen, data.clone())).await.unwrap();
    let fingerprint = first.fingerprint();
    drop(first);
    let second = Server::start(Config::recording(listen, data)).await.unwrap();
    assert_eq!(second.fingerprint(), fingerprint);
}

#[tokio::test]
async fn a_renewed_authority_is_another_one() {
    let world = world(root_only()).await;
    let before = fs_err::read(world.running.ca_file()).unwrap();
    let fingerprint = world.running.fingerprint();
    world.door("POST", "/lab/certificate", json!({ "authority": true })).await;
    assert_ne!(fs_err::read(world.running.ca_file()).unwrap(), before);
    assert_ne!(world.running.fingerprint(), fingerprint);
    assert_eq!(world.root("GET", "/version", "").await.status(), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_protected_reply_contradicts_itself_and_the_connection_stays() {
    let world = world(root_only()).await;
    let secret = &world.tokens["root@pam!all"];
    let one = |method: &str, path: &str, close: &str| {
        format!(
            "{method} /api2/json{path} HTTP/1.1\r\nHost: x\r\n{close}\
             Authorization: PVEAPIToken=root@pam!all={secret}\r\n\r\n"
        )
    };
    let requests =
        one("POST", "/pools?poolid=ours", "") + &one("GET", "/pools", "Connection: close\r\n");
    let reply = world.raw(&requests).await;
    let heads: Vec<&str> = reply.matches("HTTP/1.1 200 OK").collect();
    assert_eq!(heads.len(), 2, "{reply}");
    assert!(reply.contains("Connection: close\r\nConnection: Keep-Alive\r\n"), "{reply}");
}

#[tokio::test]
async fn a_preface_of_http_2_is_refused_in_words_of_version_1() {
    let world = world(root_only()).await;
    let reply = world.raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.0 506 http protocol version 2.0 not supported"), "{reply}");
}
