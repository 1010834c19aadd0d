//! What runs on the cluster, as its API shows it.

use super::cluster::answered;
use crate::{
    engine::Run,
    error::Result,
    plan::{
        observed::Sight,
        systems::{
            CLAIM, Claim, Condition, DAEMON_SET, DATABASE, DEPLOYMENT, Database, ENDPOINTS,
            INGRESS, ISSUER, Ingress, MIDDLEWARE, Named, PROXY_CLASS, SERVICE, STATEFUL_SET, STORE,
            Service, SystemsSight, Workload, served,
        },
    },
    ports::{Objects, World},
};

/// What the cluster shows: twelve requests at once, where Flux is to bring what runs on it.
pub async fn systems<W: World>(run: &Run<W>) -> Sight<SystemsSight> {
    if run.desired.flux.is_none() {
        return Sight::Unseen;
    }
    answered(run, look(run)).await
}

async fn look<W: World>(run: &Run<W>) -> Result<SystemsSight> {
    let cluster = run.cluster().await?;
    let ((deployments, stateful, daemons, services, slices, ingresses), rest) = futures::try_join!(
        async {
            futures::try_join!(
                cluster.list(DEPLOYMENT, None),
                cluster.list(STATEFUL_SET, None),
                cluster.list(DAEMON_SET, None),
                cluster.list(SERVICE, None),
                cluster.list(ENDPOINTS, None),
                cluster.list(INGRESS, None),
            )
        },
        async {
            futures::try_join!(
                cluster.list(MIDDLEWARE, None),
                cluster.list(CLAIM, None),
                cluster.list(ISSUER, None),
                cluster.list(DATABASE, None),
                cluster.list(STORE, None),
                cluster.list(PROXY_CLASS, None),
            )
        },
    )?;
    let (middlewares, claims, issuers, databases, stores, classes) = rest;
    let kinds = [(DEPLOYMENT, deployments), (STATEFUL_SET, stateful), (DAEMON_SET, daemons)];
    let workloads = kinds
        .iter()
        .flat_map(|(kind, objects)| objects.iter().map(|object| Workload::read(*kind, object)));
    Ok(SystemsSight {
        workloads: workloads.collect(),
        services: services.iter().map(Service::read).collect(),
        served: slices.iter().filter_map(served).collect(),
        ingresses: ingresses.iter().map(Ingress::read).collect(),
        middlewares: middlewares.iter().map(Named::of).collect(),
        claims: claims.iter().map(Claim::read).collect(),
        issuers: issuers.iter().map(|issuer| Condition::read(issuer, "Ready")).collect(),
        proxy_classes: classes
            .iter()
            .map(|class| Condition::read(class, "ProxyClassReady"))
            .collect(),
        databases: databases.iter().map(|database| Database::read(database, &stores)).collect(),
    })
}
