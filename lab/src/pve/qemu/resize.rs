//! `PUT .../resize`: growing a disk.

use serde_json::Value;

use super::{
    call::{CONFIG_WAIT, Subject, begin, check_lock, root_only},
    drive::Drive,
    size, update,
};
use crate::pve::{error::ApiError, request::Request, task::Worker};

pub(crate) async fn resize(request: Request) -> Result<Value, ApiError> {
    root_only(&request, &["skiplock"])?;
    let subject = Subject::of(&request);
    let disk = request.text("disk").unwrap_or_default();
    let asked = request.text("size").unwrap_or_default();
    let digest = request.text("digest");
    let skip = request.boolean("skiplock").unwrap_or(false);
    Ok(begin(&request, "resize", &subject.vmid.to_string(), move |worker| async move {
        let _held = subject.lock(CONFIG_WAIT, Some(&worker)).await?;
        let config = subject.load()?;
        if digest.is_some_and(|digest| digest != config.digest()) {
            return Err("checksum mismatch (file change by other user?)".to_owned());
        }
        if !skip {
            check_lock(&config)?;
        }
        let Some(value) = config.get(&disk) else {
            return Err(format!("disk '{disk}' does not exist"));
        };
        let mut drive = Drive::parse(&disk, value)?;
        if drive.is_cdrom() {
            return Err("you can't resize a cdrom".to_owned());
        }
        let Some(id) = drive.volume() else {
            return Err(format!("disk '{disk}' has no associated volume"));
        };
        let (place, volume) = subject.state.storage.locate(&subject.node, &id)?;
        let now = place
            .size(&volume)
            .ok_or_else(|| format!("Could not determine current size of volume '{id}'"))?;
        // The volume is rounded to extents, the configuration tells what was asked for.
        let known = drive.get("size").and_then(size::parse).filter(|known| *known <= now);
        let now = if known.is_some_and(|known| place.rounded(known) == now) {
            known.unwrap_or(now)
        } else {
            now
        };
        let target = target(&asked, now).ok_or_else(|| "internal error".to_owned())?;
        if target < now {
            return Err("shrinking disks is not supported".to_owned());
        }
        if target == now {
            return Ok(());
        }
        if volume.is_base() && place.is_directory() {
            return Err(immutable(&worker, &place.shown_path(&volume), &volume.format, target));
        }
        place.grow(&volume, target)?;
        say(&worker, place.is_directory(), place.volume_group(), &volume.file);
        drive.set("size", size::print(target));
        update::replace_drive(&subject, config, &drive).await
    }))
}

fn target(asked: &str, now: u64) -> Option<u64> {
    match asked.strip_prefix('+') {
        Some(more) => now.checked_add(size::parse(more)?),
        None => size::parse(asked),
    }
}

fn say(worker: &Worker, directory: bool, group: &str, file: &str) {
    if directory {
        worker.log("Image resized.");
    } else {
        worker.log(format!("  Size of logical volume {group}/{file} changed."));
        worker.log(format!("  Logical volume {group}/{file} successfully resized."));
    }
}

/// A base image in a directory carries the immutable flag.
fn immutable(worker: &Worker, path: &str, format: &str, bytes: u64) -> String {
    worker.log(format!(
        "qemu-img: Could not open '{path}': Could not open '{path}': Operation not permitted"
    ));
    format!(
        "command '/usr/bin/qemu-img resize '--preallocation=metadata' -f {format} {path} {bytes}' \
         failed: exit code 1"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_absolute_or_more_of_what_is_there() {
        assert_eq!(target("+1G", 1 << 30), Some(2 << 30));
        assert_eq!(target("4G", 1 << 30), Some(4 << 30));
        assert_eq!(target("1048576", 0), Some(1 << 20));
    }
}
