//! What Proxmox shows of one guest, and whether it is ours.

use crate::{
    engine::Run,
    error::Result,
    model::{Marker, NodeName, Upid, Vmid, marker::MarkerRole},
    plan::{
        diff::template_vmid,
        guest,
        observed::{Machine, MachineSight, Stranger, TemplateSight},
    },
    ports::{GuestConfig, GuestSummary, PowerState, Proxmox, ProxmoxError, World},
};

/// Looks at the template of a Proxmox node.
pub async fn template<W: World>(run: &Run<W>, proxmox_node: &str) -> Result<TemplateSight> {
    let sight = look_at_template(run, proxmox_node).await?;
    let intended = run.memory().templates.contains_key(proxmox_node);
    let in_doubt = match &sight {
        TemplateSight::Ready { .. } => false,
        TemplateSight::HalfMade { task, lock, .. } => task.is_none() && lock.is_some(),
        TemplateSight::Foreign(_) | TemplateSight::Absent => true,
    };
    let hidden = matches!(&sight, TemplateSight::Foreign(stranger) if stranger.is_hidden());
    // A task that ended between the look at the configuration and the look at the tasks left the first
    // one stale: where no task runs, the configuration is read again before anything is made of it.
    if (intended && in_doubt) || hidden {
        look_at_template(run, proxmox_node).await
    } else {
        Ok(sight)
    }
}

/// Whose the guest on another Proxmox node is that has a template's VMID.
pub(super) async fn in_the_way<W: World>(run: &Run<W>, guest: &GuestSummary) -> Result<Stranger> {
    let ours = match read_config(run, &guest.node, guest.vmid).await? {
        Config::Seen(config) => {
            config.get("description").and_then(Marker::find).is_some_and(|marker| {
                marker.cluster == run.desired.id
                    && matches!(marker.role, MarkerRole::Template { .. })
            })
        }
        Config::Hidden | Config::Absent => false,
    };
    let template_on = ours.then(|| guest.node.clone());
    Ok(Stranger { template_on, ..Stranger::elsewhere(guest) })
}

async fn look_at_template<W: World>(run: &Run<W>, proxmox_node: &str) -> Result<TemplateSight> {
    let vmid = template_vmid(&run.desired, proxmox_node);
    let intended = run.memory().templates.get(proxmox_node).is_some_and(|known| known.vmid == vmid);
    let config = match read_config(run, proxmox_node, vmid).await? {
        // What is being made is in no pool yet, by which we would see it: ours or another operator's.
        Config::Hidden => {
            let task = running_task(run, proxmox_node, "qmcreate", vmid).await?;
            return Ok(match task {
                Some(_) => TemplateSight::HalfMade { task, lock: None, template: false },
                None => TemplateSight::Foreign(Stranger::default()),
            });
        }
        Config::Absent => None,
        Config::Seen(config) => Some(config),
    };
    let Some(config) = config else {
        // A create that is under way has no configuration for its first moments.
        let task = running_task(run, proxmox_node, "qmcreate", vmid).await?;
        return Ok(match task {
            Some(task) => TemplateSight::HalfMade { task: Some(task), lock: None, template: false },
            None => TemplateSight::Absent,
        });
    };
    let marker = config.get("description").and_then(Marker::find);
    let is_template = config.get("template").is_some_and(|flag| flag == "1");
    let lock = config.get("lock").map(str::to_owned);
    Ok(match marker {
        Some(Marker { cluster, role: MarkerRole::Template { image_sha256 }, .. })
            if cluster == run.desired.id =>
        {
            // One that is a template already is whole, whoever works on it: a backup locks it, too.
            let unfinished = matches!(lock.as_deref(), Some("create" | "clone"));
            if is_template && !unfinished {
                TemplateSight::Ready { image_sha256 }
            } else {
                let task = match lock {
                    Some(_) => running_task(run, proxmox_node, "qmcreate", vmid).await?,
                    None => None,
                };
                TemplateSight::HalfMade { task, lock, template: is_template }
            }
        }
        Some(_) => TemplateSight::Foreign(named(&config, None)),
        None => {
            // Of another operator's, which is being made, its task tells: there is no marker yet.
            let task = running_task(run, proxmox_node, "qmcreate", vmid).await?;
            if task.is_some() || (intended && lock.is_some()) {
                TemplateSight::HalfMade { task, lock, template: false }
            } else {
                TemplateSight::Foreign(named(&config, None))
            }
        }
    })
}

/// Looks at the guest under a node's VMID.
pub async fn machine<W: World>(run: &Run<W>, node: &NodeName) -> Result<MachineSight> {
    machine_believing(run, node, None).await
}

/// The same where Proxmox's list of guests just said what power it has: one request less. The list may be some
/// seconds old, so whoever believes it asks the guest itself next.
pub(super) async fn machine_believing<W: World>(
    run: &Run<W>,
    node: &NodeName,
    power: Option<PowerState>,
) -> Result<MachineSight> {
    let sight = look_at_machine(run, node, power).await?;
    let begun = run.memory().guests.get(node).is_some_and(|guest| !guest.made);
    let in_doubt = match &sight {
        MachineSight::Ours(_) => false,
        MachineSight::HalfMade { task, .. } => task.is_none(),
        MachineSight::Foreign(_) | MachineSight::Absent => true,
    };
    let hidden = matches!(&sight, MachineSight::Foreign(stranger) if stranger.is_hidden());
    // As with a template: no task runs now, so what is read now is what a task may have left.
    if (begun && in_doubt) || hidden { look_at_machine(run, node, None).await } else { Ok(sight) }
}

async fn look_at_machine<W: World>(
    run: &Run<W>,
    node: &NodeName,
    power: Option<PowerState>,
) -> Result<MachineSight> {
    let wanted = &run.desired.nodes[node];
    let proxmox = run.world.proxmox();
    let (config, pending) = match proxmox.guest_settings(&wanted.proxmox_node, wanted.vmid).await {
        Ok(Some(settings)) => settings,
        Ok(None) => return absent_or_being_made(run, node).await,
        Err(ProxmoxError::Forbidden(_)) => return hidden_or_being_made(run, node).await,
        Err(error) => return Err(error.into()),
    };
    let lock = config.get("lock").map(str::to_owned);
    let marker = config.get("description").and_then(Marker::find);
    match marker {
        Some(marker) if marker.node_of(&run.desired.id) == Some(node) => {
            // Once it has its UUID its own clone is over, and somebody else's lock is on it.
            let whole = guest::has_our_uuid(&run.desired, node, &config);
            if lock.as_deref() == Some("clone") && !whole {
                let task = clone_task(run, node).await?;
                return Ok(MachineSight::HalfMade { task, lock });
            }
            run.trust(node, marker.host_keys.clone());
            let power = match power {
                Some(power) => power,
                None => match proxmox.guest_status(&wanted.proxmox_node, wanted.vmid).await? {
                    Some(status) => status.power,
                    None => return Ok(MachineSight::Absent),
                },
            };
            let sight = ours(run, node, config, marker, power, lock);
            Ok(match sight {
                MachineSight::Ours(machine) => {
                    MachineSight::Ours(Box::new(Machine { pending, ..*machine }))
                }
                other => other,
            })
        }
        Some(marker) => {
            let why = format!("its marker says cluster {}", marker.cluster);
            let other = marker.node_of(&run.desired.id).cloned();
            Ok(MachineSight::Foreign(Stranger { node: other, ..named(&config, Some(why)) }))
        }
        None => {
            let intended = run.memory().guests.get(node).is_some_and(|guest| {
                guest.making.vmid == wanted.vmid
                    && guest.making.proxmox_node == wanted.proxmox_node
                    && !guest.made
            });
            if intended && lock.is_some() {
                let task = clone_task(run, node).await?;
                return Ok(MachineSight::HalfMade { task, lock });
            }
            let why = match lock {
                Some(lock) => format!("it carries no marker (lock: {lock})"),
                None => "it carries no marker".to_owned(),
            };
            Ok(MachineSight::Foreign(named(&config, Some(why))))
        }
    }
}

/// Ours, if the SMBIOS UUID agrees or was not set yet.
pub(super) fn ours<W: World>(
    run: &Run<W>,
    node: &NodeName,
    config: GuestConfig,
    marker: Marker,
    power: PowerState,
    lock: Option<String>,
) -> MachineSight {
    let configured = guest::has_our_uuid(&run.desired, node, &config);
    let known =
        run.memory().guests.get(node).is_some_and(|guest| guest.making.nonce == marker.nonce);
    // A fresh clone has a random UUID until it is configured; it is proved by the nonce that the journal
    // knew before the call, or by never having run.
    if !configured && !known && power == PowerState::Running {
        let why = "its marker is ours, its SMBIOS UUID is not: a copy of one of our guests";
        return MachineSight::Foreign(named(&config, Some(why.into())));
    }
    MachineSight::Ours(Box::new(Machine {
        proxmox_node: run.desired.nodes[node].proxmox_node.clone(),
        vmid: run.desired.nodes[node].vmid,
        config,
        marker,
        power,
        lock,
        pending: Vec::new(),
    }))
}

/// What a look at a guest's configuration gave.
enum Config {
    Seen(GuestConfig),
    Absent,
    /// There is a guest, and the token may not look at it. A guest that is being made joins its pool,
    /// by which we see it, at the end of its task only.
    Hidden,
}

async fn read_config<W: World>(run: &Run<W>, proxmox_node: &str, vmid: Vmid) -> Result<Config> {
    match run.world.proxmox().guest_config(proxmox_node, vmid).await {
        Ok(Some(config)) => Ok(Config::Seen(config)),
        Ok(None) => Ok(Config::Absent),
        Err(ProxmoxError::Forbidden(_)) => Ok(Config::Hidden),
        Err(error) => Err(error.into()),
    }
}

async fn hidden_or_being_made<W: World>(run: &Run<W>, node: &NodeName) -> Result<MachineSight> {
    let begun = run.memory().guests.get(node).is_some_and(|guest| !guest.made);
    let task = if begun { clone_task(run, node).await? } else { None };
    let why = match (&task, begun) {
        (Some(_), _) => return Ok(MachineSight::HalfMade { task, lock: None }),
        (None, true) => {
            let vmid = run.desired.nodes[node].vmid;
            Some(format!(
                "no task works on it. If `qm config {vmid}` shows `lock: clone` and no disk of worth, it is our clone that died half way: `qm unlock {vmid} && qm destroy {vmid} --purge`"
            ))
        }
        (None, false) => None,
    };
    Ok(MachineSight::Foreign(Stranger { why, ..Stranger::default() }))
}

async fn absent_or_being_made<W: World>(run: &Run<W>, node: &NodeName) -> Result<MachineSight> {
    let begun = run.memory().guests.get(node).is_some_and(|guest| !guest.made);
    if !begun {
        return Ok(MachineSight::Absent);
    }
    Ok(match clone_task(run, node).await? {
        Some(task) => MachineSight::HalfMade { task: Some(task), lock: None },
        None => MachineSight::Absent,
    })
}

/// The clone of a node that runs now: the journalled one, or, when the reply with its UPID was lost,
/// one of the template's that no other node of ours is known to wait for (a clone's task carries the
/// source's VMID, never the target's).
async fn clone_task<W: World>(run: &Run<W>, node: &NodeName) -> Result<Option<Upid>> {
    let wanted = &run.desired.nodes[node];
    let template = template_vmid(&run.desired, &wanted.proxmox_node).to_string();
    let active: Vec<Upid> = run
        .world
        .proxmox()
        .active_tasks(&wanted.proxmox_node)
        .await?
        .into_iter()
        .filter(|upid| upid.kind() == "qmclone" && upid.id() == template)
        .collect();
    // Not held on to while Proxmox answers: a record that is written meanwhile would copy all of it.
    let memory = run.memory();
    let ours = crate::plan::Change::MakeMachine { node: node.clone() }.id();
    if let Some(known) = active.iter().find(|upid| memory.open_tasks.get(upid) == Some(&ours)) {
        return Ok(Some(known.clone()));
    }
    Ok(active.into_iter().find(|upid| !memory.open_tasks.contains_key(upid)))
}

async fn running_task<W: World>(
    run: &Run<W>,
    proxmox_node: &str,
    kind: &str,
    vmid: Vmid,
) -> Result<Option<Upid>> {
    let id = vmid.to_string();
    let active = run.world.proxmox().active_tasks(proxmox_node).await?;
    Ok(active.into_iter().find(|upid| upid.kind() == kind && upid.id() == id))
}

fn named(config: &GuestConfig, why: Option<String>) -> Stranger {
    let name = config.get("name").unwrap_or("(no name)").to_owned();
    Stranger { name: Some(name), why, ..Stranger::default() }
}
