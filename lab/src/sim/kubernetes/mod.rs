//! The Kubernetes API of the simulated world, in this process.
//!
//! A connection is any stream, as an SSH server carries it for `direct-tcpip`. The models of the world (kubelets,
//! controllers) use the same objects by methods, which pass no gate.
//!
//! What is simplified: objects are not validated by their schemas, and little is filled in ([`defaults`]); versions
//! of a kind differ by name alone; `/status` changes nothing of an object's metadata; deleting does not follow
//! owners (what would be a controller's work), but a namespace takes along what is in it; a list that is read in
//! pieces is not a snapshot; everybody with a certificate of the authority may do everything.
//!
//! * [`serve`], [`route`], [`request`], [`act`]: from a connection to what is done.
//! * [`authority`]: certificates and the kubeconfig.
//! * [`store`], [`write`], [`form`], [`reach`], [`deletion`], [`eviction`]: objects, and how they change.
//! * [`fields`], [`patch`]: server-side apply, and the other patches.
//! * [`resource`], [`builtin`], [`definition`], [`discovery`]: what is served.
//! * [`selector`], [`list`], [`watch`]: looking at many objects.

mod act;
mod authority;
mod builtin;
mod defaults;
mod definition;
mod deletion;
mod discovery;
mod eviction;
mod failure;
mod fields;
mod form;
mod list;
mod patch;
mod reach;
mod request;
mod resource;
mod route;
mod selector;
mod serve;
mod store;
#[cfg(test)]
mod tests;
mod watch;
mod world;
mod write;

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch::{Receiver, Sender};

use self::{authority::Authority, store::State};
pub use self::{authority::AuthorityError, failure::Failure};
use super::gate::Gate;
use crate::pve::state::lock;

/// What an API server stores.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Memory {
    version: String,
    state: State,
}

impl Memory {
    /// The number of the last change: where it is the same, all is.
    pub(in crate::sim) fn revision(&self) -> u64 {
        self.state.revision()
    }
}

/// The API server with everything that it stores.
pub struct Kubernetes {
    gate: Gate,
    authority: Authority,
    version: Mutex<String>,
    state: Mutex<State>,
    /// The number of the last change.
    changed: Sender<u64>,
}

impl std::fmt::Debug for Kubernetes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Kubernetes({} at {})", self.version(), *self.changed.borrow())
    }
}

impl Kubernetes {
    /// A new cluster with an authority of its own: the usual namespaces and nothing else. `version` is what
    /// `/version` says: `v1.34.4+k3s1`.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn new(gate: Gate, version: &str) -> Result<Arc<Self>, AuthorityError> {
        let state = State::new();
        Ok(Arc::new(Self {
            gate,
            authority: Authority::new()?,
            version: Mutex::new(version.to_owned()),
            changed: Sender::new(state.revision()),
            state: Mutex::new(state),
        }))
    }

    /// The administrator's, as k3s writes it to `/etc/rancher/k3s/k3s.yaml`, for a server like
    /// `https://127.0.0.1:6443`.
    pub fn kubeconfig(&self, server: &str) -> String {
        self.authority.kubeconfig(server)
    }

    /// The certificate of the authority.
    pub fn ca_pem(&self) -> &str {
        self.authority.certificate()
    }

    /// What `/version` says.
    pub fn version(&self) -> String {
        lock(&self.version).clone()
    }

    /// From here on `/version` says this: the server was upgraded.
    pub fn set_version(&self, version: &str) {
        version.clone_into(&mut lock(&self.version));
    }

    /// Tells of each change: a model waits for it, then looks.
    pub fn changes(&self) -> Receiver<u64> {
        self.changed.subscribe()
    }

    /// All that is stored.
    pub(in crate::sim) fn memory(&self) -> Memory {
        Memory { version: self.version(), state: self.state().clone() }
    }

    /// Stores this and nothing else. Nobody may watch meanwhile: revisions are given a second time.
    pub(in crate::sim) fn remember(&self, memory: &Memory) {
        self.set_version(&memory.version);
        *self.state() = memory.state.clone();
        self.changed.send_replace(memory.revision());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Does something with the state, and wakes who waits if that changed it.
    fn change<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let done = with(&mut state);
        let revision = state.revision();
        drop(state);
        self.changed.send_if_modified(|last| {
            let newer = *last < revision;
            *last = revision.max(*last);
            newer
        });
        done
    }
}
