//! Who may come in.

use super::{Backend, Release, Site, monitoring, namespace};
use crate::{
    error::Result,
    gitops::template::context,
    gitops::{
        part::{Health, Layer, Part},
        secret::SecretPlan,
        template::quantity,
    },
    inventory::desired::{Authentik, DatabaseBackup},
};

const NAMESPACE: &str = "authentik";
const RELEASE: Release = Release {
    name: "authentik",
    namespace: NAMESPACE,
    chart: "authentik",
    source: "authentik",
    // Migrations of its database alone may take ten minutes.
    timeout: "15m",
};

pub(super) fn parts(site: &Site<'_>) -> Result<Vec<Part>> {
    let Some(authentik) = &site.gitops.authentik else { return Ok(Vec::new()) };
    Ok(vec![database(site, authentik)?, server(site, authentik)?])
}

fn database(site: &Site<'_>, authentik: &Authentik) -> Result<Part> {
    let backup =
        site.gitops.cloudnative_pg.as_ref().and_then(|databases| databases.backup.as_ref());
    let cluster =
        context! { size => quantity(authentik.database_bytes), backup => backup.is_some() };
    let part = Part::new(Layer::Apps, "authentik-database", "Authentik's database.")
        .after(&["longhorn", "cloudnative-pg", "barman-cloud"])
        .timeout("15m")
        .health(Health {
            api_version: "postgresql.cnpg.io/v1",
            kind: "Cluster",
            current: "has(status.conditions) && status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')",
            failed: None,
        })
        .namespace(namespace(NAMESPACE, "baseline", "nothing special.", true))?
        .file("cluster.yaml", "authentik/database.yaml", cluster)?;
    let Some(DatabaseBackup { store, retention_days }) = backup else { return Ok(part) };
    let folder = if store.prefix.is_empty() { String::new() } else { format!("{}/", store.prefix) };
    let backup = context! {
        destination => format!("s3://{}/{folder}", store.bucket),
        endpoint => store.endpoint,
        days => retention_days,
    };
    let secret =
        SecretPlan::new(NAMESPACE, "cnpg-s3", "Opens the bucket of the databases' backups.")
            .found("ACCESS_KEY_ID", &store.access_key_id)
            .found("ACCESS_SECRET_KEY", &store.secret_access_key)
            .known("REGION", store.region.clone());
    part.secret(secret).file("backup.yaml", "authentik/backup.yaml", backup)
}

fn server(site: &Site<'_>, authentik: &Authentik) -> Result<Part> {
    let host = site.public(&authentik.host).unwrap_or_default();
    let domain = site.gitops.domain.as_deref().unwrap_or_default();
    let grafana = monitoring::grafana_host(site);
    let mut secret = SecretPlan::new(NAMESPACE, "authentik-secrets", "Authentik's own secrets.")
        .made("secret-key", "authentik-secret-key")
        .made("bootstrap-password", "authentik-admin")
        .made("bootstrap-token", "authentik-token");
    if grafana.is_some() {
        secret = secret.made("grafana-client-secret", monitoring::CLIENT_SECRET);
    }
    let values = context! {
        reloader => site.gitops.reloader,
        email => site.gitops.email,
        grafana => grafana.is_some(),
    };
    let blueprints = context! { host, domain, grafana };
    let backend =
        Backend { name: "authentik", namespace: NAMESPACE, service: "authentik-server", port: 80 };
    Part::new(Layer::Apps, "authentik", "Who may come in.")
        .after(&["sources", "authentik-database", "traefik-config"])
        .timeout("20m")
        .secret(secret)
        .file("release.yaml", "authentik/release.yaml", site.release(&RELEASE, values))?
        .file("blueprints.yaml", "authentik/blueprints.yaml", blueprints)?
        .file("middleware.yaml", "authentik/middleware.yaml", context! {})?
        // Nobody could sign in if it asked itself first.
        .public(&backend, &host, false)
}
