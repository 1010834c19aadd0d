//! Where the secrets of a world are seen: nowhere but where they are meant to be.

use std::{
    collections::BTreeMap,
    io::{Read, Seek},
    os::unix::fs::PermissionsExt,
};

use camino::Utf8Path;
use homelab_lab::sim::world::Options;
use rustix::fs::{SeekFrom, seek};

use crate::operator::Operator;

/// A file that holds a secret.
#[derive(Debug)]
struct Find {
    secret: &'static str,
    place: String,
    mode: u32,
}

fn search(folder: &Utf8Path, secrets: &BTreeMap<&'static str, String>, finds: &mut Vec<Find>) {
    for entry in folder.read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            search(entry.path(), secrets, finds);
        } else if kind.is_file() {
            let bytes = written(entry.path());
            let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
            for (name, secret) in secrets {
                if bytes.windows(secret.len()).any(|window| window == secret.as_bytes()) {
                    finds.push(Find { secret: name, place: entry.path().to_string(), mode });
                }
            }
        }
    }
}

/// What was ever written to a file: disks are mostly holes.
fn written(path: &Utf8Path) -> Vec<u8> {
    let mut file = fs_err::File::open(path).unwrap();
    let mut bytes = Vec::new();
    let mut at = 0;
    while let Ok(begin) = seek(&file, SeekFrom::Data(at)) {
        at = seek(&file, SeekFrom::Hole(begin)).unwrap();
        file.seek(std::io::SeekFrom::Start(begin)).unwrap();
        (&mut file).take(at - begin).read_to_end(&mut bytes).unwrap();
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_where_it_does_not_belong() {
    let operator = Operator::new(Options::default()).await;
    let mut said = String::new();
    for words in [&["up", "--yes"][..], &["-o", "json", "verify"], &["plan"], &["status"]] {
        let ended = operator.succeed(words).await;
        said.push_str(&ended.out);
        said.push_str(&ended.err);
    }
    let mut secrets: BTreeMap<&'static str, String> = operator
        .world
        .secrets()
        .into_iter()
        .map(|(name, secret)| (name, secret.rsplit('=').next().unwrap().to_owned()))
        .collect();
    let keys = operator.world.tailnet.keys();
    assert_eq!(keys.len(), 3, "one auth key for each node");
    for (name, key) in ["auth key 1", "auth key 2", "auth key 3"].into_iter().zip(&keys) {
        secrets.insert(name, key.secret.clone());
    }
    secrets.insert("k3s token", operator.world.server_token().to_owned());
    let guests = operator.world.hypervisor.guests();
    let named = |root: &Utf8Path| fs_err::read_to_string(root.join("etc/hostname")).unwrap();
    let server = guests.iter().find(|guest| named(guest.root()).trim() == "server").unwrap();
    // Made on the server; what agents join with ends with it.
    let made = fs_err::read_to_string(server.root().join("etc/rancher/k3s/agent-token")).unwrap();
    secrets.insert("agent token", made.trim().to_owned());
    for (name, secret) in &secrets {
        assert!(secret.len() > 12, "{name} is too short to be looked for");
        assert!(!said.contains(secret), "{name} was printed");
        for line in operator.world.command_lines() {
            assert!(!line.contains(secret), "{name} is in a command line: {line}");
        }
    }
    let mut finds = Vec::new();
    // The person's own side: state, cache, inventory.
    search(&operator.path("state"), &secrets, &mut finds);
    search(&operator.path("cache"), &secrets, &mut finds);
    search(&operator.world.folder().join("proxmox"), &secrets, &mut finds);
    // Proxmox's own memory is in this process: what lies there as a file is a disk, a seed or an upload.
    assert!(finds.is_empty(), "{finds:#?}");
    search(&operator.world.folder().join("guests"), &secrets, &mut finds);
    let meant = |find: &Find| {
        find.secret.ends_with(" token")
            && find.place.contains("/etc/rancher/k3s/")
            && find.mode == 0o600
            // k3s's own folder: its real mode is k3s's business, and not simulated.
            || find.place.contains("/var/lib/rancher/k3s/server/")
    };
    let elsewhere: Vec<&Find> = finds.iter().filter(|find| !meant(find)).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
    let joined = finds.iter().filter(|find| find.place.ends_with("/etc/rancher/k3s/token"));
    assert_eq!(joined.count(), 2, "both agents have the token that they joined with");
}
