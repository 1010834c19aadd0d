//! Who may do what.

use super::*;

#[tokio::test]
async fn a_separated_token_has_what_both_it_and_its_user_have() {
    let world = world(operator()).await;
    let config = |vmid| format!("/nodes/pve1/qemu/{vmid}/config");
    let bare = world.call("op@pve!bare", "GET", &config(100), "").await;
    assert_eq!(bare.status(), "HTTP/1.1 403 Permission check failed (/vms/100, VM.Audit)");
    let given = world.call("op@pve!given", "GET", &config(100), "").await;
    assert_eq!(given.body["data"]["name"], "bystander");
    let other = world.call("op@pve!given", "GET", &config(101), "").await;
    assert_eq!(other.status(), "HTTP/1.1 403 Permission check failed (/vms/101, VM.Audit)");
}

#[tokio::test]
async fn lists_show_only_what_the_caller_may_see() {
    let world = world(operator()).await;
    let list = world.call("op@pve!given", "GET", "/cluster/resources?type=vm", "").await;
    let vmids: Vec<u64> = list.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["vmid"].as_u64().unwrap())
        .collect();
    assert_eq!(vmids, [100]);
    let all = world.root("GET", "/cluster/resources?type=vm", "").await;
    assert_eq!(all.body["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_expired_token_is_refused_without_a_body() {
    let mut setup = root_only();
    setup.tokens.push(TokenSetup { expire: 1000, ..token("root@pam", "old", false) });
    let world = world(setup).await;
    let answer = world.call("root@pam!old", "GET", "/version", "").await;
    assert_eq!(answer.status(), "HTTP/1.1 401 Authentication failed!");
    assert_eq!(answer.body, Value::Null);
    assert!(!answer.head.contains("Content-Type"), "{}", answer.head);
}

#[tokio::test]
async fn a_ticket_dies_after_two_hours() {
    let world = world(root_only()).await;
    let form = "username=root@pam&password=rootpw12345";
    let login = world.root("POST", "/access/ticket", form).await;
    let ticket = login.body["data"]["ticket"].as_str().unwrap().to_owned();
    let request = format!(
        "GET /api2/json/version HTTP/1.1\r\nConnection: close\r\n\
         Cookie: PVEAuthCookie={ticket}\r\n\r\n"
    );
    assert!(world.raw(&request).await.starts_with("HTTP/1.1 200 OK"));
    world.door("POST", "/lab/clock", json!({ "advance": 7300 })).await;
    assert!(world.raw(&request).await.starts_with("HTTP/1.1 401 Authentication failed!"));
}

#[tokio::test]
async fn what_the_log_keeps_of_a_login_is_not_the_password() {
    let world = world(root_only()).await;
    world.root("POST", "/access/ticket", "username=root@pam&password=rootpw12345").await;
    let log = world.door("GET", "/lab/requests", Value::Null).await;
    assert_eq!(log[0]["endpoint"], "/access/ticket");
    assert_eq!(log[0]["parameters"]["password"], "[redacted]");
    assert_eq!(log[0]["mutating"], false);
}

#[tokio::test]
async fn the_eighth_version_has_its_own_privileges() {
    let world = world_of(root_only(), 8).await;
    let role = world.root("POST", "/access/roles", "roleid=Watch&privs=VM.Monitor").await;
    assert_eq!(role.status(), "HTTP/1.1 200 OK");
    let role = world.root("POST", "/access/roles", "roleid=New&privs=VM.GuestAgent.Audit").await;
    assert_eq!(
        role.body["errors"]["privs"],
        "invalid format - invalid privilege 'VM.GuestAgent.Audit'\n"
    );
}

#[tokio::test]
async fn devices_of_the_host_are_roots_alone_and_the_log_tells_who_tried() {
    let mut setup = operator();
    setup.roles[0].privileges.push("VM.Config.Options".to_owned());
    let world = world(setup).await;
    let path = "/nodes/pve1/qemu/100/config";
    let refused = world.call("op@pve!given", "PUT", path, "hostpci0=0000:00:01.0").await;
    assert_eq!(
        refused.status(),
        "HTTP/1.1 500 only root can set 'hostpci0' config for non-mapped devices"
    );
    let log = world.root("GET", "/cluster/log", "").await;
    let tried = &log.body["data"][0];
    assert_eq!(tried["user"], "op@pve!given");
    assert_eq!(tried["msg"], "update VM 100: -hostpci0 0000:00:01.0");
    assert!(world.root("GET", path, "").await.body["data"].get("hostpci0").is_none());
}

#[tokio::test]
async fn what_a_node_is_made_of_is_for_those_who_may_look_at_it() {
    let world = world(operator()).await;
    let path = "/nodes/pve1/hardware/pci";
    let refused = world.call("op@pve!given", "GET", path, "").await;
    assert_eq!(refused.status(), "HTTP/1.1 403 Permission check failed (/, Sys.Audit|Sys.Modify)");
    let devices = world.root("GET", path, "").await;
    assert_eq!(devices.body["data"][1]["device"], "0x1042");
    let without = world.root("GET", &format!("{path}?pci-class-blacklist=01%3B02"), "").await;
    let classes: Vec<&str> = without.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|device| device["class"].as_str().unwrap())
        .collect();
    assert_eq!(classes, ["0xffff00"; 3]);
    let short = world.root("GET", &format!("{path}?verbose=0"), "").await;
    assert_eq!(short.body["data"][0], json!({ "id": "0000:00:01.0" }));
}
