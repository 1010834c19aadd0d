//! A command line that cannot be understood, as a failure like any other.

use std::ffi::OsString;

use clap::{ValueEnum, error::ErrorKind};

use crate::{
    cli::Color,
    environment,
    error::{Failure, Kind},
    inventory::discretion::without_secrets,
};

/// clap's text in our terms: its first sentence, then tips and usage as hints.
pub fn failure(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let mut parts = text.trim().split("\n\n").map(|part| {
        part.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    });
    let message = parts.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
    let hints = parts.filter(|part| !part.is_empty());
    hints.fold(Failure::new(Kind::Usage, message), |failure, hint| {
        failure.hint(hint.strip_prefix("tip: ").unwrap_or(&hint))
    })
}

/// clap's text as it may be printed: a secret that was typed in a wrong place is not repeated.
pub fn text(error: &clap::Error) -> String {
    without_secrets(&error.render().ansi().to_string())
}

/// The variable that is no text where the command line is: clap does not say which it is.
pub fn undecodable(
    error: &clap::Error,
    mut arguments: impl Iterator<Item = OsString>,
) -> Option<Failure> {
    if error.kind() != ErrorKind::InvalidUtf8 || arguments.any(|word| word.to_str().is_none()) {
        return None;
    }
    ["HOMELAB_CONFIG", "HOMELAB_LOCK"].iter().find_map(|name| environment::variable(name).err())
}

/// Whether a command line that cannot be understood asks for JSON.
pub fn wants_json(arguments: impl IntoIterator<Item = String>) -> bool {
    let mut before = String::new();
    for argument in arguments {
        // What follows is another program's.
        if argument == "--" {
            return false;
        }
        let asked = matches!(argument.as_str(), "-ojson" | "-o=json" | "--output=json")
            || argument == "json" && matches!(before.as_str(), "-o" | "--output");
        if asked {
            return true;
        }
        before = argument;
    }
    false
}

/// What a command line that was not parsed says of colours.
pub fn color(arguments: impl IntoIterator<Item = String>) -> Option<Color> {
    let mut before = String::new();
    let mut found = None;
    // What follows two dashes is another program's.
    for argument in arguments.into_iter().take_while(|argument| argument != "--") {
        let value = match argument.strip_prefix("--color=") {
            Some(value) => Some(value),
            None => Some(argument.as_str()).filter(|_| before == "--color"),
        };
        found = value.and_then(|value| Color::from_str(value, false).ok()).or(found);
        before = argument;
    }
    found
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn a_misspelt_option_is_a_usage_failure_with_what_was_meant() {
        let error = Cli::try_parse_from(["homelab", "plan", "--form", "image"]).unwrap_err();
        let failure = failure(&error);
        assert_eq!(failure.kind, Kind::Usage);
        assert_eq!(failure.message, "unexpected argument '--form' found");
        assert!(failure.hints[0].contains("'--from'"), "{:?}", failure.hints);
        assert!(failure.hints.iter().all(|hint| !hint.contains('\n')));
    }

    #[test]
    fn colours_are_decided_for_help_too() {
        let color = |line: &str| color(line.split(' ').map(str::to_owned));
        assert_eq!(color("--color never --help"), Some(Color::Never));
        assert_eq!(color("plan --color=always --form"), Some(Color::Always));
        assert_eq!(color("ssh a -- --color never"), None);
    }

    #[test]
    fn json_is_asked_for_in_each_of_the_usual_ways_and_not_behind_two_dashes() {
        let asks = |line: &str| wants_json(line.split(' ').map(str::to_owned));
        for line in
            ["plan -o json", "-o=json plan", "--output json", "up --output=json", "x -ojson"]
        {
            assert!(asks(line), "{line}");
        }
        for line in ["plan", "ssh a -- -o json", "plan -o text"] {
            assert!(!asks(line), "{line}");
        }
    }
}
