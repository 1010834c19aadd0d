//! Compares a document with its schema and finds everything that is out of shape at once.
//!
//! What is faulty is left out of the value that comes back, up to the nearest field that may be absent, so
//! that the later checks can look at the rest.

use serde_json::{Map, Value as Json};

use super::{
    document::{Document, Entry, Tree, Value},
    fault::{Fault, Place},
    path::{FieldPath, Segment},
    scalar::Format,
    schema::{Choice, Shape, follow, optional, shape},
};

/// What came of the comparison.
pub(crate) struct Shaped {
    /// The document without what is faulty; `None` when nothing usable is left.
    pub(crate) value: Option<Json>,
    pub(crate) faults: Vec<Fault>,
    /// What was left out.
    pub(crate) dropped: Vec<FieldPath>,
}

pub(crate) fn compare(document: &Document, schema: &Json) -> Shaped {
    let mut walker =
        Walker { document, root: schema, faults: Vec::new(), dropped: Vec::new(), secret: false };
    let value = walker.walk(&document.root, schema, &FieldPath::root());
    Shaped { value, faults: walker.faults, dropped: walker.dropped }
}

struct Walker<'a> {
    document: &'a Document,
    root: &'a Json,
    faults: Vec<Fault>,
    dropped: Vec<FieldPath>,
    /// Below a reference to a secret: somebody may have put the secret itself there.
    secret: bool,
}

impl<'a> Walker<'a> {
    fn walk(&mut self, tree: &Tree, schema: &'a Json, path: &FieldPath) -> Option<Json> {
        let (followed, _) = follow(self.root, schema);
        let (_, name) = follow(self.root, optional(schema));
        let before = self.secret;
        self.secret |= name == Some("SecretReference");
        let (shape, nullable) = shape(self.root, followed);
        let value = match &tree.value {
            Value::Null if nullable => Some(Json::Null),
            Value::Null if path.segments().is_empty() => self.refuse(
                path,
                self.at(path, "the file is empty".to_owned())
                    .suggest("`homelab init` writes an inventory, `homelab lock` a lock file"),
            ),
            Value::Null if !matches!(shape, Shape::Anything) => self.refuse(
                path,
                self.at(path, format!("{} has no value", named(path)))
                    .suggest("write one, or take the line out"),
            ),
            _ => self.walk_shape(tree, shape, path),
        };
        self.secret = before;
        value
    }

    fn walk_shape(&mut self, tree: &Tree, shape: Shape<'a>, path: &FieldPath) -> Option<Json> {
        match (shape, &tree.value) {
            (Shape::Anything, _) => Some(tree.to_json()),
            (Shape::Boolean, Value::Bool(value)) => Some((*value).into()),
            (Shape::Integer { least, most }, Value::Number(number)) if !number.is_f64() => {
                let value = number.as_i64().unwrap_or(i64::MAX);
                if (least..=most).contains(&value) {
                    return Some(number.clone().into());
                }
                let message =
                    format!("{} is {number}; expected {}", named(path), range(least, most));
                self.refuse(path, self.at(path, message))
            }
            (Shape::Text { format, fewest, most }, Value::Text(text)) => {
                self.text(text, format, fewest, most, path)
            }
            (Shape::List { items, fewest }, Value::Sequence(values)) => {
                if (values.len() as u64) < fewest {
                    let message = format!("{} is empty; expected at least {fewest}", named(path));
                    return self.refuse(path, self.at(path, message));
                }
                let items: Vec<Json> = values
                    .iter()
                    .enumerate()
                    .filter_map(|(index, value)| self.walk(value, items, &path.index(index)))
                    .collect();
                Some(items.into())
            }
            (Shape::Map { keys, values }, Value::Mapping(entries)) => {
                Some(self.map(entries, keys, values, path).into())
            }
            (Shape::Record { properties, required }, Value::Mapping(entries)) => {
                self.record(entries, properties, &required, path)
            }
            (Shape::Choice(choice), _) => self.choice(tree, &choice, path),
            (shape, _) => {
                let fault = self.wrong_kind(tree, &shape, path);
                self.refuse(path, fault)
            }
        }
    }

    fn text(
        &mut self,
        text: &str,
        format: Option<&Format>,
        fewest: u64,
        most: u64,
        path: &FieldPath,
    ) -> Option<Json> {
        let length = text.chars().count() as u64;
        let shown = if self.secret { "set".to_owned() } else { format!("`{}`", clipped(text)) };
        let expected = match format {
            Some(format) if !(format.sound)(text) => format.expected.to_owned(),
            _ if length < fewest || length > most => {
                format!("{fewest} to {most} characters")
            }
            _ => return Some(text.into()),
        };
        let message = format!("{} is {shown}; expected {expected}", named(path));
        let suggestion = repaired(text, format).map(|text| format!("write `{text}`"));
        self.refuse(path, self.at(path, message).suggest_if(suggestion))
    }

    fn map(
        &mut self,
        entries: &[Entry],
        keys: Option<&Format>,
        values: Option<&'a Json>,
        path: &FieldPath,
    ) -> Map<String, Json> {
        let mut object = Map::new();
        for entry in entries {
            let below = path.key(&entry.key);
            if let Some(format) = keys.filter(|format| !(format.sound)(&entry.key)) {
                let message = format!(
                    "`{}` is no name for {}; expected {}",
                    clipped(&entry.key),
                    named(path),
                    format.expected
                );
                let suggestion =
                    repaired(&entry.key, Some(format)).map(|key| format!("write `{key}`"));
                let fault = self.on_key(entry, &below, message).suggest_if(suggestion);
                self.refuse(&below, fault);
                continue;
            }
            if self.is_repeated(entry, entries, &below) {
                continue;
            }
            let value = match values {
                Some(schema) => self.walk(&entry.value, schema, &below),
                None => Some(entry.value.to_json()),
            };
            if let Some(value) = value {
                object.insert(entry.key.clone(), value);
            }
        }
        object
    }

    fn record(
        &mut self,
        entries: &[Entry],
        properties: &'a Map<String, Json>,
        required: &[&str],
        path: &FieldPath,
    ) -> Option<Json> {
        let mut object = Map::new();
        let mut whole = true;
        for entry in entries {
            let below = path.key(&entry.key);
            let Some(schema) = properties.get(&entry.key) else {
                let known = properties.keys().map(String::as_str);
                let absent = known.clone().filter(|key| !entries.iter().any(|e| e.key == *key));
                let suggestion = closest(&entry.key, absent)
                    .map(|name| format!("did you mean `{name}`?"))
                    .unwrap_or_else(|| format!("known here: {}", listed(known)));
                let message = match path.segments().is_empty() {
                    true => format!("unknown field `{}`", clipped(&entry.key)),
                    false => format!("unknown field `{}` in {}", clipped(&entry.key), named(path)),
                };
                let fault = self.on_key(entry, &below, message).suggest(suggestion);
                self.refuse(&below, fault);
                continue;
            };
            if self.is_repeated(entry, entries, &below) {
                continue;
            }
            match self.walk(&entry.value, schema, &below) {
                Some(Json::Null) => {}
                Some(value) => {
                    object.insert(entry.key.clone(), value);
                }
                None => whole &= !required.contains(&entry.key.as_str()),
            }
        }
        let missing: Vec<&str> = required
            .iter()
            .filter(|key| !entries.iter().any(|entry| entry.key == **key))
            .copied()
            .collect();
        if !missing.is_empty() {
            // A misspelt name is one fault, not two: the unknown field has said it.
            let misspelt = entries.iter().any(|entry| {
                !properties.contains_key(&entry.key)
                    && closest(&entry.key, missing.iter().copied()).is_some()
            });
            if !(misspelt && missing.len() == 1) {
                let fields = if missing.len() == 1 { "field" } else { "fields" };
                let whose = match path.segments().is_empty() {
                    true => "the file".to_owned(),
                    false => named(path),
                };
                let message = format!("{whose} lacks the {fields} {}", listed(missing));
                self.faults.push(self.at(path, message));
            }
            whole = false;
        }
        if !whole {
            self.dropped.push(path.clone());
        }
        whole.then(|| object.into())
    }

    fn choice(&mut self, tree: &Tree, choice: &Choice<'a>, path: &FieldPath) -> Option<Json> {
        match &tree.value {
            Value::Text(word) if choice.words.contains(&word.as_str()) => {
                Some(word.as_str().into())
            }
            Value::Number(_) if choice.integer.is_some() => {
                let schema = choice.integer?;
                let (shape, _) = shape(self.root, schema);
                self.walk_shape(tree, shape, path)
            }
            Value::Mapping(entries) if !choice.keyed.is_empty() => {
                self.keyed(entries, choice, path)
            }
            Value::Text(word) if !choice.words.is_empty() && !self.secret => {
                let message = format!(
                    "{} is `{}`; expected {}",
                    named(path),
                    clipped(word),
                    self.expected(choice)
                );
                let suggestion = closest(word, choice.words.iter().copied())
                    .map(|word| format!("did you mean `{word}`?"));
                self.refuse(path, self.at(path, message).suggest_if(suggestion))
            }
            _ => {
                let message = format!(
                    "{} is {}; expected {}",
                    named(path),
                    tree.kind(),
                    self.expected(choice)
                );
                let suggestion = self.secret.then(|| {
                    "an inventory holds no secrets, only where they are: `env: NAME`, `file: PATH`, \
                     `command: [...]` or `age: {...}`"
                        .to_owned()
                });
                self.refuse(path, self.at(path, message).suggest_if(suggestion))
            }
        }
    }

    fn keyed(&mut self, entries: &[Entry], choice: &Choice<'a>, path: &FieldPath) -> Option<Json> {
        let names = || choice.keyed.iter().map(|(key, _)| *key);
        let mut known = Vec::new();
        for entry in entries {
            match choice.keyed.iter().find(|(key, _)| *key == entry.key) {
                Some((_, schema)) => known.push((entry, *schema)),
                None => {
                    let below = path.key(&entry.key);
                    let message =
                        format!("unknown field `{}` in {}", clipped(&entry.key), named(path));
                    let suggestion = closest(&entry.key, names())
                        .map(|name| format!("did you mean `{name}`?"))
                        .unwrap_or_else(|| format!("known here: {}", listed(names())));
                    let fault = self.on_key(entry, &below, message).suggest(suggestion);
                    self.refuse(&below, fault);
                }
            }
        }
        match known.as_slice() {
            [(entry, schema)] => {
                let value = self.walk(&entry.value, schema, &path.key(&entry.key));
                let Some(value) = value else {
                    self.dropped.push(path.clone());
                    return None;
                };
                Some(Json::Object([(entry.key.clone(), value)].into_iter().collect()))
            }
            [] => {
                if entries.is_empty() {
                    let message =
                        format!("{} is empty; expected {}", named(path), self.expected(choice));
                    self.faults.push(self.at(path, message));
                }
                self.dropped.push(path.clone());
                None
            }
            [_, second, ..] => {
                let message = format!("{} takes exactly one of {}", named(path), listed(names()));
                let fault = self.on_key(second.0, path, message).suggest("take the others out");
                self.refuse(path, fault)
            }
        }
    }

    fn is_repeated(&mut self, entry: &Entry, entries: &[Entry], path: &FieldPath) -> bool {
        let first = entries.iter().find(|other| other.key == entry.key);
        let Some(first) = first.filter(|first| first.key_place != entry.key_place) else {
            return false;
        };
        let message = format!(
            "`{}` stands here a second time; the first is on line {}",
            clipped(&entry.key),
            first.key_place.line
        );
        self.faults.push(self.on_key(entry, path, message).suggest("take one of them out"));
        true
    }

    fn wrong_kind(&self, tree: &Tree, shape: &Shape<'_>, path: &FieldPath) -> Fault {
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
                Some(format!("put it in quotes: `\"{written}\"`"))
            }
            (Shape::Boolean, Value::Text(word)) => match word.to_lowercase().as_str() {
                "yes" | "on" | "y" => Some("write `true`".to_owned()),
                "no" | "off" | "n" => Some("write `false`".to_owned()),
                _ => None,
            },
            (Shape::Integer { .. }, Value::Text(text)) if text.parse::<u32>().is_ok() => {
                Some("take the quotes away".to_owned())
            }
            (Shape::List { .. }, Value::Text(_) | Value::Number(_)) if !self.secret => {
                Some(format!("write `[{written}]`"))
            }
            _ => None,
        };
        let message = format!("{} is {}; expected {expected}", named(path), tree.kind());
        self.at(path, message).suggest_if(suggestion)
    }

    fn expected(&self, choice: &Choice<'_>) -> String {
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

    fn refuse(&mut self, path: &FieldPath, fault: Fault) -> Option<Json> {
        self.faults.push(fault);
        self.dropped.push(path.clone());
        None
    }

    fn at(&self, path: &FieldPath, message: String) -> Fault {
        self.hidden(self.document.fault(path, message))
    }

    fn on_key(&self, entry: &Entry, path: &FieldPath, message: String) -> Fault {
        self.hidden(Fault::new(&self.document.source, entry.key_place, message).on(path))
    }

    fn hidden(&self, fault: Fault) -> Fault {
        if self.secret { fault.without_source() } else { fault }
    }

    /// The text at a place, as it was written.
    fn written(&self, place: Place) -> String {
        let line = self.document.source.text.lines().nth(place.line - 1).unwrap_or_default();
        line.chars().skip(place.column - 1).take(place.length).collect()
    }
}

fn named(path: &FieldPath) -> String {
    match path.segments().last() {
        None => "the file".to_owned(),
        Some(Segment::Key(key)) => format!("`{}`", clipped(key)),
        Some(Segment::Index(_)) => format!("`{path}`"),
    }
}

fn clipped(text: &str) -> String {
    let mut printable: String =
        text.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > 80 {
        printable.push('…');
    }
    printable
}

fn range(least: i64, most: i64) -> String {
    match (least, most) {
        _ if least == most => format!("{least}"),
        (i64::MIN, _) => "a whole number".to_owned(),
        (_, most) if most == i64::from(u32::MAX) => format!("a whole number from {least}"),
        _ => format!("a whole number from {least} to {most}"),
    }
}

/// `a`, `b`, `c`.
pub(crate) fn listed<'t>(names: impl IntoIterator<Item = &'t str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The known name that a written one was probably meant to be.
pub(crate) fn closest<'t>(
    written: &str,
    known: impl IntoIterator<Item = &'t str>,
) -> Option<&'t str> {
    let plain = |name: &str| name.to_lowercase().replace(['-', '_', ' '], "");
    let wanted = plain(&written.chars().take(64).collect::<String>());
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wanted, &plain(name)), name))
        .filter(|(distance, name)| *distance <= (name.len().min(wanted.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The text with its commonest slips mended, if that makes it sound.
fn repaired(text: &str, format: Option<&Format>) -> Option<String> {
    let format = format?;
    let candidates = [
        text.trim().to_owned(),
        text.to_lowercase(),
        text.to_uppercase(),
        text.to_lowercase().replace(['_', ' ', '.'], "-"),
        format!("tag:{text}"),
        format!("v{text}"),
        format!("{text}+k3s1"),
        format!("v{text}+k3s1"),
        text.trim_start_matches('v').to_owned(),
        format!("https://{text}"),
        format!("https://{text}:8006"),
        text.split_inclusive('/').take(3).collect::<String>().trim_end_matches('/').to_owned(),
        format!("{text}G"),
    ];
    // Only a version tells what its release is; a guess at it would be an invention.
    let versions = ["k3s-version"];
    candidates
        .into_iter()
        .filter(|candidate| candidate != text)
        .filter(|candidate| {
            !versions.contains(&format.name) || text.contains("+k3s") || !candidate.contains("+k3s")
        })
        .find(|candidate| (format.sound)(candidate))
}
