//! What the emulator remembers beside its files, taken out and put back.

use std::{collections::BTreeMap, sync::Arc};

use indexmap::IndexMap;

use super::{
    access::Data,
    qemu::Guest,
    server::Server,
    state::{Message, lock},
    task::Worker,
};

/// Users, guests, options, ended tasks. Disks and other volumes are files below the data folder, and no part of it.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    access: Data,
    guests: BTreeMap<u32, Guest>,
    options: IndexMap<String, String>,
    managed: IndexMap<u32, IndexMap<String, String>>,
    tasks: Vec<Worker>,
    messages: Vec<Message>,
}

impl Memory {
    /// What two equal worlds have in common: all but the log of what was done.
    pub(crate) fn identity(&self) -> String {
        let Self { access, guests, options, managed, tasks, messages: _ } = self;
        format!("{access:?} {guests:?} {options:?} {managed:?} {}", tasks.len())
    }
}

impl Server {
    /// Waits until no task runs.
    pub(crate) async fn idle_tasks(&self) {
        for worker in self.state.tasks.running() {
            worker.ended().await;
        }
    }

    /// What is remembered now. A task that still runs is forgotten with it.
    pub(crate) fn memory(&self) -> Memory {
        let state = &self.state;
        let mut tasks = state.tasks.youngest_first();
        tasks.reverse();
        tasks.retain(|worker| worker.status().is_some());
        Memory {
            access: state.access.lock().clone(),
            guests: state.qemu.all().into_iter().collect(),
            options: lock(&state.cluster.options).clone(),
            managed: lock(&state.cluster.managed).clone(),
            tasks,
            messages: lock(&state.messages).clone(),
        }
    }

    /// Remembers this and nothing else. What waits to go wrong is forgotten, and so is what was asked for.
    pub(crate) fn remember(&self, memory: &Memory) {
        let (state, memory) = (Arc::clone(&self.state), memory.clone());
        *state.access.lock() = memory.access;
        state.qemu.remember(memory.guests);
        *lock(&state.cluster.options) = memory.options;
        *lock(&state.cluster.managed) = memory.managed;
        state.tasks.remember(memory.tasks);
        *lock(&state.messages) = memory.messages;
        self.faults.clear();
        self.set_idle(None);
        self.set_daemon(true);
        self.log.clear();
    }
}
