//! `POST .../template`: a guest becomes what others are cloned from.

use serde_json::Value;

use super::{
    call::{CONFIG_WAIT, Subject, begin, check_lock},
    config::GuestConfig,
    spec,
};
use crate::pve::{
    error::ApiError,
    request::Request,
    storage::{Content, Volume},
    task::Worker,
};

pub(crate) async fn template(request: Request) -> Result<Value, ApiError> {
    let subject = Subject::of(&request);
    let disk = request.text("disk");
    let config = subject.load().map_err(ApiError::failure)?;
    check_lock(&config).map_err(ApiError::failure)?;
    if !config.snapshots.is_empty() {
        let text = "unable to create template, because VM contains snapshots";
        return Err(ApiError::failure(text));
    }
    if config.is_template() && disk.is_none() {
        return Err(ApiError::failure("you can't convert a template to a template"));
    }
    if subject.is_running() {
        return Err(ApiError::failure("you can't convert a VM to template if VM is running"));
    }
    Ok(begin(&request, "qmtemplate", &subject.vmid.to_string(), move |worker| async move {
        let _held = subject.lock(CONFIG_WAIT, Some(&worker)).await?;
        let mut config = subject.load()?;
        check_lock(&config)?;
        config.set("template", "1");
        subject.save(&config);
        let disks: Vec<String> = match disk {
            Some(disk) => vec![disk],
            None => spec::drives(&config.current)
                .into_iter()
                .filter(|drive| !drive.is_cdrom() && !drive.is_cloudinit())
                .map(|drive| drive.name)
                .collect(),
        };
        for disk in disks {
            make_base(&subject, &mut config, &disk, &worker)?;
            subject.save(&config);
        }
        Ok(())
    }))
}

/// Renames a disk's volume to `base-...`.
fn make_base(
    subject: &Subject,
    config: &mut GuestConfig,
    disk: &str,
    worker: &Worker,
) -> Result<(), String> {
    let Some(mut drive) =
        spec::drives(&config.current).into_iter().find(|drive| drive.name == disk)
    else {
        return Err(format!("disk '{disk}' does not exist"));
    };
    let Some(id) = drive.volume() else { return Ok(()) };
    let (place, volume) = subject.state.storage.locate(&subject.node, &id)?;
    if volume.content != Content::Images || volume.is_base() {
        return Ok(());
    }
    let Some(rest) = volume.file.strip_prefix("vm-") else { return Ok(()) };
    let file = format!("base-{rest}");
    let base = Volume { file: file.clone(), base: None, ..volume.clone() };
    place.rename(&volume, &base)?;
    if !place.is_directory() {
        worker.log(format!(
            "  Renamed \"{}\" to \"{file}\" in volume group \"{}\"",
            volume.file,
            place.volume_group()
        ));
    }
    let name = match volume.vmid {
        Some(vmid) if place.is_directory() => format!("{vmid}/{file}"),
        _ => file,
    };
    drive.set("file", place.volume_id(&name).to_string());
    config.set(disk, drive.print());
    Ok(())
}
