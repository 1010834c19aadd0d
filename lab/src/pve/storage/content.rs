//! `/nodes/{node}/storage/{storage}/content`: volumes of a storage.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    place::Place,
    volume::{Content, VolumeId},
};
use crate::pve::{
    error::ApiError,
    qemu::{begin, finished_within, patience},
    request::Request,
    task::Worker,
};

/// How long one waits for a storage's lock.
const WAIT: Duration = Duration::from_secs(10);

/// The format `pve-storage-content`.
pub(crate) fn content_type(text: &str) -> Result<(), String> {
    match Content::parse(text) {
        Some(_) => Ok(()),
        None => Err(format!("invalid content type '{text}'")),
    }
}

pub(crate) async fn list(request: Request) -> Result<Value, ApiError> {
    let id = request.text("storage").unwrap_or_default();
    let place = request.state.storage.on_node(&request.node(), &id).map_err(ApiError::failure)?;
    let wanted = request.text("content").and_then(|name| Content::parse(&name));
    let vmid = request.integer("vmid").and_then(|vmid| u32::try_from(vmid).ok());
    let all = request.may(&format!("/storage/{id}"), &["Datastore.Allocate"]);
    let mut answer = Vec::new();
    for content in Content::ALL {
        if !place.holds(content) || wanted.is_some_and(|wanted| wanted != content) {
            continue;
        }
        for file in place.files(content) {
            if vmid.is_none() {
                answer.push(json!({
                    "volid": place.volume_id(&file.name).to_string(),
                    "content": content.name(),
                    "format": file.volume.format,
                    "size": file.bytes,
                    "ctime": file.changed,
                }));
            }
        }
        if content == Content::Images {
            answer.extend(images(&request, place, vmid, all));
        }
    }
    answer.sort_by(|one, other| one["volid"].as_str().cmp(&other["volid"].as_str()));
    Ok(Value::Array(answer))
}

fn images(request: &Request, place: &Place, vmid: Option<u32>, all: bool) -> Vec<Value> {
    let mut answer = Vec::new();
    for image in place.images() {
        let owner = image.volume.vmid.unwrap_or(0);
        let visible = all || request.may(&format!("/vms/{owner}"), &["VM.Config.Disk"]);
        if vmid.is_some_and(|vmid| vmid != owner) || !visible {
            continue;
        }
        let mut item = json!({
            "volid": place.volume_id(&image.name).to_string(),
            "content": "images",
            "format": image.volume.format,
            "size": image.bytes,
            "vmid": owner,
        });
        if place.is_directory() {
            item["ctime"] = json!(image.changed);
            item["used"] = json!(image.bytes);
            item["parent"] = image.volume.base.map_or(Value::Null, Value::from);
        } else {
            item["ctime"] = json!(image.changed.to_string());
        }
        answer.push(item);
    }
    answer
}

/// `local:iso/a.iso`, or the part behind the storage.
fn volume_of(request: &Request) -> Result<VolumeId, ApiError> {
    let text = request.text("volume").unwrap_or_default();
    let storage = request.text("storage");
    match (VolumeId::parse(&text), storage) {
        (Some(id), Some(storage)) if id.storage != storage => {
            Err(ApiError::failure(format!("storage ID mismatch ({} != {storage})", id.storage)))
        }
        (Some(id), _) => Ok(id),
        (None, Some(storage)) => Ok(VolumeId::new(&storage, &text)),
        (None, None) => {
            let text = "no storage specified - incomplete volume ID";
            Err(ApiError::parameter("volume", text))
        }
    }
}

pub(crate) async fn info(request: Request) -> Result<Value, ApiError> {
    use std::os::unix::fs::MetadataExt as _;
    let id = volume_of(&request)?;
    let (place, volume) =
        request.state.storage.locate(&request.node(), &id).map_err(ApiError::failure)?;
    request.require_any(
        &format!("/storage/{}", id.storage),
        &["Datastore.Audit", "Datastore.AllocateSpace"],
    )?;
    let Ok(facts) = fs_err::metadata(place.file(&volume)) else {
        let what = if place.is_directory() { "format" } else { "size" };
        return Err(ApiError::failure(format!("volume_size_info on '{id}' failed - no {what}")));
    };
    let image = volume.content == Content::Images || volume.content == Content::Import;
    // Sizes of other files are told as `qemu-img info` does, in whole sectors.
    let size = if image { facts.len() } else { facts.len().next_multiple_of(512) };
    Ok(json!({
        "path": place.shown_path(&volume),
        "size": size,
        "used": facts.blocks() * 512,
        "format": if image { volume.format.as_str() } else { "raw" },
    }))
}

pub(crate) async fn allocate(request: Request) -> Result<Value, ApiError> {
    let id = request.text("storage").unwrap_or_default();
    let vmid = request.vmid();
    let name = request.text("filename").unwrap_or_default();
    let size = request.text("size").unwrap_or_default();
    let bytes = bytes_of(&size)
        .ok_or_else(|| ApiError::parameter("size", format!("unable to parse size '{size}'")))?;
    let node = request.node();
    let place = request.state.storage.on_node(&node, &id).map_err(ApiError::failure)?;
    let format = request.text("format");
    if place.is_directory() {
        let ending = name.rsplit_once('.').map(|(_, ending)| ending);
        if let (Some(format), Some(ending)) = (&format, ending)
            && ["raw", "qcow2", "vmdk"].contains(&ending)
            && format != ending
        {
            let text = format!("different storage formats ({format} != {ending})");
            return Err(ApiError::parameter("format", text));
        }
    }
    let illegal = || ApiError::failure(format!("illegal name '{name}' - should be 'vm-{vmid}-*'"));
    if !name.starts_with(&format!("vm-{vmid}-")) {
        return Err(illegal());
    }
    let name = if place.is_directory() { format!("{vmid}/{name}") } else { name.clone() };
    let wait = patience(&request.state, WAIT, None);
    let _held = place.lock.exclusive(wait).await.map_err(ApiError::failure)?;
    place.allocate(None, vmid, &name, bytes).map_err(ApiError::failure)?;
    Ok(Value::from(place.volume_id(&name).to_string()))
}

/// Kibibytes without a unit.
fn bytes_of(text: &str) -> Option<u64> {
    let (number, unit) = match text.strip_suffix('M') {
        Some(number) => (number, 1 << 20),
        None => match text.strip_suffix('G') {
            Some(number) => (number, 1 << 30),
            None => (text, 1 << 10),
        },
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

pub(crate) async fn delete(request: Request) -> Result<Value, ApiError> {
    let id = volume_of(&request)?;
    let node = request.node();
    let (_, volume) = request.state.storage.locate(&node, &id).map_err(ApiError::failure)?;
    let path = format!("/storage/{}", id.storage);
    match volume.vmid {
        Some(vmid) if !request.may(&path, &["Datastore.Allocate"]) => {
            request.require(&path, &["Datastore.AllocateSpace"])?;
            request.require(&format!("/vms/{vmid}"), &["VM.Config.Disk"])?;
        }
        Some(_) => {}
        None => request.require(&path, &["Datastore.Allocate"])?,
    }
    let subject = match volume.vmid {
        Some(vmid) => format!("{vmid}@{}", id.storage),
        None => id.storage.clone(),
    };
    let state = std::sync::Arc::clone(&request.state);
    let upid = begin(&request, "imgdel", &subject, move |worker| async move {
        let (place, _) = state.storage.locate(&node, &id)?;
        let wait = patience(&state, WAIT, Some(&worker));
        let _held = place.lock.exclusive(wait).await?;
        free(place, &worker, &id)
    });
    let delay = request.integer("delay").and_then(|delay| u64::try_from(delay).ok());
    match delay {
        Some(delay) => finished_within(&request, upid, Duration::from_secs(delay)).await,
        None => Ok(upid),
    }
}

fn free(place: &Place, worker: &Worker, id: &VolumeId) -> Result<(), String> {
    let volume = place.parse(&id.name)?;
    if volume.content == Content::Images {
        place.free(Some(worker), &id.name)?;
    } else if let Err(error) = fs_err::remove_file(place.file(&volume)) {
        if error.kind() != std::io::ErrorKind::NotFound {
            return Err(format!("unlink '{}' failed - {error}", place.shown_path(&volume)));
        }
        worker.log(format!("disk image '{}' does not exist", place.shown_path(&volume)));
    }
    worker.log(format!("Removed volume '{id}'"));
    Ok(())
}
