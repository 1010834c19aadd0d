//! The calls about guests, as they are declared.

use super::{
    agent, clone, cloudinit, create, destroy, drive, options, power, relocate, resize, show,
    snapshot, status, template, update,
};
use crate::pve::{
    access::permission::{Check, Permission, all_of, any_of},
    endpoint::Endpoint,
    schema::{Parameter, Schema, boolean, formatted, integer, node, one_of, string, vmid},
};

const VM: &str = "/vms/{vmid}";

pub(crate) fn endpoints() -> Vec<Endpoint> {
    [
        life(),
        configuration(),
        power_calls(),
        agent::endpoints(),
        snapshot::endpoints(),
        relocate::endpoints(),
    ]
    .concat()
}

/// A call about one guest: node and VMID are declared.
pub(crate) fn on_guest(endpoint: Endpoint) -> Endpoint {
    endpoint.proxied().parameters([node(), vmid()])
}

pub(crate) fn skip_lock() -> Parameter {
    boolean().optional().named("skiplock")
}

pub(crate) fn digest() -> Parameter {
    string().max_length(40).optional().named("digest")
}

pub(crate) fn snapshot_name() -> Schema {
    formatted("pve-configid").max_length(40)
}

/// All drives by name.
pub(crate) fn any_drive() -> Schema {
    one_of(drive::names())
}

fn life() -> Vec<Endpoint> {
    let newid = integer().format("pve-vmid").minimum(100).maximum(999_999_999);
    let clone_permission = Permission::Check(Check::And(vec![
        Check::Privileges { path: VM, privileges: &["VM.Clone"], any: false },
        Check::Or(vec![
            Check::Privileges { path: "/vms/{newid}", privileges: &["VM.Allocate"], any: false },
            Check::Privileges { path: "/pool/{pool}", privileges: &["VM.Allocate"], any: false },
        ]),
    ]));
    vec![
        Endpoint::get("/nodes/{node}/qemu")
            .protected()
            .proxied()
            .parameters([node(), boolean().optional().named("full")])
            .handler(status::list),
        Endpoint::post("/nodes/{node}/qemu")
            .protected()
            .proxied()
            .parameters([node(), vmid()])
            .parameters(options::parameters())
            .parameters([
                string().max_length(255).optional().named("archive"),
                integer().minimum(0).optional().named("bwlimit"),
                boolean().optional().requires("archive").named("force"),
                boolean().optional().named("ha-managed"),
                formatted("pve-storage-id").optional().named("import-working-storage"),
                boolean().optional().named("live-restore"),
                formatted("pve-poolid").optional().named("pool"),
                boolean().optional().named("start"),
                formatted("pve-storage-id").optional().named("storage"),
                boolean().optional().requires("archive").named("unique"),
            ])
            .handler(create::create),
        on_guest(Endpoint::get("/nodes/{node}/qemu/{vmid}")).handler(directory),
        on_guest(Endpoint::delete("/nodes/{node}/qemu/{vmid}"))
            .protected()
            .permission(all_of(VM, &["VM.Allocate"]))
            .parameters([
                boolean().optional().named("destroy-unreferenced-disks"),
                boolean().optional().named("purge"),
                skip_lock(),
            ])
            .handler(destroy::delete),
        on_guest(Endpoint::post("/nodes/{node}/qemu/{vmid}/clone"))
            .protected()
            .permission(clone_permission)
            .parameters([
                integer().minimum(0).optional().named("bwlimit"),
                string().optional().named("description"),
                one_of(["raw", "qcow2", "vmdk"]).optional().named("format"),
                boolean().optional().named("full"),
                formatted("dns-name").optional().named("name"),
                newid.named("newid"),
                formatted("pve-poolid").optional().named("pool"),
                snapshot_name().optional().named("snapname"),
                formatted("pve-storage-id").optional().named("storage"),
                formatted("pve-node").optional().named("target"),
            ])
            .handler(clone::clone),
        on_guest(Endpoint::post("/nodes/{node}/qemu/{vmid}/template"))
            .protected()
            .permission(all_of(VM, &["VM.Allocate"]))
            .parameters([any_drive().optional().named("disk")])
            .handler(template::template),
    ]
}

async fn directory(
    _: crate::pve::request::Request,
) -> Result<serde_json::Value, crate::pve::error::ApiError> {
    let names = [
        "config",
        "pending",
        "status",
        "unlink",
        "vncproxy",
        "termproxy",
        "migrate",
        "resize",
        "move",
        "rrd",
        "rrddata",
        "monitor",
        "agent",
        "snapshot",
        "spiceproxy",
        "sendkey",
        "firewall",
        "mtunnel",
        "remote_migrate",
        "dbus-vmstate",
    ];
    Ok(names.iter().map(|name| serde_json::json!({ "subdir": name })).collect())
}

fn configuration() -> Vec<Endpoint> {
    let config = "/nodes/{node}/qemu/{vmid}/config";
    let change = |endpoint: Endpoint| {
        on_guest(endpoint)
            .protected()
            .permission(any_of(
                VM,
                &[
                    "VM.Config.Disk",
                    "VM.Config.CDROM",
                    "VM.Config.CPU",
                    "VM.Config.Memory",
                    "VM.Config.Network",
                    "VM.Config.HWType",
                    "VM.Config.Options",
                    "VM.Config.Cloudinit",
                ],
            ))
            .parameters(options::parameters())
            .parameters([
                formatted("pve-configid-list").optional().named("delete"),
                formatted("pve-configid-list").optional().named("revert"),
                digest(),
                boolean().optional().requires("delete").named("force"),
                skip_lock(),
            ])
    };
    let audit = |endpoint: Endpoint| on_guest(endpoint).permission(all_of(VM, &["VM.Audit"]));
    vec![
        audit(Endpoint::get(config))
            .parameters([
                boolean().optional().named("current"),
                snapshot_name().optional().named("snapshot"),
            ])
            .handler(show::config),
        change(Endpoint::put(config)).handler(update::put),
        change(Endpoint::post(config))
            .parameters([
                integer().minimum(1).maximum(30).optional().named("background_delay"),
                formatted("pve-storage-id").optional().named("import-working-storage"),
            ])
            .handler(update::post),
        audit(Endpoint::get("/nodes/{node}/qemu/{vmid}/pending")).handler(show::pending),
        audit(Endpoint::get("/nodes/{node}/qemu/{vmid}/cloudinit")).handler(cloudinit::pending),
        on_guest(Endpoint::put("/nodes/{node}/qemu/{vmid}/cloudinit"))
            .protected()
            .permission(all_of(VM, &["VM.Config.Cloudinit"]))
            .handler(cloudinit::update),
        audit(Endpoint::get("/nodes/{node}/qemu/{vmid}/cloudinit/dump"))
            .parameters([one_of(["user", "network", "meta"]).named("type")])
            .handler(cloudinit::dump),
        on_guest(Endpoint::put("/nodes/{node}/qemu/{vmid}/unlink"))
            .protected()
            .permission(all_of(VM, &["VM.Config.Disk"]))
            .parameters([
                formatted("pve-configid-list").named("idlist"),
                boolean().optional().named("force"),
            ])
            .handler(update::unlink),
        on_guest(Endpoint::put("/nodes/{node}/qemu/{vmid}/resize"))
            .protected()
            .permission(all_of(VM, &["VM.Config.Disk"]))
            .parameters([
                any_drive().named("disk"),
                string().pattern(r"\+?\d+(\.\d+)?[KMGT]?").named("size"),
                digest(),
                skip_lock(),
            ])
            .handler(resize::resize),
    ]
}

fn power_calls() -> Vec<Endpoint> {
    let call = |path: &'static str| {
        on_guest(Endpoint::post(path)).protected().permission(all_of(VM, &["VM.PowerMgmt"]))
    };
    let timeout = || integer().minimum(0).optional().named("timeout");
    vec![
        on_guest(Endpoint::get("/nodes/{node}/qemu/{vmid}/status")).handler(power::index),
        on_guest(Endpoint::get("/nodes/{node}/qemu/{vmid}/status/current"))
            .protected()
            .permission(all_of(VM, &["VM.Audit"]))
            .handler(status::current),
        call("/nodes/{node}/qemu/{vmid}/status/start")
            .parameters([
                string().optional().named("force-cpu"),
                options::machine().optional().named("machine"),
                formatted("pve-node").optional().named("migratedfrom"),
                formatted("CIDR").optional().named("migration_network"),
                one_of(["secure", "insecure"]).optional().named("migration_type"),
                skip_lock(),
                string().max_length(128).optional().named("stateuri"),
                formatted("storage-pair-list").optional().named("targetstorage"),
                string().pattern(r"net\d+=\d+(,net\d+=\d+)*").optional().named("nets-host-mtu"),
                boolean().optional().named("with-conntrack-state"),
                timeout(),
            ])
            .handler(power::start),
        call("/nodes/{node}/qemu/{vmid}/status/stop")
            .parameters([
                boolean().optional().named("keepActive"),
                formatted("pve-node").optional().named("migratedfrom"),
                boolean().optional().named("overrule-shutdown"),
                skip_lock(),
                timeout(),
            ])
            .handler(power::stop),
        call("/nodes/{node}/qemu/{vmid}/status/shutdown")
            .parameters([
                boolean().optional().named("forceStop"),
                boolean().optional().named("keepActive"),
                skip_lock(),
                timeout(),
            ])
            .handler(power::shutdown),
        call("/nodes/{node}/qemu/{vmid}/status/reboot")
            .parameters([timeout()])
            .handler(power::reboot),
        call("/nodes/{node}/qemu/{vmid}/status/reset")
            .parameters([skip_lock()])
            .handler(power::reset),
        call("/nodes/{node}/qemu/{vmid}/status/suspend")
            .parameters([
                skip_lock(),
                formatted("pve-storage-id").optional().requires("todisk").named("statestorage"),
                boolean().optional().named("todisk"),
            ])
            .handler(power::suspend),
        call("/nodes/{node}/qemu/{vmid}/status/resume")
            .parameters([boolean().optional().named("nocheck"), skip_lock()])
            .handler(power::resume),
    ]
}
