//! Shell scripts for the nodes: plain POSIX `sh` from `templates/`, rendered in strict mode.
//!
//! A script travels on standard input, wrapped into one function, so that a connection that breaks in
//! the middle of it runs nothing of it; it ends with its session ([`SUPERVISOR`]); its secrets are assigned in front of it, so that they are never
//! in argv, in the environment of a process, or in what `homelab render` shows.

use std::time::Duration;

use crate::secret::Secret;

/// A rendered script, ready to be run as root on a node.
#[derive(Clone, Debug)]
pub struct Script {
    /// The template's name without `.sh`, for messages and the journal.
    pub name: &'static str,
    /// The rendered text: without secrets, fit to be shown.
    pub text: String,
    /// Shell variables that hold secrets while the script runs.
    pub secrets: Vec<(&'static str, Secret)>,
    /// How long it may take.
    pub timeout: Duration,
}

impl Script {
    pub fn new(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, text: text.into(), secrets: Vec::new(), timeout: Duration::from_secs(300) }
    }

    pub fn secret(mut self, variable: &'static str, secret: Secret) -> Self {
        self.secrets.push((variable, secret));
        self
    }

    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// What is sent to `sh -s` on standard input.
    pub fn standard_input(&self) -> Secret {
        let mut input = String::new();
        for (variable, secret) in &self.secrets {
            input.push_str(&format!("{variable}={}\n", quote(secret.expose())));
        }
        // Called only when all of it has arrived; its own standard input is empty.
        input.push_str(&format!("homelab_main() {{\n{}\n}}\nhomelab_main </dev/null\n", self.text));
        Secret::document(input)
    }
}

/// What runs a script on a node and ends it with its session; reads it on standard input, so many bytes.
pub const SUPERVISOR: &str = include_str!("../templates/supervise.sh");

/// `text` as one word of POSIX shell.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_text_is_one_word_whatever_is_in_it() {
        assert_eq!(quote("it's $HOME"), r"'it'\''s $HOME'");
    }

    #[test]
    fn secrets_stand_in_front_and_never_in_the_text() {
        let script = Script::new("join", "echo joined").secret("AUTH_KEY", Secret::new("tskey"));
        assert!(!script.text.contains("tskey"));
        assert!(!format!("{script:?}").contains("tskey"));
        assert!(script.standard_input().expose().starts_with("AUTH_KEY='tskey'\nhomelab_main() {"));
    }
}
