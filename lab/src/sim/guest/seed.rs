//! The NoCloud disc, and what cloud-init makes of it at a first boot.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt,
};

use camino::Utf8Path;
use serde::Deserialize;

use super::state::{Ethernet, State};

const SECTOR: u64 = 2048;
/// Where volume descriptors begin (ECMA-119, 8.1).
const DESCRIPTORS: u64 = 16;

/// What a guest is told of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    pub instance: String,
    pub hostname: String,
    /// `ssh-ed25519 AAAA...`
    pub authorized_keys: Vec<String>,
    pub user: String,
    pub host_private_key: String,
    pub host_public_key: String,
    pub ethernet: Ethernet,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct MetaData {
    instance_id: String,
}

#[derive(Deserialize)]
struct UserData {
    hostname: String,
    users: Vec<User>,
    ssh_keys: SshKeys,
}

#[derive(Deserialize)]
struct User {
    name: String,
    ssh_authorized_keys: Vec<String>,
}

#[derive(Deserialize)]
struct SshKeys {
    ed25519_private: String,
    ed25519_public: String,
}

#[derive(Deserialize)]
struct NetworkConfig {
    config: Vec<Interface>,
}

#[derive(Deserialize)]
struct Interface {
    #[serde(rename = "type")]
    kind: String,
    mtu: Option<u32>,
    #[serde(default)]
    subnets: Vec<Subnet>,
}

#[derive(Deserialize)]
struct Subnet {
    address: String,
    gateway: Option<Ipv4Addr>,
}

impl Seed {
    /// Reads a disc image; `None` when it is no NoCloud disc.
    ///
    /// # Errors
    /// When it can't be read, or says what cloud-init would not understand.
    pub fn read(image: &Utf8Path) -> io::Result<Option<Self>> {
        let Some(files) = files(image)? else { return Ok(None) };
        let text = |name: &str| {
            let bytes = files.get(name).ok_or_else(|| {
                io::Error::other(format!("the seed {image} holds no file {name}"))
            })?;
            String::from_utf8(bytes.clone()).map_err(io::Error::other)
        };
        fn parsed<T: serde::de::DeserializeOwned>(text: &str) -> io::Result<T> {
            serde_saphyr::from_str(text).map_err(|error| io::Error::other(error.to_string()))
        }
        let meta: MetaData = parsed(&text("meta-data")?)?;
        let user: UserData = parsed(&text("user-data")?)?;
        let network: NetworkConfig = parsed(&text("network-config")?)?;
        let first = user.users.first().ok_or_else(|| io::Error::other("the seed names no user"))?;
        let interface = network.config.iter().find(|entry| entry.kind == "physical");
        let subnet = interface.and_then(|interface| interface.subnets.first());
        let (Some(interface), Some(subnet)) = (interface, subnet) else {
            return Err(io::Error::other("the seed configures no interface"));
        };
        let address: ipnet::Ipv4Net = subnet.address.parse().map_err(io::Error::other)?;
        Ok(Some(Self {
            instance: meta.instance_id,
            hostname: user.hostname,
            authorized_keys: first.ssh_authorized_keys.clone(),
            user: first.name.clone(),
            host_private_key: user.ssh_keys.ed25519_private,
            host_public_key: user.ssh_keys.ed25519_public,
            ethernet: Ethernet {
                address: address.addr(),
                prefix: address.prefix_len(),
                gateway: subnet.gateway,
                mtu: interface.mtu.unwrap_or(1500),
            },
        }))
    }
}

/// The files in the root of a disc whose label is `cidata`, by the names of its Joliet tree.
fn files(image: &Utf8Path) -> io::Result<Option<BTreeMap<String, Vec<u8>>>> {
    let mut disc = File::open(image)?;
    let mut labelled = false;
    for number in DESCRIPTORS..DESCRIPTORS + 16 {
        let sector = read_at(&mut disc, number * SECTOR, SECTOR)?;
        if sector.len() < 2048 || &sector[1..6] != b"CD001" {
            break;
        }
        match sector[0] {
            1 => {
                let label = String::from_utf8_lossy(&sector[40..72]);
                labelled = label.trim_end().eq_ignore_ascii_case("cidata");
            }
            // A supplementary descriptor with one of Joliet's escape sequences.
            2 if labelled && &sector[88..90] == b"%/" => {
                return directory(&mut disc, &sector[156..190]).map(Some);
            }
            255 => break,
            _ => {}
        }
    }
    Ok(None)
}

/// The files that a directory's record leads to (ECMA-119, 9.1).
fn directory(disc: &mut File, record: &[u8]) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let (extent, length) = place(record);
    let entries = read_at(disc, extent * SECTOR, length)?;
    let mut files = BTreeMap::new();
    let mut at = 0;
    while at < entries.len() {
        let size = usize::from(entries[at]);
        if size == 0 {
            // The rest of a sector is empty.
            at = (at / 2048 + 1) * 2048;
            continue;
        }
        let Some(entry) = entries.get(at..at + size).filter(|entry| entry.len() > 33) else {
            break;
        };
        let is_folder = entry[25] & 2 != 0;
        let name = entry.get(33..33 + usize::from(entry[32])).unwrap_or_default();
        if !is_folder {
            let units = name.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            let name = String::from_utf16_lossy(&units.collect::<Vec<_>>());
            let name = name.split(';').next().unwrap_or_default().to_owned();
            let (extent, length) = place(entry);
            files.insert(name, read_at(disc, extent * SECTOR, length)?);
        }
        at += size;
    }
    Ok(files)
}

/// First sector and length in bytes.
fn place(record: &[u8]) -> (u64, u64) {
    let word = |at: usize| {
        let bytes = record.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        u64::from(u32::from_le_bytes(bytes.unwrap_or_default()))
    };
    (word(2), word(10))
}

fn read_at(disc: &mut File, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    disc.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    disc.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What cloud-init does at a boot: everything for a new instance, nothing for a known one. Without a seed
/// it finds no data source, and makes new host keys for an instance that it does not know.
pub(super) fn run(root: &Utf8Path, state: &mut State, seed: Option<&Seed>) -> io::Result<()> {
    let known = root.join("var/lib/cloud/data/instance-id");
    let before = fs_err::read_to_string(&known).unwrap_or_default();
    fs_err::create_dir_all(root.join("run/cloud-init"))?;
    if let Some(seed) = seed {
        fs_err::write(root.join("run/cloud-init/.instance-id"), &seed.instance)?;
        if before.trim() != seed.instance {
            first_boot(root, state, seed)?;
            fs_err::create_dir_all(root.join("var/lib/cloud/data"))?;
            fs_err::write(&known, format!("{}\n", seed.instance))?;
        }
    }
    fs_err::create_dir_all(root.join("var/lib/cloud/instance"))?;
    fs_err::write(root.join("var/lib/cloud/instance/boot-finished"), "1 s\n")?;
    let datasource = if seed.is_some() { "DataSourceNoCloud" } else { "DataSourceNone" };
    let stage = serde_json::json!({ "errors": [], "recoverable_errors": {}, "start": 1.0, "finished": 2.0 });
    let status = serde_json::json!({ "v1": {
        "datasource": datasource, "stage": null, "init-local": stage, "init": stage,
        "modules-config": stage, "modules-final": stage,
    } });
    let result = serde_json::json!({
        "v1": { "datasource": datasource, "errors": [], "recoverable_errors": {} }
    });
    fs_err::write(root.join("run/cloud-init/status.json"), status.to_string())?;
    fs_err::write(root.join("run/cloud-init/result.json"), result.to_string())?;
    fs_err::write(root.join("var/log/cloud-init-output.log"), "Cloud-init finished.\n")
}

fn first_boot(root: &Utf8Path, state: &mut State, seed: &Seed) -> io::Result<()> {
    state.node_name.clone_from(&seed.hostname);
    state.ethernet = Some(seed.ethernet.clone());
    // As growpart and resize_rootfs do.
    state.partition_bytes = state.hardware.disk_bytes;
    state.filesystem_bytes = state.hardware.disk_bytes;
    let ssh = root.join("etc/ssh");
    let key = ssh.join("ssh_host_ed25519_key");
    fs_err::write(&key, &seed.host_private_key)?;
    fs_err::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
    fs_err::write(ssh.join("ssh_host_ed25519_key.pub"), format!("{}\n", seed.host_public_key))?;
    let home = root.join("home").join(&seed.user).join(".ssh");
    fs_err::create_dir_all(&home)?;
    fs_err::write(home.join("authorized_keys"), seed.authorized_keys.join("\n") + "\n")?;
    fs_err::write(root.join("etc/hostname"), format!("{}\n", seed.hostname))?;
    super::folder::disks(root, state)
}
