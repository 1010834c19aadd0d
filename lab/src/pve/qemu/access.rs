//! What a caller needs for an option, and what volumes it may name: checked before any work.

use super::{
    call::Subject,
    config::Section,
    drive::{Drive, NewVolume},
    network::{self, Network},
};
use crate::pve::{
    error::ApiError,
    request::Request,
    storage::{Content, VolumeId},
};

/// The privileges of which one is enough to change an option; `None` where that is root's alone.
fn privileges(option: &str) -> Option<&'static [&'static str]> {
    let stem = option.trim_end_matches(|last: char| last.is_ascii_digit());
    Some(match option {
        "cores" | "cpu" | "cpulimit" | "cpuunits" | "numa" | "smp" | "sockets" | "vcpus"
        | "affinity" => &["VM.Config.CPU"],
        "memory" | "balloon" | "shares" | "allow-ksm" => &["VM.Config.Memory"],
        "acpi" | "hotplug" | "kvm" | "machine" | "scsihw" | "smbios1" | "tablet" | "vga"
        | "watchdog" | "audio0" | "rng0" | "arch" => &["VM.Config.HWType"],
        "boot" | "bootdisk" | "vmstatestorage" => &["VM.Config.Disk"],
        "agent" | "autostart" | "bios" | "description" | "keyboard" | "localtime"
        | "migrate_downtime" | "migrate_speed" | "name" | "onboot" | "ostype" | "protection"
        | "reboot" | "startdate" | "startup" | "tags" | "tdf" | "template" | "vmgenid"
        | "freeze" => &["VM.Config.Options"],
        _ if super::cloudinit::is_option(option) => &["VM.Config.Cloudinit", "VM.Config.Network"],
        _ if network::is_network(option) => &["VM.Config.Network"],
        _ if matches!(stem, "serial" | "usb") => &["VM.Config.HWType"],
        _ if matches!(stem, "unused") => &["VM.Config.Disk"],
        _ => return None,
    })
}

fn is_passthrough(option: &str) -> bool {
    option.starts_with("hostpci")
}

/// Checks that the caller may hand a guest devices of the host, or take them away: those that no
/// mapping names are root's alone. A change of a guest is logged before it fails here.
///
/// # Errors
///
/// 500 for everybody else.
pub(crate) fn check_passthrough<'a>(
    request: &Request,
    mut names: impl Iterator<Item = &'a str>,
) -> Result<(), ApiError> {
    match names.find(|option| is_passthrough(option)) {
        Some(option) if !request.caller.is_root() => Err(ApiError::failure(format!(
            "only root can set '{option}' config for non-mapped devices"
        ))),
        _ => Ok(()),
    }
}

/// Checks the options that a caller sets or deletes; drives and devices of the host have checks of
/// their own.
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
    let elsewhere = |option: &&str| super::drive::is_drive(option) || is_passthrough(option);
    for option in names.filter(|option| !elsewhere(option)) {
        let Some(privileges) = privileges(option) else {
            return Err(ApiError::failure(format!("only root can set '{option}' config")));
        };
        let on_guest = format!("/vms/{vmid}");
        let in_pool =
            pool.is_some_and(|pool| request.may_any(&format!("/pool/{pool}"), privileges));
        if !in_pool {
            request.require_any(&on_guest, privileges)?;
        }
    }
    Ok(())
}

/// Checks the drives of an existing guest that a caller sets or deletes: media are another right
/// than disks, taking any drive away is that of disks.
///
/// # Errors
///
/// 403 for a missing privilege.
pub(crate) fn check_drives(
    request: &Request,
    vmid: u32,
    set: &[Drive],
    deleted: &[String],
) -> Result<(), ApiError> {
    let path = format!("/vms/{vmid}");
    for drive in set {
        let medium = drive.is_cdrom() && !drive.is_cloudinit();
        request.require(&path, &[if medium { "VM.Config.CDROM" } else { "VM.Config.Disk" }])?;
    }
    if deleted.iter().any(|option| super::drive::is_drive(option)) {
        request.require(&path, &["VM.Config.Disk"])?;
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
