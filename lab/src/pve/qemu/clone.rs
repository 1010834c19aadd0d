//! `POST .../clone`.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    call::{CLONE_WAIT, Subject, begin, check_lock},
    clone_job::Job,
    config::{GuestConfig, Section},
};
use crate::pve::{error::ApiError, request::Request, storage::Content};

/// A call works for so long until it has looked whether the VMID is free.
const LOOK: Duration = Duration::from_millis(20);
/// And for so long until its task's process is there. Clones that race for a VMID come through in
/// between, as many as there are cores, and all but one fail in their tasks.
const FORK: Duration = Duration::from_millis(40);

/// What a clone was asked for.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) newid: u32,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) pool: Option<String>,
    pub(super) snapshot: Option<String>,
    pub(super) storage: Option<String>,
    pub(super) format: Option<String>,
    target: Option<String>,
    pub(super) full: bool,
    pub(super) bytes_per_second: Option<u64>,
}

impl Wish {
    fn of(request: &Request, template: bool) -> Self {
        let limit = request.integer("bwlimit").and_then(|limit| u64::try_from(limit).ok());
        Self {
            newid: request.integer("newid").and_then(|id| id.try_into().ok()).unwrap_or(0),
            name: request.text("name"),
            description: request.text("description"),
            pool: request.text("pool"),
            snapshot: request.text("snapname"),
            storage: request.text("storage"),
            format: request.text("format"),
            target: request.text("target"),
            full: request.boolean("full").unwrap_or(!template),
            bytes_per_second: limit.filter(|limit| *limit > 0).map(|limit| limit * 1024),
        }
    }
}

pub(crate) async fn clone(request: Request) -> Result<Value, ApiError> {
    let source = Subject::of(&request);
    let vmid = source.vmid;
    if let Some(pool) = request.text("pool") {
        request.state.access.require_pool(&pool)?;
    }
    let unknown = || {
        let node = &source.node;
        ApiError::failure(format!(
            "unable to find configuration file for VM {vmid} on node '{node}'"
        ))
    };
    let config = source.load().map_err(|_| unknown())?;
    let wish = Wish::of(&request, config.is_template());
    check_target(&request, &source, &wish)?;
    check_lock(&config).map_err(ApiError::failure)?;
    let section = match &wish.snapshot {
        Some(name) => config
            .snapshots
            .get(name)
            .cloned()
            .ok_or_else(|| ApiError::failure(format!("snapshot '{name}' does not exist")))?,
        None => config.current.clone(),
    };
    check_linked(&source, &config, &section, &wish)?;
    check_room(&request, &section, &wish)?;
    let state = Arc::clone(&request.state);
    let core = state.core().await;
    state.clock.work(LOOK).await;
    refuse_taken(&source, wish.newid).map_err(ApiError::failure)?;
    super::access::check_bridges(&request, &section)?;
    state.clock.work(FORK).await;
    let upid = begin(&request, "qmclone", &vmid.to_string(), move |worker| async move {
        let target = source.with_vmid(wish.newid);
        let held_target = target.lock(CLONE_WAIT, Some(&worker)).await?;
        refuse_taken(&source, wish.newid)?;
        let held_source = if source.is_running() {
            source.lock(CLONE_WAIT, Some(&worker)).await?
        } else {
            source.lock_shared(CLONE_WAIT, Some(&worker)).await?
        };
        let job = Job { source, target, section, wish, worker };
        job.run((held_source, held_target)).await
    });
    drop(core);
    Ok(upid)
}

fn refuse_taken(source: &Subject, newid: u32) -> Result<(), String> {
    match source.state.qemu.node_of(newid) {
        Some(_) => Err(format!("unable to create VM {newid}: config file already exists")),
        None => Ok(()),
    }
}

fn check_target(request: &Request, source: &Subject, wish: &Wish) -> Result<(), ApiError> {
    if let Some(node) = &wish.target
        && source.state.node(node).is_none()
    {
        return Err(ApiError::failure(format!("no such cluster node '{node}'")));
    }
    if let Some(storage) = &wish.storage {
        let place =
            source.state.storage.on_node(&source.node, storage).map_err(ApiError::failure)?;
        if !place.holds(Content::Images) {
            let text = format!("storage '{storage}' does not support vm images");
            return Err(ApiError::parameter("storage", text));
        }
        request.require(&format!("/storage/{storage}"), &["Datastore.AllocateSpace"])?;
    }
    if let Some(node) = &wish.target
        && *node != source.node
    {
        let vmid = source.vmid;
        return Err(ApiError::failure(format!(
            "can't clone VM {vmid} to node '{node}' (VM uses local storage)"
        )));
    }
    Ok(())
}

/// Linked clones need a base, and take neither storage nor format.
fn check_linked(
    source: &Subject,
    config: &GuestConfig,
    section: &Section,
    wish: &Wish,
) -> Result<(), ApiError> {
    if !wish.full {
        if wish.storage.is_some() {
            return Err(ApiError::failure("parameter 'storage' not allowed for linked clones"));
        }
        if wish.format.is_some() {
            return Err(ApiError::failure("parameter 'format' not allowed for linked clones"));
        }
    }
    for drive in super::spec::drives(section) {
        let Some(id) = drive.volume().filter(|_| !drive.is_cdrom()) else { continue };
        let (place, volume) =
            source.state.storage.locate(&source.node, &id).map_err(ApiError::failure)?;
        let linkable = volume.is_base() || (wish.snapshot.is_some() && !place.is_directory());
        if !wish.full && !(linkable && (config.is_template() || wish.snapshot.is_some())) {
            return Err(ApiError::failure(format!(
                "Linked clone feature is not supported for '{id}' ({})",
                drive.name
            )));
        }
    }
    Ok(())
}

/// Copies take room on the storage that was asked for, or on that of their source.
fn check_room(request: &Request, section: &Section, wish: &Wish) -> Result<(), ApiError> {
    for drive in super::spec::drives(section) {
        let copied = !drive.is_cdrom() || drive.is_cloudinit();
        if let Some(id) = drive.volume().filter(|_| copied) {
            let storage = wish.storage.as_ref().unwrap_or(&id.storage);
            request.require(&format!("/storage/{storage}"), &["Datastore.AllocateSpace"])?;
        }
    }
    Ok(())
}
