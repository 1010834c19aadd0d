//! Tickets, CSRF prevention tokens and API tokens.
//!
//! A ticket is `PVE:<user>:<time in hex>::<signature>`. The real server signs with RSA; here it is
//! a keyed hash of the same length, which no client can tell from it without the server's key.

use base64::Engine as _;
use sha2::Digest as _;

use crate::pve::{request::Caller, schema::format, state::State};

/// Two hours, as `AccessControl.pm` has it.
const LIFETIME: i64 = 7200;
/// A ticket from the future by more than this is refused.
const FUTURE: i64 = 300;
/// A signature is as long as that of a 2048-bit RSA key.
const SIGNATURE_BYTES: usize = 256;

/// The secrets that tickets are signed with; new at each start.
pub(crate) struct Keys {
    ticket: [u8; 32],
    csrf: [u8; 32],
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self { ticket: rand::random(), csrf: rand::random() }
    }
}

fn keyed(key: &[u8; 32], text: &str, round: u8) -> [u8; 32] {
    // The key stands on both sides, so that nobody can lengthen a text that was hashed.
    sha2::Sha256::new()
        .chain_update(key)
        .chain_update([round])
        .chain_update(text.as_bytes())
        .chain_update(key)
        .finalize()
        .into()
}

fn signature(key: &[u8; 32], text: &str) -> String {
    let mut bytes = Vec::new();
    for round in 0..(SIGNATURE_BYTES / 32) {
        bytes.extend(keyed(key, text, u8::try_from(round).unwrap_or_default()));
    }
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A ticket for a user who has proved to be one.
pub(crate) fn issue(state: &State, user: &str) -> String {
    let plain = format!("PVE:{user}:{:08X}", state.clock.now());
    format!("{plain}::{}", signature(&state.access.keys.ticket, &plain))
}

/// The user of a ticket that is genuine, young enough, and whose user is enabled.
pub(crate) fn verify(state: &State, ticket: &str) -> Option<Caller> {
    let (plain, given) = ticket.rsplit_once("::")?;
    if signature(&state.access.keys.ticket, plain) != given {
        return None;
    }
    let (user, time) = plain.strip_prefix("PVE:")?.rsplit_once(':')?;
    if !young(state, time) || !enabled(state, user) {
        return None;
    }
    Some(Caller::user(user))
}

fn young(state: &State, time: &str) -> bool {
    let Ok(time) = i64::from_str_radix(time, 16) else { return false };
    let age = state.clock.now() - time;
    (-FUTURE..LIFETIME).contains(&age)
}

/// A user who exists, is enabled and has not expired.
pub(crate) fn enabled(state: &State, user: &str) -> bool {
    let now = state.clock.now();
    state
        .access
        .lock()
        .users
        .get(user)
        .is_some_and(|user| user.enable && (user.expire == 0 || user.expire > now))
}

pub(crate) fn issue_csrf(state: &State, user: &str) -> String {
    csrf_at(state, user, &format!("{:08X}", state.clock.now()))
}

fn csrf_at(state: &State, user: &str, time: &str) -> String {
    let hash = keyed(&state.access.keys.csrf, &format!("{time}:{user}"), 0);
    let hash = base64::engine::general_purpose::STANDARD_NO_PAD.encode(hash);
    format!("{time}:{hash}")
}

pub(crate) fn verify_csrf(state: &State, caller: &Caller, given: &str) -> bool {
    given
        .split_once(':')
        .is_some_and(|(time, _)| young(state, time) && csrf_at(state, &caller.user, time) == given)
}

/// The caller of `user@realm!name=secret`.
pub(crate) fn verify_token(state: &State, text: &str) -> Option<Caller> {
    let (identity, secret) = text.split_once('=')?;
    let caller = Caller::parse(identity);
    let name = caller.token.as_deref()?;
    if !enabled(state, &caller.user) {
        return None;
    }
    let now = state.clock.now();
    let data = state.access.lock();
    let token = data.users.get(&caller.user)?.tokens.get(name)?;
    let alive = token.expire == 0 || token.expire > now;
    (alive && token.secret == secret).then_some(caller)
}

/// The user that name, realm and password (or a valid ticket in its place) belong to.
pub(crate) fn log_in(
    state: &State,
    username: &str,
    realm: Option<&str>,
    password: &str,
) -> Option<String> {
    let name = match realm {
        Some(realm) => format!("{username}@{realm}"),
        None => username.to_owned(),
    };
    if format::check("pve-userid", &name).is_err() || !enabled(state, &name) {
        return None;
    }
    if password.starts_with("PVE:") {
        return verify(state, password).filter(|caller| caller.user == name).map(|_| name);
    }
    let data = state.access.lock();
    let matches = data.users.get(&name)?.password.as_ref()?.matches(password);
    matches.then_some(name)
}
