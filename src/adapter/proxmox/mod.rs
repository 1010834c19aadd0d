//! Proxmox VE over its HTTP API.
//!
//! Hand-written rather than taken from the crate `proxmox-api`: its generated types cost about 50 s of
//! processor time and 1.4 GB of memory at each fresh build, and we would use little of them. A guest's
//! configuration is compared as Proxmox prints it, not as 200 typed fields; closed enums fail on the next
//! release's new word; and numbers come as strings where the schema says integer (`nextid`, `ctime`).
//! What stays is small: [`transport`] sends, [`failure`] reads errors, [`answer`] reads answers, and this
//! module knows paths and parameters.
//!
//! # Guarantees
//! * A mutation is sent at most once, on a connection of its own, so that an idle connection that the
//!   server is closing can't swallow it.
//! * Parameters, which may hold secrets, are never logged; a debug event a request has method, path,
//!   status and time.

mod answer;
#[cfg(test)]
mod damage;
pub mod failure;
mod path;
mod retry;
mod tickets;
mod transport;
mod trust;
mod upload;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    inventory::desired::ProxmoxSite,
    model::{Upid, Vmid, size},
    ports::{
        Bridge, CloneRequest, ContentKind, GuestConfig, GuestStatus, GuestSummary, Image,
        NodeSummary, Proxmox, ProxmoxError, StorageSummary, TaskState, Upload, Version, Volume,
    },
    secret::Secret,
};
use answer::Answer;
use path::{guest, segment, storage, task};
pub use retry::{Retry, RetryPolicy};
pub use transport::RequestCount;
use transport::{Parameters, Transport, Verb, parameters};
pub use trust::shown_fingerprint;

/// The API of one Proxmox VE host or cluster. Clones share connections and counters.
#[derive(Clone, Debug)]
pub struct ProxmoxClient {
    transport: Transport,
    token_id: String,
}

impl ProxmoxClient {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// [`ProxmoxError::Local`] for an endpoint that is not `https://`, a token that does not look like
    /// one (it is not repeated in the text), and a CA file that can't be read.
    pub fn new(site: &ProxmoxSite, token: Secret) -> Result<Self, ProxmoxError> {
        Self::with_retries(site, token, RetryPolicy::default())
    }

    /// The same with another patience for reads.
    pub fn with_retries(
        site: &ProxmoxSite,
        token: Secret,
        retries: RetryPolicy,
    ) -> Result<Self, ProxmoxError> {
        let transport = Transport::new(site, &token, retries)?;
        let id = token.expose().trim().split_once('=').map_or("", |(id, _)| id);
        Ok(Self { transport, token_id: id.to_owned() })
    }

    /// Tells each pause before a read that is sent again, so that nobody waits in silence.
    pub fn telling(mut self, notice: impl Fn(Retry) + Send + Sync + 'static) -> Self {
        self.transport.tell_retries(notice);
        self
    }

    /// How many requests were sent since the client was made.
    pub fn requests(&self) -> RequestCount {
        self.transport.count()
    }

    async fn read(&self, path: String, parameters: Parameters) -> Result<Answer, ProxmoxError> {
        self.transport.call(Verb::Get, path, parameters).await
    }

    async fn task_of(
        &self,
        verb: Verb,
        path: String,
        parameters: Parameters,
    ) -> Result<Upid, ProxmoxError> {
        self.transport.call(verb, path, parameters).await?.upid()
    }

    async fn perhaps_task_of(
        &self,
        verb: Verb,
        path: String,
        parameters: Parameters,
    ) -> Result<Option<Upid>, ProxmoxError> {
        let answer = self.transport.call(verb, path, parameters).await?;
        if answer.is_null() { Ok(None) } else { answer.upid().map(Some) }
    }

    /// `None` for a guest that does not exist. With rights on a pool alone Proxmox refuses to say so: a
    /// guest that is not there is in no pool. `nextid` then knows, whatever the rights.
    async fn unless_absent(
        &self,
        vmid: Vmid,
        answer: Result<Answer, ProxmoxError>,
    ) -> Result<Option<Answer>, ProxmoxError> {
        match failure::absent_is_none(answer) {
            Err(ProxmoxError::Forbidden(_)) if self.vmid_is_free(vmid).await? => Ok(None),
            other => other,
        }
    }

    async fn power(
        &self,
        node: &str,
        vmid: Vmid,
        verb: &str,
        parameters: Parameters,
    ) -> Result<Upid, ProxmoxError> {
        self.task_of(Verb::Post, guest(node, vmid, &format!("/status/{verb}")), parameters).await
    }
}

fn flag(on: bool) -> String {
    // Top-level booleans are 0 or 1 in a form; `true` is refused.
    String::from(if on { "1" } else { "0" })
}

impl Proxmox for ProxmoxClient {
    fn token_id(&self) -> String {
        self.token_id.clone()
    }

    async fn version(&self) -> Result<Version, ProxmoxError> {
        self.read("/version".into(), Vec::new()).await?.version()
    }

    async fn permissions(
        &self,
        paths: &[String],
    ) -> Result<BTreeMap<String, BTreeSet<String>>, ProxmoxError> {
        // One request a path: asked for all of them at once, Proxmox tells only the paths that have an
        // ACL of their own, and inheritance would be ours to guess.
        let distinct: BTreeSet<String> = paths.iter().cloned().collect();
        stream::iter(distinct)
            .map(|path| async move {
                let query = parameters([("path", path.clone())]);
                let answer = self.read("/access/permissions".into(), query).await?;
                Ok((path.clone(), answer.privileges(&path)?))
            })
            .buffer_unordered(4)
            .try_collect()
            .await
    }

    async fn nodes(&self) -> Result<Vec<NodeSummary>, ProxmoxError> {
        self.read("/nodes".into(), Vec::new()).await?.each(answer::Entry::node_summary)
    }

    async fn guests(&self) -> Result<Vec<GuestSummary>, ProxmoxError> {
        let query = parameters([("type", "vm".into())]);
        self.read("/cluster/resources".into(), query).await?.each(answer::Entry::guest_summary)
    }

    async fn vmid_is_free(&self, vmid: Vmid) -> Result<bool, ProxmoxError> {
        let query = parameters([("vmid", vmid.to_string())]);
        match self.read("/cluster/nextid".into(), query).await {
            Ok(_) => Ok(true),
            Err(ProxmoxError::Invalid { errors, .. })
                if errors.get("vmid").is_some_and(|text| text.contains("already exists")) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn time(&self) -> Result<i64, ProxmoxError> {
        // Every answer is dated; `/nodes/{node}/time` wants systemd's time service besides.
        self.read("/version".into(), Vec::new()).await?.date()
    }

    async fn storages(&self, node: &str) -> Result<Vec<StorageSummary>, ProxmoxError> {
        let path = format!("/nodes/{}/storage", segment(node));
        self.read(path, Vec::new()).await?.each(answer::Entry::storage_summary)
    }

    async fn bridges(&self, node: &str) -> Result<Vec<Bridge>, ProxmoxError> {
        let path = format!("/nodes/{}/network", segment(node));
        let query = parameters([("type", "any_bridge".into())]);
        self.read(path, query).await?.each(answer::Entry::bridge)
    }

    async fn roles(&self) -> Result<BTreeMap<String, BTreeSet<String>>, ProxmoxError> {
        let roles = self.read("/access/roles".into(), Vec::new()).await?;
        Ok(roles.each(answer::Entry::role)?.into_iter().collect())
    }

    async fn pool_exists(&self, pool: &str) -> Result<Option<bool>, ProxmoxError> {
        let query = parameters([("poolid", pool.into())]);
        match self.read("/pools".into(), query).await {
            Ok(_) => Ok(Some(true)),
            Err(error) if error.is_no_such_pool() => Ok(Some(false)),
            // Proxmox VE before 8.1 knows no such parameter.
            Err(ProxmoxError::Forbidden(_) | ProxmoxError::Invalid { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn volumes(
        &self,
        node: &str,
        storage_name: &str,
        content: ContentKind,
    ) -> Result<Vec<Volume>, ProxmoxError> {
        let query = parameters([("content", content.name().into())]);
        self.read(storage(node, storage_name, "/content"), query).await?.each(answer::Entry::volume)
    }

    async fn guest_config(
        &self,
        node: &str,
        vmid: Vmid,
    ) -> Result<Option<GuestConfig>, ProxmoxError> {
        let answer = self.read(guest(node, vmid, "/config"), Vec::new()).await;
        self.unless_absent(vmid, answer).await?.map(|answer| answer.guest_config()).transpose()
    }

    async fn guest_settings(
        &self,
        node: &str,
        vmid: Vmid,
    ) -> Result<Option<(GuestConfig, Vec<String>)>, ProxmoxError> {
        let answer = self.read(guest(node, vmid, "/pending"), Vec::new()).await;
        self.unless_absent(vmid, answer).await?.map(|answer| answer.guest_settings()).transpose()
    }

    async fn guest_status(
        &self,
        node: &str,
        vmid: Vmid,
    ) -> Result<Option<GuestStatus>, ProxmoxError> {
        let answer = self.read(guest(node, vmid, "/status/current"), Vec::new()).await;
        self.unless_absent(vmid, answer).await?.map(|answer| answer.guest_status()).transpose()
    }

    async fn create_guest(
        &self,
        node: &str,
        parameters: &[(String, String)],
    ) -> Result<Upid, ProxmoxError> {
        let path = format!("/nodes/{}/qemu", segment(node));
        self.task_of(Verb::Post, path, parameters.to_vec()).await
    }

    async fn clone_guest(&self, node: &str, request: &CloneRequest) -> Result<Upid, ProxmoxError> {
        let mut body = parameters([
            ("newid", request.target.to_string()),
            ("name", request.name.clone()),
            ("description", request.description.clone()),
            ("full", flag(request.full)),
        ]);
        if let Some(pool) = &request.pool {
            body.push(("pool".into(), pool.clone()));
        }
        // A linked clone with a storage is refused: its disks stay where the template's are.
        if let Some(storage) = request.storage.as_ref().filter(|_| request.full) {
            body.push(("storage".into(), storage.clone()));
        }
        self.task_of(Verb::Post, guest(node, request.source, "/clone"), body).await
    }

    async fn configure(
        &self,
        node: &str,
        vmid: Vmid,
        set: &[(String, String)],
        delete: &[String],
        digest: Option<&str>,
    ) -> Result<(), ProxmoxError> {
        if set.is_empty() && delete.is_empty() {
            return Ok(());
        }
        let mut body = set.to_vec();
        if !delete.is_empty() {
            body.push(("delete".into(), delete.join(",")));
        }
        if let Some(digest) = digest {
            body.push(("digest".into(), digest.into()));
        }
        self.transport.call(Verb::Put, guest(node, vmid, "/config"), body).await.map(drop)
    }

    async fn resize_disk(
        &self,
        node: &str,
        vmid: Vmid,
        disk: &str,
        bytes: u64,
    ) -> Result<Option<Upid>, ProxmoxError> {
        let body = parameters([("disk", disk.into()), ("size", size::print(bytes))]);
        self.perhaps_task_of(Verb::Put, guest(node, vmid, "/resize"), body).await
    }

    async fn make_template(&self, node: &str, vmid: Vmid) -> Result<Option<Upid>, ProxmoxError> {
        self.perhaps_task_of(Verb::Post, guest(node, vmid, "/template"), Vec::new()).await
    }

    async fn start(&self, node: &str, vmid: Vmid) -> Result<Upid, ProxmoxError> {
        self.power(node, vmid, "start", Vec::new()).await
    }

    async fn shutdown(
        &self,
        node: &str,
        vmid: Vmid,
        seconds: u32,
        force: bool,
    ) -> Result<Upid, ProxmoxError> {
        let body = parameters([("timeout", seconds.to_string()), ("forceStop", flag(force))]);
        self.power(node, vmid, "shutdown", body).await
    }

    async fn stop(&self, node: &str, vmid: Vmid) -> Result<Upid, ProxmoxError> {
        self.power(node, vmid, "stop", parameters([("overrule-shutdown", flag(true))])).await
    }

    async fn reboot(&self, node: &str, vmid: Vmid, seconds: u32) -> Result<Upid, ProxmoxError> {
        self.power(node, vmid, "reboot", parameters([("timeout", seconds.to_string())])).await
    }

    async fn delete_guest(&self, node: &str, vmid: Vmid) -> Result<Upid, ProxmoxError> {
        // Said, though it is the default: with 1 every volume that bears this VMID would go (ORC-03).
        let query =
            parameters([("purge", flag(true)), ("destroy-unreferenced-disks", flag(false))]);
        self.task_of(Verb::Delete, guest(node, vmid, ""), query).await
    }

    async fn upload(&self, node: &str, upload: &Upload) -> Result<Upid, ProxmoxError> {
        self.transport.upload(storage(node, &upload.storage, "/upload"), upload).await?.upid()
    }

    async fn download(
        &self,
        node: &str,
        storage_name: &str,
        content: ContentKind,
        image: &Image,
    ) -> Result<Upid, ProxmoxError> {
        let body = parameters([
            ("content", content.name().into()),
            ("filename", image.file_name.clone()),
            ("url", image.url.clone()),
            ("checksum-algorithm", "sha256".into()),
            ("checksum", image.sha256.clone()),
        ]);
        self.task_of(Verb::Post, storage(node, storage_name, "/download-url"), body).await
    }

    async fn delete_volume(&self, node: &str, volume: &str) -> Result<Option<Upid>, ProxmoxError> {
        let Some((storage_name, _)) = volume.split_once(':') else {
            return Err(ProxmoxError::Local(format!("`{volume}` is no volume of a storage")));
        };
        let below = format!("/content/{}", path::volume(volume));
        self.perhaps_task_of(Verb::Delete, storage(node, storage_name, &below), Vec::new()).await
    }

    async fn task(&self, upid: &Upid) -> Result<TaskState, ProxmoxError> {
        self.read(task(upid, "/status"), Vec::new()).await?.task_state()
    }

    async fn task_log(&self, upid: &Upid, known: usize) -> Result<Vec<String>, ProxmoxError> {
        // The default is the first 50 lines; 0 is all.
        let query = parameters([("start", known.to_string()), ("limit", "0".into())]);
        self.read(task(upid, "/log"), query).await?.each(|line| line.text("t"))
    }

    async fn active_tasks(&self, node: &str) -> Result<Vec<Upid>, ProxmoxError> {
        let query = parameters([("source", "active".into()), ("limit", "500".into())]);
        let answer = self.read(format!("/nodes/{}/tasks", segment(node)), query).await?;
        Ok(answer.each(answer::Entry::active_task)?.into_iter().flatten().collect())
    }
}
