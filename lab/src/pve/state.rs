//! All that the emulator knows, in one place.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    access::Access,
    clock::Clock,
    config::{Config, NodeConfig},
    qemu, storage, task,
};
use crate::hypervisor::Hypervisor;

/// The emulator's state. Each part has its own lock, none of them is held across an await.
///
/// Order, where two are taken: qemu, storage, task, access.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) access: Access,
    pub(crate) qemu: qemu::Table,
    pub(crate) storage: storage::Table,
    pub(crate) tasks: task::Table,
}

impl State {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        Arc::new(Self {
            clock: Clock::new(config.pace),
            access: Access::new(&config),
            qemu: qemu::Table::new(&config),
            storage: storage::Table::new(&config),
            tasks: task::Table::new(&config),
            config,
        })
    }

    pub(crate) fn hypervisor(&self) -> &Arc<dyn Hypervisor> {
        &self.config.hypervisor
    }

    pub(crate) fn nodes(&self) -> &[NodeConfig] {
        &self.config.nodes
    }

    pub(crate) fn node(&self, name: &str) -> Option<&NodeConfig> {
        self.config.nodes.iter().find(|node| node.name == name)
    }

    /// The node that answers: the first.
    pub(crate) fn local_node(&self) -> &str {
        self.config.nodes.first().map_or("pve1", |node| &node.name)
    }

    /// A folder below the data directory; the caller creates it.
    pub(crate) fn folder(&self, name: &str) -> Utf8PathBuf {
        self.data_dir().join(name)
    }

    pub(crate) fn data_dir(&self) -> &Utf8Path {
        &self.config.data_dir
    }
}

/// Locks, whatever became of an earlier holder: a handler that panicked must not stop the server.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
