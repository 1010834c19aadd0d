//! The tailnet: MTUs that hold, and an environment that does not undo them.

use crate::inventory::{
    file::{ControlFile, InventoryFile, MtuFile, OverlayFile},
    mtu,
    path::FieldPath,
    report::Report,
    resolve::smallest_link,
};

/// What the program sets itself, and the field that says it.
const OWN_ENVIRONMENT: &[(&str, &str)] = &[
    ("TS_DEBUG_MTU", "say it with `tailnet.mtu`"),
    ("TS_AUTHKEY", "the key is made for each join; name its source under `tailnet.control`"),
    ("TS_AUTH_KEY", "the key is made for each join; name its source under `tailnet.control`"),
];

pub(super) fn check(file: &InventoryFile, report: &mut Report<'_>) {
    mtus(file, report);
    let environment = FieldPath::dotted("tailnet.environment");
    for (name, why) in OWN_ENVIRONMENT {
        if file.tailnet.environment.contains_key(*name) {
            report.fault_of_key(
                &environment.key(*name),
                format!("`{name}` is the program's own"),
                (*why).to_owned(),
            );
        }
    }
    for (name, value) in &file.tailnet.environment {
        // systemd reads the file line by line.
        if value.contains(['\n', '\r', '\0']) {
            report.fault(&environment.key(name), format!("`{name}` has more than one line"), None);
        }
    }
    if let ControlFile::Headscale(control) = &file.tailnet.control {
        clear_text(&control.login_server, report);
    }
}

/// Whether a secret that goes to this address can be read by whoever stands between: plain HTTP that leaves
/// loopback and the LAN.
pub(super) fn is_overheard(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let near = host
        .parse::<std::net::Ipv4Addr>()
        .is_ok_and(|address| address.is_private() || address.is_loopback());
    !near && host != "localhost"
}

fn clear_text(login_server: &str, report: &mut Report<'_>) {
    if is_overheard(login_server) {
        report.warn(
            &FieldPath::dotted("tailnet.control.headscale.login_server"),
            "the API key goes to this server in clear text",
            "serve Headscale by https://".to_owned(),
        );
    }
}

fn mtus(file: &InventoryFile, report: &mut Report<'_>) {
    let link = smallest_link(file);
    let planned = mtu::planned(link, file.tailnet.mtu);
    let asked = FieldPath::dotted("tailnet.mtu");
    let lan = FieldPath::dotted("network.mtu");
    let path = match file.tailnet.mtu {
        MtuFile::Bytes(_) => &asked,
        MtuFile::Auto => &lan,
    };
    let most = link.saturating_sub(mtu::OVER_IPV4);
    if planned > most {
        return report.fault(
            path,
            format!(
                "tailscale0 at {planned} needs links of {}; the smallest has {link}: TCP would stand still",
                planned + mtu::OVER_IPV4
            ),
            (file.tailnet.mtu != MtuFile::Auto)
                .then(|| format!("write `auto`, which is {} here", mtu::planned(link, MtuFile::Auto))),
        );
    }
    if planned > link.saturating_sub(mtu::OVER_IPV6) {
        report.warn(
            path,
            format!(
                "tailscale0 at {planned} fits links of {link} over IPv4 alone; over IPv6 it needs {}",
                planned + mtu::OVER_IPV6
            ),
            None,
        );
    }
    if file.k3s.overlay != OverlayFile::Tailscale {
        return;
    }
    let pods = planned.saturating_sub(mtu::VXLAN);
    if pods < mtu::PODS_OVER_IPV4 {
        report.warn(
            path,
            format!(
                "pods get an MTU of {pods}; Tailscale's proxies among them need {}: their TCP would \
                 stand still",
                mtu::PODS_OVER_IPV4
            ),
            format!(
                "tailscale0 at {} or more does it, on links of {}",
                mtu::PODS_OVER_IPV4 + mtu::VXLAN,
                mtu::PODS_OVER_IPV4 + mtu::VXLAN + mtu::OVER_IPV4
            ),
        );
    } else if pods < mtu::PODS_OVER_IPV6 {
        report.warn(
            path,
            format!(
                "pods get an MTU of {pods}; with the tailnet over IPv6, Tailscale's proxies among \
                 them need {}",
                mtu::PODS_OVER_IPV6
            ),
            None,
        );
    }
}
