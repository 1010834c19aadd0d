//! Leases elsewhere: another run may have an inventory with another template, or see the world otherwise,
//! and so have taken the lease at a place that comes later here, or not at all.
//!
//! Each run looks for others before it writes its own lease, and again then: of two that do so at once, at
//! least one sees the other.

use futures::future::join_all;

use super::{
    Tenure,
    claiming::{Claim, Hindrance, probed},
    is_written,
    place::{Place, Sight, look},
    standing::{Standing, held, standing},
};
use crate::{
    engine::Run,
    error::{Failure, Kind, Result},
    model::{Lease, Marker},
    plan::{
        diff::template_vmid,
        guest::{self, TEMPLATE_NAME, cluster_tag},
    },
    ports::{GuestConfig, GuestSummary, Proxmox, World},
};

/// After so long nobody goes on from a lease that ran out: see [`is_forgotten`].
const FORGOTTEN_SECONDS: i64 = 3600;

/// Looks at every guest of ours but the one at `home`, which is looked at for itself: [`Claim::Taken`] where
/// no other run's lease stands in any. All of them that ran out are watched at once.
///
/// A dead run's lease that is found there stays, and hinders nobody once it was watched.
pub(super) async fn look_for_rivals<W: World>(
    run: &Run<W>,
    tenure: &Tenure,
    home: Option<&Place>,
) -> Result<Claim> {
    let proxmox = run.world.proxmox();
    let (guests, now) = futures::try_join!(proxmox.guests(), proxmox.time())?;
    let places = guests
        .iter()
        .filter(|guest| may_be_ours(run, guest))
        .map(|guest| Place { proxmox_node: guest.node.clone(), vmid: guest.vmid });
    let looks = places.filter(|place| Some(place) != home).map(|place| async {
        let sight = look(run, &place).await;
        (place, sight)
    });
    let mut hindrance = None;
    for (place, sight) in join_all(looks).await {
        let config = match sight {
            Ok(Sight::Ours(config)) if !is_a_copy(run, &config) => config,
            Ok(Sight::Ours(_) | Sight::Gone) => continue,
            Ok(Sight::Hidden(why)) => {
                hindrance.get_or_insert(unseen(&place, &why));
                continue;
            }
            Err(failure) => {
                hindrance.get_or_insert(unseen(&place, &failure.message));
                continue;
            }
        };
        match standing(run, tenure, &config, now) {
            Standing::Held(lease) => return Ok(Claim::Held { lease, place, now }),
            Standing::Dead(lease, death) if death.is_in_doubt() && !is_forgotten(&lease, now) => {
                let watches = &tenure.watches;
                if let Some(why) = watches.hinder(run, &place, &config, &lease, death).await? {
                    let why = probed(run, tenure, &place, &config, why).await;
                    hindrance.get_or_insert(why.at(&place));
                }
            }
            Standing::Free | Standing::Ours(_) | Standing::Dead(..) => {}
        }
    }
    Ok(hindrance.map_or(Claim::Taken, Claim::NotNow))
}

/// Before each step of a run whose lease stands nowhere, since nothing of the cluster is there, or not any
/// more: whether somebody else has begun meanwhile to make it.
///
/// # Errors
/// [`Kind::Locked`] where that is so.
pub(crate) async fn nobody_else<W: World>(run: &Run<W>) -> Result<()> {
    let Some(tenure) = run.tenure.get().filter(|_| !is_written(run)) else { return Ok(()) };
    for proxmox_node in run.desired.proxmox_nodes() {
        // Our own, or one that a dead run of this state folder began, is no rival's.
        if run.memory().templates.contains_key(&proxmox_node) {
            continue;
        }
        let vmid = template_vmid(&run.desired, &proxmox_node).to_string();
        let tasks = run.world.proxmox().active_tasks(&proxmox_node).await?;
        if let Some(task) = tasks.iter().find(|task| task.kind() == "qmcreate" && task.id() == vmid)
        {
            let text = format!("another run makes template {vmid} now: task {task}");
            return Err(Failure::new(Kind::Locked, text)
                .at(proxmox_node)
                .hint("wait for it to end, and run it again"));
        }
    }
    match look_for_rivals(run, tenure, None).await? {
        Claim::Held { lease, place, now } => Err(held(&lease, &place, now)),
        // What cannot be seen just now is looked at again before the next step.
        Claim::Taken | Claim::Gone | Claim::NotNow(_) => Ok(()),
    }
}

fn unseen(place: &Place, why: &str) -> Hindrance {
    let told = format!(
        "{place} is or was a guest of this cluster, and whether another run holds the lease there cannot be seen: {why}"
    );
    told.into()
}

/// What nobody renewed for longer than any task locks a guest. It stays there for ever, in the copy that
/// somebody made of a template, and is not to cost each run a wait.
const fn is_forgotten(lease: &Lease, now: i64) -> bool {
    lease.seconds_left(now) < -FORGOTTEN_SECONDS
}

/// A template has no tag of ours but the name that it was made under; a guest may have lost its tag. The
/// marker proves what is.
fn may_be_ours<W: World>(run: &Run<W>, guest: &GuestSummary) -> bool {
    let template = || guest.template && guest.name.starts_with(TEMPLATE_NAME);
    let tagged = || guest.tags.contains(&cluster_tag(&run.desired));
    let named = || run.desired.nodes.values().any(|node| node.vmid == guest.vmid);
    !guest.is_container && (template() || tagged() || named())
}

/// What somebody made from a guest of ours has its notes, the lease among them.
fn is_a_copy<W: World>(run: &Run<W>, config: &GuestConfig) -> bool {
    let marker = config.get("description").and_then(Marker::find);
    let node = marker.as_ref().and_then(|marker| marker.node_of(&run.desired.id));
    node.is_some_and(|node| !guest::has_our_uuid(&run.desired, node, config))
}
