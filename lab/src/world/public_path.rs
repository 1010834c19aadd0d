//! The public path's outer end: the lab's edge of the internet, on the gateway.

use camino::Utf8Path;
use tokio::process::Command;

use super::{
    WorldError,
    environment::Environment,
    headscale,
    place::{Place, write},
    segment::{FILES, GATEWAY},
    service::Service,
};

const VISITORS: u16 = 443;
const TUNNELS: u16 = 7844;
/// Where the private path's proxies have their certificates signed.
const AUTHORITY: u16 = 8555;
/// Where Cloudflare's API is, once something in the world stands in for it.
const API: &str = "HOMELAB_LAB_CLOUDFLARE_URL";
/// What the edge knows before anybody told it anything.
const NOTHING: &str = r#"{"zones": [], "names": {}, "tunnels": {}}"#;

/// Answers for as long as it is kept.
#[derive(Debug)]
pub(crate) struct Edge {
    _service: Service,
}

/// Starts the edge and tells the commands in the world whom to trust there.
pub(crate) async fn start(
    program: &Utf8Path,
    place: &Place,
    environment: &mut Environment,
) -> Result<Edge, WorldError> {
    let folder = place.folder.join("edge");
    fs_err::create_dir_all(&folder)?;
    let authority = Utf8Path::new(FILES).join("edge-ca.pem");
    let mut command = Command::new(program);
    for (flag, port) in [("-visitors", VISITORS), ("-tunnels", TUNNELS), ("-authority", AUTHORITY)]
    {
        command.args([flag, &format!("{GATEWAY}:{port}")]);
    }
    command.args(["-ca", authority.as_str(), "-tailnet", headscale::DOMAIN]);
    command.args(["-headscale", &format!("http://{GATEWAY}:{}", headscale::PORT)]);
    let api = environment.get(API).to_owned();
    if api.is_empty() {
        let routes = folder.join("routes.json");
        write(&routes, NOTHING)?;
        command.args(["-routes", routes.as_str()]);
        environment.set("HOMELAB_LAB_EDGE_ROUTES", routes);
    } else {
        command.args(["-api", &api]);
        command.env("CLOUDFLARE_API_TOKEN", environment.get("CLOUDFLARE_API_TOKEN"));
    }
    let mut service = Service::spawn("edge", command, &folder)?;
    service.listening(&format!("{GATEWAY}:{VISITORS}")).await?;
    environment.set("HOMELAB_LAB_EDGE_CA_FILE", authority);
    environment.set("HOMELAB_LAB_EDGE", format!("{GATEWAY}:{VISITORS}"));
    Ok(Edge { _service: service })
}
