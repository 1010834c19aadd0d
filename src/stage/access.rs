//! Who may reach a node from the LAN: closed only while something opens it again by itself.

use std::time::Duration;

use serde_json::json;

use super::{
    Outcome,
    check::{Check, expect},
    files::ManagedFile,
    paths,
    run::run,
};
use crate::{
    engine::StepContext,
    error::{Failure, Kind, Result},
    inventory::desired::{Desired, Exposure},
    model::NodeName,
    plan::probe::HostProbe,
    ports::{Connector, Host, World},
    script::Script,
    template,
};

const UNIT: &str = "homelab-exposure.service";

/// How long the LAN side stays closed without a confirmation.
pub const ROLLBACK: Duration = Duration::from_secs(180);

/// Our files that close the LAN side.
pub fn files(desired: &Desired) -> Result<Vec<ManagedFile>> {
    let port = json!({ "ssh_port": desired.access.port });
    Ok(vec![
        ManagedFile::rendered(paths::EXPOSURE, "0644", "files/exposure.nft", port)?,
        ManagedFile::rendered(
            paths::EXPOSURE_UNIT,
            "0644",
            "files/homelab-exposure.service",
            json!({}),
        )?,
    ])
}

pub(crate) fn close_script(desired: &Desired) -> Result<Script> {
    let context = json!({ "files": files(desired)?, "seconds": ROLLBACK.as_secs() });
    template::script("access/close-lan.sh", context)
}

/// Closes SSH and 6443 on the LAN side for [`ROLLBACK`]. Connections that are open stay open: connect
/// anew, by the tailnet address, and [`confirm`] on that connection.
pub async fn close(host: &impl Host, desired: &Desired) -> Result<()> {
    run(host, &close_script(desired)?).await.map(drop)
}

/// Keeps the LAN side closed. Fails when it is open again.
pub async fn confirm(host: &impl Host) -> Result<()> {
    run(host, &template::script("access/confirm-lan-closed.sh", json!({}))?).await.map(drop)
}

pub(crate) fn open_script() -> Result<Script> {
    let context = json!({ "unit": paths::EXPOSURE_UNIT, "ruleset": paths::EXPOSURE });
    template::script("access/open-lan.sh", context)
}

/// Opens the LAN side.
pub async fn open(host: &impl Host) -> Result<()> {
    run(host, &open_script()?).await.map(drop)
}

/// Whether SSH and the Kubernetes API are closed on the LAN side, for good.
pub fn lan_is_closed(probe: &HostProbe) -> bool {
    probe.exposure_filter && probe.unit(UNIT).is_enabled()
}

/// Whether anything of ours closes the LAN side, or will at the next boot.
pub fn lan_is_held(probe: &HostProbe) -> bool {
    probe.exposure_filter || probe.unit(UNIT).is_enabled()
}

/// Judges a node: closed or open on the LAN side, as the inventory says.
pub fn check(desired: &Desired, node: &NodeName, probe: &HostProbe) -> Check {
    let (title, holds, cause) = match desired.access.exposure {
        Exposure::Tailnet => (
            "SSH and 6443 are closed on the LAN side",
            lan_is_closed(probe),
            if lan_is_held(probe) {
                "only until the next boot, or only from then on"
            } else {
                "they are open"
            },
        ),
        Exposure::Lan => (
            "SSH and 6443 are open on the LAN side",
            !lan_is_held(probe),
            "a rule of ours closes them, though the inventory wants them open",
        ),
    };
    Check::of("access/lan", node.clone(), title, expect(holds, cause, "run `homelab up`"))
}

/// Opens what an earlier inventory had closed.
pub async fn open_again<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<Outcome> {
    open(&context.run.host(node).await?).await?;
    Ok(Outcome::Done)
}

/// Closes SSH and 6443 on the LAN side, with a timer that opens them again unless contact over the
/// tailnet is confirmed.
pub async fn expose<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<Outcome> {
    let run = &context.run;
    let host = run.host(node).await?;
    let probe = run.probe(node).await?;
    let address = probe.tailnet_ipv4().ok_or_else(|| {
        Failure::new(Kind::Tailnet, "it has no tailnet address to be reached at").at(node)
    })?;
    close(&host, &run.desired).await?;
    let mut target = run.target(node)?;
    target.addresses = vec![address.into()];
    let confirmed = run.world.connector().connect(&target).await.map_err(|error| {
        Failure::from(error).hint(
            "this machine must be in the tailnet; the LAN side opens again by itself within minutes",
        )
    })?;
    confirm(&confirmed).await?;
    confirmed.close().await;
    Ok(Outcome::Done)
}
