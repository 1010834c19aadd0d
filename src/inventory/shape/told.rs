//! What is told of a value that is out of shape, and where.

use super::{
    super::{
        document::{Entry, Tree, Value},
        fault::{Fault, Place},
        path::FieldPath,
        schema::{Choice, Shape, shape},
    },
    Walker,
    words::{listed, named, range},
};

impl Walker<'_> {
    pub(super) fn wrong_kind(&self, tree: &Tree, shape: &Shape<'_>, path: &FieldPath) -> Fault {
        let expected = match shape {
            Shape::Text { format: Some(format), .. } => format.expected.to_owned(),
            Shape::Text { .. } => "a text".to_owned(),
            Shape::Integer { least, most } => range(*least, *most),
            Shape::Boolean => "`true` or `false`".to_owned(),
            Shape::List { .. } => "a list".to_owned(),
            _ => "a mapping".to_owned(),
        };
        let written = self.written(tree.place);
        let suggestion = match (shape, &tree.value) {
            (Shape::Text { format: Some(format), .. }, Value::Number(number))
                if format.name == "size" =>
            {
                Some(format!("write `{number}M` for mebibytes or `{number}G` for gibibytes"))
            }
            (Shape::Text { format: Some(format), .. }, Value::Number(number))
                if format.name == "duration" =>
            {
                Some(format!("write `{number}s` for seconds or `{number}m` for minutes"))
            }
            (Shape::Text { .. }, Value::Number(_) | Value::Bool(_)) => {
                (!self.secret).then(|| format!("put it in quotes: `\"{written}\"`"))
            }
            (Shape::Boolean, Value::Text(word)) => match word.to_lowercase().as_str() {
                "yes" | "on" | "y" => Some("write `true`".to_owned()),
                "no" | "off" | "n" => Some("write `false`".to_owned()),
                _ => None,
            },
            (Shape::Integer { .. }, Value::Text(text)) => whole_number(text, &written),
            (Shape::List { .. }, Value::Text(_) | Value::Number(_)) if !self.secret => {
                Some(format!("write `[{written}]`"))
            }
            _ => None,
        };
        let kind = match (shape, &tree.value) {
            (Shape::Integer { .. }, Value::Text(text)) if is_plain_number(text, &written) => {
                format!("`{text}`, which is a text to YAML")
            }
            _ => tree.kind().to_owned(),
        };
        let message = format!("{} is {kind}; expected {expected}", named(path));
        self.at(path, message).suggest_if(suggestion)
    }

    pub(super) fn expected(&self, choice: &Choice<'_>) -> String {
        let words = choice.words.iter().map(|word| format!("`{word}`"));
        let integer = choice.integer.map(|schema| match shape(self.root, schema).0 {
            Shape::Integer { least, most } => range(least, most),
            _ => "a number".to_owned(),
        });
        let keyed: Vec<&str> = choice.keyed.iter().map(|(key, _)| *key).collect();
        let keyed = (!keyed.is_empty()).then(|| format!("a mapping with one of {}", listed(keyed)));
        let all: Vec<String> = words.chain(integer).chain(keyed).collect();
        match all.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => all.join(""),
        }
    }

    pub(super) fn at(&self, path: &FieldPath, message: String) -> Fault {
        self.hidden(self.document.fault(path, message))
    }

    pub(super) fn on_key(&self, entry: &Entry, path: &FieldPath, message: String) -> Fault {
        self.hidden(Fault::new(&self.document.source, entry.key_place, message).on(path))
    }

    fn hidden(&self, fault: Fault) -> Fault {
        if self.secret { fault.without_source() } else { fault }
    }

    /// The text at a place, as it was written.
    fn written(&self, place: Place) -> String {
        let line = self.document.source.line(place.line).unwrap_or_default();
        line.chars().skip(place.column - 1).take(place.length).collect()
    }
}

/// Whether a text is a number that was not written as one: `0102`, `1_000`.
fn is_plain_number(text: &str, written: &str) -> bool {
    text == written && digits(text).is_some()
}

/// The number that a text was meant for.
fn digits(text: &str) -> Option<u32> {
    text.replace('_', "").parse().ok()
}

/// How to write what was written as a text.
fn whole_number(text: &str, written: &str) -> Option<String> {
    let number = digits(text)?;
    Some(match text == number.to_string() {
        true => "take the quotes away".to_owned(),
        false if is_plain_number(text, written) && text.starts_with('0') => {
            format!("write `{number}`: what begins with a zero is octal to other readers of YAML")
        }
        false => format!("write `{number}`"),
    })
}
