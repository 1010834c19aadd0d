//! `PUT` and `POST .../config`, `PUT .../unlink`: changing a guest.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{
    access, boot,
    call::{CONFIG_WAIT, Subject, check_lock, root_only},
    config::{GuestConfig, Section},
    disks::Site,
    drive::{self, Drive},
    normal, options, pending, spec,
};
use crate::pve::{
    error::ApiError, request::Request, schema::format::split_list, storage::VolumeId, task::Held,
};

/// What a call wants changed.
#[derive(Clone, Debug, Default)]
struct Change {
    set: Section,
    delete: Vec<String>,
    revert: Vec<String>,
    force: bool,
    skip_lock: bool,
    digest: Option<String>,
}

impl Change {
    /// The options that it touches.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.set.keys().chain(&self.delete).chain(&self.revert).map(String::as_str)
    }
}

/// In the request: the answer is `null`.
pub(crate) async fn put(request: Request) -> Result<Value, ApiError> {
    let (subject, change, held, config) = prepare(&request).await?;
    let note = format!("update VM {}: {}", subject.vmid, summary(&change));
    subject.state.note(&request.caller.identity(), note);
    access::check_passthrough(&request, change.names())?;
    let site = Site { subject, worker: None };
    apply(&site, change, config).await?;
    drop(held);
    Ok(Value::Null)
}

/// In a task, unless it ends within `background_delay` seconds.
pub(crate) async fn post(request: Request) -> Result<Value, ApiError> {
    let (subject, change, held, config) = prepare(&request).await?;
    let vmid = subject.vmid;
    let summary = summary(&change);
    let passthrough = access::check_passthrough(&request, change.names());
    let answer =
        super::call::begin(&request, "qmconfig", &vmid.to_string(), move |worker| async move {
            worker.log(format!("update VM {vmid}: {summary}"));
            let site = Site { subject, worker: Some(worker) };
            let result = match passthrough {
                Ok(()) => apply(&site, change, config).await,
                Err(refused) => Err(refused),
            };
            drop(held);
            result.map_err(|error| error.exit_status())
        });
    let delay = request.integer("background_delay").and_then(|delay| u64::try_from(delay).ok());
    match delay {
        Some(delay) => Ok(finished_within(&request, answer, Duration::from_secs(delay)).await?),
        None => Ok(answer),
    }
}

/// `null` when the task ends in time, its error when it fails in time, else its UPID.
pub(crate) async fn finished_within(
    request: &Request,
    upid: Value,
    longest: Duration,
) -> Result<Value, ApiError> {
    let worker = upid
        .as_str()
        .and_then(|text| text.parse().ok())
        .and_then(|upid| request.state.tasks.find(&upid));
    let Some(worker) = worker else { return Ok(upid) };
    let ended = tokio::time::timeout(longest, worker.ended()).await;
    match ended {
        Ok(status) if status == "OK" || status.starts_with("WARNINGS") => Ok(Value::Null),
        Ok(status) => Err(ApiError::failure(status)),
        Err(_) => Ok(upid),
    }
}

fn summary(change: &Change) -> String {
    let mut words: Vec<String> = change
        .set
        .iter()
        .map(|(option, value)| {
            let value = if option == "cipassword" { "<hidden>" } else { value };
            format!("-{option} {value}")
        })
        .collect();
    if !change.delete.is_empty() {
        words.push(format!("-delete {}", change.delete.join(",")));
    }
    if !change.revert.is_empty() {
        words.push(format!("-revert {}", change.revert.join(",")));
    }
    words.join(" ")
}

/// Everything that is checked before a task would be forked: parameters, rights, the
/// configuration lock, digest and lock.
async fn prepare(request: &Request) -> Result<(Subject, Change, Held, GuestConfig), ApiError> {
    root_only(request, &["skiplock"])?;
    let subject = Subject::of(request);
    let change = read(request)?;
    let pool = request.state.access.pool_of_guest(subject.vmid);
    access::check_options(request, subject.vmid, pool.as_deref(), change.names())?;
    let drives = access::drives_of(&change.set)?;
    access::check_drives(request, subject.vmid, &drives, &change.delete)?;
    access::check_storage(request, &subject, &drives)?;
    access::check_bridges(request, &change.set)?;
    let config = subject.load().map_err(ApiError::failure)?;
    if !change.skip_lock {
        // Looked at before the wait for the file's lock too, as the real server does.
        check_lock(&config).map_err(ApiError::failure)?;
    }
    let held = subject.lock(CONFIG_WAIT, None).await.map_err(ApiError::failure)?;
    let config = subject.load().map_err(ApiError::failure)?;
    if let Some(digest) = &change.digest
        && *digest != config.digest()
    {
        return Err(ApiError::failure("checksum mismatch (file change by other user?)"));
    }
    if !change.skip_lock {
        check_lock(&config).map_err(ApiError::failure)?;
    }
    Ok((subject, change, held, config))
}

fn read(request: &Request) -> Result<Change, ApiError> {
    let list = |name: &str| -> Vec<String> {
        let text = request.text(name).unwrap_or_default();
        split_list(&text).map(str::to_owned).collect()
    };
    let change = Change {
        set: normal::options_of(request)?,
        delete: list("delete"),
        revert: list("revert"),
        force: request.boolean("force").unwrap_or(false),
        skip_lock: request.boolean("skiplock").unwrap_or(false),
        digest: request.text("digest"),
    };
    if change.set.is_empty() && change.delete.is_empty() && change.revert.is_empty() {
        return Err(ApiError::failure("no options specified"));
    }
    let unknown = |kind: &str, option: &str| {
        Err(ApiError::parameter(kind, format!("unknown option '{option}'")))
    };
    for option in &change.revert {
        if !options::is_option(option) {
            return unknown("revert", option);
        }
        if change.set.contains_key(option) {
            let text = format!("you can't use '-{option}' and -revert {option}' at the same time");
            return Err(ApiError::parameter("revert", text));
        }
    }
    for option in &change.delete {
        if change.set.contains_key(option) {
            let text = format!("you can't use '-{option}' and -delete {option}' at the same time");
            return Err(ApiError::parameter("delete", text));
        }
        if change.revert.contains(option) {
            let text =
                format!("you can't use '-delete {option}' and -revert {option}' at the same time");
            return Err(ApiError::parameter("revert", text));
        }
        if !options::is_option(option) {
            return unknown("delete", option);
        }
    }
    Ok(change)
}

/// Writes the change as pending, then applies what can be applied.
async fn apply(site: &Site, change: Change, mut config: GuestConfig) -> Result<(), ApiError> {
    let subject = &site.subject;
    for option in &change.revert {
        config.pending.forget(option);
    }
    for option in &change.delete {
        delete(site, &mut config, option, change.force).await?;
    }
    let mut made: Vec<VolumeId> = Vec::new();
    let result = set(site, &mut config, change.set, &mut made).await;
    if let Err(error) = result {
        for id in made {
            // The text of the failure that led here is the one that counts.
            let _ = site.free(&id).await;
        }
        return Err(error);
    }
    finish(subject, config).await
}

async fn finish(subject: &Subject, mut config: GuestConfig) -> Result<(), ApiError> {
    if subject.is_running() {
        let told = pending::apply_hot(subject, &mut config).await.map_err(ApiError::failure)?;
        subject.save(&config);
        if told {
            pending::tell(subject, &config).await.map_err(ApiError::failure)?;
        }
    } else {
        pending::apply_all(subject, &mut config).await.map_err(ApiError::failure)?;
        subject.save(&config);
    }
    Ok(())
}

async fn delete(
    site: &Site,
    config: &mut GuestConfig,
    option: &str,
    force: bool,
) -> Result<(), ApiError> {
    if !config.current.contains_key(option) && !config.pending.set.contains_key(option) {
        config.pending.forget(option);
        return Ok(());
    }
    if drive::is_unused(option) {
        protected(
            config,
            &format!("can't remove unused disk '{}'", config.get(option).unwrap_or("")),
        )?;
        let volume = config.current.remove(option);
        if let Some(id) = volume.as_deref().and_then(VolumeId::parse) {
            free_if_there(site, &id).await?;
        }
        return Ok(());
    }
    if drive::is_drive(option) {
        protected(config, &format!("can't remove drive '{option}'"))?;
    }
    if let Some(order) = boot::without(&config.with_pending(), option) {
        config.pending.set("boot", &order);
    }
    if let Some(value) = config.pending.set.get(option).cloned() {
        // A volume that never came into use.
        if config.get(option) != Some(&value)
            && let Some(id) = Drive::parse(option, &value).ok().and_then(|drive| drive.volume())
            && drive::is_drive(option)
        {
            pending::add_unused(config, &id.to_string());
        }
    }
    config.pending.delete(option, force);
    Ok(())
}

async fn free_if_there(site: &Site, id: &VolumeId) -> Result<(), ApiError> {
    if site.size_of(id).is_err() {
        return Ok(());
    }
    site.free(id).await.map_err(ApiError::failure)
}

/// # Errors
///
/// `<what> - protection mode enabled`
pub(crate) fn protected(config: &GuestConfig, what: &str) -> Result<(), ApiError> {
    if config.is_true("protection") {
        return Err(ApiError::failure(format!("{what} - protection mode enabled")));
    }
    Ok(())
}

async fn set(
    site: &Site,
    config: &mut GuestConfig,
    options: Section,
    made: &mut Vec<VolumeId>,
) -> Result<(), ApiError> {
    let drives = access::drives_of(&options)?;
    let mut furnished = BTreeMap::new();
    for drive in drives {
        one_cloudinit_drive(config, &drive)?;
        let name = drive.name.clone();
        let drive = site.furnish(drive, made).await.map_err(ApiError::failure)?;
        furnished.insert(name, drive.print());
    }
    for (option, value) in options {
        let value = furnished.get(&option).unwrap_or(&value);
        if config.get(&option) == Some(value) {
            config.pending.forget(&option);
        } else {
            config.pending.set(&option, value);
        }
        if option == "boot" {
            boot::check(&config.with_pending()).map_err(ApiError::failure)?;
        }
    }
    Ok(())
}

fn one_cloudinit_drive(config: &GuestConfig, drive: &Drive) -> Result<(), ApiError> {
    if !drive.is_cloudinit() {
        return Ok(());
    }
    let merged = config.with_pending();
    let other = spec::drives(&merged)
        .into_iter()
        .find(|other| other.is_cloudinit() && other.name != drive.name);
    match other {
        Some(other) => Err(ApiError::failure(format!(
            "{} - cloud-init drive is already attached at '{}'",
            drive.name, other.name
        ))),
        None => Ok(()),
    }
}

/// `PUT .../unlink`: detaches disks, or frees them with `force`.
pub(crate) async fn unlink(request: Request) -> Result<Value, ApiError> {
    let subject = Subject::of(&request);
    let force = request.boolean("force").unwrap_or(false);
    let list = request.text("idlist").unwrap_or_default();
    let held = subject.lock(CONFIG_WAIT, None).await.map_err(ApiError::failure)?;
    let config = subject.load().map_err(ApiError::failure)?;
    check_lock(&config).map_err(ApiError::failure)?;
    let change = Change {
        delete: split_list(&list).map(str::to_owned).collect(),
        force,
        ..Change::default()
    };
    let site = Site { subject, worker: None };
    apply(&site, change, config).await?;
    drop(held);
    Ok(Value::Null)
}

/// Applies a drive's new value from another call (move, import), as `PUT config` would.
pub(crate) async fn replace_drive(
    subject: &Subject,
    mut config: GuestConfig,
    drive: &Drive,
) -> Result<(), String> {
    config.set(&drive.name, drive.print());
    subject.save(&config);
    if subject.is_running() {
        pending::tell(subject, &config).await?;
    }
    Ok(())
}
