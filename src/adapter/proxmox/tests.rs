//! What happens on the wire, against a server of our own that speaks like pveproxy.

mod server;

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};

use super::*;
use crate::{
    error::Effect,
    inventory::desired::{SecretSource, TlsTrust},
};
use server::{Reply, Server};

const UPID: &str = "UPID:pve1:0000C530:001A2B3C:65A0F0F0:qmstart:101:homelab@pve!up:";
const QUICK: RetryPolicy = RetryPolicy { attempts: 4, first_delay: Duration::from_millis(2) };

fn site(server: &Server, tls: TlsTrust) -> ProxmoxSite {
    ProxmoxSite {
        endpoint: server.endpoint(),
        tls,
        token: SecretSource::Env("UNUSED".into()),
        pool: None,
        bridge: "vmbr0".into(),
        vlan: None,
        disk_storage: "local-lvm".into(),
        image_storage: "local".into(),
        seed_storage: "local".into(),
        parallel_clones: 2,
    }
}

fn client(server: &Server) -> ProxmoxClient {
    let trust = TlsTrust::Fingerprints(vec![[0; 32], server.fingerprint()]);
    let token = Secret::new("homelab@pve!up=c77a308d-1d4a-48cd-ad3a-e603371d0a40");
    ProxmoxClient::with_retries(&site(server, trust), token, QUICK).unwrap()
}

fn ok(data: &str) -> Reply {
    Reply::json("200 OK", &format!("{{\"data\":{data}}}"))
}

#[tokio::test]
async fn requests_bear_the_token_and_no_cookie_over_http_1() {
    let server = Server::start(|_| ok(r#"{"version":"9.2.11"}"#)).await;
    assert_eq!(client(&server).version().await.unwrap().text, "9.2.11");
    let request = &server.requests()[0];
    assert!(request.head.starts_with("GET /api2/json/version HTTP/1.1\r\n"));
    assert_eq!(
        request.header("authorization"),
        Some("PVEAPIToken=homelab@pve!up=c77a308d-1d4a-48cd-ad3a-e603371d0a40")
    );
    assert_eq!(request.header("cookie"), None);
}

#[tokio::test]
async fn the_reason_phrase_alone_is_enough_to_understand_an_error() {
    let absent = "500 Configuration file 'nodes/pve1/qemu-server/101.conf' does not exist";
    let server = Server::start(move |request| {
        if request.head.starts_with("GET") {
            return Reply::raw(&format!("HTTP/1.1 {absent}\r\nConnection: close\r\n\r\n"));
        }
        Reply::json("500 VM is locked (backup)", r#"{"data":null}"#)
    })
    .await;
    let client = client(&server);
    assert_eq!(client.guest_config("pve1", Vmid(101)).await.unwrap(), None);
    let error = client.resize_disk("pve1", Vmid(101), "scsi0", 32 << 30).await.unwrap_err();
    assert!(
        matches!(&error, ProxmoxError::Locked { message, .. } if message == "VM is locked (backup)")
    );
}

#[tokio::test]
async fn null_is_the_success_of_a_configuration_and_every_byte_of_a_value_arrives() {
    let server = Server::start(|_| ok("null")).await;
    let description = "a=b&c;d+e %41\n<!-- ü -->";
    let set = [("description".to_owned(), description.to_owned())];
    let delete = ["ide2".to_owned(), "net1".to_owned()];
    client(&server).configure("pve1", Vmid(101), &set, &delete, Some("d1")).await.unwrap();
    let request = &server.requests()[0];
    assert!(request.head.starts_with("PUT /api2/json/nodes/pve1/qemu/101/config HTTP/1.1\r\n"));
    // pveproxy parts pairs at `&` and `;`, and names from values at every `=`.
    let pairs: Vec<Vec<String>> = request
        .text()
        .split(['&', ';'])
        .map(|pair| {
            let decode = |part: &str| {
                let part = part.replace('+', " ");
                percent_encoding::percent_decode_str(&part).decode_utf8().unwrap().into_owned()
            };
            pair.split('=').map(decode).collect()
        })
        .collect();
    assert_eq!(pairs, [["description", description], ["delete", "ide2,net1"], ["digest", "d1"]]);
}

#[tokio::test]
async fn a_read_is_asked_again_when_a_hop_fails_and_a_write_never_is() {
    let server = Server::start(|request| match (request.number, request.head.starts_with("GET")) {
        (0 | 1, true) => Reply::json("595 Connection refused", r#"{"data":null}"#),
        (2, true) => Reply::Hangup,
        (_, true) => ok("[]"),
        (_, false) => Reply::json("596 Connection timed out", ""),
    })
    .await;
    let client = client(&server);
    assert!(client.nodes().await.unwrap().is_empty());
    assert_eq!(client.requests(), RequestCount { reads: 4, writes: 0 });
    let error = client.start("pve1", Vmid(101)).await.unwrap_err();
    assert_eq!(error.effect(), Effect::Unknown);
    assert_eq!(server.requests().len(), 5, "sent once");
}

#[tokio::test]
async fn reads_are_given_up_after_the_last_try() {
    let server = Server::start(|_| Reply::json("599 Too many redirections", "")).await;
    let error = client(&server).nodes().await.unwrap_err();
    assert!(matches!(error, ProxmoxError::Answer { status: 599, .. }));
    assert_eq!(server.requests().len(), QUICK.attempts as usize);
}

#[tokio::test]
async fn nobody_knows_what_became_of_a_write_whose_reply_was_lost() {
    for reply in [Reply::Hangup, Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"da")] {
        let server = Server::start(move |_| reply.clone()).await;
        let error = client(&server).start("pve1", Vmid(101)).await.unwrap_err();
        assert!(matches!(error, ProxmoxError::Unreachable { effect: Effect::Unknown, .. }));
        assert_eq!(server.requests().len(), 1, "sent once");
    }
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let server = Server::start(|_| Reply::Hangup).await;
    let client = client(&server);
    drop(server);
    let error = client.start("pve1", Vmid(101)).await.unwrap_err();
    assert!(matches!(error, ProxmoxError::Unreachable { effect: Effect::None, .. }), "{error}");
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_not_noticed() {
    let server = Server::start(|_| Reply::ThenClose(Box::new(ok("[]")))).await;
    let client = client(&server);
    for _ in 0..20 {
        client.nodes().await.unwrap();
    }
}

#[tokio::test]
async fn reads_share_a_connection_and_each_write_has_its_own() {
    let server = Server::start(|request| {
        if request.head.starts_with("GET") { ok("[]") } else { ok(&format!("\"{UPID}\"")) }
    })
    .await;
    let client = client(&server);
    for _ in 0..3 {
        client.nodes().await.unwrap();
    }
    assert_eq!(server.connections(), 1);
    client.start("pve1", Vmid(101)).await.unwrap();
    client.start("pve1", Vmid(101)).await.unwrap();
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn a_crowd_of_writes_takes_up_the_sessions_of_the_crowd_before_it() {
    let server = Server::start(|_| ok("null")).await;
    let client = client(&server);
    let set = [("description".to_owned(), String::new())];
    for _ in 0..2 {
        let writes = (0..40).map(|vmid| client.configure("pve1", Vmid(vmid), &set, &[], None));
        futures::future::try_join_all(writes).await.unwrap();
    }
    assert_eq!(server.connections(), 80);
    assert!(server.resumed() >= 40, "{}", server.resumed());
}

#[tokio::test]
async fn a_deletion_has_its_parameters_in_the_query_and_no_body() {
    let server = Server::start(|_| ok(&format!("\"{UPID}\""))).await;
    client(&server).delete_guest("pve1", Vmid(101)).await.unwrap();
    let volume = "local:iso/homelab-1-a-b.iso";
    client(&server).delete_volume("pve1", volume).await.unwrap();
    let requests = server.requests();
    let line = |index: usize| requests[index].head.lines().next().unwrap().to_owned();
    assert_eq!(
        line(0),
        "DELETE /api2/json/nodes/pve1/qemu/101?purge=1&destroy%2Dunreferenced%2Ddisks=0 HTTP/1.1"
    );
    assert_eq!(
        line(1),
        "DELETE /api2/json/nodes/pve1/storage/local/content/local:iso/homelab-1-a-b.iso HTTP/1.1"
    );
    assert!(requests.iter().all(|request| request.body.is_empty()));
}

#[tokio::test]
async fn a_task_is_asked_of_the_node_in_its_upid_which_is_encoded() {
    let server = Server::start(|request| {
        if request.number == 0 {
            let body = r#"{"data":null,"errors":{"upid":"no such task"}}"#;
            return Reply::json("400 Parameter verification failed.", body);
        }
        ok(r#"{"status":"stopped","exitstatus":"WARNINGS: 1"}"#)
    })
    .await;
    let client = client(&server);
    let upid: Upid = UPID.parse().unwrap();
    assert!(client.task(&upid).await.unwrap_err().is_no_such_task());
    assert_eq!(client.task(&upid).await.unwrap(), TaskState::Warnings(1));
    let encoded =
        "UPID%3Apve1%3A0000C530%3A001A2B3C%3A65A0F0F0%3Aqmstart%3A101%3Ahomelab%40pve%21up%3A";
    let head = format!("GET /api2/json/nodes/pve1/tasks/{encoded}/status HTTP/1.1\r\n");
    assert!(server.requests()[1].head.starts_with(&head));
}

#[tokio::test]
async fn a_taken_vmid_is_not_free_and_other_refusals_are_errors() {
    let server = Server::start(|request| {
        let taken = request.head.contains("vmid=100");
        let text = if taken { "VM 100 already exists" } else { "value out of range" };
        let body = format!(r#"{{"data":null,"errors":{{"vmid":"{text}"}}}}"#);
        Reply::json("400 Parameter verification failed.", &body)
    })
    .await;
    let client = client(&server);
    assert!(!client.vmid_is_free(Vmid(100)).await.unwrap());
    assert!(client.vmid_is_free(Vmid(200)).await.is_err());
}

#[tokio::test]
async fn a_guest_that_may_not_be_read_is_absent_only_when_its_vmid_is_free() {
    let server = Server::start(|request| {
        if request.head.contains("nextid?vmid=100") {
            let body = r#"{"data":null,"errors":{"vmid":"VM 100 already exists"}}"#;
            return Reply::json("400 Parameter verification failed.", body);
        }
        if request.head.contains("nextid") {
            return ok("\"101\"");
        }
        Reply::json("403 Permission check failed (/vms/101, VM.Audit)", r#"{"data":null}"#)
    })
    .await;
    let client = client(&server);
    assert_eq!(client.guest_config("pve1", Vmid(101)).await.unwrap(), None);
    assert_eq!(client.guest_status("pve1", Vmid(101)).await.unwrap(), None);
    let foreign = client.guest_config("pve1", Vmid(100)).await.unwrap_err();
    assert!(matches!(foreign, ProxmoxError::Forbidden(_)));
}

#[tokio::test]
async fn a_pool_is_there_or_not_or_nobody_may_know() {
    let server = Server::start(|request| {
        let failed = |text: &str| Reply::json(text, r#"{"data":null}"#);
        match () {
            () if request.head.contains("poolid=lab ") => ok(r#"[{"poolid":"lab"}]"#),
            () if request.head.contains("poolid=nope") => failed("500 pool 'nope' does not exist"),
            () if request.head.contains("poolid=old") => {
                failed("400 Parameter verification failed.")
            }
            () => failed("403 Permission check failed (/pool/other, Pool.Audit)"),
        }
    })
    .await;
    let client = client(&server);
    assert_eq!(client.pool_exists("lab").await.unwrap(), Some(true));
    assert_eq!(client.pool_exists("nope").await.unwrap(), Some(false));
    assert_eq!(client.pool_exists("old").await.unwrap(), None);
    assert_eq!(client.pool_exists("other").await.unwrap(), None);
}

#[tokio::test]
async fn roles_come_with_their_privileges_and_bridges_with_an_mtu_that_is_set() {
    let server = Server::start(|request| {
        if request.head.contains("/access/roles") {
            return ok(r#"[{"roleid":"A","privs":"SDN.Use,Sys.Audit","special":0},{"roleid":"NoAccess","privs":""}]"#);
        }
        assert!(request.head.contains("/nodes/pve1/network?type=any"), "{}", request.head);
        ok(r#"[{"iface":"vmbr0","type":"bridge","mtu":"1400"},{"iface":"vnet1","type":"vnet"}]"#)
    })
    .await;
    let client = client(&server);
    let roles = client.roles().await.unwrap();
    assert_eq!(roles["A"], ["SDN.Use".to_owned(), "Sys.Audit".to_owned()].into());
    assert!(roles["NoAccess"].is_empty());
    let bridges = client.bridges("pve1").await.unwrap();
    let seen: Vec<_> = bridges.iter().map(|bridge| (bridge.name.as_str(), bridge.mtu)).collect();
    assert_eq!(seen, [("vmbr0", Some(1400)), ("vnet1", None)]);
}

fn file(directory: &tempfile::TempDir, bytes: &[u8]) -> Utf8PathBuf {
    let path = Utf8Path::from_path(directory.path()).unwrap().join("file");
    fs_err::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn an_upload_has_its_length_and_the_file_last() {
    let directory = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
    let upload = Upload {
        storage: "local".into(),
        content: ContentKind::Iso,
        file_name: "homelab-1-a-b.iso".into(),
        file: file(&directory, &bytes),
        sha256: hex::encode(Sha256::digest(&bytes)),
    };
    let server =
        Server::start(|_| ok("\"UPID:pve1:00000001:00000002:00000003:imgcopy::root@pam:\"")).await;
    client(&server).upload("pve1", &upload).await.unwrap();
    let request = &server.requests()[0];
    assert_eq!(request.header("transfer-encoding"), None);
    assert_eq!(request.header("content-length"), Some(request.body.len().to_string().as_str()));
    let position = |needle: &str| {
        let found = request.body.windows(needle.len()).position(|part| part == needle.as_bytes());
        found.unwrap_or_else(|| panic!("{needle} is not in the body"))
    };
    let order = [
        "\r\nContent-Disposition: form-data; name=\"content\"",
        "name=\"checksum-algorithm\"",
        "name=\"checksum\"",
        "\r\nContent-Disposition: form-data; name=\"filename\"; filename=\"homelab-1-a-b.iso\"",
    ]
    .map(position);
    assert!(order.is_sorted(), "{order:?}");
    assert!(request.body.windows(bytes.len()).any(|part| part == bytes));
}

#[tokio::test]
async fn an_upload_that_is_refused_in_its_middle_is_understood() {
    let directory = tempfile::tempdir().unwrap();
    let upload = Upload {
        storage: "local".into(),
        content: ContentKind::Import,
        file_name: "image.qcow2".into(),
        file: file(&directory, &vec![7; 24 << 20]),
        sha256: "00".repeat(32),
    };
    let server = Server::start(|_| {
        let text = "403 Permission check failed (/storage/local, Datastore.AllocateTemplate)";
        Reply::Early(Box::new(Reply::raw(&format!("HTTP/1.1 {text}\r\nConnection: close\r\n\r\n"))))
    })
    .await;
    let error = client(&server).upload("pve1", &upload).await.unwrap_err();
    assert!(matches!(error, ProxmoxError::Forbidden(_)), "{error}");
}

#[tokio::test]
async fn another_certificate_ends_it_before_the_token_is_sent() {
    let server = Server::start(|_| ok("[]")).await;
    let token = Secret::new("homelab@pve!up=hunter2");
    let pinned = TlsTrust::Fingerprints(vec![[0xAB; 32]]);
    let client = ProxmoxClient::with_retries(&site(&server, pinned), token, QUICK).unwrap();
    let error = client.nodes().await.unwrap_err();
    let ProxmoxError::Certificate(text) = &error else { panic!("{error}") };
    let shown: Vec<_> = server.fingerprint().iter().map(|byte| format!("{byte:02X}")).collect();
    for part in [shown.join(":").as_str(), "AB:AB:AB", "pvenode cert info", "pve-ssl.pem"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(server.requests().is_empty());
    assert_eq!(server.connections(), 1, "and it is not tried again");
}

#[tokio::test]
async fn an_authority_is_believed_only_when_it_signed_the_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(|_| ok("[]")).await;
    let other = Server::start(|_| ok("[]")).await;
    let token = || Secret::new("homelab@pve!up=hunter2");
    let trust = |of: &Server| TlsTrust::CaFile(file(&directory, of.authority().as_bytes()));
    let right = ProxmoxClient::new(&site(&server, trust(&server)), token()).unwrap();
    assert!(right.nodes().await.is_ok());
    let wrong = ProxmoxClient::new(&site(&server, trust(&other)), token()).unwrap();
    assert!(matches!(wrong.nodes().await.unwrap_err(), ProxmoxError::Certificate(_)));
    let system = ProxmoxClient::new(&site(&server, TlsTrust::System), token());
    // A machine without authorities says so at once; one with some refuses ours.
    match system {
        Ok(system) => {
            assert!(matches!(system.nodes().await.unwrap_err(), ProxmoxError::Certificate(_)));
        }
        Err(error) => assert!(error.to_string().contains("no certificate authorities")),
    }
}

#[tokio::test]
async fn a_clear_text_endpoint_is_refused() {
    let server = Server::start(|_| ok("[]")).await;
    let mut site = site(&server, TlsTrust::System);
    site.endpoint = site.endpoint.replace("https", "http");
    let error = ProxmoxClient::new(&site, Secret::new("a@b!c=d")).unwrap_err();
    assert!(error.to_string().contains("https://"));
}
