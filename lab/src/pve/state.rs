//! All that the emulator knows, in one place.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    access::Access,
    clock::Clock,
    cluster,
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
    pub(crate) cluster: cluster::Table,
    pub(crate) qemu: qemu::Table,
    pub(crate) storage: storage::Table,
    pub(crate) tasks: task::Table,
    /// SHA-256 of the node certificate, as `/nodes` shows it.
    pub(crate) fingerprint: Mutex<String>,
    pub(super) messages: Mutex<Vec<Message>>,
    cores: Semaphore,
    started: std::time::Instant,
}

/// An entry of the cluster's log.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    time: i64,
    tag: &'static str,
    pub(crate) user: String,
    text: String,
}

impl State {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        let clock = Clock::new(config.pace);
        let first = Message {
            time: clock.now(),
            tag: "cluster",
            user: "root".to_owned(),
            text: "starting cluster log".to_owned(),
        };
        Arc::new(Self {
            clock,
            access: Access::new(&config),
            cluster: cluster::Table::default(),
            qemu: qemu::Table::new(&config),
            storage: storage::Table::new(&config),
            tasks: task::Table::new(&config),
            fingerprint: Mutex::new(String::new()),
            messages: Mutex::new(vec![first]),
            cores: Semaphore::new(
                config.nodes.first().and_then(|node| node.cores.try_into().ok()).unwrap_or(1),
            ),
            started: std::time::Instant::now(),
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

    /// Waits for one of the answering node's cores: calls that work at once get no more of them.
    pub(crate) async fn core(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes it: there is always a permit in the end.
        self.cores.acquire().await.ok()
    }

    /// The node that answers: the first.
    pub(crate) fn local_node(&self) -> &str {
        self.config.nodes.first().map_or("pve1", |node| &node.name)
    }

    /// Seconds since the emulated host started.
    pub(crate) fn uptime(&self) -> i64 {
        // A host that was up for a while before anyone asked.
        3600 + i64::try_from(self.started.elapsed().as_secs()).unwrap_or(0)
    }

    /// Writes to the cluster's log, as the real server does of logins and changes.
    pub(crate) fn note(&self, user: &str, text: impl Into<String>) {
        let message = Message {
            time: self.clock.now(),
            tag: "pvedaemon",
            user: user.to_owned(),
            text: text.into(),
        };
        lock(&self.messages).push(message);
    }

    /// The latest entries of the cluster's log that pass the filter, youngest first.
    pub(crate) fn messages(&self, filter: impl Fn(&Message) -> bool, most: usize) -> Value {
        let node = self.local_node();
        let messages = lock(&self.messages);
        let numbered = messages.iter().enumerate().rev();
        numbered
            .filter(|(_, message)| filter(message))
            .take(most)
            .map(|(index, message)| {
                json!({
                    "uid": (index + 1).to_string(),
                    "id": format!("{}:{node}", index + 1),
                    "time": message.time,
                    "user": message.user,
                    "node": node,
                    "tag": message.tag,
                    "pid": 1000,
                    "pri": 6,
                    "msg": message.text,
                })
            })
            .collect()
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
