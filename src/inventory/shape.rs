//! Compares a document with its schema and finds everything that is out of shape at once.
//!
//! What is faulty is left out of the value that comes back, up to the nearest field that may be absent, so
//! that the later checks can look at the rest.

mod told;
mod words;

use serde_json::{Map, Value as Json};

use super::{
    discretion::{holds_a_password, names_a_secret, shown_value},
    document::{Document, Entry, Mapping, Tree, Value},
    fault::Fault,
    path::FieldPath,
    scalar::Format,
    schema::{Choice, Shape, follow, optional, shape},
};
use words::{clipped, named, range, repaired};
pub(crate) use words::{closest, listed};

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
        let before = self.secret;
        self.secret |= self.is_secret(schema);
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

    /// Whether a field of this schema is a reference to a secret.
    fn is_secret(&self, schema: &Json) -> bool {
        follow(self.root, optional(schema)).1 == Some("SecretReference")
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
        let shown = if self.secret {
            "set".to_owned()
        } else {
            format!("`{}`", clipped(&shown_value(text)))
        };
        let expected = match format {
            Some(format) if !(format.sound)(text) => format.expected.to_owned(),
            _ if length < fewest || length > most => {
                format!("{fewest} to {most} characters")
            }
            _ => return Some(text.into()),
        };
        let message = format!("{} is {shown}; expected {expected}", named(path));
        let suggestion = match holds_a_password(text) {
            true => Some("take name and password out: secrets have fields of their own".to_owned()),
            false if self.secret => None,
            false => repaired(text, format).map(|text| format!("write `{text}`")),
        };
        self.refuse(path, self.at(path, message).suggest_if(suggestion))
    }

    fn map(
        &mut self,
        entries: &Mapping,
        keys: Option<&Format>,
        values: Option<&'a Json>,
        path: &FieldPath,
    ) -> Map<String, Json> {
        let mut object = Map::new();
        for entry in entries.iter() {
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
                // What stands there is told in the same round, though it counts for nothing.
                if let Some(schema) = values {
                    self.walk(&entry.value, schema, &below);
                }
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
        entries: &Mapping,
        properties: &'a Map<String, Json>,
        required: &[&str],
        path: &FieldPath,
    ) -> Option<Json> {
        let mut object = Map::new();
        let mut whole = true;
        let beside_secrets = properties.values().any(|schema| self.is_secret(schema));
        for entry in entries.iter() {
            let below = path.key(&entry.key);
            let Some(schema) = properties.get(&entry.key) else {
                let known = properties.keys().map(String::as_str);
                let absent = known.clone().filter(|key| entries.get(key).is_none());
                let meant = closest(&entry.key, absent);
                let suggestion = meant
                    .map(|name| format!("did you mean `{name}`?"))
                    .unwrap_or_else(|| format!("known here: {}", listed(known)));
                let message = match path.segments().is_empty() {
                    true => format!("unknown field `{}`", clipped(&entry.key)),
                    false => format!("unknown field `{}` in {}", clipped(&entry.key), named(path)),
                };
                let fault = self.on_key(entry, &below, message).suggest(suggestion);
                // What belongs under a secret's name may stand under this one.
                let hides = beside_secrets || names_a_secret(&entry.key);
                let fault = if hides { fault.without_value() } else { fault };
                self.refuse(&below, fault);
                // So that its value is not told only when its name is mended.
                if let Some(schema) = meant.filter(|_| !hides).and_then(|name| properties.get(name))
                {
                    self.walk(&entry.value, schema, &below);
                }
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
        let missing: Vec<&str> =
            required.iter().filter(|key| entries.get(key).is_none()).copied().collect();
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
                    clipped(&shown_value(word)),
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

    fn keyed(&mut self, entries: &Mapping, choice: &Choice<'a>, path: &FieldPath) -> Option<Json> {
        let names = || choice.keyed.iter().map(|(key, _)| *key);
        let mut known = Vec::new();
        for entry in entries.iter() {
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

    fn is_repeated(&mut self, entry: &Entry, entries: &Mapping, path: &FieldPath) -> bool {
        let first = entries.get(&entry.key);
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

    fn refuse(&mut self, path: &FieldPath, fault: Fault) -> Option<Json> {
        self.faults.push(fault);
        self.dropped.push(path.clone());
        None
    }
}
