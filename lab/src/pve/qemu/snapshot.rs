//! `.../snapshot`.

use serde_json::{Map, Value, json};

use super::{
    answer,
    call::{CONFIG_WAIT, Subject, begin, check_lock},
    config::{GuestConfig, Section},
    disks::blocking,
    drive::Drive,
    endpoints::{on_guest, snapshot_name},
    power, spec,
};
use crate::pve::{
    access::permission::{all_of, any_of},
    endpoint::Endpoint,
    error::ApiError,
    request::Request,
    schema::{boolean, node, string, vmid},
    storage::{Place, Volume},
    task::Worker,
};

const VM: &str = "/vms/{vmid}";

pub(crate) fn endpoints() -> Vec<Endpoint> {
    let list = "/nodes/{node}/qemu/{vmid}/snapshot";
    let one = "/nodes/{node}/qemu/{vmid}/snapshot/{snapname}";
    let config = "/nodes/{node}/qemu/{vmid}/snapshot/{snapname}/config";
    let name = || snapshot_name().named("snapname");
    let change = || all_of(VM, &["VM.Snapshot"]);
    vec![
        on_guest(Endpoint::get(list))
            .protected()
            .permission(all_of(VM, &["VM.Audit"]))
            .handler(index),
        on_guest(Endpoint::post(list))
            .protected()
            .permission(change())
            .parameters([
                string().optional().named("description"),
                name(),
                boolean().optional().named("vmstate"),
            ])
            .handler(create),
        Endpoint::get(one)
            .parameters([node(), vmid(), name()])
            .handler(async |_| Ok(json!([{ "cmd": "rollback" }, { "cmd": "config" }]))),
        on_guest(Endpoint::delete(one))
            .protected()
            .permission(change())
            .parameters([boolean().optional().named("force"), name()])
            .handler(delete),
        on_guest(Endpoint::get(config))
            .permission(any_of(VM, &["VM.Snapshot", "VM.Snapshot.Rollback", "VM.Audit"]))
            .parameters([name()])
            .handler(read),
        on_guest(Endpoint::put(config))
            .protected()
            .permission(change())
            .parameters([string().optional().named("description"), name()])
            .handler(update),
        on_guest(Endpoint::post("/nodes/{node}/qemu/{vmid}/snapshot/{snapname}/rollback"))
            .protected()
            .permission(any_of(VM, &["VM.Snapshot", "VM.Snapshot.Rollback"]))
            .parameters([name(), boolean().optional().named("start")])
            .handler(roll_back),
    ]
}

fn absent(name: &str) -> String {
    format!("snapshot '{name}' does not exist")
}

async fn index(request: Request) -> Result<Value, ApiError> {
    let subject = Subject::of(&request);
    let config = subject.load().map_err(ApiError::failure)?;
    let mut answer = Vec::new();
    for (name, snapshot) in &config.snapshots {
        let mut item = Map::new();
        item.insert("name".to_owned(), json!(name));
        item.insert("vmstate".to_owned(), json!(0));
        let text = snapshot.get("description").map_or("", String::as_str);
        item.insert("description".to_owned(), json!(text));
        if let Some(time) = snapshot.get("snaptime") {
            item.insert("snaptime".to_owned(), answer::value("snaptime", time));
        }
        if let Some(parent) = snapshot.get("parent") {
            item.insert("parent".to_owned(), json!(parent));
        }
        answer.push(Value::Object(item));
    }
    let mut current = json!({
        "name": "current",
        "description": "You are here!",
        "digest": config.digest(),
        "running": u8::from(subject.is_running()),
    });
    if let Some(parent) = config.get("parent") {
        current["parent"] = json!(parent);
    }
    answer.push(current);
    Ok(Value::Array(answer))
}

async fn read(request: Request) -> Result<Value, ApiError> {
    let config = Subject::of(&request).load().map_err(ApiError::failure)?;
    let name = request.text("snapname").unwrap_or_default();
    let snapshot = config.snapshots.get(&name).ok_or_else(|| ApiError::failure(absent(&name)))?;
    let mut answer = answer::section(snapshot, "");
    if let Some(fields) = answer.as_object_mut() {
        fields.shift_remove("digest");
    }
    Ok(answer)
}

async fn update(request: Request) -> Result<Value, ApiError> {
    let subject = Subject::of(&request);
    let name = request.text("snapname").unwrap_or_default();
    let _held = subject.lock(CONFIG_WAIT, None).await.map_err(ApiError::failure)?;
    let mut config = subject.load().map_err(ApiError::failure)?;
    check_lock(&config).map_err(ApiError::failure)?;
    let snapshot =
        config.snapshots.get_mut(&name).ok_or_else(|| ApiError::failure(absent(&name)))?;
    if let Some(description) = request.text("description") {
        snapshot.insert("description".to_owned(), description);
    }
    subject.save(&config);
    Ok(Value::Null)
}

/// The drives whose bytes a snapshot keeps.
fn kept(section: &Section) -> Vec<Drive> {
    spec::drives(section).into_iter().filter(|drive| !drive.is_cdrom()).collect()
}

fn locate(subject: &Subject, drive: &Drive) -> Result<(Place, Volume), String> {
    let id = drive.volume().ok_or_else(|| "snapshot feature is not available".to_owned())?;
    let (place, volume) = subject.state.storage.locate(&subject.node, &id)?;
    Ok((place.clone(), volume))
}

/// Whether a volume can have snapshots: thin ones and QCOW2 files can.
pub(crate) fn can_snapshot(place: &Place, volume: &Volume) -> bool {
    !place.is_directory() || volume.format == "qcow2"
}

async fn create(request: Request) -> Result<Value, ApiError> {
    let subject = Subject::of(&request);
    let name = request.text("snapname").unwrap_or_default();
    if matches!(name.as_str(), "current" | "pending") {
        let text = format!("unable to use snapshot name '{name}' (reserved name)");
        return Err(ApiError::failure(text));
    }
    let description = request.text("description");
    Ok(begin(&request, "qmsnapshot", &subject.vmid.to_string(), move |worker| async move {
        let _held = subject.lock(CONFIG_WAIT, Some(&worker)).await?;
        let mut config = subject.load()?;
        if config.is_template() {
            return Err("you can't take a snapshot if it's a template".to_owned());
        }
        check_lock(&config)?;
        if config.snapshots.contains_key(&name) {
            return Err(format!("snapshot name '{name}' already used"));
        }
        let drives = kept(&config.current);
        for drive in &drives {
            let (place, volume) = locate(&subject, drive)?;
            if !can_snapshot(&place, &volume) {
                return Err("snapshot feature is not available".to_owned());
            }
        }
        for drive in &drives {
            keep(&subject, drive, &name, &worker).await?;
        }
        let mut section = config.current.clone();
        section.retain(|option, _| !super::drive::is_unused(option));
        section.remove("description");
        section.insert("snaptime".to_owned(), subject.state.clock.now().to_string());
        if let Some(description) = description {
            section.insert("description".to_owned(), description);
        }
        config.snapshots.insert(name.clone(), section);
        config.set("parent", name);
        subject.save(&config);
        Ok(())
    }))
}

async fn keep(subject: &Subject, drive: &Drive, name: &str, worker: &Worker) -> Result<(), String> {
    let (place, volume) = locate(subject, drive)?;
    worker.log(format!("snapshotting 'drive-{}' ({})", drive.name, drive.file()));
    if !place.is_directory() {
        worker.log(format!("  Logical volume \"snap_{}_{name}\" created.", volume.file));
    }
    let name = name.to_owned();
    blocking(move || place.take_snapshot(&volume, &name)).await
}

async fn roll_back(request: Request) -> Result<Value, ApiError> {
    let subject = Subject::of(&request);
    let name = request.text("snapname").unwrap_or_default();
    let start = request.boolean("start").unwrap_or(false);
    Ok(begin(&request, "qmrollback", &subject.vmid.to_string(), move |worker| async move {
        let held = subject.lock(CONFIG_WAIT, Some(&worker)).await?;
        let mut config = subject.load()?;
        if config.is_template() {
            return Err("you can't rollback if vm is a template".to_owned());
        }
        let snapshot = config.snapshots.get(&name).cloned().ok_or_else(|| absent(&name))?;
        check_lock(&config)?;
        if subject.is_running() {
            power::stop_locked(&subject).await?;
            config = subject.load()?;
        }
        for drive in kept(&snapshot) {
            let (place, volume) = locate(&subject, &drive)?;
            if !place.is_directory() {
                worker.log(format!("  Logical volume \"{}\" successfully removed.", volume.file));
                worker.log(format!("  Logical volume \"{}\" created.", volume.file));
            }
            let name = name.clone();
            blocking(move || place.roll_back(&volume, &name)).await?;
        }
        restore(&mut config, snapshot, &name);
        subject.save(&config);
        drop(held);
        if start {
            power::start_guest(&subject, &worker).await?;
        }
        Ok(())
    }))
}

/// The snapshot's options come back, with another generation; the description stays its own.
fn restore(config: &mut GuestConfig, mut snapshot: Section, name: &str) {
    let description = config.current.remove("description");
    snapshot.remove("snaptime");
    snapshot.remove("description");
    snapshot.insert("parent".to_owned(), name.to_owned());
    if snapshot.contains_key("vmgenid") {
        snapshot.insert("vmgenid".to_owned(), uuid::Uuid::new_v4().to_string());
    }
    if let Some(description) = description {
        snapshot.insert("description".to_owned(), description);
    }
    config.current = snapshot;
    config.pending = super::config::Pending::default();
}

async fn delete(request: Request) -> Result<Value, ApiError> {
    let subject = Subject::of(&request);
    let name = request.text("snapname").unwrap_or_default();
    Ok(begin(&request, "qmdelsnapshot", &subject.vmid.to_string(), move |worker| async move {
        let _held = subject.lock(CONFIG_WAIT, Some(&worker)).await?;
        let mut config = subject.load()?;
        check_lock(&config)?;
        let snapshot = config.snapshots.remove(&name).ok_or_else(|| absent(&name))?;
        for drive in kept(&snapshot) {
            let Ok((place, volume)) = locate(&subject, &drive) else { continue };
            place.drop_snapshot(&volume, &name);
            if !place.is_directory() {
                let file = format!("snap_{}_{name}", volume.file);
                worker.log(format!("  Logical volume \"{file}\" successfully removed."));
            }
        }
        let parent = snapshot.get("parent").cloned();
        let sections = config.snapshots.values_mut().chain(std::iter::once(&mut config.current));
        for section in sections {
            if section.get("parent") == Some(&name) {
                match &parent {
                    Some(parent) => section.insert("parent".to_owned(), parent.clone()),
                    None => section.remove("parent"),
                };
            }
        }
        subject.save(&config);
        Ok(())
    }))
}
