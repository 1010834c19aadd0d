//! `POST /nodes/{node}/qemu`: a new guest.

use serde_json::Value;

use super::{
    access, boot,
    call::{CLONE_WAIT, Subject, begin},
    config::{GuestConfig, Section},
    disks::Site,
    normal, power,
};
use crate::pve::{error::ApiError, request::Request, storage::VolumeId, task::Worker};

/// The version that `meta` names.
const QEMU_VERSION: &str = "10.0.13";

pub(crate) async fn create(request: Request) -> Result<Value, ApiError> {
    let subject = Subject::of(&request);
    let vmid = subject.vmid;
    let pool = request.text("pool");
    if let Some(pool) = &pool {
        request.state.access.require_pool(pool)?;
    }
    allowed(&request, vmid, pool.as_deref())?;
    if request.has("archive") {
        return Err(ApiError::failure("restoring from an archive is not emulated"));
    }
    let options = normal::options_of(&request)?;
    let drives = access::drives_of(&options)?;
    access::check_options(&request, vmid, pool.as_deref(), options.keys().map(String::as_str))?;
    access::check_passthrough(&request, options.keys().map(String::as_str))?;
    access::check_storage(&request, &subject, &drives)?;
    access::check_bridges(&request, &options)?;
    let mut reserved = GuestConfig::default();
    reserved.set("lock", "create");
    if let Err(node) = subject.state.qemu.create(&subject.node, vmid, reserved) {
        let text =
            format!("unable to create VM {vmid} - VM {vmid} already exists on node '{node}'");
        return Err(ApiError::failure(text));
    }
    if request.forced_exit.as_ref().is_some_and(|forced| forced.instead) {
        // A task that fails before its work takes back what was reserved for it, as one does that fails later.
        subject.state.qemu.remove(vmid);
    }
    let start = request.boolean("start").unwrap_or(false);
    let id = vmid.to_string();
    Ok(begin(&request, "qmcreate", &id, move |worker| async move {
        let site = Site { subject: subject.clone(), worker: Some(worker.clone()) };
        build(&site, options, pool.as_deref(), &worker)
            .await
            .map_err(|error| format!("unable to create VM {vmid} - {error}"))?;
        if start {
            worker.log("Execute autostart");
            if let Err(error) = power::start_guest(&subject, &worker).await {
                worker.warn(error);
            }
        }
        Ok(())
    }))
}

fn allowed(request: &Request, vmid: u32, pool: Option<&str>) -> Result<(), ApiError> {
    let on_guest = request.may(&format!("/vms/{vmid}"), &["VM.Allocate"]);
    let in_pool = pool.is_some_and(|pool| request.may(&format!("/pool/{pool}"), &["VM.Allocate"]));
    if on_guest || in_pool { Ok(()) } else { Err(ApiError::forbidden_plainly()) }
}

/// Makes the disks and writes the configuration; what was made goes again when it fails.
async fn build(
    site: &Site,
    options: Section,
    pool: Option<&str>,
    worker: &Worker,
) -> Result<(), String> {
    let subject = &site.subject;
    let _held = subject.lock(CLONE_WAIT, Some(worker)).await?;
    let mut made: Vec<VolumeId> = Vec::new();
    match furnished(site, options, &mut made).await {
        Ok(config) => {
            subject.save(&config);
            if let Some(pool) = pool {
                subject.state.access.add_guest_to_pool(pool, subject.vmid);
            }
            Ok(())
        }
        Err(error) => {
            for id in made {
                let quiet = Site { worker: None, ..site.clone() };
                if let Err(error) = quiet.free(&id).await {
                    worker.log(error);
                }
            }
            subject.state.qemu.remove(subject.vmid);
            Err(error)
        }
    }
}

async fn furnished(
    site: &Site,
    mut options: Section,
    made: &mut Vec<VolumeId>,
) -> Result<GuestConfig, String> {
    let drives = access::drives_of(&options).map_err(|error| error.exit_status())?;
    for drive in drives {
        let drive = site.furnish(drive, made).await?;
        if let Some(worker) = &site.worker
            && worker.interrupted()
        {
            return Err(crate::pve::task::INTERRUPTED.to_owned());
        }
        options.insert(drive.name.clone(), drive.print());
    }
    let now = site.subject.state.clock.now();
    options.entry("smbios1".to_owned()).or_insert_with(|| format!("uuid={}", uuid::Uuid::new_v4()));
    match options.get("vmgenid").map(String::as_str) {
        Some("0") => {
            options.remove("vmgenid");
        }
        Some(_) => {}
        None => {
            options.insert("vmgenid".to_owned(), uuid::Uuid::new_v4().to_string());
        }
    }
    options.insert("meta".to_owned(), format!("creation-qemu={QEMU_VERSION},ctime={now}"));
    if !options.contains_key("boot") {
        options.insert("boot".to_owned(), boot::print(&boot::default_order(&options)));
    }
    Ok(GuestConfig { current: options, ..GuestConfig::default() })
}
