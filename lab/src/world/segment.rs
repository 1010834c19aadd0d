//! The world's view of files and its one network: a bridge with the gateway's address.

use camino::Utf8Path;

use super::WorldError;
use crate::machines::run;

/// The lab's LAN: a /24 whose first address is the gateway, Proxmox host, name server and mirror.
pub(crate) const GATEWAY: &str = "10.79.0.1";
pub(crate) const BRIDGE: &str = "vmbr0";
/// The names that the lab's name server knows, all at [`GATEWAY`].
pub(crate) const NAMES: [&str; 4] =
    ["gateway.lab.test", "pve1.lab.test", "headscale.lab.test", "mirror.lab.test"];
/// Names of the internet that something on the gateway stands in for: where tunnels lead to.
pub(crate) const STOOD_IN_FOR: [&str; 2] =
    ["region1.v2.argotunnel.com", "region2.v2.argotunnel.com"];
/// The world's files, at the same path in every world: `/run` is the world's own.
pub(crate) const FILES: &str = "/run/homelab-lab";

/// Gives the world a `/run` of its own and the lab's name server.
pub(crate) async fn mount() -> Result<(), WorldError> {
    // Where /etc/resolv.conf leads must be asked before /run is covered.
    let resolver = fs_err::canonicalize("/etc/resolv.conf").ok();
    run("mount", &["-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run"]).await?;
    for folder in [FILES, "/run/lock", "/run/systemd"] {
        fs_err::create_dir_all(folder)?;
    }
    let files = Utf8Path::new(FILES);
    let own_resolver = files.join("resolv.conf");
    fs_err::write(&own_resolver, format!("nameserver {GATEWAY}\n"))?;
    if let Some(resolver) = resolver.and_then(|path| path.into_os_string().into_string().ok()) {
        if let Some(folder) = Utf8Path::new(&resolver).parent() {
            fs_err::create_dir_all(folder)?;
        }
        fs_err::OpenOptions::new().create(true).append(true).open(&resolver)?;
        run("mount", &["--bind", own_resolver.as_str(), &resolver]).await?;
    }
    let hosts = files.join("hosts");
    fs_err::write(
        &hosts,
        format!("127.0.0.1 localhost\n::1 localhost\n{GATEWAY} {}\n", NAMES.join(" ")),
    )?;
    run("mount", &["--bind", hosts.as_str(), "/etc/hosts"]).await?;
    Ok(())
}

/// Brings the bridge up.
pub(crate) async fn bridge(mtu: u16) -> Result<(), WorldError> {
    let (mtu, address) = (mtu.to_string(), format!("{GATEWAY}/24"));
    run("ip", &["link", "set", "lo", "up"]).await?;
    // Ports forward at once: nobody can build a loop here.
    let bridge = ["link", "add", BRIDGE, "mtu", &mtu, "type", "bridge", "forward_delay", "0"];
    run("ip", &bridge).await?;
    // Set again: until then the bridge takes on the smallest MTU of its ports.
    run("ip", &["link", "set", BRIDGE, "mtu", &mtu]).await?;
    run("ip", &["address", "add", &address, "dev", BRIDGE]).await?;
    run("ip", &["link", "set", BRIDGE, "up"]).await?;
    Ok(())
}
