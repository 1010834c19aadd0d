//! Connections that are begun before Proxmox has said whose the guests are.
//!
//! Where the journal has the host key that a node showed last, the way to it can be gone while the list of guests
//! is on its own way. Nothing is sent to a host but what logging in takes, and nothing runs there: a connection
//! counts only once the guest's marker has named the same key, and addresses and port are the same, as the very
//! call that would have been made then. Any other is dropped unheard, as is one that nobody asked for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio_util::task::AbortOnDropHandle;

use super::Run;
use crate::{
    model::NodeName,
    ports::{Connector, HostError, HostOf, HostTarget, World},
};

/// With more nodes it is the computer that is waited for, not the way.
const MOST: usize = 32;

type Begun<W> = (HostTarget, AbortOnDropHandle<Result<HostOf<W>, HostError>>);

/// What was begun and not asked for yet.
pub(super) struct Early<W: World>(Mutex<HashMap<NodeName, Begun<W>>>);

impl<W: World> Default for Early<W> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<W: World> Early<W> {
    /// What came of the connection to this very target, if one was begun.
    pub(super) async fn take(&self, target: &HostTarget) -> Option<Result<HostOf<W>, HostError>> {
        let (begun, connecting) = self.lock().remove(&target.node)?;
        if begun != *target {
            return None;
        }
        // One that panicked or was aborted is as good as none.
        connecting.await.ok()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<NodeName, Begun<W>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: World> Run<W> {
    /// Begins to connect to each node whose host key the journal has, and to which no connection is open.
    pub fn connect_early(self: &Arc<Self>) {
        if self.desired.nodes.len() > MOST {
            return;
        }
        let memory = self.memory();
        for node in self.desired.nodes.keys() {
            let known = memory.guests.get(node).filter(|guest| guest.made);
            let Some(key) = known.and_then(|guest| guest.verified_host_key.clone()) else {
                continue;
            };
            if self.has_open(node) {
                continue;
            }
            let Some(target) = self.target_with(node, vec![key]) else { continue };
            let (run, wanted) = (Arc::clone(self), target.clone());
            let connecting =
                tokio::spawn(async move { run.world.connector().connect(&wanted).await });
            let connecting = AbortOnDropHandle::new(connecting);
            self.early.lock().insert(node.clone(), (target, connecting));
        }
    }

    /// Lets go of those that nobody asked for.
    pub fn drop_early(&self) {
        self.early.lock().clear();
    }
}
