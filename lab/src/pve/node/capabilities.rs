//! What a node's QEMU can be told to be: machine types and processor models.

use serde_json::{Value, json};

use crate::pve::{
    endpoint::Endpoint,
    error::ApiError,
    request::Request,
    schema::{Parameter, node, one_of},
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/nodes/{node}/capabilities/qemu/machines")
            .proxied()
            .parameters([node(), architecture()])
            .handler(machines),
        Endpoint::get("/nodes/{node}/capabilities/qemu/cpu")
            .parameters([node(), architecture()])
            .handler(models),
    ]
}

fn architecture() -> Parameter {
    one_of(["x86_64", "aarch64"]).optional().named("arch")
}

/// Whether a call asks for another architecture than the node's, whose programs it has not.
fn is_foreign(request: &Request) -> bool {
    request.text("arch").is_some_and(|arch| arch != "x86_64")
}

/// The machine versions that are told, newest first; Proxmox made one of its own of each, and says
/// why.
const MACHINES: [(&str, &str); 2] = [
    ("10.0", "Set host_mtu vNIC option even with default value for migration compat."),
    ("9.2", "Disables S3/S4 power states by default."),
];

async fn machines(request: Request) -> Result<Value, ApiError> {
    let mut found = Vec::new();
    if is_foreign(&request) {
        return Ok(Value::Array(found));
    }
    let entry = |kind: &str, version: &str| json!({ "id": format!("pc-{kind}-{version}"), "type": kind, "version": version });
    for (version, changes) in MACHINES {
        for kind in ["i440fx", "q35"] {
            let mut own = entry(kind, &format!("{version}+pve1"));
            own["changes"] = changes.into();
            found.push(own);
        }
        found.extend(["i440fx", "q35"].map(|kind| entry(kind, version)));
    }
    Ok(Value::Array(found))
}

const INTEL: &str = "GenuineIntel";
const AMD: &str = "AuthenticAMD";
/// The vendor of models that are nobody's.
const NOBODY: &str = "default";

/// QEMU's processor models by vendor: a name, and what else it has behind it. A number is a later
/// version of the model (`-v3`), `t` is without TSX, `i` with the first mitigations.
const MODELS: [(&str, &[(&str, &str)]); 3] = [
    (
        INTEL,
        &[
            ("486", ""),
            ("pentium", ""),
            ("pentium2", ""),
            ("pentium3", ""),
            ("coreduo", ""),
            ("core2duo", ""),
            ("KnightsMill", ""),
            ("Conroe", ""),
            ("Penryn", ""),
            ("Nehalem", "i"),
            ("Westmere", "i"),
            ("SandyBridge", "i"),
            ("IvyBridge", "i"),
            ("Haswell", "i t ti"),
            ("Broadwell", "i t ti"),
            ("Skylake-Client", "i ti 4"),
            ("Skylake-Server", "i ti 4 5"),
            ("Cascadelake-Server", "t 2 4 5"),
            ("Cooperlake", "2"),
            ("Icelake-Client", "t"),
            ("Icelake-Server", "t 3 4 5 6 7"),
            ("SapphireRapids", "2 3 4 5 6"),
            ("GraniteRapids", "2 3 4 5"),
            ("SierraForest", "2 3 4 5"),
            ("ClearwaterForest", "2 3"),
            ("DiamondRapids", ""),
        ],
    ),
    (
        AMD,
        &[
            ("athlon", ""),
            ("phenom", ""),
            ("Opteron_G1", ""),
            ("Opteron_G2", ""),
            ("Opteron_G3", ""),
            ("Opteron_G4", ""),
            ("Opteron_G5", ""),
            ("EPYC", "b 3 4 5"),
            ("EPYC-Rome", "2 3 4 5"),
            ("EPYC-Milan", "2 3"),
            ("EPYC-Genoa", "2"),
            ("EPYC-Turin", ""),
        ],
    ),
    (
        NOBODY,
        &[("host", ""), ("kvm32", ""), ("kvm64", ""), ("max", ""), ("qemu32", ""), ("qemu64", "")],
    ),
];

/// Proxmox' own: levels of the architecture, which are no model of QEMU's.
const LEVELS: [&str; 4] = ["x86-64-v2", "x86-64-v2-AES", "x86-64-v3", "x86-64-v4"];

/// The full name of a model with what stands behind it in [`MODELS`].
fn variant(name: &str, behind: &str) -> String {
    match behind {
        "i" => format!("{name}-IBRS"),
        "b" => format!("{name}-IBPB"),
        "t" => format!("{name}-noTSX"),
        "ti" => format!("{name}-noTSX-IBRS"),
        version => format!("{name}-v{version}"),
    }
}

async fn models(request: Request) -> Result<Value, ApiError> {
    if is_foreign(&request) {
        return Ok(json!([]));
    }
    let mut found = Vec::new();
    for (vendor, models) in MODELS {
        for (name, variants) in models {
            let others = variants.split_whitespace().map(|behind| variant(name, behind));
            for name in std::iter::once((*name).to_owned()).chain(others) {
                found.push(json!({ "name": name, "vendor": vendor, "custom": 0 }));
            }
        }
    }
    found.extend(
        LEVELS.map(|name| json!({ "name": name, "vendor": NOBODY, "custom": 0, "abstract": 1 })),
    );
    Ok(Value::Array(found))
}
