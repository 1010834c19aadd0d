//! What runs inside a world: brings everything up, says so, and waits to be told to stop.

use tokio::signal::unix::{SignalKind, signal};

use super::{
    WorldError, environment,
    headscale::Headscale,
    mirror, names,
    place::{Options, Place, read_json, write_json},
    segment,
    supplies::Supplies,
};
use crate::machines::Machines;

/// Runs the world of `place` until SIGTERM or SIGINT.
pub(crate) async fn run(place: &Place) -> Result<(), WorldError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let options: Options = read_json(&place.options())?;
    let supplies: Supplies = read_json(&place.supplies())?;

    segment::mount().await?;
    segment::bridge(options.link_mtu).await?;
    let mut environment = environment::prepare(place, &supplies).await?;
    let _names = names::start(&supplies.coredns, &place.folder.join("names")).await?;
    mirror::start(supplies.content()).await?;
    tracing::info!("name server and mirror answer");
    let headscale = Headscale::start(&supplies.headscale, &place.folder.join("headscale")).await?;
    environment.set_secret("HEADSCALE_API_KEY", &headscale.api_key)?;
    tracing::info!("headscale answers");
    let machines = Machines::new(&place.folder.join("machines"), &place.cgroup());

    write_json(&place.ready(), &environment)?;
    tracing::info!("the world is up");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("taking the world down");
    machines.kill_all().await;
    Ok(())
}
