//! The options of a guest's configuration, as the API declares them.

use std::sync::LazyLock;

use super::{drive, network};
use crate::pve::schema::{
    Kind, Parameter, PropertyString, Schema, boolean, formatted, integer, number, one_of,
    properties, string,
};

/// Every option that create and configuration calls share.
pub(crate) fn parameters() -> Vec<Parameter> {
    OPTIONS.clone()
}

/// Every option; a stem with `[n]` stands for numbered ones.
static OPTIONS: LazyLock<Vec<Parameter>> = LazyLock::new(|| {
    [booleans(), numbers(), choices(), texts(), structured(), numbered()].concat()
});

/// Whether there is an option of that name.
pub(crate) fn is_option(name: &str) -> bool {
    OPTIONS.iter().any(|parameter| parameter.covers(name))
}

/// Whether answers show an option as a number.
pub(crate) fn is_numeric(name: &str) -> bool {
    matches!(name, "snaptime")
        || OPTIONS.iter().any(|parameter| {
            parameter.covers(name)
                && matches!(parameter.schema.kind, Kind::Integer | Kind::Boolean | Kind::Number)
        })
}

fn each(names: &[&'static str], schema: impl Fn() -> Schema) -> Vec<Parameter> {
    names.iter().map(|name| schema().optional().named(name)).collect()
}

fn booleans() -> Vec<Parameter> {
    each(
        &[
            "acpi",
            "allow-ksm",
            "autostart",
            "ciupgrade",
            "freeze",
            "keephugepages",
            "kvm",
            "localtime",
            "numa",
            "onboot",
            "protection",
            "reboot",
            "tablet",
            "tdf",
            "template",
        ],
        boolean,
    )
}

fn numbers() -> Vec<Parameter> {
    vec![
        integer().minimum(0).optional().named("balloon"),
        integer().minimum(1).optional().named("cores"),
        number().minimum(0).maximum(128).optional().named("cpulimit"),
        integer().minimum(1).maximum(262_144).optional().named("cpuunits"),
        number().minimum(0).optional().named("migrate_downtime"),
        integer().minimum(0).optional().named("migrate_speed"),
        integer().minimum(0).maximum(50_000).optional().named("shares"),
        integer().minimum(1).optional().named("smp"),
        integer().minimum(1).optional().named("sockets"),
        integer().minimum(1).optional().named("vcpus"),
    ]
}

fn choices() -> Vec<Parameter> {
    vec![
        one_of(["x86_64", "aarch64"]).optional().named("arch"),
        one_of(["seabios", "ovmf"]).optional().named("bios"),
        one_of(["configdrive2", "nocloud", "opennebula"]).optional().named("citype"),
        one_of(["any", "2", "1024"]).optional().named("hugepages"),
        one_of([
            "de", "de-ch", "da", "en-gb", "en-us", "es", "fi", "fr", "fr-be", "fr-ca", "fr-ch",
            "hu", "is", "it", "ja", "lt", "mk", "nl", "no", "pl", "pt", "pt-br", "sv", "sl", "tr",
        ])
        .optional()
        .named("keyboard"),
        one_of([
            "backup",
            "clone",
            "create",
            "migrate",
            "rollback",
            "snapshot",
            "snapshot-delete",
            "suspending",
            "suspended",
        ])
        .optional()
        .named("lock"),
        one_of([
            "other", "wxp", "w2k", "w2k3", "w2k8", "wvista", "win7", "win8", "win10", "win11",
            "l24", "l26", "solaris",
        ])
        .optional()
        .named("ostype"),
        one_of(["lsi", "lsi53c810", "virtio-scsi-pci", "virtio-scsi-single", "megasas", "pvscsi"])
            .optional()
            .named("scsihw"),
    ]
}

fn texts() -> Vec<Parameter> {
    let mut all = each(&["args", "cipassword", "ciuser", "searchdomain"], string);
    for (name, format) in [
        ("affinity", "pve-cpuset"),
        ("amd-sev", "pve-qemu-sev-fmt"),
        ("cdrom", "pve-qm-ide"),
        ("cpu", "pve-vm-cpu-conf"),
        ("hotplug", "pve-hotplug-features"),
        ("intel-tdx", "pve-qemu-tdx-fmt"),
        ("rng0", "pve-qm-rng"),
        ("startup", "pve-startup-order"),
        ("watchdog", "pve-qm-watchdog"),
    ] {
        all.push(formatted(format).optional().named(name));
    }
    all.extend([
        string().checked("pve-volume-id", volume_id).optional().named("hookscript"),
        string()
            .pattern(r"(ide|sata|scsi|virtio)\d+")
            .format("pve-qm-bootdisk")
            .optional()
            .named("bootdisk"),
        string().max_length(8192).optional().named("description"),
        formatted("dns-name").optional().named("name"),
        formatted("address-list").optional().named("nameserver"),
        formatted("urlencoded").optional().named("sshkeys"),
        string()
            .pattern(r"(now|\d{4}-\d{1,2}-\d{1,2}(T\d{1,2}:\d{1,2}:\d{1,2})?)")
            .optional()
            .named("startdate"),
        formatted("pve-tag-list").optional().named("tags"),
        string()
            .pattern("(?:[a-fA-F0-9]{8}(?:-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}|[01])")
            .optional()
            .named("vmgenid"),
        formatted("pve-storage-id").optional().named("vmstatestorage"),
    ]);
    all
}

/// The property strings that stand alone.
pub(crate) static AGENT: LazyLock<PropertyString> = LazyLock::new(|| {
    PropertyString::new()
        .default_key("enabled", boolean())
        .key("freeze-fs", boolean().optional())
        .alias("freeze-fs-on-backup", "freeze-fs")
        .alias("guest-fsfreeze", "freeze-fs")
        .key("fstrim_cloned_disks", boolean().optional())
        .key("type", one_of(["virtio", "isa"]).optional())
});

pub(crate) static MEMORY: LazyLock<PropertyString> =
    LazyLock::new(|| PropertyString::new().default_key("current", integer().minimum(16)));

pub(crate) static IPCONFIG: LazyLock<PropertyString> = LazyLock::new(|| {
    PropertyString::new()
        .key("ip", formatted("pve-ipv4-config").optional())
        .key("gw", formatted("ipv4").optional().requires("ip"))
        .key("ip6", formatted("pve-ipv6-config").optional())
        .key("gw6", formatted("ipv6").optional().requires("ip6"))
});

pub(crate) static SMBIOS1: LazyLock<PropertyString> = LazyLock::new(|| {
    let uuid = "[a-fA-F0-9]{8}(?:-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}";
    let mut format = PropertyString::new()
        .key("uuid", string().pattern(uuid).optional())
        .key("base64", boolean().optional());
    for name in ["version", "serial", "manufacturer", "product", "sku", "family"] {
        format = format.key(name, string().pattern(r"[A-Za-z0-9+\/]+={0,2}").optional());
    }
    format
});

/// `machine`: the type of the emulated board and what it can do.
pub(crate) fn machine() -> Schema {
    let kind = string()
        .max_length(40)
        .pattern(
            r"(pc|pc(-i440fx)?-\d+(\.\d+)+(\+pve\d+)?(\.pxe)?|q35|pc-q35-\d+(\.\d+)+(\+pve\d+)?(\.pxe)?|virt(?:-\d+(\.\d+)+)?(\+pve\d+)?)",
        )
        .optional();
    let keys = PropertyString::new()
        .default_key("type", kind)
        .key("viommu", one_of(["intel", "virtio"]).optional())
        .key("aw-bits", number().minimum(32).maximum(64).optional())
        .key("enable-s3", boolean().optional())
        .key("enable-s4", boolean().optional());
    properties(None, keys)
}

fn numa() -> PropertyString {
    let set = || string().pattern(r"\d+(?:-\d+)?(?:;\d+(?:-\d+)?)*");
    PropertyString::new()
        .key("cpus", set())
        .key("hostnodes", set().optional())
        .key("memory", number().optional())
        .key("policy", one_of(["preferred", "bind", "interleave"]).optional())
}

fn structured() -> Vec<Parameter> {
    let boot = PropertyString::new()
        .default_key("legacy", string().pattern("[acdn]{1,4}").optional())
        .key("order", string().checked("pve-qm-bootdev-list", boot_device).optional());
    let mut cicustom = PropertyString::new();
    for name in ["meta", "network", "user", "vendor"] {
        cicustom = cicustom.key(name, string().checked("pve-volume-id", volume_id).optional());
    }
    let vga = PropertyString::new()
        .default_key(
            "type",
            one_of([
                "cirrus",
                "qxl",
                "qxl2",
                "qxl3",
                "qxl4",
                "none",
                "serial0",
                "serial1",
                "serial2",
                "serial3",
                "std",
                "virtio",
                "virtio-gl",
                "vmware",
            ])
            .optional(),
        )
        .key("clipboard", one_of(["vnc"]).optional())
        .key("memory", integer().minimum(4).maximum(512).optional());
    let audio = PropertyString::new()
        .key("device", one_of(["ich9-intel-hda", "intel-hda", "AC97"]))
        .key("driver", one_of(["spice", "none"]).optional());
    let ivshmem = PropertyString::new()
        .key("name", string().pattern(r"[a-zA-Z0-9\-]+").optional())
        .key("size", integer().minimum(1));
    let spice = PropertyString::new()
        .key("foldersharing", boolean().optional())
        .key("videostreaming", one_of(["off", "all", "filter"]).optional());
    vec![
        properties(None, AGENT.clone()).optional().named("agent"),
        properties(Some("pve-qm-boot"), boot).optional().named("boot"),
        properties(Some("pve-qm-cicustom"), cicustom).optional().named("cicustom"),
        properties(None, MEMORY.clone()).optional().named("memory"),
        properties(Some("pve-qm-smbios1"), SMBIOS1.clone())
            .max_length(512)
            .optional()
            .named("smbios1"),
        properties(None, vga).optional().named("vga"),
        machine().optional().named("machine"),
        properties(None, audio).optional().named("audio0"),
        properties(None, ivshmem).optional().named("ivshmem"),
        properties(None, spice).optional().named("spice_enhancements"),
        properties(None, drive::format_of("efidisk", false)).optional().named("efidisk0"),
        properties(None, drive::format_of("tpmstate", false)).optional().named("tpmstate0"),
    ]
}

fn numbered() -> Vec<Parameter> {
    let usb = PropertyString::new()
        .default_key(
            "host",
            string()
                .pattern(
                    r"(0x)?[0-9A-Fa-f]{4}:(0x)?[0-9A-Fa-f]{4}|\d+-\d+(\.\d+)*|[Ss][Pp][Ii][Cc][Ee]",
                )
                .optional(),
        )
        .key("mapping", formatted("pve-configid").optional())
        .key("usb3", boolean().optional());
    let virtiofs = PropertyString::new()
        .default_key("dirid", formatted("pve-configid"))
        .key("cache", one_of(["auto", "always", "metadata", "never"]).optional())
        .key("direct-io", boolean().optional())
        .key("expose-acl", boolean().optional())
        .key("expose-xattr", boolean().optional());
    let unused = PropertyString::new()
        .default_key("file", string().checked("pve-volume-id", volume_id))
        .alias("volume", "file");
    vec![
        properties(None, drive::format_of("ide", false)).numbered("ide[n]", 4),
        properties(None, drive::format_of("scsi", false)).numbered("scsi[n]", 31),
        properties(None, drive::format_of("virtio", false)).numbered("virtio[n]", 16),
        properties(None, drive::format_of("sata", false)).numbered("sata[n]", 6),
        properties(None, network::FORMAT.clone()).numbered("net[n]", 32),
        properties(Some("pve-qm-ipconfig"), IPCONFIG.clone()).numbered("ipconfig[n]", 32),
        properties(None, unused).numbered("unused[n]", 256),
        properties(None, usb).numbered("usb[n]", 14),
        properties(None, virtiofs).numbered("virtiofs[n]", 10),
        string().pattern("(/dev/[^,]+|socket)").numbered("serial[n]", 4),
        string().pattern(r"/dev/parport\d+|/dev/usb/lp\d+").numbered("parallel[n]", 3),
        formatted("pve-qm-hostpci").numbered("hostpci[n]", 16),
        properties(None, numa()).numbered("numa[n]", 8),
    ]
}

fn boot_device(text: &str) -> Result<(), String> {
    let known = drive::names().any(|name| name == text && !text.starts_with("efidisk"))
        || network::is_network(text)
        || ["usb", "hostpci"]
            .iter()
            .any(|stem| text.strip_prefix(stem).is_some_and(|index| index.parse::<u32>().is_ok()));
    if known { Ok(()) } else { Err(format!("invalid boot device '{text}'")) }
}

fn volume_id(text: &str) -> Result<(), String> {
    if crate::pve::storage::VolumeId::parse(text).is_some() {
        Ok(())
    } else {
        Err(format!("unable to parse volume ID '{text}'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_options_end_where_the_real_ones_do() {
        for name in ["scsi30", "net31", "ide3", "unused255", "cores", "ipconfig0"] {
            assert!(is_option(name), "{name}");
        }
        for name in ["scsi31", "net32", "ide4", "bogus", "digest", "scsi01"] {
            assert!(!is_option(name), "{name}");
        }
    }

    #[test]
    fn numbers_and_booleans_are_answered_as_numbers() {
        assert!(is_numeric("cores") && is_numeric("onboot") && is_numeric("template"));
        assert!(!is_numeric("memory") && !is_numeric("agent"));
    }

    #[test]
    fn a_wrong_option_is_refused_with_the_real_text() {
        let text = |option: &str, value: &str| {
            let mut given = [(option.to_owned(), serde_json::Value::from(value))].into();
            crate::pve::schema::check::check_parameters(&parameters(), &mut given)
                .unwrap_err()
                .errors
                .get(option)
                .cloned()
                .unwrap_or_default()
        };
        assert_eq!(
            text("boot", "order=foo9"),
            "invalid format - format error\nboot.order: invalid format - invalid boot device \
             'foo9'\n\n"
        );
        assert_eq!(
            text("memory", "2G"),
            "invalid format - format error\nmemory.current: type check ('integer') failed - got \
             '2G'\n"
        );
        assert_eq!(
            text("smbios1", "uuid=xyz"),
            "invalid format - format error\nsmbios1.uuid: value does not match the regex \
             pattern\n"
        );
        assert_eq!(
            text("ipconfig0", "ip=10.0.0.1"),
            "invalid format - format error\nipconfig0.ip: invalid format - value does not look \
             like a valid ipv4 network configuration\n\n"
        );
    }
}
