//! What runs inside a world: brings everything up, says so, and waits to be told to stop.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::{
    WorldError,
    environment::{self, Environment},
    gitops::{self, GitOps},
    headscale::{self, Headscale},
    mirror, names,
    place::{Options, Place, read_json, write_json},
    proxmox::Proxmox,
    segment,
    service::Service,
    supplies::{Services, Supplies},
};
use crate::{hypervisor::Hypervisor, machines::Machines};

/// Runs the world of `place` until SIGTERM or SIGINT.
pub(crate) async fn run(place: &Place) -> Result<(), WorldError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let options: Options = read_json(&place.options())?;
    let supplies: Supplies = read_json(&place.supplies())?;

    segment::mount().await?;
    segment::bridge(options.link_mtu).await?;
    let mut environment = environment::prepare(place, &supplies).await?;
    mirror::start(supplies.content()).await?;
    let machines = Machines::new(&place.folder.join("machines"), &place.cgroup());
    let running = match &supplies.services {
        Some(services) => {
            Some(start_services(place, services, &machines, &options, &mut environment).await?)
        }
        None => None,
    };

    write_json(&place.ready(), &environment)?;
    tracing::info!("the world is up");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("taking the world down");
    machines.kill_all().await;
    drop(running);
    Ok(())
}

/// Services run for as long as this is kept.
type Running = (Service, Headscale, Proxmox, Option<GitOps>);

async fn start_services(
    place: &Place,
    services: &Services,
    machines: &Arc<Machines>,
    options: &Options,
    environment: &mut Environment,
) -> Result<Running, WorldError> {
    let names = names::start(&services.coredns, &place.folder.join("names")).await?;
    tracing::info!("name server and mirror answer");
    let headscale = Headscale::start(&services.headscale, &place.folder.join("headscale")).await?;
    environment.set_secret("HEADSCALE_API_KEY", &headscale.api_key)?;
    environment.set("HEADSCALE_URL", format!("http://{}:{}", segment::GATEWAY, headscale::PORT));
    environment.set("HEADSCALE_USER", headscale::USER);
    tracing::info!("headscale answers");
    let hypervisor: Arc<dyn Hypervisor> = Arc::<Machines>::clone(machines);
    let proxmox = Proxmox::start(&place.folder.join("pve"), hypervisor, options.link_mtu).await?;
    environment.set_secret("PROXMOX_VE_API_TOKEN", &proxmox.token)?;
    environment.set("PROXMOX_VE_ENDPOINT", proxmox.server.endpoint());
    environment.set("PROXMOX_VE_CA_FILE", format!("{}/pve-root-ca.pem", segment::FILES));
    environment.set("HOMELAB_LAB_CONTROL", proxmox.server.control());
    tracing::info!("the emulated Proxmox VE answers");
    let gitops = match &services.gitops {
        Some(supplies) => Some(gitops::start(place, supplies, environment).await?),
        None => None,
    };
    Ok((names, headscale, proxmox, gitops))
}
