//! The buckets that hold backups.

use std::collections::BTreeMap;

use futures::{StreamExt, future::join_all, stream};

use crate::{
    engine::Run,
    inventory::{
        Desired,
        desired::{ObjectStore, SecretSource},
    },
    ports::{BucketAccess, BucketError, Buckets, LifecycleRule, World},
};

/// Whose backups a folder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    Volumes,
    Databases,
    Datastore,
}

impl Purpose {
    /// As it stands after `backups of`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Volumes => "volumes",
            Self::Databases => "databases",
            Self::Datastore => "the datastore",
        }
    }
}

/// Every folder of a bucket that the inventory names.
pub fn stores(desired: &Desired) -> Vec<(Purpose, &ObjectStore)> {
    let volumes = desired.longhorn.as_ref().and_then(|longhorn| longhorn.backup.as_ref());
    let gitops = desired.gitops.as_ref();
    let databases = gitops.and_then(|gitops| gitops.cloudnative_pg.as_ref()?.backup.as_ref());
    let datastore = desired.k3s.datastore_backup.as_ref();
    [
        volumes.map(|store| (Purpose::Volumes, store)),
        databases.map(|backup| (Purpose::Databases, &backup.store)),
        datastore.map(|backup| (Purpose::Datastore, &backup.store)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A folder as its service shows it.
#[derive(Clone, Debug)]
pub struct BucketSight {
    pub purpose: Purpose,
    /// `homelab/k3s/lab at https://s3.example.org`.
    pub place: String,
    pub prefix: String,
    /// Why its key is not to be had here, and so nothing was asked.
    pub keyless: Option<String>,
    pub reach: Result<(), BucketError>,
    /// Not asked where it cannot be reached.
    pub rules: Option<Result<Vec<LifecycleRule>, BucketError>>,
    pub encryption: Option<Result<Option<String>, BucketError>>,
    /// Of each object that was looked for, by its key: whether it is there.
    pub objects: BTreeMap<String, Result<bool, BucketError>>,
}

/// How many objects of a folder are looked for at once.
const AT_ONCE: usize = 8;

/// Asks for each, all at once: three requests a folder, and one for each object that is looked for by its key.
pub async fn buckets<W: World>(run: &Run<W>, objects: &[(Purpose, String)]) -> Vec<BucketSight> {
    let stores = stores(&run.desired);
    join_all(stores.into_iter().map(|(purpose, store)| look(run, purpose, store, objects))).await
}

async fn look<W: World>(
    run: &Run<W>,
    purpose: Purpose,
    store: &ObjectStore,
    objects: &[(Purpose, String)],
) -> BucketSight {
    let endpoint = store.endpoint.clone().unwrap_or_else(|| format!("AWS, {}", store.region));
    let mut sight = BucketSight {
        purpose,
        place: format!("{}/{} at {endpoint}", store.bucket, store.prefix),
        prefix: store.prefix.clone(),
        keyless: None,
        reach: Ok(()),
        rules: None,
        encryption: None,
        objects: BTreeMap::new(),
    };
    let access = match access(store).await {
        Ok(access) => access,
        Err(why) => return BucketSight { keyless: Some(why), ..sight },
    };
    let buckets = run.world.buckets();
    sight.reach = buckets.reach(&access).await;
    if sight.reach.is_ok() {
        let keys: Vec<String> =
            objects.iter().filter(|(of, _)| *of == purpose).map(|(_, key)| key.clone()).collect();
        let access = &access;
        let looked_for = stream::iter(keys)
            .map(|key| async move {
                let there = buckets.has(access, &key).await;
                (key, there)
            })
            .buffer_unordered(AT_ONCE)
            .collect();
        let (rules, encryption, found) =
            futures::join!(buckets.lifecycle(access), buckets.encryption(access), looked_for);
        (sight.rules, sight.encryption) = (Some(rules), Some(encryption));
        sight.objects = found;
    }
    sight
}

async fn access(store: &ObjectStore) -> Result<BucketAccess, String> {
    let resolve =
        async |source: &SecretSource| source.resolve().await.map_err(|failure| failure.to_string());
    Ok(BucketAccess {
        endpoint: store.endpoint.clone(),
        authority: store.authority.clone(),
        region: store.region.clone(),
        bucket: store.bucket.clone(),
        prefix: store.prefix.clone(),
        access_key_id: resolve(&store.access_key_id).await?,
        secret_access_key: resolve(&store.secret_access_key).await?,
    })
}
