//! The tailnet stage as steps: what is journalled, in which order, and what is looked at before it is
//! done.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use super::{
    Outcome,
    deliver::deliver,
    tailnet::{
        self,
        twins::{self, Record as TwinRecord},
    },
};
use crate::{
    engine::{Look, StepContext},
    error::{Effect, Failure, Kind, Result},
    inventory::desired::{Node, TailnetControl},
    journal::{Record, record::DeviceIdentity},
    model::NodeName,
    plan::{
        diff,
        probe::{HostProbe, TailscaleStatus},
    },
    ports::{Cluster, Device, MintedKey, Tailnet, TailnetError, World},
};

/// How long a registered node may take to say which device it is.
const SETTLING: Duration = Duration::from_secs(30);
/// How often a key is asked for whose minting may have failed, and after which pause.
const MINTINGS: u32 = 4;
const MINTING_PAUSE: Duration = Duration::from_secs(1);
/// How long a device that has joined may be missing in the control plane's list.
const LISTING: Duration = Duration::from_secs(5);

/// tailscaled at the pinned version, the persistent TUN, the routes and filter of the overlay.
pub async fn install<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<Outcome> {
    let desired = &context.run.desired;
    let host = context.run.host(node).await?;
    deliver(context, &host, &desired.tailnet.tailscale).await?;
    for line in tailnet::install(&host, desired).await? {
        context.output(line);
    }
    let probe = context
        .wait_for("tailscaled to be as planned", Duration::from_secs(60), || async {
            let probe = context.run.probe(node).await?;
            let left = diff::tailscale_reasons(desired, &desired.nodes[node], &probe);
            Ok(if left.is_empty() { Look::There(probe) } else { Look::NotYet(left.join("; ")) })
        })
        .await
        .map_err(|failure| failure.told_as(Kind::Tailnet, None))?;
    if let Some((link, address)) = tailnet::foreign_address(desired, &probe) {
        return Err(Failure::new(
            Kind::Refused,
            format!("{link} has {address}, which lies in the tailnet's own range: tailscaled would cut it off"),
        )
        .at(node)
        .hint("give the LAN another range, or the tailnet another prefix (`tailnet.prefixes`)"));
    }
    Ok(Outcome::Done)
}

/// Joins with a one-shot key; a stale twin of ours goes first, and the recorded address is taken back
/// where the control plane can do that.
pub async fn join<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<Outcome> {
    let run = &context.run;
    let desired = &run.desired;
    let wanted = &desired.nodes[node];
    let probe = settled(context, node).await?;
    if status(&probe).is_none() {
        // Whether it is the device on record cannot be seen: as its twin it would be deleted while it lives.
        return Err(Failure::new(Kind::Tailnet, "tailscaled does not say which device it is")
            .at(node)
            .hint(format!(
                "`homelab ssh {node} -- sudo tailscale status` and `sudo journalctl -u tailscaled` on it say why"
            )));
    }
    let recorded = recorded(context, node).await;
    let address = recorded.address;
    let forgotten = is_forgotten(context, node, &probe).await?;
    if !forgotten && diff::join_reasons(desired, wanted, &probe, address).is_empty() {
        remember(context, node, &probe)?;
        return Ok(Outcome::Unchanged("joined already".into()));
    }
    if forgotten || !is_running(&probe) {
        clear_twins(context, node, recorded, &probe).await?;
        // A device that was removed, or whose node lost its memory, is not to be gone on with.
        let anew = forgotten || !context.run.memory().present_keys_of(node).is_empty();
        spend_a_key(context, node, wanted, anew).await?;
    }
    let host = run.host(node).await?;
    if let Some(prefs) = run.probe(node).await?.tailscale.and_then(|tailscale| tailscale.prefs) {
        let flags = tailnet::prefs::drift(&prefs, wanted);
        if !flags.is_empty() {
            tailnet::prefs::set(&host, &flags).await?;
        }
    }
    take_address_back(context, node, address).await?;
    let probe = context
        .wait_for("the tailnet to be as planned", desired.tailnet.join_timeout, || async {
            let probe = run.probe(node).await?;
            if is_logged_out(&probe) {
                let seen = "it joined, and is logged out again (NeedsLogin): the tailnet no longer has its device";
                return Err(removed(node, seen));
            }
            let left = diff::join_reasons(desired, wanted, &probe, None);
            Ok(if left.is_empty() { Look::There(probe) } else { Look::NotYet(left.join("; ")) })
        })
        .await
        .map_err(|failure| failure.told_as(Kind::Tailnet, None))?;
    if is_forgotten(context, node, &probe).await? {
        return Err(removed(node, "it joined, and the tailnet does not have its device"));
    }
    remember(context, node, &probe)?;
    Ok(Outcome::Done)
}

/// A node whose registration outlived the run that began it may not know yet which device it is, and only
/// then can that device be told from another of its name: it is given time to say.
async fn settled<W: World>(context: &StepContext<W>, node: &NodeName) -> Result<HostProbe> {
    let settled = context
        .wait_for("tailscaled to say which device it is", SETTLING, || async {
            let probe = context.run.probe(node).await?;
            Ok(match unsaid(context, node, &probe).await? {
                Some(seen) => Look::NotYet(seen),
                None => Look::There(probe),
            })
        })
        .await;
    match settled {
        // What it cannot say is lost to it.
        Err(failure) if failure.kind == Kind::Deadline => context.run.probe(node).await,
        settled => settled,
    }
}

/// Why the node may be a device without knowing it yet.
async fn unsaid<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    probe: &HostProbe,
) -> Result<Option<String>> {
    if tailnet::node_id(probe).is_some() {
        return Ok(None);
    }
    if let Some(status) = status(probe).filter(|status| status.have_node_key) {
        return Ok(Some(format!("it is registered, and in state {}", status.backend_state)));
    }
    if status(probe).is_none() {
        return Ok(Some("`tailscale status` says nothing that can be read".into()));
    }
    let keys = context.run.memory().present_keys_of(node);
    if keys.is_empty() || !lists_devices(context) {
        return Ok(None);
    }
    let devices = context.devices().await?;
    let registered =
        |device: &&Device| device.auth_key.as_ref().is_some_and(|key| keys.contains(key));
    Ok(devices.iter().find(registered).map(|device| format!("device {} is registered", device.id)))
}

/// Whether the control plane no longer has the device that the node takes itself for: somebody removed it.
/// tailscaled goes on as `Running`, and reaches nobody.
async fn is_forgotten<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    probe: &HostProbe,
) -> Result<bool> {
    let Some(id) = tailnet::node_id(probe).filter(|_| lists_devices(context)) else {
        return Ok(false);
    };
    let known = context
        .wait_for("the control plane to have the node's device", LISTING, || async {
            let devices = context.devices().await?;
            Ok(match tailnet::is_listed(&devices, &id) {
                true => Look::There(()),
                false => Look::NotYet(format!("no device {id} among {}", devices.len())),
            })
        })
        .await;
    match known {
        Ok(()) => Ok(false),
        Err(failure) if failure.kind == Kind::Deadline => {
            context.warn(format!("the tailnet no longer has the device of {node}: it joins anew"));
            Ok(true)
        }
        Err(failure) => Err(failure),
    }
}

/// A bare auth key lets nobody look.
fn lists_devices<W: World>(context: &StepContext<W>) -> bool {
    !matches!(context.run.desired.tailnet.control, TailnetControl::AuthKey { .. })
}

/// After a join no daemon is so for a moment only: its key ended, or its device is gone.
fn is_logged_out(probe: &HostProbe) -> bool {
    status(probe).is_some_and(|status| status.backend_state == "NeedsLogin")
}

fn removed(node: &NodeName, seen: &str) -> Failure {
    Failure::new(Kind::Tailnet, seen)
        .at(node)
        .hint("was it removed just now? the same command joins it anew")
}

fn is_running(probe: &HostProbe) -> bool {
    status(probe).is_some_and(|status| status.backend_state == "Running")
}

fn status(probe: &HostProbe) -> Option<&TailscaleStatus> {
    probe.tailscale.as_ref()?.status.as_ref()
}

/// Who this node was in the tailnet: as the journal knows it, and, where that does not know a device, at
/// the address that Kubernetes knows the node by.
async fn recorded<W: World>(context: &StepContext<W>, node: &NodeName) -> TwinRecord {
    let record = TwinRecord::remembered(&context.run.memory(), node);
    let address = match record.address {
        Some(address) => Some(address),
        None => address_in_kubernetes(context, node).await,
    };
    TwinRecord { address, ..record }
}

async fn address_in_kubernetes<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
) -> Option<Ipv4Addr> {
    // The cluster cannot be asked before its server is there.
    let cluster = context.run.cluster().await.ok()?;
    match cluster.node(node).await.ok()??.internal_ip? {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

fn remember<W: World>(context: &StepContext<W>, node: &NodeName, probe: &HostProbe) -> Result<()> {
    let this = status(probe).and_then(|status| status.this.as_ref());
    if let Some((this, ipv4)) = this.and_then(|this| Some((this, this.ipv4()?))) {
        let device = DeviceIdentity { node_id: this.id.clone(), ipv4 };
        if context.run.memory().devices.get(node) != Some(&device) {
            context.record(&Record::DeviceJoined { node: node.clone(), device })?;
        }
    }
    Ok(())
}

/// Removes devices that are provably a former self of this node; any other of the same name is a
/// conflict that is named.
async fn clear_twins<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    recorded: TwinRecord,
    probe: &HostProbe,
) -> Result<()> {
    if !lists_devices(context) {
        return Ok(());
    }
    let tag = &context.run.desired.tailnet.tag;
    let devices = context.devices().await?;
    let record = TwinRecord { current: tailnet::node_id(probe), ..recorded };
    let twins = twins::find(&devices, node, tag, &record);
    if let Some(foreign) = twins.foreign.first() {
        return Err(Failure::new(
            Kind::Refused,
            format!("the tailnet has a device `{}` that is not provably ours", foreign.name),
        )
        .at(node)
        .hint(format!("remove or rename device {} in the tailnet's console", foreign.id)));
    }
    if let Some(alive) = twins.alive.first() {
        // The control plane may not have noticed yet that the machine is gone; Proxmox knows that it is.
        context.output(format!("the former device {} still counts as online", alive.name));
    }
    for twin in twins.stale.iter().chain(&twins.alive) {
        context.output(format!("removing the former device {}", twin.name));
        context.run.world.tailnet().delete_device(&twin.id).await?;
    }
    Ok(())
}

/// Keys of runs that died are taken back: nobody spends them any more. One of which nobody heard, because
/// the run died or lost the answer, is known by its mark.
pub(super) async fn take_keys_back<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
) -> Result<()> {
    let tailnet = context.run.world.tailnet();
    let mark = context.run.memory().intended_keys.get(node).cloned();
    if let Some(mark) = mark
        && let Some(id) = tailnet.marked_key(&mark).await?
    {
        context.record(&Record::KeyMinted { node: node.clone(), id })?;
    }
    for id in context.run.memory().keys.get(node).cloned().unwrap_or_default() {
        tailnet.revoke_key(&id).await?;
        context.record(&Record::KeyGone { node: node.clone(), id })?;
    }
    Ok(())
}

/// A key for the node. One that may have been minted, or not, is looked for by its mark and taken back, and
/// another one minted: a few times.
async fn minted<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    wanted: &Node,
) -> Result<MintedKey> {
    let run = &context.run;
    let mut tries = 0;
    loop {
        take_keys_back(context, node).await?;
        let mark = tailnet::key_mark(&run.desired, wanted);
        context.record(&Record::KeyIntended { node: node.clone(), mark: Some(mark.clone()) })?;
        tries += 1;
        match tailnet::mint_key(run.world.tailnet(), &run.desired, wanted, &mark).await {
            Err(failure) if failure.effect == Effect::Unknown && tries < MINTINGS => {
                context.output(format!("looking whether it happened: {failure}"));
                context.pause(MINTING_PAUSE).await?;
            }
            outcome => return outcome,
        }
    }
}

async fn spend_a_key<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    wanted: &Node,
    anew: bool,
) -> Result<()> {
    let run = &context.run;
    let tailnet_port = run.world.tailnet();
    let key = minted(context, node, wanted).await?;
    context.record(&Record::KeyMinted { node: node.clone(), id: key.id.clone() })?;
    let host = run.host(node).await?;
    let joined = tailnet::join(&host, &run.desired, wanted, &key.secret, anew).await;
    if let Err(failure) = joined {
        // Not spent, or spent in vain: either way nobody must use it.
        if let Err(error) = tailnet_port.revoke_key(&key.id).await {
            return Err(with_key_left(failure, &error));
        }
        context.record(&Record::KeyGone { node: node.clone(), id: key.id })?;
        return Err(failure);
    }
    context.record(&Record::KeyGone { node: node.clone(), id: key.id })
}

/// The join's own failure comes first, since that is what is to be mended. The key stays on record, and the next
/// run takes it back.
fn with_key_left(mut failure: Failure, error: &TailnetError) -> Failure {
    let left = format!("its key was not taken back either, and the next run does that: {error}");
    // What was behind the join's failure stays at the end of the chain.
    let source = failure.source.take();
    failure.because(Failure { source, ..Failure::new(Kind::Tailnet, left) })
}

async fn take_address_back<W: World>(
    context: &StepContext<W>,
    node: &NodeName,
    recorded: Option<Ipv4Addr>,
) -> Result<()> {
    let Some(recorded) = recorded else { return Ok(()) };
    let probe = context.run.probe(node).await?;
    let Some(now) = probe.tailnet_ipv4().filter(|now| *now != recorded) else { return Ok(()) };
    let tailnet_port = context.run.world.tailnet();
    let capabilities = tailnet_port.check().await?;
    if !capabilities.set_address {
        context.warn(format!(
            "{} cannot give {node} its address {recorded} back; it is {now} now",
            capabilities.service
        ));
        return Ok(());
    }
    let devices = context.devices().await?;
    let own =
        devices.iter().find(|device: &&Device| device.ipv4 == Some(now)).ok_or_else(|| {
            Failure::new(Kind::Tailnet, format!("no device has the address {now}")).at(node)
        })?;
    tailnet_port.set_address(&own.id, recorded).await?;
    let host = context.run.host(node).await?;
    context.output(format!("waiting until it has its address {recorded} back"));
    let waiting = tailnet::await_address(&host, recorded, Duration::from_secs(60));
    context.unless_stopped(waiting).await
}
