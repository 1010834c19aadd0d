//! The calls about storages, as they are declared.

use super::{content, download, listing, upload};
use crate::pve::{
    access::permission::{Check, Permission, all_of, any_of},
    endpoint::Endpoint,
    schema::{Parameter, boolean, formatted, integer, node, one_of, string},
};

pub(super) const HASHES: [&str; 6] = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"];
const STORAGE: &str = "/storage/{storage}";

fn storage() -> Parameter {
    formatted("pve-storage-id").named("storage")
}

fn uploadable() -> Parameter {
    one_of(["iso", "vztmpl", "import"]).format("pve-storage-content").named("content")
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    [listings(), contents(), transfers()].concat()
}

fn listings() -> Vec<Endpoint> {
    let audit = &["Datastore.Audit", "Datastore.AllocateSpace"];
    vec![
        Endpoint::get("/storage")
            .parameters([one_of([
                "btrfs",
                "cephfs",
                "cifs",
                "dir",
                "esxi",
                "iscsi",
                "iscsidirect",
                "lvm",
                "lvmthin",
                "nfs",
                "pbs",
                "rbd",
                "zfs",
                "zfspool",
            ])
            .optional()
            .named("type")])
            .handler(listing::definitions),
        Endpoint::get("/storage/{storage}")
            .permission(all_of(STORAGE, &["Datastore.Allocate"]))
            .parameters([storage()])
            .handler(listing::definition),
        Endpoint::get("/nodes/{node}/storage")
            .protected()
            .proxied()
            .parameters([
                node(),
                string()
                    .checked("pve-storage-content-list", content::content_type)
                    .optional()
                    .named("content"),
                boolean().optional().named("enabled"),
                boolean().optional().named("format"),
                formatted("pve-storage-id").optional().named("storage"),
                formatted("pve-node").optional().named("target"),
            ])
            .handler(listing::of_node),
        Endpoint::get("/nodes/{node}/storage/{storage}")
            .permission(any_of(STORAGE, audit))
            .parameters([node(), storage()])
            .handler(listing::index),
        Endpoint::get("/nodes/{node}/storage/{storage}/status")
            .protected()
            .proxied()
            .permission(any_of(STORAGE, audit))
            .parameters([node(), storage()])
            .handler(listing::status),
        Endpoint::get("/nodes/{node}/storage/{storage}/import-metadata")
            .protected()
            .proxied()
            .permission(any_of(STORAGE, audit))
            .parameters([node(), storage(), string().named("volume")])
            .handler(listing::import_metadata),
    ]
}

fn contents() -> Vec<Endpoint> {
    let audit = &["Datastore.Audit", "Datastore.AllocateSpace"];
    let path = "/nodes/{node}/storage/{storage}/content";
    let volume = "/nodes/{node}/storage/{storage}/content/{volume}";
    vec![
        Endpoint::get(path)
            .protected()
            .proxied()
            .permission(any_of(STORAGE, audit))
            .parameters([
                node(),
                storage(),
                string()
                    .checked("pve-storage-content", content::content_type)
                    .optional()
                    .named("content"),
                integer()
                    .format("pve-vmid")
                    .minimum(100)
                    .maximum(999_999_999)
                    .optional()
                    .named("vmid"),
            ])
            .handler(content::list),
        Endpoint::post(path)
            .protected()
            .proxied()
            .permission(any_of(STORAGE, &["Datastore.AllocateSpace"]))
            .parameters([
                node(),
                storage(),
                string().named("filename"),
                one_of(["raw", "qcow2", "subvol", "vmdk"])
                    .optional()
                    .requires("size")
                    .named("format"),
                string().pattern(r"\d+[MG]?").named("size"),
                integer().format("pve-vmid").minimum(100).maximum(999_999_999).named("vmid"),
            ])
            .handler(content::allocate),
        Endpoint::get(volume)
            .protected()
            .proxied()
            .parameters([
                node(),
                formatted("pve-storage-id").optional().named("storage"),
                string().named("volume"),
            ])
            .handler(content::info),
        Endpoint::delete(volume)
            .protected()
            .proxied()
            .parameters([
                node(),
                formatted("pve-storage-id").optional().named("storage"),
                string().named("volume"),
                integer().minimum(1).maximum(30).optional().named("delay"),
            ])
            .handler(content::delete),
    ]
}

fn transfers() -> Vec<Endpoint> {
    let network = || {
        Check::Or(vec![
            Check::Privileges { path: "/", privileges: &["Sys.Audit", "Sys.Modify"], any: false },
            Check::Privileges {
                path: "/nodes/{node}",
                privileges: &["Sys.AccessNetwork"],
                any: false,
            },
        ])
    };
    let template = Check::Privileges {
        path: STORAGE,
        privileges: &["Datastore.AllocateTemplate"],
        any: false,
    };
    vec![
        Endpoint::post("/nodes/{node}/storage/{storage}/upload")
            .protected()
            .permission(Permission::Check(template.clone()))
            .parameters([
                node(),
                storage(),
                uploadable(),
                string().max_length(255).named("filename"),
                string().optional().requires("checksum-algorithm").named("checksum"),
                one_of(HASHES).optional().requires("checksum").named("checksum-algorithm"),
                string().pattern("/var/tmp/pveupload-[0-9a-f]+").optional().named("tmpfilename"),
            ])
            .handler(upload::upload),
        Endpoint::post("/nodes/{node}/storage/{storage}/download-url")
            .protected()
            .proxied()
            .permission(Permission::Check(Check::And(vec![template, network()])))
            .parameters([
                node(),
                storage(),
                uploadable(),
                string().max_length(255).named("filename"),
                string().pattern("https?://.*").named("url"),
                string().optional().requires("checksum-algorithm").named("checksum"),
                one_of(HASHES).optional().requires("checksum").named("checksum-algorithm"),
                string().optional().named("compression"),
                boolean().optional().named("verify-certificates"),
            ])
            .handler(download::download),
        Endpoint::get("/nodes/{node}/query-url-metadata")
            .proxied()
            .permission(Permission::Check(network()))
            .parameters([
                node(),
                string().pattern("https?://.*").named("url"),
                boolean().optional().named("verify-certificates"),
            ])
            .handler(download::metadata),
    ]
}
