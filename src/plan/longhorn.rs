//! What Longhorn shows of itself, read from its objects. Pure.
//!
//! Its own API (`longhorn.io/v1beta2`) says what is what: a node takes copies when its conditions Ready and
//! Schedulable are true, and so are those of its disks; a volume that is attached has a robustness, and one
//! that is detached need not have any.

mod backup;
mod ladder;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

pub use backup::{Backups, backups, newest_key};
pub use ladder::may_follow;

use crate::ports::ObjectKind;

pub const NAMESPACE: &str = "longhorn-system";

const fn kind(kind: &'static str, plural: &'static str) -> ObjectKind {
    ObjectKind { group: "longhorn.io", version: "v1beta2", kind, plural }
}
pub const NODE: ObjectKind = kind("Node", "nodes");
pub const VOLUME: ObjectKind = kind("Volume", "volumes");
pub const REPLICA: ObjectKind = kind("Replica", "replicas");
pub const BACKUP_TARGET: ObjectKind = kind("BackupTarget", "backuptargets");
pub const SETTING: ObjectKind = kind("Setting", "settings");
pub const STORAGE_CLASS: ObjectKind = ObjectKind {
    group: "storage.k8s.io",
    version: "v1",
    kind: "StorageClass",
    plural: "storageclasses",
};
/// The one target that recurring jobs write to.
pub const DEFAULT_TARGET: &str = "default";
/// What Longhorn reads in the Secret of a target at S3.
const KEY: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
pub const CSI_NODE: ObjectKind =
    ObjectKind { group: "storage.k8s.io", version: "v1", kind: "CSINode", plural: "csinodes" };
/// The name under which kubelets know it.
const DRIVER: &str = "driver.longhorn.io";
/// While it is true, deleting Longhorn's release deletes every volume (LH-13).
pub const DELETION_FLAG: &str = "deleting-confirmation-flag";

/// Longhorn as it stands in a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LonghornSight {
    /// Empty where Longhorn is not there.
    pub nodes: Vec<StorageNode>,
    pub volumes: Vec<Volume>,
    pub target: Option<Target>,
    /// The StorageClasses that claims without a class get.
    pub default_classes: Vec<String>,
    /// The value of each setting, by its name.
    pub settings: BTreeMap<String, String>,
    /// The Kubernetes nodes whose kubelet has Longhorn's driver, and those that have it not.
    pub drivers: BTreeMap<String, bool>,
}

impl LonghornSight {
    /// The version that runs, as `v1.10.1`; its manager writes it down when it has started.
    pub fn version(&self) -> Option<&str> {
        self.settings.get("current-longhorn-version").map(String::as_str)
    }
}

/// A node as Longhorn knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageNode {
    pub name: String,
    /// Why it takes no copies; empty when it does.
    pub faults: Vec<String>,
    /// What else it says is wrong with its host.
    pub complaints: Vec<String>,
    /// How many bytes its disks have promised to volumes.
    pub promised: u64,
    /// How many they can promise: what they hold but for what is kept in reserve.
    pub promisable: u64,
}

/// A volume and its copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    pub name: String,
    /// `namespace/name` of the claim that it is bound to.
    pub claim: Option<String>,
    /// How many copies it asks for.
    pub wanted: u32,
    /// `attached`, `detached`, ...
    pub state: String,
    /// `healthy`, `degraded`, `faulted`, `unknown`.
    pub robustness: String,
    /// The node of each copy that is not failed.
    pub copies: Vec<String>,
    /// Those of them that hold all of its data.
    pub whole: Vec<String>,
    pub last_backup: Option<Timestamp>,
    /// The name of that backup.
    pub last_backup_name: Option<String>,
    /// The target that its backups go to.
    pub backup_target: String,
    pub created: Option<Timestamp>,
    /// Groups and jobs that its labels name; both empty: the group `default`.
    pub groups: BTreeSet<String>,
    pub jobs: BTreeSet<String>,
}

/// Where backups go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub url: String,
    pub available: bool,
    pub message: String,
    /// Why the Secret that it names does not open it. Longhorn's own word
    /// does not tell that it is gone.
    pub closed: Option<String>,
}

impl StorageNode {
    pub fn read(object: &Value) -> Self {
        let (spec, status) = (&object["spec"], &object["status"]);
        let mut faults = Vec::new();
        if spec["allowScheduling"] == false {
            faults.push("scheduling is switched off".to_owned());
        }
        faults.extend(unmet(status, &["Ready", "Schedulable"]));
        let disks = status["diskStatus"].as_object().into_iter().flatten();
        let disks: Vec<_> = disks.collect();
        if disks.is_empty() {
            faults.push("it has no disk".to_owned());
        }
        let (mut promised, mut promisable) = (0_u64, 0_u64);
        for (name, disk) in disks {
            let bytes = |value: &Value| value.as_u64().unwrap_or(0);
            promised = bytes(&disk["storageScheduled"]).saturating_add(promised);
            let reserved = bytes(&spec["disks"][name.as_str()]["storageReserved"]);
            promisable =
                bytes(&disk["storageMaximum"]).saturating_sub(reserved).saturating_add(promisable);
            let place = disk["diskPath"].as_str().unwrap_or(name);
            let unmet = unmet(disk, &["Ready", "Schedulable"]);
            faults.extend(unmet.into_iter().map(|fault| format!("disk {place}: {fault}")));
        }
        let complaints = conditions(status)
            .filter(|condition| condition["status"] == "False")
            .filter(|condition| condition["type"] != "Ready" && condition["type"] != "Schedulable")
            .map(said);
        Self { name: name(object), faults, complaints: complaints.collect(), promised, promisable }
    }
}

impl Volume {
    /// With those of `replicas` that are its own.
    pub fn read(object: &Value, replicas: &[Value]) -> Self {
        let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let time = |value: &Value| value.as_str().and_then(|text| text.parse().ok());
        let volume = name(object);
        let of_it = |replica: &&Value| {
            replica["spec"]["volumeName"] == volume.as_str()
                && replica["spec"]["failedAt"].as_str().unwrap_or_default().is_empty()
                && replica["spec"]["active"] != false
        };
        // Set once a copy has been brought level with the others, and kept.
        let is_whole = |replica: &&Value| {
            !replica["spec"]["healthyAt"].as_str().unwrap_or_default().is_empty()
        };
        let place = |replica: &Value| {
            let node = text(&replica["spec"]["nodeID"]);
            (!node.is_empty()).then_some(node)
        };
        let bound = &status["kubernetesStatus"];
        let claim = bound["pvcName"].as_str().filter(|name| !name.is_empty());
        let labelled = |prefix: &str| {
            let labels = metadata["labels"].as_object().into_iter().flatten();
            labels
                .filter(|(_, value)| *value == "enabled")
                .filter_map(|(label, _)| label.strip_prefix(prefix).map(str::to_owned))
                .collect()
        };
        Self {
            claim: claim.map(|name| format!("{}/{name}", text(&bound["namespace"]))),
            wanted: spec["numberOfReplicas"].as_u64().and_then(|n| n.try_into().ok()).unwrap_or(0),
            state: text(&status["state"]),
            robustness: text(&status["robustness"]),
            copies: replicas.iter().filter(of_it).filter_map(place).collect(),
            whole: replicas.iter().filter(of_it).filter(is_whole).filter_map(place).collect(),
            last_backup: time(&status["lastBackupAt"]),
            last_backup_name: status["lastBackup"]
                .as_str()
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            // Before there could be several it was not named.
            backup_target: match spec["backupTargetName"].as_str() {
                None | Some("") => DEFAULT_TARGET.to_owned(),
                Some(name) => name.to_owned(),
            },
            created: time(&metadata["creationTimestamp"]),
            groups: labelled("recurring-job-group.longhorn.io/"),
            jobs: labelled("recurring-job.longhorn.io/"),
            name: volume,
        }
    }

    /// `media/library (pvc-1)`, or the name alone.
    pub fn title(&self) -> String {
        match &self.claim {
            Some(claim) => format!("volume {claim} ({})", self.name),
            None => format!("volume {}", self.name),
        }
    }

    /// Why its data is not as safe as the inventory wants it.
    pub fn lacks(&self, replicas: u32) -> Vec<String> {
        let mut lacks = Vec::new();
        if self.wanted < replicas {
            lacks.push(format!("it asks for {} copies, wanted {replicas}", self.wanted));
        }
        match (self.state.as_str(), self.robustness.as_str()) {
            (_, "faulted") => lacks.push("all of its copies are lost or failed".to_owned()),
            ("attached", "healthy") | ("detached" | "detaching" | "attaching" | "creating", _) => {}
            (state, robustness) => lacks.push(format!("it is {state} and {robustness}")),
        }
        let mut nodes = BTreeSet::new();
        if let Some(twice) = self.copies.iter().find(|node| !nodes.insert(node.as_str())) {
            lacks.push(format!("two of its copies are on {twice}"));
        }
        if u32::try_from(self.copies.len()).is_ok_and(|copies| copies < self.wanted) {
            lacks.push(format!("{} of {} copies are there", self.copies.len(), self.wanted));
        }
        lacks
    }
}

/// Whether a node's kubelet has Longhorn's driver, by the node's name.
pub fn driver(csi_node: &Value) -> (String, bool) {
    let mut drivers = csi_node["spec"]["drivers"].as_array().into_iter().flatten();
    (name(csi_node), drivers.any(|driver| driver["name"] == DRIVER))
}

/// A setting's name and value.
pub fn setting(object: &Value) -> (String, String) {
    (name(object), object["value"].as_str().unwrap_or_default().to_owned())
}

impl LonghornSight {
    /// Whether deleting Longhorn's release would delete its volumes.
    pub fn deletion_confirmed(&self) -> bool {
        self.settings.get(DELETION_FLAG).is_some_and(|value| value == "true")
    }

    /// Whether Longhorn runs at all.
    pub fn is_there(&self) -> bool {
        !self.nodes.is_empty()
    }

    /// Why a node cannot take copies of volumes; `None` when it can.
    pub fn unfit(&self, node: &str) -> Option<String> {
        match self.nodes.iter().find(|seen| seen.name == node) {
            None => Some("Longhorn does not know it".to_owned()),
            Some(seen) if seen.faults.is_empty() => None,
            Some(seen) => {
                let all = seen.faults.iter().chain(&seen.complaints).map(String::as_str);
                Some(all.collect::<Vec<_>>().join("; "))
            }
        }
    }
}

impl Target {
    pub fn read(object: &Value) -> Self {
        let unavailable = conditions(&object["status"])
            .find(|condition| condition["type"] == "Unavailable" && condition["status"] == "True");
        Self {
            url: object["spec"]["backupTargetURL"].as_str().unwrap_or_default().to_owned(),
            available: object["status"]["available"] == true,
            message: unavailable.map(said).unwrap_or_default(),
            closed: None,
        }
    }

    /// The Secret in Longhorn's namespace that holds its key, where it names one.
    pub fn secret(object: &Value) -> Option<&str> {
        object["spec"]["credentialSecret"].as_str().filter(|name| !name.is_empty())
    }

    /// Judges that Secret by the names that it has; values are not looked at.
    pub fn opened_by(self, name: &str, secret: Option<&Value>) -> Self {
        let lacks = |secret: &Value| {
            let lacks = KEY.iter().filter(|key| secret["data"][**key].is_null());
            lacks.copied().collect::<Vec<_>>().join(" and ")
        };
        let closed = match secret.map(lacks) {
            None => Some(format!("the Secret {NAMESPACE}/{name} with its key is not there")),
            Some(lacks) if lacks.is_empty() => None,
            Some(lacks) => Some(format!("the Secret {NAMESPACE}/{name} has no {lacks}")),
        };
        Self { closed, ..self }
    }
}

/// Whether a StorageClass is what claims without a class get.
pub fn is_default_class(class: &Value) -> bool {
    class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true"
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn conditions(status: &Value) -> impl Iterator<Item = &Value> {
    status["conditions"].as_array().into_iter().flatten()
}

/// What is said of those conditions that are not true.
fn unmet(status: &Value, types: &[&str]) -> Vec<String> {
    let of = |kind: &&str| match conditions(status).find(|condition| condition["type"] == *kind) {
        Some(condition) if condition["status"] == "True" => None,
        Some(condition) => Some(said(condition)),
        None => Some(format!("it has no condition {kind} yet")),
    };
    types.iter().filter_map(of).collect()
}

/// `KernelModulesNotLoaded: the module x is not loaded`.
fn said(condition: &Value) -> String {
    let text = |key: &str| condition[key].as_str().unwrap_or_default();
    let words = [text("reason"), text("message")];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    if words.is_empty() { format!("{} is not true", text("type")) } else { words.join(": ") }
}
