//! Cloudflare's API for a world: the stand-in on the gateway, over plain HTTP.

use super::{WorldError, environment::Environment, segment::GATEWAY};
use crate::cloudflare::{self, Permission, Running, Site};

const PORT: u16 = 8787;
/// The same in every world, so that an inventory can name it.
const ACCOUNT: &str = "00000000000000000000000000001ab0";
const ZONE: &str = "lab.example";

/// Starts it, with a token that may do what homelab asks for.
pub(super) async fn start(environment: &mut Environment) -> Result<Running, WorldError> {
    let site = Site { account: ACCOUNT.to_owned(), zone: ZONE.to_owned() };
    let gateway: std::net::Ipv4Addr = GATEWAY.parse().expect("the gateway is an IPv4 address");
    let running = cloudflare::start((gateway, PORT).into(), &site).await?;
    environment.set_secret("CLOUDFLARE_API_TOKEN", &running.token(&Permission::ENOUGH))?;
    environment.set("HOMELAB_LAB_CLOUDFLARE_URL", running.endpoint());
    environment.set("HOMELAB_LAB_CLOUDFLARE_CONTROL", running.control());
    environment.set("HOMELAB_LAB_CLOUDFLARE_ACCOUNT", ACCOUNT);
    environment.set("HOMELAB_LAB_CLOUDFLARE_ZONE", ZONE);
    environment.set("HOMELAB_LAB_CLOUDFLARE_ZONE_ID", running.zone());
    Ok(running)
}
