//! How the program is called so that it reads the same files: what a hint says can be typed as it stands.

use std::{borrow::Cow, sync::OnceLock};

use crate::{
    cli::{DEFAULT_CONFIG, Global},
    script::quote,
};

/// The call of this process; a process has one command line.
static CALL: OnceLock<String> = OnceLock::new();

/// Remembers which files the command line names: what is printed from here on names them, too.
pub fn remember(global: &Global) {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let lock = global.lock.as_ref().map(|lock| lock.as_str()).filter(|lock| !lock.is_empty());
    let known = (variable("HOMELAB_CONFIG"), variable("HOMELAB_LOCK"));
    // It is set once; a second time would be the same.
    let _ = CALL.set(call(global.config.as_str(), lock, &known));
}

/// `homelab`, with the flags that this process was given.
pub fn name() -> &'static str {
    CALL.get().map_or("homelab", String::as_str)
}

/// A text whose commands in backticks are complete: `homelab up` as `homelab -c lab.yaml up`.
pub fn completed(text: &str) -> Cow<'_, str> {
    match name() {
        "homelab" => text.into(),
        call => completed_for(text, call).into(),
    }
}

/// A text as one word of a shell, as it is where it is one.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { quote(text) }
}

/// The flags without which other files would be read.
fn call(config: &str, lock: Option<&str>, known: &(Option<String>, Option<String>)) -> String {
    let mut call = "homelab".to_owned();
    if config != known.0.as_deref().unwrap_or(DEFAULT_CONFIG) {
        call.push_str(&format!(" -c {}", word(config)));
    }
    if let Some(lock) = lock.filter(|lock| Some(*lock) != known.1.as_deref()) {
        call.push_str(&format!(" --lock {}", word(lock)));
    }
    call
}

/// The same for a call with such flags.
pub fn completed_for(text: &str, call: &str) -> String {
    let mut parts = text.split("`homelab ");
    let before = parts.next().unwrap_or_default().to_owned();
    parts.fold(before, |done, part| {
        // Where a flag stands already, it is meant.
        let command = part.starts_with(|first: char| first.is_ascii_lowercase());
        let call = if command { call } else { "homelab" };
        format!("{done}`{call} {part}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_in_backticks_gets_the_flags_and_nothing_else_does() {
        let text =
            "run `homelab lock`, then `homelab -c b.yaml up`; homelab.lock is homelab lock's";
        assert_eq!(
            completed_for(text, "homelab -c a.yaml"),
            "run `homelab -c a.yaml lock`, then `homelab -c b.yaml up`; homelab.lock is homelab lock's"
        );
    }

    #[test]
    fn flags_are_named_where_other_files_would_be_read_without_them() {
        let nothing = (None, None);
        assert_eq!(call("homelab.yaml", None, &nothing), "homelab");
        assert_eq!(call("my lab.yaml", None, &nothing), "homelab -c 'my lab.yaml'");
        assert_eq!(call("homelab.yaml", Some("b.lock"), &nothing), "homelab --lock b.lock");
        let known = (Some("a.yaml".to_owned()), Some("b.lock".to_owned()));
        assert_eq!(call("a.yaml", Some("b.lock"), &known), "homelab");
        assert_eq!(call("homelab.yaml", Some("b.lock"), &known), "homelab -c homelab.yaml");
    }
}
