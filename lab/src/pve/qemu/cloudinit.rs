//! Proxmox' own cloud-init drive: its texts, its image, what changed since it was made.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use sha1::{Digest as _, Sha1};

use super::{
    answer,
    call::{CONFIG_WAIT, Subject, check_lock},
    config::{GuestConfig, Section},
    iso, network,
    network::Network,
    options, spec,
};
use crate::pve::{error::ApiError, request::Request, storage::VolumeId};

/// The options whose values are in the drive, without the numbered ones.
const OPTIONS: [&str; 8] = [
    "cicustom",
    "cipassword",
    "citype",
    "ciupgrade",
    "ciuser",
    "nameserver",
    "searchdomain",
    "sshkeys",
];
/// The list of options in `[special:cloudinit]` that the drive did not have.
const ADDED: &str = "added";

/// Whether an option's value is in the drive (and nowhere else in the guest).
pub(crate) fn is_option(option: &str) -> bool {
    OPTIONS.contains(&option)
        || option.strip_prefix("ipconfig").is_some_and(|index| index.parse::<u32>().is_ok())
}

/// Notes what the drive was made from, before a value changes.
pub(crate) fn record_change(
    config: &mut GuestConfig,
    option: &str,
    old: Option<&str>,
    new: Option<&str>,
) {
    let shown = is_option(option) || option == "name" || network::is_network(option);
    let has_drive = spec::drives(&config.current).iter().any(|drive| drive.is_cloudinit());
    if !shown || old == new || !has_drive {
        return;
    }
    let mut added: Vec<String> = config
        .cloudinit
        .get(ADDED)
        .map(|list| list.split(',').map(str::to_owned).collect())
        .unwrap_or_default();
    if added.iter().any(|name| name == option) {
        if new.is_none() {
            added.retain(|name| name != option);
        }
    } else if let Some(original) = config.cloudinit.get(option) {
        if Some(original.as_str()) == new {
            config.cloudinit.remove(option);
        }
    } else {
        match old {
            Some(old) => {
                config.cloudinit.insert(option.to_owned(), old.to_owned());
            }
            None => added.push(option.to_owned()),
        }
    }
    if added.is_empty() {
        config.cloudinit.remove(ADDED);
    } else {
        config.cloudinit.insert(ADDED.to_owned(), added.join(","));
    }
}

pub(crate) async fn pending(request: Request) -> Result<Value, ApiError> {
    let config = Subject::of(&request).load().map_err(ApiError::failure)?;
    let added: Vec<&str> =
        config.cloudinit.get(ADDED).map(|list| list.split(',').collect()).unwrap_or_default();
    let mut names: Vec<&str> = OPTIONS.to_vec();
    names.extend(added.iter().copied());
    names.extend(config.cloudinit.keys().map(String::as_str).filter(|name| *name != ADDED));
    names.sort_unstable();
    names.dedup();
    let mut answer = Vec::new();
    for name in names {
        let now = config.get(name);
        let mut item = Map::new();
        item.insert("key".to_owned(), json!(name));
        if added.contains(&name) {
            if let Some(now) = now {
                item.insert("pending".to_owned(), answer::value(name, now));
            }
        } else if let Some(old) = config.cloudinit.get(name) {
            item.insert("value".to_owned(), answer::value(name, old));
            match now {
                Some(now) => item.insert("pending".to_owned(), answer::value(name, now)),
                None => item.insert("delete".to_owned(), json!(1)),
            };
        } else if let Some(now) = now {
            item.insert("value".to_owned(), answer::value(name, now));
        } else {
            continue;
        }
        answer.push(Value::Object(item));
    }
    Ok(Value::Array(answer))
}

pub(crate) async fn dump(request: Request) -> Result<Value, ApiError> {
    let subject = Subject::of(&request);
    let config = subject.load().map_err(ApiError::failure)?;
    let section = config.with_pending();
    Ok(Value::from(match request.text("type").as_deref() {
        Some("network") => network_config(&section),
        Some("meta") => meta_data(&user_data(subject.vmid, &section), &network_config(&section)),
        _ => user_data(subject.vmid, &section),
    }))
}

/// `PUT .../cloudinit`: makes the drive anew.
pub(crate) async fn update(request: Request) -> Result<Value, ApiError> {
    let subject = Subject::of(&request);
    let _held = subject.lock(CONFIG_WAIT, None).await.map_err(ApiError::failure)?;
    let mut config = subject.load().map_err(ApiError::failure)?;
    check_lock(&config).map_err(ApiError::failure)?;
    regenerate(&subject, &mut config).await.map_err(ApiError::failure)?;
    subject.save(&config);
    if subject.is_running() {
        super::pending::tell(&subject, &config).await.map_err(ApiError::failure)?;
    }
    Ok(Value::Null)
}

/// # Errors
///
/// `volume '..' does not exist` for a snippet that is named and not there.
pub(crate) fn check_snippets(subject: &Subject, config: &GuestConfig) -> Result<(), String> {
    let has_drive = spec::drives(&config.current).iter().any(|drive| drive.is_cloudinit());
    if !has_drive {
        return Ok(());
    }
    for id in custom(&config.current).into_iter().flat_map(|custom| custom.into_values()) {
        snippet(subject, &id)?;
    }
    Ok(())
}

/// The files of `cicustom` by what they replace.
fn custom(section: &Section) -> Option<std::collections::BTreeMap<String, String>> {
    let text = section.get("cicustom")?;
    Some(
        text.split(',')
            .filter_map(|part| part.split_once('='))
            .map(|(name, id)| (name.to_owned(), id.to_owned()))
            .collect(),
    )
}

fn snippet(subject: &Subject, id: &str) -> Result<String, String> {
    let absent = || format!("volume '{id}' does not exist");
    let volume = VolumeId::parse(id).ok_or_else(absent)?;
    let (place, volume) = subject.state.storage.locate(&subject.node, &volume)?;
    fs_err::read_to_string(place.file(&volume)).map_err(|_| absent())
}

/// Writes the image where it differs from what is there; `true` when it did.
///
/// # Errors
///
/// When a snippet or the drive's volume is not there.
pub(crate) async fn regenerate(
    subject: &Subject,
    config: &mut GuestConfig,
) -> Result<bool, String> {
    let drive = spec::drives(&config.current).into_iter().find(|drive| drive.is_cloudinit());
    let Some(id) = drive.and_then(|drive| drive.volume()) else { return Ok(false) };
    let section = &config.current;
    let custom = custom(section).unwrap_or_default();
    let text = |name: &str, own: String| match custom.get(name) {
        Some(id) => snippet(subject, id),
        None => Ok(own),
    };
    let user = text("user", user_data(subject.vmid, section))?;
    let network = text("network", network_config(section))?;
    let meta = text("meta", meta_data(&user, &network))?;
    let vendor = text("vendor", String::new())?;
    let mut files = vec![
        ("meta-data", meta.as_bytes()),
        ("network-config", network.as_bytes()),
        ("user-data", user.as_bytes()),
    ];
    if !vendor.is_empty() {
        files.push(("vendor-data", vendor.as_bytes()));
    }
    let image = iso::image("cidata", &files);
    config.cloudinit.clear();
    let (place, volume) = subject.state.storage.locate(&subject.node, &id)?;
    let file = place.file(&volume);
    super::disks::blocking(move || write_if_different(&file, &image)).await
}

fn write_if_different(file: &camino::Utf8Path, image: &[u8]) -> Result<bool, String> {
    use std::os::unix::fs::FileExt as _;
    let open = std::fs::File::options().read(true).write(true).open(file);
    let file = open.map_err(|error| format!("{file}: {error}"))?;
    let mut present = vec![0; image.len()];
    let same = file.read_exact_at(&mut present, 0).is_ok() && present == image;
    if same {
        return Ok(false);
    }
    file.write_all_at(image, 0).map_err(|error| error.to_string())?;
    Ok(true)
}

fn host_names(vmid: u32, section: &Section) -> (String, String) {
    let name = section.get("name").cloned().unwrap_or_else(|| format!("VM{vmid}"));
    let host = name.split('.').next().unwrap_or(&name).to_owned();
    if name.contains('.') {
        return (host, name);
    }
    let domain = section.get("searchdomain").and_then(|list| list.split([' ', ',', ';']).next());
    match domain {
        Some(domain) if !domain.is_empty() => (host, format!("{name}.{domain}")),
        _ => (host, name),
    }
}

fn user_data(vmid: u32, section: &Section) -> String {
    let (host, fqdn) = host_names(vmid, section);
    let mut text =
        format!("#cloud-config\nhostname: {host}\nmanage_etc_hosts: true\nfqdn: {fqdn}\n");
    if let Some(user) = section.get("ciuser") {
        text += &format!("user: {user}\n");
    }
    if let Some(password) = section.get("cipassword") {
        text += &format!("password: {password}\n");
    }
    if let Some(keys) = section.get("sshkeys") {
        let keys = percent_encoding::percent_decode_str(keys).decode_utf8_lossy().into_owned();
        text += "ssh_authorized_keys:\n";
        for key in keys.lines().map(str::trim).filter(|key| !key.is_empty()) {
            text += &format!("  - {key}\n");
        }
    }
    let upgrade = section.get("ciupgrade").is_none_or(|value| value == "1");
    text += "chpasswd:\n  expire: False\nusers:\n  - default\n";
    text += &format!("package_upgrade: {upgrade}\n");
    text
}

fn network_config(section: &Section) -> String {
    let mut text = "version: 1\nconfig:\n".to_owned();
    for index in 0..32 {
        let option = format!("net{index}");
        let Some(net) = section.get(&option).and_then(|net| Network::parse(&option, net).ok())
        else {
            continue;
        };
        let mac = net.get("macaddr").unwrap_or_default().to_lowercase();
        let _ = write!(
            text,
            "    - type: physical\n      name: eth{index}\n      mac_address: '{mac}'\n"
        );
        let option = format!("ipconfig{index}");
        let ip = section
            .get(&option)
            .and_then(|value| options::IPCONFIG.parse(value, &option).ok())
            .unwrap_or_default();
        let get = |key: &str| ip.get(key).map(String::as_str);
        let subnets = subnets(get("ip"), get("gw"), get("ip6"), get("gw6"));
        if !subnets.is_empty() {
            text += "      subnets:\n";
            text += &subnets;
        }
    }
    let words = |option: &str| -> Vec<&str> {
        section
            .get(option)
            .map(|list| list.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect())
            .unwrap_or_default()
    };
    let (servers, domains) = (words("nameserver"), words("searchdomain"));
    if !servers.is_empty() || !domains.is_empty() {
        text += "    - type: nameserver\n";
        for (title, list) in [("address", servers), ("search", domains)] {
            if !list.is_empty() {
                let _ = writeln!(text, "      {title}:");
                list.iter().for_each(|word| {
                    let _ = writeln!(text, "      - '{word}'");
                });
            }
        }
    }
    text
}

fn subnets(ip: Option<&str>, gw: Option<&str>, ip6: Option<&str>, gw6: Option<&str>) -> String {
    let mut text = String::new();
    match ip {
        Some("dhcp") => text += "      - type: dhcp4\n",
        Some("manual") | None => {}
        Some(address) => {
            let (address, length) = address.split_once('/').unwrap_or((address, "32"));
            let length: u32 = length.parse().unwrap_or(32);
            let mask = u32::MAX.checked_shl(32 - length.min(32)).unwrap_or(0);
            let mask = std::net::Ipv4Addr::from(mask);
            let _ = write!(
                text,
                "      - type: static\n        address: '{address}'\n        netmask: '{mask}'\n"
            );
            if let Some(gateway) = gw {
                let _ = writeln!(text, "        gateway: '{gateway}'");
            }
        }
    }
    match ip6 {
        Some("dhcp") => text += "      - type: dhcp6\n",
        Some("auto") => text += "      - type: ipv6_slaac\n",
        Some("manual") | None => {}
        Some(address) => {
            let _ = write!(text, "      - type: static6\n        address: '{address}'\n");
            if let Some(gateway) = gw6 {
                let _ = writeln!(text, "        gateway: '{gateway}'");
            }
        }
    }
    text
}

/// Any change of the texts is another instance to the guest.
fn meta_data(user: &str, network: &str) -> String {
    format!("instance-id: {}\n", hex::encode(Sha1::digest(format!("{user}{network}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section() -> Section {
        [
            ("name", "ci1"),
            ("ciuser", "debian"),
            ("cipassword", "secret"),
            ("searchdomain", "example.test"),
            ("nameserver", "192.0.2.1"),
            ("net0", "virtio=BC:24:11:ED:A8:F2,bridge=vmbr0"),
            ("ipconfig0", "ip=192.0.2.60/24,gw=192.0.2.1"),
            ("sshkeys", "ssh-ed25519%20AAAA%20a%40b"),
        ]
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
    }

    #[test]
    fn the_texts_are_those_of_the_real_drive() {
        assert_eq!(
            user_data(210, &section()),
            "#cloud-config\nhostname: ci1\nmanage_etc_hosts: true\nfqdn: ci1.example.test\n\
             user: debian\npassword: secret\nssh_authorized_keys:\n  - ssh-ed25519 AAAA a@b\n\
             chpasswd:\n  expire: False\nusers:\n  - default\npackage_upgrade: true\n"
        );
        assert_eq!(
            network_config(&section()),
            "version: 1\nconfig:\n    - type: physical\n      name: eth0\n      mac_address: \
             'bc:24:11:ed:a8:f2'\n      subnets:\n      - type: static\n        address: \
             '192.0.2.60'\n        netmask: '255.255.255.0'\n        gateway: '192.0.2.1'\n    - \
             type: nameserver\n      address:\n      - '192.0.2.1'\n      search:\n      - \
             'example.test'\n"
        );
    }

    #[test]
    fn a_changed_text_is_another_instance() {
        assert_ne!(meta_data("a", "b"), meta_data("a", "c"));
        assert_eq!(meta_data("a", "b"), meta_data("a", "b"));
    }

    #[test]
    fn a_change_remembers_what_the_drive_was_made_from() {
        let mut config = GuestConfig { current: section(), ..GuestConfig::default() };
        config.set("ide2", "local-lvm:vm-210-cloudinit,media=cdrom");
        record_change(&mut config, "ciuser", Some("debian"), Some("bob"));
        record_change(&mut config, "ciuser", Some("bob"), Some("eve"));
        record_change(&mut config, "net1", None, Some("virtio"));
        assert_eq!(config.cloudinit.get("ciuser").map(String::as_str), Some("debian"));
        assert_eq!(config.cloudinit.get("added").map(String::as_str), Some("net1"));
        record_change(&mut config, "ciuser", Some("eve"), Some("debian"));
        record_change(&mut config, "net1", Some("virtio"), None);
        assert!(config.cloudinit.is_empty());
    }
}
