//! What the YAML library says of a text, in our words.

use serde_saphyr::Error;

use super::{Fault, Place, Source};

/// The fault that a text was refused for.
pub(super) fn fault(source: &Source, error: &Error) -> Fault {
    let place = error.location().map_or(Place::START, Place::from);
    let error = error.without_snippet();
    if let Some((message, help)) = known(error) {
        let place = match error {
            Error::MultipleDocuments { .. } => separator(&source.text, place),
            _ => place,
        };
        return Fault::new(source, place, message.to_owned()).suggest(help);
    }
    // The library's own rendering repeats place and source line.
    let message = strip_place(&error.render_with_options(plain()));
    if let Some(tab) = indenting_tab(&source.text, place.line, &message) {
        let message = "this is no valid YAML: a tab stands where YAML takes blanks alone";
        return Fault::new(source, tab, message.to_owned()).suggest("indent the line with blanks");
    }
    Fault::new(source, place, format!("this is no valid YAML: {message}"))
}

/// What YAML has and our files do not: what it is, and what to do.
fn known(error: &Error) -> Option<(&'static str, &'static str)> {
    Some(match error {
        Error::MultipleDocuments { .. } => (
            "a second YAML document begins here; the file is one",
            "take the `---` out, or move what follows it into a file of its own",
        ),
        Error::NullIntoString { .. } => (
            "this key is nothing to YAML: it is empty, `~` or `null`",
            "write the name of a field before the `:`",
        ),
        Error::Unexpected { expected: "string scalar", .. } => (
            "this key is a list or a mapping; expected the name of a field",
            "put a text that begins with `[` or `{` in quotes",
        ),
        Error::NonFiniteFloat { .. } => (
            "this number is not finite, or not a number at all",
            "write a finite one; if a text is meant, put it in quotes",
        ),
        Error::UnknownAnchor { .. } => (
            "a text that begins with `*` refers to an anchor, and there is none of this name above it",
            "put the text in quotes, or write the anchor: `&NAME VALUE`",
        ),
        _ => return None,
    })
}

fn plain() -> serde_saphyr::RenderOptions<'static> {
    let mut options = serde_saphyr::RenderOptions::default();
    options.snippets = serde_saphyr::SnippetMode::Off;
    options
}

/// The library ends its one-line messages with `at line 3, column 7`, which we say ourselves.
fn strip_place(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let end = line.find(" at line ").unwrap_or(line.len());
    line[..end].trim_end_matches([',', ':', ' ']).to_owned()
}

/// The `---` that a second document begins with: the parser names what follows it.
fn separator(text: &str, place: Place) -> Place {
    let above = text.lines().take(place.line).enumerate();
    let last = above.filter(|(_, line)| line.starts_with("---")).last();
    last.map_or(place, |(index, _)| Place { line: index + 1, column: 1, length: 3 })
}

/// The tab that the parser complains about: it names the value before, which it takes to go on there.
fn indenting_tab(text: &str, line: usize, complaint: &str) -> Option<Place> {
    if !complaint.contains("tab") {
        return None;
    }
    text.lines().enumerate().skip(line.saturating_sub(1)).find_map(|(index, text)| {
        let indentation = text.chars().take_while(|character| [' ', '\t'].contains(character));
        let column = indentation.clone().position(|character| character == '\t')? + 1;
        // A line of nothing but blanks and tabs is no fault.
        let written = text.chars().nth(indentation.count()).is_some_and(|first| first != '#');
        written.then_some(Place { line: index + 1, column, length: 1 })
    })
}
