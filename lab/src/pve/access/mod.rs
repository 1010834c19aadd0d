//! Users, groups, tokens, roles, pools, access control lists, and what they allow.

pub(crate) mod acl;
mod acl_calls;
pub(crate) mod data;
mod domains;
mod groups;
pub(crate) mod permission;
pub(crate) mod privilege;
mod roles;
mod session;
pub(crate) mod ticket;
mod tokens;
mod users;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use data::Data;

use super::{config::Config, endpoint::Endpoint, error::ApiError, request::Caller};

/// The user configuration behind one lock; never held across an await.
pub(crate) struct Access {
    data: Mutex<Data>,
    pub(crate) keys: ticket::Keys,
}

impl Access {
    pub(crate) fn new(config: &Config) -> Self {
        Self { data: Mutex::new(Data::new(config)), keys: ticket::Keys::new() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails with 403 unless the caller has the privileges (all, or any) on the path.
    pub(crate) fn require(
        &self,
        caller: &Caller,
        path: &str,
        privileges: &[&str],
        any: bool,
    ) -> Result<(), ApiError> {
        let data = self.lock();
        let held = acl::privileges(&data, caller, path);
        if any {
            if privileges.iter().any(|privilege| held.contains_key(*privilege)) {
                return Ok(());
            }
            return Err(ApiError::forbidden(format!("{path}, {}", privileges.join("|"))));
        }
        match privileges.iter().find(|privilege| !held.contains_key(**privilege)) {
            Some(missing) => Err(ApiError::forbidden(format!("{path}, {missing}"))),
            None => Ok(()),
        }
    }

    /// `check_perm_modify`: may the caller change permissions (or the object) at this path?
    pub(crate) fn require_modify(&self, caller: &Caller, path: &str) -> Result<(), ApiError> {
        let mut privileges = vec!["Permissions.Modify"];
        for (prefix, privilege) in [
            ("/storage/", "Datastore.Allocate"),
            ("/vms/", "VM.Allocate"),
            ("/pool/", "Pool.Allocate"),
        ] {
            if path.len() > prefix.len() && path.starts_with(prefix) {
                privileges.push(privilege);
            }
        }
        self.require(caller, path, &privileges, true)
    }

    /// The pool that a guest is in.
    pub(crate) fn pool_of_guest(&self, vmid: u32) -> Option<String> {
        self.lock().pool_of_guest(vmid)
    }

    /// # Errors
    /// 403 `Permission check failed (pool 'nope' does not exist)`.
    pub(crate) fn require_pool(&self, pool: &str) -> Result<(), ApiError> {
        if self.lock().pools.contains_key(pool) {
            return Ok(());
        }
        Err(ApiError::forbidden(format!("pool '{pool}' does not exist")))
    }

    pub(crate) fn add_guest_to_pool(&self, pool: &str, vmid: u32) {
        if let Some(pool) = self.lock().pools.get_mut(pool) {
            pool.guests.insert(vmid);
        }
    }

    /// Forgets a deleted guest: its pool membership and its access control entries.
    pub(crate) fn remove_guest(&self, vmid: u32) {
        let mut data = self.lock();
        for pool in data.pools.values_mut() {
            pool.guests.remove(&vmid);
        }
        data.acl.remove(&format!("/vms/{vmid}"));
    }
}

/// The calls below `/access`, with the privileges of a major version.
pub(crate) fn endpoints(era: u32) -> Vec<Endpoint> {
    [
        session::endpoints(era),
        users::endpoints(),
        tokens::endpoints(),
        groups::endpoints(),
        roles::endpoints(era),
        acl_calls::endpoints(),
        domains::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
