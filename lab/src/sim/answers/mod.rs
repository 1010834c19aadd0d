//! Guests that answer in process: what each script of homelab leaves on a guest and prints, without a shell.
//!
//! A first run by a real `sh` is some thousand processes a node, which is right where scripts are what is
//! tested, and too much where a world has hundreds of guests. Here each script is known by its first words,
//! is read for what was rendered into it, and is played: the same programs are asked in the same order
//! ([`Guest::call`]), the same files are written, the same words are printed. `tests/sweep/kinds.rs` holds
//! this to the real thing. What it does not have: a script that is cut short in its middle, the variables
//! and command lines of what runs in a script, modes of folders.
//!
//! A script that is not known here is refused with status 97, never answered with a success.
//!
//! * [`sent`]: a script as it was sent, read for its words; [`desk`]: where it is played.
//! * [`files`], [`fetch`]: files that come with scripts, by SSH, by HTTP.
//! * [`probe`], [`system`]: what is seen of a guest; [`machine`], [`tailnet`], [`k3s`], [`host`]: what is
//!   done to it.

mod desk;
mod fetch;
mod files;
mod host;
mod k3s;
mod machine;
mod probe;
mod sent;
mod system;
mod tailnet;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use self::{desk::Desk, sent::Sent};
use super::guest::{Answer, Guest};

/// Who runs what a guest is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guests {
    /// A real `sh`, with real programs and stand-ins on its PATH.
    #[default]
    Real,
    /// This process, which knows homelab's scripts and refuses any other.
    InProcess,
}

/// The status of what is not known here; nothing real ends with it.
pub const UNKNOWN: u8 = 97;
/// Between two looks of a script that waits.
const PAUSE: Duration = Duration::from_millis(100);

/// How far a script is.
enum Turn {
    Ended(Answer),
    /// It waits so long after its start, and says this then.
    Waits {
        patience: Duration,
        otherwise: Answer,
    },
}

impl Turn {
    fn said(text: impl Into<String>) -> Told {
        Ok(Self::Ended(Answer::said(text)))
    }
}

/// What a script has come to; an error ends it, as `set -e` does.
type Told = Result<Turn, Answer>;
type Play = fn(&Desk<'_>) -> Told;

/// Each script, by how its first comment begins.
const KNOWN: [(&str, Play); 20] = [
    ("All that there is to know about a node", probe::probe),
    ("Waits until cloud-init has finished", machine::await_cloud_init),
    ("Makes the host key that will replace the one from the seed", machine::rotate_host_key),
    ("Puts the new host key in place", machine::install_host_key),
    ("Puts cloud-init out of the way", machine::finish_cloud_init),
    ("Grows the root partition", machine::grow_root),
    ("Installs Tailscale at its pinned version", tailnet::install),
    ("Joins the tailnet with a one-shot key", tailnet::join),
    ("Waits until the node has the address", tailnet::await_address),
    ("Sets the preferences that differ", tailnet::set_preferences),
    ("Sets up k3s as ", k3s::install),
    ("Follows k3s until it is ready", k3s::follow),
    ("Prints the server's own kubeconfig", k3s::kubeconfig),
    ("Prints what joining nodes need", k3s::join_tokens),
    ("Installs the guard of the overlay", host::install_guard),
    ("Sends packets of exactly the planned size", host::send_packets),
    ("Makes a node fit for Longhorn", host::prepare_for_longhorn),
    ("Closes the LAN side", host::close_lan),
    ("The tailnet carries", host::confirm_lan_closed),
    ("Opens the LAN side", host::open_lan),
];

/// Plays a script, which is all that arrives on its standard input, to its end.
pub async fn answer(guest: &Arc<Guest>, script: &str) -> Answer {
    let sent = Sent::read(script);
    if sent.begins(fetch::BEGINS) {
        return fetch::fetch(guest, &sent).await;
    }
    let known = KNOWN.iter().find(|(begins, _)| sent.begins(begins));
    let Some((_, play)) = known else { return unknown(sent.comment()) };
    let (sent, begun) = (Arc::new(sent), Instant::now());
    loop {
        let (guest, sent) = (guest.clone(), sent.clone());
        // It reads and writes files.
        let turn = tokio::task::spawn_blocking(move || play(&Desk::new(&guest, &sent)));
        match turn.await {
            Ok(Ok(Turn::Ended(answer)) | Err(answer)) => return answer,
            Ok(Ok(Turn::Waits { patience, otherwise })) if begun.elapsed() >= patience => {
                return otherwise;
            }
            Ok(Ok(Turn::Waits { .. })) => tokio::time::sleep(PAUSE).await,
            Err(error) => return Answer::failed(126, format!("{error}\n")),
        }
    }
}

/// Takes a file that is pushed: the command line says whereto.
pub async fn receive(guest: &Arc<Guest>, line: &str, bytes: Vec<u8>) -> Answer {
    let Some(file) = files::Pushed::read(line) else { return unknown(line) };
    let guest = guest.clone();
    let written = tokio::task::spawn_blocking(move || file.write(&guest, &bytes));
    written.await.unwrap_or_else(|error| Answer::failed(126, format!("{error}\n")))
}

fn unknown(what: &str) -> Answer {
    let shown: String = what.chars().take(160).collect();
    Answer::failed(
        UNKNOWN,
        format!(
            "homelab-lab: guests that answer in process do not know this: `{shown}`; run it in a world with real guests, or teach it to lab/src/sim/answers\n"
        ),
    )
}

#[cfg(test)]
mod tests;
