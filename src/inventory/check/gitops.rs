//! The GitOps tree: whether each component has what it stands on.

use std::net::Ipv4Addr;

use super::tailnet;
use crate::inventory::{
    file::{ControlFile, GitopsFile, InventoryFile, Way},
    path::FieldPath,
    report::Report,
    scalar::AddressRange,
};

pub(super) fn check(file: &InventoryFile, report: &mut Report<'_>) {
    let section = FieldPath::dotted("gitops");
    let Some(gitops) = &file.gitops else { return };
    let check = Check { file, gitops, section };
    check.written_without_value(report);
    check.foundations(report);
    check.public_path(report);
    check.private_path(report);
    check.databases(report);
    check.addresses(report);
    check.mail(report);
}

/// A component's field and whether it is on.
type Component = (&'static str, fn(&GitopsFile) -> bool);

const COMPONENTS: &[Component] = &[
    ("cert_manager", |gitops| gitops.cert_manager.is_some()),
    ("metallb", |gitops| gitops.metallb.is_some()),
    ("cloudnative_pg", |gitops| gitops.cloudnative_pg.is_some()),
    ("tailscale_operator", |gitops| gitops.tailscale_operator.is_some()),
    ("traefik", |gitops| gitops.traefik.is_some()),
    ("cloudflared", |gitops| gitops.cloudflared.is_some()),
    ("authentik", |gitops| gitops.authentik.is_some()),
    ("monitoring", |gitops| gitops.monitoring.is_some()),
    ("jellyfin", |gitops| gitops.jellyfin.is_some()),
    ("stalwart", |gitops| gitops.stalwart.is_some()),
    ("longhorn_ui", |gitops| gitops.longhorn_ui.is_some()),
    ("reloader", |gitops| gitops.reloader.is_some()),
];

/// What keeps data, and so needs a StorageClass.
const KEEPERS: &[&str] = &["authentik", "monitoring", "jellyfin", "stalwart", "longhorn_ui"];

struct Check<'a> {
    file: &'a InventoryFile,
    gitops: &'a GitopsFile,
    section: FieldPath,
}

impl Check<'_> {
    fn is_on(&self, component: &str) -> bool {
        COMPONENTS.iter().any(|(name, is_on)| *name == component && is_on(self.gitops))
    }

    /// One component stands on another.
    fn needs(&self, component: &str, other: &str, why: &str, write: &str, report: &mut Report<'_>) {
        if self.is_on(component) && !self.is_on(other) {
            report.fault(
                &self.section.key(component),
                format!("`{component}` needs `{other}`: {why}"),
                format!("write `{write}` under `gitops`, or take `{component}` out"),
            );
        }
    }

    /// `reloader:` alone is null, and would silently be off.
    fn written_without_value(&self, report: &mut Report<'_>) {
        for (name, is_on) in COMPONENTS {
            let path = self.section.key(*name);
            if !is_on(self.gitops) && report.is_written(&path) {
                report.fault(
                    &path,
                    format!("`gitops.{name}` has no value, so that it is off"),
                    format!("write `{name}: {{}}` to have it, or take the line out"),
                );
            }
        }
    }

    fn foundations(&self, report: &mut Report<'_>) {
        if self.file.flux.is_none() {
            report.fault(
                &self.section,
                "the tree needs to know its repository, and there is no `flux`",
                "write `flux` with `url`, `path` and `credentials`".to_owned(),
            );
        }
        if self.file.longhorn.is_none()
            && let Some(name) = KEEPERS.iter().find(|name| self.is_on(name))
        {
            report.fault(
                &self.section.key(*name),
                format!(
                    "`{name}` keeps its data on Longhorn's volumes, and there is no `longhorn`"
                ),
                "write `longhorn: {}`".to_owned(),
            );
        }
        if self.gitops.cert_manager.as_ref().is_some_and(|one| one.cloudflare_api_token.is_some())
            && self.gitops.email.is_none()
        {
            report.fault(
                &self.section.key("cert_manager").key("cloudflare_api_token"),
                "a certificate authority wants an address to write to, and there is no `email`",
                "write `email: you@example.org` under `gitops`".to_owned(),
            );
        }
    }

    fn public_path(&self, report: &mut Report<'_>) {
        if self.is_on("traefik") && self.disabled("traefik") {
            report.fault(
                &self.section.key("traefik"),
                "this tunes k3s's own Traefik, and `k3s.disable` leaves it out",
                "take `traefik` out of `k3s.disable`".to_owned(),
            );
        }
        self.needs(
            "cloudflared",
            "traefik",
            "the tunnel ends there, and it has to trust what the tunnel says of a request",
            "traefik: {}",
            report,
        );
        self.needs(
            "authentik",
            "traefik",
            "its ForwardAuth middleware is Traefik's",
            "traefik: {}",
            report,
        );
        if self.is_on("authentik") && self.gitops.domain.is_none() {
            report.fault(
                &self.section.key("authentik"),
                "Authentik signs people in at a public name, and there is no `domain`",
                "write `domain: example.org` under `gitops`".to_owned(),
            );
        }
        self.tunnel(report);
        for (name, path) in self.on_way(Way::Public) {
            let asked = match (name, &self.gitops.jellyfin) {
                ("jellyfin", Some(jellyfin)) => jellyfin.forward_auth,
                _ => true,
            };
            let tunnel = ("cloudflared", "the public path comes in by its tunnel");
            let word = ("authentik", "nothing is public without its word");
            for (other, why) in [Some(tunnel), asked.then_some(word)].into_iter().flatten() {
                if !self.is_on(other) {
                    report.fault(
                        &path,
                        format!("a public `{name}` needs `{other}`: {why}"),
                        format!("write `{other}` under `gitops`, or `ways: [private]`"),
                    );
                }
            }
        }
    }

    /// A tunnel that was made by hand, or the API that makes it: one of them.
    fn tunnel(&self, report: &mut Report<'_>) {
        let Some(tunnel) = &self.gitops.cloudflared else { return };
        let path = self.section.key("cloudflared");
        let cloudflare = match (&tunnel.tunnel_token, &tunnel.cloudflare) {
            (None, None) => {
                return report.fault(
                    &path,
                    "nothing says which tunnel it is: neither `tunnel_token` nor `cloudflare` is written",
                    "write `cloudflare` with `account_id` and `api_token`, or the `tunnel_token` of a \
                     tunnel that was made by hand"
                        .to_owned(),
                );
            }
            (Some(_), Some(_)) => {
                return report.fault(
                    &path.key("tunnel_token"),
                    "a tunnel is made by hand or through the API, and both are written",
                    "take `tunnel_token` out, or `cloudflare`".to_owned(),
                );
            }
            (Some(_), None) => return,
            (None, Some(cloudflare)) => cloudflare,
        };
        let path = path.key("cloudflare");
        if tailnet::is_overheard(&cloudflare.endpoint) {
            report.fault(
                &path.key("endpoint"),
                "the API token would go to this address in clear text",
                "write `https://`; plain HTTP is for loopback and the LAN alone".to_owned(),
            );
        }
        let Some(domain) = &self.gitops.domain else {
            return report.fault(
                &path,
                "its names lie below a domain, and there is no `domain`",
                "write `domain: example.org` under `gitops`".to_owned(),
            );
        };
        let Some(zone) = cloudflare.zone.as_ref().filter(|zone| *zone != domain) else { return };
        if domain.ends_with(&format!(".{zone}")) {
            report.warn(
                &path.key("zone"),
                format!("Cloudflare's free certificate covers `*.{zone}`, not `*.{domain}`"),
                format!("order an advanced certificate for it, or write `domain: {zone}`"),
            );
        } else {
            report.fault(
                &path.key("zone"),
                format!("`{domain}` does not lie in the zone `{zone}`"),
                format!("write `zone: {domain}`, or another `gitops.domain`"),
            );
        }
    }

    fn private_path(&self, report: &mut Report<'_>) {
        let mut private = self.on_way(Way::Private);
        if self.is_on("longhorn_ui") {
            private.push(("longhorn_ui", self.section.key("longhorn_ui")));
        }
        for (name, path) in private {
            if !self.is_on("tailscale_operator") {
                report.fault(
                    &path,
                    format!("a private `{name}` needs `tailscale_operator`: it makes the way in"),
                    "write `tailscale_operator` with its `oauth` under `gitops`".to_owned(),
                );
            } else if self.gitops.tailnet_domain.is_none() {
                report.fault(
                    &path,
                    format!("a private `{name}` has a name of the tailnet, and there is no `tailnet_domain`"),
                    "write `tailnet_domain: NAME.ts.net` under `gitops`; the admin console shows it under DNS"
                        .to_owned(),
                );
            }
        }
        let elsewhere =
            self.gitops.tailscale_operator.as_ref().filter(|one| one.login_server.is_none());
        if elsewhere.is_some() && !matches!(self.file.tailnet.control, ControlFile::Tailscale(_)) {
            report.fault(
                &self.section.key("tailscale_operator"),
                "Tailscale's operator works with Tailscale's own service, or another that speaks its API",
                "take it out, with the private ways; or use `tailnet.control.tailscale`; or write \
                 `login_server`, where one speaks Tailscale's API for this tailnet"
                    .to_owned(),
            );
        }
    }

    /// The apps that are reached by a way, with where that is written.
    fn on_way(&self, way: Way) -> Vec<(&'static str, FieldPath)> {
        let ways = [
            ("monitoring", self.gitops.monitoring.as_ref().map(|one| &one.ways)),
            ("jellyfin", self.gitops.jellyfin.as_ref().map(|one| &one.ways)),
        ];
        ways.into_iter()
            .filter(|(_, ways)| ways.is_some_and(|ways| ways.contains(&way)))
            .map(|(name, _)| (name, self.section.key(name)))
            .collect()
    }

    fn databases(&self, report: &mut Report<'_>) {
        self.needs(
            "authentik",
            "cloudnative_pg",
            "its database is there",
            "cloudnative_pg: {}",
            report,
        );
        let Some(databases) = &self.gitops.cloudnative_pg else { return };
        let path = self.section.key("cloudnative_pg");
        let Some(backup) = &databases.backup else {
            report.warn(
                &path,
                "the databases are backed up nowhere: `backup` is not written",
                None,
            );
            return;
        };
        if backup.retention_days == 0 {
            report.fault(
                &path.key("backup").key("retention_days"),
                "a backup that is kept no day is none",
                "write `retention_days: 30`".to_owned(),
            );
        }
        if !self.is_on("cert_manager") {
            report.fault(
                &path.key("backup"),
                "the plugin that makes the backups needs `cert_manager`: it speaks TLS with the operator",
                "write `cert_manager: {}` under `gitops`".to_owned(),
            );
        }
    }

    fn addresses(&self, report: &mut Report<'_>) {
        let Some(metallb) = &self.gitops.metallb else { return };
        let path = self.section.key("metallb");
        if !self.disabled("servicelb") {
            report.fault(
                &path,
                "two load balancers would answer for the same Services: MetalLB and k3s's ServiceLB",
                "add `servicelb` to `k3s.disable`".to_owned(),
            );
        }
        let lan = self.file.network.cidr.trunc();
        for (index, text) in metallb.addresses.iter().enumerate() {
            let Ok(range) = text.parse::<AddressRange>() else { continue };
            let place = path.key("addresses").index(index);
            if !lan.contains(&range.first) || !lan.contains(&range.last) {
                report.fault(
                    &place,
                    format!("{text} is not in the LAN {lan}: nobody there would ask for it"),
                    None,
                );
            }
            for (address, whose) in self.taken() {
                if range.contains(address) {
                    report.fault(&place, format!("{text} holds {address}, which is {whose}"), None);
                }
            }
        }
    }

    /// Addresses of the LAN that are somebody's.
    fn taken(&self) -> Vec<(Ipv4Addr, String)> {
        let nodes =
            self.file.nodes.iter().map(|(name, node)| (node.address, format!("`{name}`'s")));
        nodes.chain([(self.file.network.gateway, "the gateway's".to_owned())]).collect()
    }

    fn mail(&self, report: &mut Report<'_>) {
        let Some(stalwart) = &self.gitops.stalwart else { return };
        let path = self.section.key("stalwart");
        if !self.is_on("metallb") && self.disabled("servicelb") {
            report.fault(
                &path,
                "mail comes to an address of the LAN, and nothing gives one: no `metallb`, and \
                 `k3s.disable` leaves ServiceLB out",
                "write `metallb` with `addresses` under `gitops`".to_owned(),
            );
        }
        if self.gitops.domain.is_none() {
            report.fault(
                &path,
                "a mail server is named below a domain, and there is no `domain`",
                "write `domain: example.org` under `gitops`".to_owned(),
            );
        }
        let (Some(address), Some(metallb)) = (stalwart.address, &self.gitops.metallb) else {
            return;
        };
        let ranges: Vec<AddressRange> =
            metallb.addresses.iter().filter_map(|text| text.parse().ok()).collect();
        if !ranges.iter().any(|range| range.contains(address)) {
            report.fault(
                &path.key("address"),
                format!("{address} is none of MetalLB's addresses"),
                format!("write one of {}", metallb.addresses.join(", ")),
            );
        }
    }

    fn disabled(&self, component: &str) -> bool {
        self.file.k3s.disable.iter().any(|one| one.name() == component)
    }
}
