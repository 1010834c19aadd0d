//! A question to a person on the terminal.

use std::io::{BufRead, IsTerminal};

use tokio_util::sync::CancellationToken;

use crate::{
    error::{Failure, Kind, Result},
    render,
};

/// Asks on the terminal; without one, `--yes` is needed. What was typed before the question stood there is
/// no answer to it, and Ctrl-C is a no.
///
/// # Errors
/// [`Kind::Usage`] where nobody can be asked; [`Kind::Interrupted`] when it was not confirmed.
pub(super) async fn confirm(question: &str, stop: &CancellationToken) -> Result<()> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::new(Kind::Usage, "nobody can be asked here: there is no terminal")
            .hint("give --yes: it is then done without a question"));
    }
    rustix::termios::tcflush(std::io::stdin(), rustix::termios::QueueSelector::IFlush)
        .map_err(std::io::Error::from)?;
    render::output::talk(format_args!("{question} [y/N] "));
    let (sender, answer) = tokio::sync::oneshot::channel();
    // A thread of its own: nothing ends a read from a terminal, and the process must not wait for it.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        // Nobody waits any more after Ctrl-C.
        let _ = sender.send(read.map(|_| line));
    });
    let answer = tokio::select! {
        answer = answer => answer.unwrap_or_else(|_| Ok(String::new()))?,
        () = stop.cancelled() => {
            render::output::say("");
            String::new()
        }
    };
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new(Kind::Interrupted, "not confirmed; nothing was changed"))
    }
}
