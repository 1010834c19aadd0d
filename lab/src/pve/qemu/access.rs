//! What a caller needs for an option, and what volumes it may name: checked before any work.

use super::{
    call::Subject,
    config::Section,
    drive::{Drive, NewVolume},
    network::{self, Network},
    options,
};
use crate::pve::{
    error::ApiError,
    request::Request,
    storage::{Content, VolumeId},
};

/// The privileges that changing an option takes.
fn privilege(option: &str) -> Option<&'static str> {
    let stem = option.trim_end_matches(|last: char| last.is_ascii_digit());
    Some(match (option, stem) {
        ("cores" | "cpu" | "cpulimit" | "cpuunits" | "numa" | "smp" | "sockets" | "vcpus", _)
        | ("affinity", _) => "VM.Config.CPU",
        ("memory" | "balloon" | "shares" | "hugepages", _) => "VM.Config.Memory",
        ("ciuser" | "cipassword" | "sshkeys" | "searchdomain" | "nameserver", _)
        | ("ciupgrade", _)
        | (_, "ipconfig") => "VM.Config.Cloudinit",
        (_, "net") => "VM.Config.Network",
        ("cicustom", _) => return None,
        ("bios" | "machine" | "scsihw" | "vga" | "acpi" | "kvm" | "tablet" | "ostype", _)
        | (
            _,
            "serial" | "usb" | "hostpci" | "parallel" | "audio" | "rng" | "efidisk" | "tpmstate",
        )
        | ("watchdog" | "arch" | "smbios1" | "vmgenid" | "keyboard", _) => "VM.Config.HWType",
        (_, "unused") => "VM.Config.Disk",
        _ => "VM.Config.Options",
    })
}

/// Checks the options that a caller sets or deletes.
///
/// # Errors
///
/// 403 for a missing privilege, 500 for what is root's alone.
pub(crate) fn check_options<'a>(
    request: &Request,
    vmid: u32,
    pool: Option<&str>,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), ApiError> {
    if request.caller.is_root() {
        return Ok(());
    }
    for option in names {
        if super::drive::is_drive(option) {
            request.require_on_guest(vmid, pool, &["VM.Config.Disk"]).or_else(|error| {
                request.require_on_guest(vmid, pool, &["VM.Config.CDROM"]).map_err(|_| error)
            })?;
            continue;
        }
        if option.starts_with("hostpci") {
            let text = format!("only root can set '{option}' config for non-mapped devices");
            return Err(ApiError::failure(text));
        }
        if matches!(option, "args" | "lock" | "hookscript" | "ivshmem" | "amd-sev")
            || option.starts_with("virtiofs")
        {
            return Err(ApiError::failure(format!("only root can set '{option}' config")));
        }
        match privilege(option) {
            Some(privilege) => request.require_on_guest(vmid, pool, &[privilege])?,
            None => {
                request.require_on_guest(vmid, pool, &["VM.Config.Cloudinit"])?;
                request.require_on_guest(vmid, pool, &["VM.Config.Network"])?;
            }
        }
    }
    Ok(())
}

/// Checks that the caller may use the bridges that network devices name.
///
/// # Errors
///
/// 403 for a missing `SDN.Use`.
pub(crate) fn check_bridges(request: &Request, section: &Section) -> Result<(), ApiError> {
    for (option, value) in section.iter().filter(|(option, _)| network::is_network(option)) {
        let net = Network::parse(option, value).map_err(ApiError::failure)?;
        if let Some(bridge) = net.get("bridge") {
            let tag = net.get("tag").map(|tag| format!("/{tag}")).unwrap_or_default();
            let path = format!("/sdn/zones/localnetwork/{bridge}{tag}");
            request.require(&path, &["SDN.Use"])?;
        }
    }
    Ok(())
}

/// Checks what drives ask for, before anything is made.
///
/// # Errors
///
/// 400, 403 or 500 with the real text.
pub(crate) fn check_storage(
    request: &Request,
    subject: &Subject,
    drives: &[Drive],
) -> Result<(), ApiError> {
    for drive in drives {
        let file = drive.file();
        if drive.get("import-from").is_some()
            && NewVolume::parse(file).is_none_or(|new| new.gibibytes != 0.0)
        {
            return Err(ApiError::parameter(
                &drive.name,
                "'import-from' requires special syntax - use <storage ID>:0,import-from=<source>",
            ));
        }
        if matches!(file, "none" | "cdrom") || file.starts_with('/') {
            if file.starts_with('/') && !request.caller.is_root() {
                return Err(ApiError::failure("Only root can pass arbitrary filesystem paths."));
            }
            continue;
        }
        let Some(id) = drive.volume() else { continue };
        let place = subject.state.storage.on_node(&subject.node, &id.storage);
        if NewVolume::parse(file).is_some() || file.ends_with(":cloudinit") {
            let place = place.map_err(ApiError::failure)?;
            request.require(&format!("/storage/{}", id.storage), &["Datastore.AllocateSpace"])?;
            if !place.holds(Content::Images) {
                let text = format!("storage '{}' does not support vm images", id.storage);
                return Err(ApiError::parameter("storage", text));
            }
            if let Some(source) = drive.get("import-from") {
                check_import(request, subject, &drive.name, source)?;
            }
        } else {
            check_volume(request, subject, drive, &id)?;
        }
    }
    Ok(())
}

fn check_volume(
    request: &Request,
    subject: &Subject,
    drive: &Drive,
    id: &VolumeId,
) -> Result<(), ApiError> {
    let (_, volume) = subject.state.storage.locate(&subject.node, id).map_err(ApiError::failure)?;
    if !matches!(volume.content, Content::Images | Content::Iso) {
        return Err(ApiError::parameter(&drive.name, "content type needs to be 'images' or 'iso'"));
    }
    if volume.content == Content::Iso && drive.get("media") != Some("cdrom") {
        return Err(ApiError::parameter(
            &drive.name,
            "explicit 'media=cdrom' is required for iso images",
        ));
    }
    let privileges = ["Datastore.AllocateSpace", "Datastore.Audit"];
    let own = volume.vmid == Some(subject.vmid);
    if !own {
        request.require_any(&format!("/storage/{}", id.storage), &privileges)?;
    }
    Ok(())
}

fn check_import(
    request: &Request,
    subject: &Subject,
    drive: &str,
    source: &str,
) -> Result<(), ApiError> {
    let Some(id) = VolumeId::parse(source) else {
        return if request.caller.is_root() {
            Ok(())
        } else {
            Err(ApiError::failure("Only root can pass arbitrary filesystem paths."))
        };
    };
    let (_, volume) =
        subject.state.storage.locate(&subject.node, &id).map_err(ApiError::failure)?;
    if !matches!(volume.content, Content::Images | Content::Import) {
        let kind = volume.content.name();
        let text = format!("{source} has wrong type '{kind}' - needs to be 'images' or 'import'");
        return Err(ApiError::parameter(drive, text));
    }
    let privileges = ["Datastore.AllocateSpace", "Datastore.Audit"];
    request.require_any(&format!("/storage/{}", id.storage), &privileges)
}

/// The drives among options.
///
/// # Errors
///
/// 400 for one that can't be read.
pub(crate) fn drives_of(section: &Section) -> Result<Vec<Drive>, ApiError> {
    super::drive::names()
        .filter_map(|name| section.get(&name).map(|value| (name, value)))
        .map(|(name, value)| {
            Drive::parse(&name, value)
                .map_err(|_| ApiError::parameter(name, "unable to parse drive options"))
        })
        .collect()
}

/// Whether changing an option shows only after the guest's next start, unless it can be plugged.
pub(crate) fn is_known(option: &str) -> bool {
    options::is_option(option)
}
