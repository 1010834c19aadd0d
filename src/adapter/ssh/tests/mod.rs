//! Against a real sshd. Where there is none, each test says so and passes.

mod sshd;

use std::{net::Ipv4Addr, os::unix::fs::PermissionsExt, process::Command, time::Duration};

use camino::Utf8Path;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use self::sshd::{Sshd, output};
use super::SshHost;
use crate::{
    error::{Effect, Failure, Kind},
    ports::{Connector, Host, HostError, RemoteFile},
    script::Script,
    secret::Secret,
};

async fn connected(sshd: &Sshd) -> SshHost {
    sshd.connector("client").connect(&sshd.target()).await.unwrap()
}

#[tokio::test]
async fn a_script_gets_its_secrets_and_gives_back_output_and_status() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = connected(&sshd).await;
    let script = Script::new("probe", "echo \"key $KEY\"; echo grumble >&2; cat; exit 7")
        .secret("KEY", Secret::new("it's a secret"));
    let output = host.run(&script).await.unwrap();
    assert_eq!(output.stdout, "key it's a secret\n");
    assert_eq!((output.stderr.as_str(), output.status), ("grumble\n", 7));
}

#[tokio::test]
async fn a_host_that_shows_another_key_is_left_before_the_login() {
    let Some(sshd) = Sshd::start("LogLevel VERBOSE") else { return };
    let target = sshd.target_with_key("stranger");
    let error = sshd.connector("client").connect(&target).await.unwrap_err();
    let HostError::HostKey { shown, expected, .. } = &error else { panic!("{error}") };
    let listed = |key| output("ssh-keygen", &["-lf", sshd.path().join(key).as_str()]);
    assert!(listed("host.pub").contains(shown.as_str()), "{shown}");
    assert!(listed("stranger.pub").contains(expected[0].as_str()), "{expected:?}");
    assert_eq!(Failure::from(error).effect, Effect::None);
}

#[tokio::test]
async fn an_rsa_key_beside_the_pinned_one_does_not_disturb() {
    let rsa = tempfile::tempdir().unwrap();
    let path = rsa.path().join("rsa");
    output(
        "ssh-keygen",
        &["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", path.to_str().unwrap()],
    );
    let settings =
        format!("HostKey {}\nHostKeyAlgorithms rsa-sha2-512,ssh-ed25519", path.to_str().unwrap());
    let Some(sshd) = Sshd::start(&settings) else { return };
    assert!(connected(&sshd).await.is_open());
    // And as the pinned one it is accepted, and as a client's key too.
    let text = fs_err::read_to_string(rsa.path().join("rsa.pub")).unwrap();
    let mut target = sshd.target();
    target.host_keys = vec![text.clone()];
    fs_err::write(sshd.path().join("authorized_keys"), text).unwrap();
    std::fs::copy(&path, sshd.path().join("client_rsa")).unwrap();
    let host = sshd.connector("client_rsa").connect(&target).await.unwrap();
    assert!(host.is_open());
}

#[tokio::test]
async fn a_key_that_the_host_does_not_know_is_refused_with_its_fingerprint() {
    let Some(sshd) = Sshd::start("") else { return };
    let error = sshd.connector("stranger").connect(&sshd.target()).await.unwrap_err();
    assert!(matches!(&error, HostError::Login { .. }), "{error}");
    assert!(error.to_string().contains("SHA256:"), "{error}");
    assert_eq!(Failure::from(error).kind, Kind::Ssh);
}

#[tokio::test]
async fn a_key_file_that_others_may_read_is_not_used() {
    let Some(sshd) = Sshd::start("") else { return };
    let key = sshd.path().join("client");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = sshd.connector("client").connect(&sshd.target()).await.unwrap_err();
    assert!(matches!(&error, HostError::Local(_)), "{error}");
}

#[tokio::test]
async fn the_next_address_is_tried_when_one_is_silent() {
    let Some(sshd) = Sshd::start("") else { return };
    let mut target = sshd.target();
    target.addresses.insert(0, "127.0.0.2".parse().unwrap());
    let host = sshd.connector("client").connect(&target).await.unwrap();
    assert_eq!(host.address(), Ipv4Addr::LOCALHOST);
    target.addresses.truncate(1);
    let error = sshd.connector("client").connect(&target).await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.2"), "{error}");
}

#[tokio::test]
async fn an_agent_serves_where_there_is_no_file_and_where_it_is_encrypted() {
    let Some(sshd) = Sshd::start("") else { return };
    let socket = sshd.path().join("agent");
    let mut agent = Command::new("ssh-agent").args(["-D", "-a", socket.as_str()]).spawn().unwrap();
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(agent.try_wait().unwrap().is_none(), "ssh-agent ended");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let add = |key: &str| {
        let mut command = Command::new("ssh-add");
        command.arg("-q").arg(sshd.path().join(key)).env("SSH_AUTH_SOCK", &socket);
        assert!(command.status().unwrap().success());
    };
    let encrypted = sshd.path().join("encrypted");
    std::fs::copy(sshd.path().join("client"), &encrypted).unwrap();
    output("ssh-keygen", &["-q", "-p", "-N", "passphrase", "-f", encrypted.as_str()]);
    let by_agent = sshd.agent_connector(&socket, None);
    let by_file = sshd.agent_connector(&socket, Some(encrypted));
    let mut before = Vec::new();
    add("stranger");
    for connector in [&by_agent, &by_file] {
        before.push(connector.connect(&sshd.target()).await.map(|_| ()));
    }
    add("client");
    let mut after = Vec::new();
    for connector in [&by_agent, &by_file] {
        after.push(connector.connect(&sshd.target()).await.map(|_| ()));
    }
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(
        before.iter().all(|result| matches!(result, Err(HostError::Login { .. }))),
        "{before:?}"
    );
    assert!(after.iter().all(Result::is_ok), "{after:?}");
}

fn remote_file(sshd: &Sshd, content: &[u8]) -> RemoteFile {
    let local = sshd.path().join("payload");
    fs_err::write(&local, content).unwrap();
    let sha256 = hex::encode(Sha256::digest(content));
    RemoteFile { local, remote: "/usr/local/bin/it's k3s".into(), mode: 0o755, sha256 }
}

fn arrived(sshd: &Sshd) -> std::path::PathBuf {
    sshd.path().join("root/usr/local/bin/it's k3s").into()
}

#[tokio::test]
async fn a_file_larger_than_the_window_arrives_whole_and_with_its_mode() {
    let Some(sshd) = Sshd::start("") else { return };
    let content: Vec<u8> = (0..5_000_000_u32).map(|number| (number * 7 % 251) as u8).collect();
    connected(&sshd).await.write(&remote_file(&sshd, &content)).await.unwrap();
    assert!(fs_err::read(arrived(&sshd)).unwrap() == content);
    let mode = arrived(&sshd).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[tokio::test]
async fn an_altered_file_leaves_the_one_before_it_and_nothing_else() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = connected(&sshd).await;
    host.write(&remote_file(&sshd, b"first")).await.unwrap();
    let mut file = remote_file(&sshd, b"second");
    fs_err::write(&file.local, b"sEcond").unwrap();
    let error = host.write(&file).await.unwrap_err().to_string();
    assert!(error.contains(&file.sha256) && error.contains("seen "), "{error}");
    assert_eq!(fs_err::read(arrived(&sshd)).unwrap(), b"first");
    let folder = arrived(&sshd).parent().unwrap().read_dir().unwrap();
    assert_eq!(folder.count(), 1);
    // Where nothing can be written the host's own words are passed on.
    file.remote = "/usr/local/bin/it's k3s/below a file".into();
    let error = host.write(&file).await.unwrap_err();
    assert!(
        matches!(&error, HostError::Transfer { reason, .. } if reason.contains("mkdir")),
        "{error}"
    );
}

#[tokio::test]
async fn more_scripts_than_the_host_allows_sessions_take_turns() {
    let Some(sshd) = Sshd::start("MaxSessions 3") else { return };
    let host = connected(&sshd).await;
    let runs = (0..20).map(|number| {
        let host = host.clone();
        async move { host.run(&Script::new("probe", format!("sleep 0.05; echo {number}"))).await }
    });
    for (number, output) in futures::future::join_all(runs).await.into_iter().enumerate() {
        assert_eq!(output.unwrap().stdout, format!("{number}\n"));
    }
}

#[tokio::test]
async fn a_script_past_its_limit_is_left_and_the_connection_stays() {
    let Some(sshd) = Sshd::start("MaxSessions 1") else { return };
    let host = connected(&sshd).await;
    let slow = Script::new("slow", "sleep 600").timeout(Duration::from_millis(200));
    let error = host.run(&slow).await.unwrap_err();
    assert!(matches!(&error, HostError::Timeout { .. }), "{error}");
    assert_eq!(Failure::from(error).effect, Effect::Unknown);
    // sshd frees a closed session only when its command has ended: this one waits for that.
    let output = host.run(&Script::new("quick", "echo here")).await.unwrap();
    assert_eq!(output.stdout, "here\n");
}

#[tokio::test]
async fn a_connection_that_breaks_under_a_script_leaves_the_effect_unknown() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = connected(&sshd).await;
    // The parent of the script's supervisor is this connection's sshd.
    let cut = "echo $$ >\"$HOMELAB_ROOT.pid\"\nkill -9 \"$(ps -o ppid= -p \"$PPID\" | tr -d ' ')\"; sleep 600 & wait";
    let script = Script::new("cut", cut);
    let error = host.run(&script).await.unwrap_err();
    assert!(matches!(&error, HostError::Broken { .. }), "{error}");
    assert_eq!(Failure::from(error).effect, Effect::Unknown);
    assert!(!host.is_open());
    let error = host.run(&Script::new("after", "true")).await.unwrap_err();
    assert_eq!(Failure::from(error).effect, Effect::None);
    gone(&sshd).await;
}

/// Waits until the script that left its process id there has ended with all that it started.
async fn gone(sshd: &Sshd) {
    let pid = fs_err::read_to_string(sshd.path().join("root.pid")).unwrap();
    let alive = || Command::new("pgrep").args(["-s", pid.trim()]).status().unwrap().success();
    let begun = std::time::Instant::now();
    while alive() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the script still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_script_that_nobody_waits_for_ends_with_all_it_started_but_for_what_must_not_be_cut_short()
 {
    let Some(sshd) = Sshd::start("") else { return };
    let host = connected(&sshd).await;
    let head = crate::template::text("lib/head.sh", serde_json::json!({})).unwrap();
    let text = format!(
        "{head}\necho $$ >\"$HOMELAB_ROOT.pid\"\ntrap 'touch \"$HOMELAB_ROOT.cleaned\"' EXIT\n\
         sleep 600 &\nunbroken sh -c 'sleep 8; echo done; echo done >&2; touch \"$1.unbroken\"' sh \"$HOMELAB_ROOT\"\n\
         touch \"$HOMELAB_ROOT.later\"\n"
    );
    // Long enough for the script to begin on a busy machine.
    let script = Script::new("slow", text).timeout(Duration::from_secs(5));
    let error = host.run(&script).await.unwrap_err();
    assert!(matches!(&error, HostError::Timeout { .. }), "{error}");
    gone(&sshd).await;
    let there = |name: &str| sshd.path().join(format!("root.{name}")).exists();
    assert!(there("cleaned"), "the script's own end was not reached");
    let begun = std::time::Instant::now();
    while !there("unbroken") {
        assert!(begun.elapsed() < Duration::from_secs(30), "what must not be cut short was");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!there("later"), "the script went on");
}

#[tokio::test]
async fn a_script_that_never_stops_talking_is_stopped() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = connected(&sshd).await;
    let error = host.run(&Script::new("babble", "yes")).await.unwrap_err();
    assert!(matches!(&error, HostError::Transfer { .. }), "{error}");
    assert_eq!(host.run(&Script::new("quick", "echo here")).await.unwrap().stdout, "here\n");
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways_and_says_who_is_missing() {
    let Some(sshd) = Sshd::start("") else { return };
    let host = connected(&sshd).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (mut read, mut write) = stream.into_split();
        tokio::io::copy(&mut read, &mut write).await.unwrap();
    });
    let stream = host.tunnel(address.ip(), address.port()).await.unwrap();
    let (mut read, mut write) = tokio::io::split(stream);
    let sent: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 253) as u8).collect();
    let writing = async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let (read, ()) = tokio::join!(read.read_to_end(&mut received), writing);
    read.unwrap();
    assert!(received == sent, "{} bytes", received.len());
    // Bound and let go: nobody listens there now.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = host.tunnel(closed.ip(), closed.port()).await.map(|_| ()).unwrap_err();
    assert!(matches!(&error, HostError::Tunnel { to, .. } if *to == closed), "{error}");
}

#[tokio::test]
async fn a_host_that_does_not_forward_is_named() {
    let Some(sshd) = Sshd::start("AllowTcpForwarding no") else { return };
    let host = connected(&sshd).await;
    let error = host.tunnel(Ipv4Addr::LOCALHOST.into(), 6443).await.map(|_| ()).unwrap_err();
    assert!(matches!(&error, HostError::Forwarding { .. }), "{error}");
    host.close().await;
}

#[tokio::test]
async fn the_systems_ssh_believes_the_pinned_key_only() {
    let Some(sshd) = Sshd::start("") else { return };
    let key = sshd.path().join("client");
    let run = async |pinned: &str| {
        let target = sshd.target_with_key(pinned);
        let address = super::first_reachable(&target).await.unwrap();
        let command = ["exit 7".to_owned()];
        let key = Some(Utf8Path::new(key.as_str()));
        let ssh = super::system::SystemSsh::prepare(&target, address, key, &command).unwrap();
        ssh.run().await.unwrap()
    };
    assert_eq!(run("host").await, 7);
    assert_eq!(run("stranger").await, 255);
}
