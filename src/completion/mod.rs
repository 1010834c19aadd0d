//! What a shell may put in where a person presses Tab. The script that the shell reads asks this program
//! again, so that names come from the inventory as it is at that moment.
//!
//! A question is answered from the command line's words and the inventory alone: no network, no secret, no
//! talk. What is wrong with either is told when the line is run.

pub(crate) mod candidates;
mod words;

use clap::CommandFactory;
use clap_complete::{CompleteEnv, Shell, env::Shells};

use crate::{
    cli::Cli,
    error::{Failure, Kind, Result},
};

/// By it the script's question is known from a person's command. clap's own `COMPLETE` may be some other
/// program's, and would keep this one from working.
const VARIABLE: &str = "HOMELAB_COMPLETE";
/// The program as the script calls it: found by the shell, wherever the script was made.
const PROGRAM: &str = "homelab";

/// Answers a shell's question; `false` when it was none. Belongs before everything else a process does.
pub fn answered() -> bool {
    let asked = std::env::var(VARIABLE).ok();
    if asked.is_none_or(|shell| Shells::builtins().completer(&shell).is_none()) {
        return false;
    }
    let folder = std::env::current_dir().ok();
    let question = CompleteEnv::with_factory(Cli::command).var(VARIABLE).completer(PROGRAM);
    // A shell has no place for an error: nothing to put in is an answer, too.
    question.try_complete(std::env::args_os(), folder.as_deref()).unwrap_or(true)
}

/// The script that a shell reads.
///
/// # Errors
/// When there is none for it.
pub(crate) fn script(shell: Shell) -> Result<String> {
    let failed = || Failure::new(Kind::Runtime, format!("there is no script for {shell}"));
    let mut text = Vec::new();
    let shells = Shells::builtins();
    let completer = shells.completer(&shell.to_string()).ok_or_else(failed)?;
    completer.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut text)?;
    String::from_utf8(text).map_err(|error| failed().because(error))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn each_shell_that_is_offered_has_a_script_that_asks_us_by_our_own_variable() {
        for shell in Shell::value_variants() {
            let script = script(*shell).unwrap();
            assert!(script.contains(VARIABLE) && script.contains(PROGRAM), "{shell}: {script}");
        }
    }
}
