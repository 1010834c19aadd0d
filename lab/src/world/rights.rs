//! What the product's token may do in the lab: what `homelab init proxmox-role` prints for
//! `inventory/lab-bare.yaml`, typed as an administrator would type it. A test of the product holds the two
//! together, so that the lab never grants what a real host would lack.

/// Roles and their privileges.
pub const ROLES: [(&str, &str); 6] = [
    (
        "HomelabGuests",
        "VM.Allocate VM.Audit VM.Clone VM.Config.CDROM VM.Config.CPU VM.Config.Disk VM.Config.HWType \
         VM.Config.Memory VM.Config.Network VM.Config.Options VM.PowerMgmt",
    ),
    ("HomelabDisks", "Datastore.AllocateSpace Datastore.Audit"),
    ("HomelabImages", "Datastore.AllocateTemplate Datastore.Audit"),
    ("HomelabSeeds", "Datastore.Allocate Datastore.AllocateTemplate Datastore.Audit"),
    ("HomelabNode", "Sys.AccessNetwork Sys.Audit"),
    ("HomelabBridge", "SDN.Use"),
];

/// Paths and the roles granted there, to user and token alike.
pub const GRANTS: [(&str, &str); 6] = [
    ("/pool/homelab", "HomelabGuests"),
    ("/storage/local-lvm", "HomelabDisks"),
    ("/storage/local", "HomelabImages"),
    ("/storage/local", "HomelabSeeds"),
    ("/nodes/pve1", "HomelabNode"),
    ("/sdn/zones/localnetwork/vmbr0", "HomelabBridge"),
];
