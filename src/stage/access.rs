//! Who may reach a node from the LAN: closed only while something opens it again by itself.

use std::time::Duration;

use serde_json::json;

use super::{Outcome, files::ManagedFile, paths, run::run};
use crate::{
    engine::StepContext,
    error::{Failure, Kind, Result},
    inventory::desired::Desired,
    model::NodeName,
    ports::{Connector, Host, World},
    script::Script,
    template,
};

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
    let mut target = run
        .target(node)
        .ok_or_else(|| Failure::new(Kind::Ssh, "its host key is not known").at(node))?;
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
