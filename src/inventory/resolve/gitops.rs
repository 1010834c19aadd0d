//! What the GitOps tree is made of.

use super::Context;
use crate::inventory::{
    authority,
    desired::STORAGE_LABEL,
    desired::{
        Authentik, CertManager, Cloudflare, Cloudflared, CloudnativePg, DatabaseBackup,
        DatastoreBackup, Flux, GitAccess, Gitops, Jellyfin, Longhorn, Metallb, Monitoring, Node,
        ObjectStore, Outside, RecurringJob, SecretStore, Stalwart, TailscaleOperator, Traefik,
        Tunnel,
    },
    file::{
        CloudflaredFile, GitCredentials, GitopsFile, InventoryFile, LonghornFile, RoleFile,
        S3Credentials, SecretsFile,
    },
    git_host,
    path::FieldPath,
    report::Report,
    versions,
};
use crate::named_file;

pub(super) fn longhorn(file: &InventoryFile, context: &Context<'_>) -> Option<Longhorn> {
    let longhorn = file.longhorn.as_ref()?;
    let backup = longhorn.backup.as_ref().map(|backup| {
        // Two clusters may share a bucket, but never a folder of it.
        let prefix = match &backup.prefix {
            Some(prefix) => trimmed(prefix),
            None => format!("longhorn/{}", file.cluster.name),
        };
        let place = (backup.url.as_deref(), &*backup.bucket, &*backup.region);
        store(place, prefix, &backup.credentials, context)
    });
    let jobs = longhorn.recurring_jobs.iter().map(|(name, job)| {
        let job = RecurringJob {
            task: job.task,
            cron: job.cron.clone(),
            retain: job.retain,
            groups: job.groups.clone(),
        };
        (name.clone(), job)
    });
    Some(Longhorn {
        replicas: longhorn.replicas,
        default_class: longhorn.default_class,
        trial_image: longhorn.trial_image.clone(),
        backup,
        recurring_jobs: jobs.collect(),
    })
}

/// `Err` where a fault was told that leaves a gap.
pub(super) fn datastore(
    file: &InventoryFile,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Result<Option<DatastoreBackup>, ()> {
    let Some(backup) = &file.k3s.datastore_backup else { return Ok(None) };
    let prefix = match &backup.prefix {
        Some(prefix) => trimmed(prefix),
        None => format!("k3s/{}", file.cluster.name),
    };
    let place = (backup.url.as_deref(), &*backup.bucket, &*backup.region);
    let mut store = store(place, prefix, &backup.credentials, context);
    if let Some(path) = &backup.ca_file {
        let path = context.path(path);
        let read = authority::read(&path).and_then(|_| {
            let bytes = named_file::bytes(&path, named_file::KEY);
            let bytes = bytes.map_err(|error| format!("the CA file can't be read: {error}"))?;
            String::from_utf8(bytes).map_err(|_| format!("{path} is no text"))
        });
        match read {
            Ok(pem) => store.authority = Some(pem),
            Err(message) => {
                let help =
                    "name the PEM file of the authority that signed the endpoint's certificate";
                let place = FieldPath::dotted("k3s.datastore_backup.ca_file");
                report.fault(&place, message, help.to_owned());
                return Err(());
            }
        }
    }
    Ok(Some(DatastoreBackup { store, schedule: backup.schedule.clone(), retain: backup.retain }))
}

/// Labels the nodes that hold copies, where the inventory does not say otherwise itself.
pub(super) fn label_storage_nodes(file: &InventoryFile, nodes: &mut [Node]) {
    let (Some(longhorn), Some(_)) = (&file.longhorn, &file.gitops) else { return };
    for node in nodes {
        if holds_copies(file, longhorn, node.name.as_str()) {
            node.labels.entry(STORAGE_LABEL.to_owned()).or_insert_with(|| "true".to_owned());
        }
    }
}

fn holds_copies(file: &InventoryFile, longhorn: &LonghornFile, name: &str) -> bool {
    if !longhorn.nodes.is_empty() {
        return longhorn.nodes.iter().any(|node| node == name);
    }
    let is_agent = |node: &str| file.nodes.get(node).is_some_and(|it| it.role == RoleFile::Agent);
    is_agent(name) || !file.nodes.keys().any(|node| is_agent(node))
}

pub(super) fn flux(
    file: &InventoryFile,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Flux> {
    let flux = file.flux.as_ref()?;
    let components = super::artifact::flux(flux, context, report)?;
    Some(Flux {
        url: flux.url.clone(),
        branch: flux.branch.clone(),
        path: trimmed(&flux.path),
        interval: flux.interval.0,
        known_hosts_file: flux.known_hosts_file.as_ref().map(|file| context.path(file)),
        known_hosts: if flux.known_hosts.is_empty() && flux.known_hosts_file.is_none() {
            git_host::published(&flux.url).into_iter().collect()
        } else {
            flux.known_hosts.clone()
        },
        credentials: flux.credentials.as_ref().map(|credentials| match credentials {
            GitCredentials::DeployKey(key) => GitAccess::DeployKey(context.secret(key)),
            GitCredentials::Token(token) => GitAccess::Token(context.secret(token)),
        }),
        components,
    })
}

pub(super) fn gitops(
    file: &InventoryFile,
    context: &Context<'_>,
    report: &mut Report<'_>,
) -> Option<Gitops> {
    let gitops = file.gitops.as_ref()?;
    let versions = versions::resolve(file, context, report)?;
    let secrets = match &gitops.secrets {
        SecretsFile::External => SecretStore::External,
        SecretsFile::Sops(sops) => SecretStore::Sops {
            identity: match &sops.identity {
                Some(identity) => context.path(identity),
                None => context.path(&format!("~/.config/homelab/{}.agekey", file.cluster.name)),
            },
            recipients: sops.recipients.clone(),
        },
    };
    Some(Gitops {
        domain: gitops.domain.clone(),
        tailnet_domain: gitops.tailnet_domain.clone(),
        email: gitops.email.clone(),
        secrets,
        chart_mirror: gitops.chart_mirror.clone(),
        outside: gitops.outside.as_ref().map_or_else(Outside::default, |one| Outside {
            edge: one.edge,
            ca_file: one.ca_file.as_ref().map(|file| context.path(file)),
        }),
        versions,
        cert_manager: gitops.cert_manager.as_ref().map(|one| CertManager {
            cloudflare_api_token: one.cloudflare_api_token.as_ref().map(|it| context.secret(it)),
        }),
        metallb: gitops.metallb.as_ref().map(|one| Metallb { addresses: one.addresses.clone() }),
        cloudnative_pg: gitops.cloudnative_pg.as_ref().map(|one| CloudnativePg {
            backup: one.backup.as_ref().map(|backup| {
                let place = (backup.url.as_deref(), &*backup.bucket, &*backup.region);
                DatabaseBackup {
                    store: store(place, trimmed(&backup.prefix), &backup.credentials, context),
                    retention_days: backup.retention_days,
                }
            }),
        }),
        tailscale_operator: gitops.tailscale_operator.as_ref().map(|one| TailscaleOperator {
            client_id: one.oauth.client_id.clone(),
            client_secret: context.secret(&one.oauth.client_secret),
            login_server: one.login_server.clone(),
            tag: one.tag.clone(),
            proxy_tag: one.proxy_tag.clone(),
        }),
        traefik: gitops
            .traefik
            .as_ref()
            .map(|one| Traefik { trusted_networks: one.trusted_networks.clone() }),
        cloudflared: gitops.cloudflared.as_ref().and_then(|one| {
            Some(Cloudflared { tunnel: tunnel(one, gitops, context)?, replicas: one.replicas })
        }),
        authentik: gitops.authentik.as_ref().map(|one| Authentik {
            host: one.host.clone(),
            database_bytes: one.database_size.bytes(),
        }),
        monitoring: gitops.monitoring.as_ref().map(|one| Monitoring {
            grafana_bytes: one.grafana_size.bytes(),
            prometheus_bytes: one.prometheus_size.bytes(),
            retention: one.retention.0,
            ways: one.ways.clone(),
        }),
        jellyfin: gitops.jellyfin.as_ref().map(|one| Jellyfin {
            config_bytes: one.config_size.bytes(),
            library_bytes: one.library_size.bytes(),
            ways: one.ways.clone(),
            forward_auth: one.forward_auth,
        }),
        stalwart: gitops
            .stalwart
            .as_ref()
            .map(|one| Stalwart { bytes: one.size.bytes(), address: one.address }),
        longhorn_ui: gitops
            .longhorn_ui
            .as_ref()
            .map(|one| one.host.clone().unwrap_or_else(|| "longhorn".to_owned())),
        reloader: gitops.reloader.is_some(),
    })
}

/// `None` where the inventory says neither, which is a fault of its own.
fn tunnel(one: &CloudflaredFile, gitops: &GitopsFile, context: &Context<'_>) -> Option<Tunnel> {
    if let Some(token) = &one.tunnel_token {
        return Some(Tunnel::Given(context.secret(token)));
    }
    let cloudflare = one.cloudflare.as_ref()?;
    let zones = match &cloudflare.zone {
        Some(zone) => vec![zone.clone()],
        None => gitops.domain.as_deref().map(zones_of).unwrap_or_default(),
    };
    Some(Tunnel::Made(Cloudflare {
        account_id: cloudflare.account_id.clone(),
        api_token: context.secret(&cloudflare.api_token),
        zones,
        endpoint: cloudflare.endpoint.trim_end_matches('/').to_owned(),
        ca_file: cloudflare.ca_file.as_ref().map(|file| context.path(file)),
    }))
}

/// A domain and those above it, but for the last label: a zone of somebody who wants `home.example.org` may
/// be `example.org`.
fn zones_of(domain: &str) -> Vec<String> {
    let labels: Vec<&str> = domain.split('.').collect();
    (0..labels.len().saturating_sub(1)).map(|first| labels[first..].join(".")).collect()
}

fn store(
    (endpoint, bucket, region): (Option<&str>, &str, &str),
    prefix: String,
    credentials: &S3Credentials,
    context: &Context<'_>,
) -> ObjectStore {
    ObjectStore {
        endpoint: endpoint.map(|endpoint| endpoint.trim_end_matches('/').to_owned()),
        bucket: bucket.to_owned(),
        region: region.to_owned(),
        prefix,
        access_key_id: context.secret(&credentials.access_key_id),
        secret_access_key: context.secret(&credentials.secret_access_key),
        authority: None,
    }
}

fn trimmed(path: &str) -> String {
    path.trim_matches('/').to_owned()
}
