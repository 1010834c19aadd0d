//! What the preflight asks of Proxmox: nothing in it takes a privilege, what the token may not see is
//! left out.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    commands::role::{self, KnownRoles},
    engine::Run,
    error::Result,
    ports::{Bridge, Proxmox, StorageSummary, Version, World},
};

/// Proxmox as the token sees it.
#[derive(Clone, Debug)]
pub(super) struct Site {
    pub(super) version: Version,
    /// By Proxmox node.
    pub(super) storages: BTreeMap<String, Vec<StorageSummary>>,
    /// By Proxmox node.
    pub(super) bridges: BTreeMap<String, Vec<Bridge>>,
    /// The token's privileges, by path.
    pub(super) granted: BTreeMap<String, BTreeSet<String>>,
    pub(super) roles: KnownRoles,
    /// Whether the inventory's pool is there; `None` where it names none or the token may not ask.
    pub(super) pool: Option<bool>,
    pub(super) token: String,
}

impl Site {
    /// Asks for all of it, at once.
    pub(super) async fn look<W: World>(run: &Run<W>) -> Result<Self> {
        let (proxmox, desired) = (run.world.proxmox(), &run.desired);
        let nodes = desired.proxmox_nodes();
        let paths: Vec<String> =
            role::required_privileges(desired).into_iter().map(|need| need.path).collect();
        let storages =
            nodes.iter().map(async |node| Ok((node.clone(), proxmox.storages(node).await?)));
        let bridges =
            nodes.iter().map(async |node| Ok((node.clone(), proxmox.bridges(node).await?)));
        let pool = async {
            match &desired.proxmox.pool {
                Some(pool) => proxmox.pool_exists(pool).await,
                None => Ok(None),
            }
        };
        let (version, storages, bridges, granted, roles, pool) = futures::try_join!(
            proxmox.version(),
            futures::future::try_join_all(storages),
            futures::future::try_join_all(bridges),
            proxmox.permissions(&paths),
            proxmox.roles(),
            pool,
        )?;
        Ok(Self {
            version,
            storages: storages.into_iter().collect(),
            bridges: bridges.into_iter().collect(),
            granted,
            roles,
            pool,
            token: proxmox.token_id(),
        })
    }

    pub(super) fn has(&self, path: &str, privilege: &str) -> bool {
        self.granted.get(path).is_some_and(|held| held.contains(privilege))
    }

    pub(super) fn storages_of(&self, node: &str) -> &[StorageSummary] {
        self.storages.get(node).map_or(&[], Vec::as_slice)
    }

    pub(super) fn bridges_of(&self, node: &str) -> &[Bridge] {
        self.bridges.get(node).map_or(&[], Vec::as_slice)
    }
}
