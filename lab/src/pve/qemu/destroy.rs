//! `DELETE .../qemu/{vmid}`.

use serde_json::Value;

use super::{
    call::{CONFIG_WAIT, Subject, begin, check_lock, root_only},
    config::GuestConfig,
    disks::Site,
    drive, spec, update,
};
use crate::pve::{error::ApiError, request::Request, storage::VolumeId};

pub(crate) async fn delete(request: Request) -> Result<Value, ApiError> {
    root_only(&request, &["skiplock"])?;
    let subject = Subject::of(&request);
    let vmid = subject.vmid;
    let skip = request.boolean("skiplock").unwrap_or(false);
    let purge = request.boolean("purge").unwrap_or(false);
    let unreferenced = request.boolean("destroy-unreferenced-disks").unwrap_or(false);
    let config = subject.load().map_err(ApiError::failure)?;
    update::protected(&config, &format!("can't remove VM {vmid}"))?;
    if subject.state.cluster.is_managed(vmid) && !purge {
        return Err(ApiError::failure(format!(
            "unable to remove VM {vmid} - used in HA resources and purge parameter not set."
        )));
    }
    let running = move |subject: &Subject| {
        subject.is_running().then(|| format!("VM {vmid} is running - destroy failed"))
    };
    if let Some(error) = running(&subject) {
        return Err(ApiError::failure(error));
    }
    Ok(begin(&request, "qmdestroy", &vmid.to_string(), move |worker| async move {
        let held = subject.lock(CONFIG_WAIT, Some(&worker)).await?;
        let config = subject.load()?;
        if !skip {
            check_lock(&config)?;
        }
        update::protected(&config, &format!("can't remove VM {vmid}"))
            .map_err(|error| error.exit_status())?;
        if let Some(error) = running(&subject) {
            return Err(error);
        }
        let site = Site { subject: subject.clone(), worker: Some(worker.clone()) };
        refuse_needed_bases(&subject, &config)?;
        free_volumes(&site, &config).await;
        if unreferenced {
            free_unreferenced(&site).await;
        }
        subject.state.access.remove_guest(vmid);
        if purge {
            worker.log(format!("purging VM {vmid} from related configurations.."));
            if subject.state.cluster.unmanage(vmid) {
                worker.log(format!("NOTE: removed VM {vmid} from HA resource configuration."));
            }
        }
        subject.state.qemu.remove(vmid);
        drop(held);
        Ok(())
    }))
}

/// A template's disk in a directory stays while linked clones need it.
fn refuse_needed_bases(subject: &Subject, config: &GuestConfig) -> Result<(), String> {
    if !config.is_template() {
        return Ok(());
    }
    for drive in spec::drives(&config.current) {
        let Some(id) = drive.volume() else { continue };
        let Ok((place, volume)) = subject.state.storage.locate(&subject.node, &id) else {
            continue;
        };
        if place.is_directory() && volume.is_base() && !place.clones_of(&id.name).is_empty() {
            return Err(format!("base volume '{id}' is still in use by linked cloned"));
        }
    }
    Ok(())
}

/// Every volume of the guest's own that its configuration or a snapshot of it names.
pub(crate) fn own_volumes(subject: &Subject, config: &GuestConfig) -> Vec<VolumeId> {
    let mut found = Vec::new();
    for section in std::iter::once(&config.current)
        .chain(std::iter::once(&config.pending.set))
        .chain(config.snapshots.values())
    {
        let drives = spec::drives(section)
            .into_iter()
            .filter(|drive| !drive.is_cdrom() || drive.is_cloudinit());
        let unused = section.iter().filter(|(option, _)| drive::is_unused(option));
        let volumes = drives
            .filter_map(|drive| drive.volume())
            .chain(unused.filter_map(|(_, value)| VolumeId::parse(value)));
        for id in volumes {
            let own = subject
                .state
                .storage
                .locate(&subject.node, &id)
                .is_ok_and(|(_, volume)| volume.vmid == Some(subject.vmid));
            if own && !found.contains(&id) {
                found.push(id);
            }
        }
    }
    found
}

/// Frees them; one that can't be freed is told of and left.
async fn free_volumes(site: &Site, config: &GuestConfig) {
    for id in own_volumes(&site.subject, config) {
        if let Err(error) = site.free(&id).await
            && let Some(worker) = &site.worker
        {
            worker.log(format!("Could not remove disk '{id}', check manually: {error}"));
        }
    }
}

/// Frees what carries the guest's VMID though nothing names it.
async fn free_unreferenced(site: &Site) {
    let places: Vec<_> = site.subject.state.storage.of_node(&site.subject.node).cloned().collect();
    for place in places {
        for image in place.images() {
            if image.volume.vmid == Some(site.subject.vmid) {
                // What can't be freed was told of where it is named.
                let _ = site.free(&place.volume_id(&image.name)).await;
            }
        }
    }
}
