//! What belongs to the whole cluster: its resources, options, status, high availability.

mod high_availability;
mod options;
pub(crate) mod resources;
mod status;

use std::sync::Mutex;

use indexmap::IndexMap;

use super::{endpoint::Endpoint, state::lock};

/// `datacenter.cfg` and the resources under high availability.
#[derive(Default)]
pub(crate) struct Table {
    pub(super) options: Mutex<IndexMap<String, String>>,
    pub(super) managed: Mutex<IndexMap<u32, IndexMap<String, String>>>,
}

impl Table {
    /// Whether a guest is under high availability.
    pub(crate) fn is_managed(&self, vmid: u32) -> bool {
        lock(&self.managed).contains_key(&vmid)
    }

    /// Asks for a state of a managed guest.
    pub(crate) fn ask(&self, vmid: u32, state: &str) {
        if let Some(settings) = lock(&self.managed).get_mut(&vmid) {
            settings.insert("state".to_owned(), state.to_owned());
        }
    }

    /// Takes a guest out of high availability; `false` when it was not in it.
    pub(crate) fn unmanage(&self, vmid: u32) -> bool {
        lock(&self.managed).shift_remove(&vmid).is_some()
    }

    /// The state that a managed guest is asked to have.
    pub(crate) fn managed_state(&self, vmid: u32) -> Option<String> {
        let managed = lock(&self.managed);
        let settings = managed.get(&vmid)?;
        Some(settings.get("state").cloned().unwrap_or_else(|| "started".to_owned()))
    }

    /// A datacenter option as it was set.
    pub(crate) fn option(&self, name: &str) -> Option<String> {
        lock(&self.options).get(name).cloned()
    }
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    [
        status::endpoints(),
        resources::endpoints(),
        options::endpoints(),
        high_availability::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
