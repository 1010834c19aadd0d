//! `homelab init fingerprint`: what Proxmox shows, for a person to compare with what its host says.

use crate::{
    adapter::proxmox,
    cli::Global,
    commands::session::{load, wants_json},
    error::{Failure, Kind, Result},
    inventory::{Pins, why_no_https_origin},
    render::{self, output},
};

/// Prints the fingerprint on stdout, and what it is worth on stderr.
pub(super) async fn run(global: &Global, endpoint: Option<String>) -> Result<()> {
    let endpoint = match endpoint {
        Some(endpoint) => match why_no_https_origin(&endpoint) {
            None => endpoint,
            Some(why) => {
                return Err(Failure::new(Kind::Usage, "--endpoint takes https://HOST:PORT")
                    .hint(why)
                    .hint("such as https://192.168.1.10:8006"));
            }
        },
        None if global.config.exists() => load(global, Pins::Optional)?.proxmox.endpoint,
        None => {
            return Err(Failure::new(
                Kind::Usage,
                "there is no inventory that says where Proxmox is",
            )
            .at(&global.config)
            .hint("name it: --endpoint https://192.168.1.10:8006"));
        }
    };
    let shown = proxmox::shown_fingerprint(&endpoint).await?;
    if wants_json(global) {
        return render::document(
            &serde_json::json!({ "endpoint": endpoint, "fingerprint": shown, "verified": false }),
        );
    }
    output::line(&shown)?;
    if global.quiet {
        return Ok(());
    }
    output::say(format_args!(
        "This is what answers at {endpoint}; whoever stands between would be shown here, too.\n\
         Compare it on the Proxmox host:\n\
         \x20 openssl x509 -fingerprint -sha256 -noout -in /etc/pve/local/pve-ssl.pem\n\
         (pveproxy-ssl.pem where that file exists). If it is the same, write it into `proxmox.tls`."
    ));
    Ok(())
}
