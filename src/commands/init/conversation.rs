//! Questions to a person on the terminal. What is offered is taken by Enter; Ctrl-C ends it all.

use std::io::IsTerminal;

use dialoguer::{Confirm, Input, Password, Select, console::Term, theme::SimpleTheme};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    error::{Failure, Kind, Result},
    render::output,
    secret::Secret,
};

/// A conversation that is under way.
pub(super) struct Conversation {
    terminal: Term,
    /// As long as it lives, Ctrl-C ends the question and not the process, which would leave the cursor
    /// hidden.
    _interrupts: Signal,
}

impl Conversation {
    /// # Errors
    /// [`Kind::Usage`] where nobody can be asked.
    pub(super) fn begin() -> Result<Self> {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return Err(Failure::new(
                Kind::Usage,
                "nobody can be asked here: there is no terminal",
            )
            .hint("give flags instead of --ask: `homelab init --help` names them"));
        }
        Ok(Self { terminal: Term::stderr(), _interrupts: signal(SignalKind::interrupt())? })
    }

    /// What a person ought to know before the next question.
    pub(super) fn say(&self, text: impl std::fmt::Display) {
        output::say(text);
    }

    /// One line; asked again while `refused` says why it cannot be.
    pub(super) fn line(
        &self,
        question: &str,
        offered: &str,
        refused: impl Fn(&str) -> Option<String>,
    ) -> Result<String> {
        let input = Input::<String>::with_theme(&SimpleTheme)
            .with_prompt(question)
            .default(offered.to_owned())
            .validate_with(|line: &String| refused(line.trim()).map_or(Ok(()), Err));
        Ok(self.answered(input.interact_text_on(&self.terminal))?.trim().to_owned())
    }

    /// One of several, by its place; the first is offered. Of one alone nobody is asked.
    ///
    /// # Panics
    /// Where there is none to choose from.
    pub(super) fn choice(&self, question: &str, offers: &[String]) -> Result<usize> {
        if let [only] = offers {
            self.say(format_args!("{question}: {only}"));
            return Ok(0);
        }
        let select =
            Select::with_theme(&SimpleTheme).with_prompt(question).items(offers).default(0);
        self.answered(select.interact_on(&self.terminal))
    }

    /// No is offered: it is asked where a yes should be meant.
    pub(super) fn is_so(&self, question: &str) -> Result<bool> {
        let confirm = Confirm::with_theme(&SimpleTheme).with_prompt(question).default(false);
        self.answered(confirm.interact_on(&self.terminal))
    }

    /// A secret, which is not shown while it is typed; `None` for Enter alone.
    pub(super) fn secret(&self, question: &str) -> Result<Option<Secret>> {
        let password =
            Password::with_theme(&SimpleTheme).with_prompt(question).allow_empty_password(true);
        let text = self.answered(password.interact_on(&self.terminal))?;
        Ok(Some(text.trim()).filter(|text| !text.is_empty()).map(Secret::new))
    }

    fn answered<T>(&self, answer: dialoguer::Result<T>) -> Result<T> {
        answer.map_err(|error| {
            let _ = self.terminal.show_cursor();
            let dialoguer::Error::IO(error) = error;
            match error.kind() {
                std::io::ErrorKind::Interrupted | std::io::ErrorKind::UnexpectedEof => {
                    Failure::new(Kind::Interrupted, "stopped on request; nothing was written")
                }
                _ => Failure::new(Kind::Runtime, "the terminal cannot be read").because(error),
            }
        })
    }
}
