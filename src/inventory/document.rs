//! A YAML document as a tree in which each value and each key knows where it stands.
//!
//! The one place that knows the YAML library. Duplicate keys are kept, so that they can be reported
//! with everything else instead of ending the reading.

mod complaint;
mod mapping;

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{
    Location, Options, Spanned,
    budget::Budget,
    options::{AliasLimits, DuplicateKeyPolicy},
};

use super::{
    fault::{Fault, Place, Source},
    path::{FieldPath, Segment},
};

pub(crate) use mapping::{Entry, Mapping};

/// More than this is no inventory.
const LARGEST: usize = 1 << 20;

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    Sequence(Vec<Tree>),
    Mapping(Mapping),
}

/// A parsed file.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) source: Source,
    pub(crate) root: Tree,
}

/// Reads one YAML document. The parser stops at its first fault, so there is at most one.
pub(crate) fn parse(source: Source) -> Result<Document, Box<Fault>> {
    if source.text.len() > LARGEST {
        return Err(Box::new(Fault::new(
            &source,
            Place::START,
            format!("the file has {} bytes; an inventory has at most {LARGEST}", source.text.len()),
        )));
    }
    match serde_saphyr::from_str_with_options::<Tree>(&source.text, options()) {
        Ok(root) => Ok(Document { source, root }),
        Err(error) => Err(Box::new(complaint::fault(&source, &error))),
    }
}

fn options() -> Options {
    let mut budget = Budget::default();
    // Our reading is recursive, with large frames; an inventory is less than ten levels deep.
    budget.max_depth = 24;
    let mut alias_limits = AliasLimits::default();
    alias_limits.max_total_replayed_events = 100_000;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.alias_limits = alias_limits;
    options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
    options.strict_booleans = true;
    options.leading_zero_numbers_as_strings = true;
    options.underscored_numbers_as_strings = true;
    options.with_snippet = false;
    options
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self {
            line: usize::try_from(location.line()).unwrap_or(1).max(1),
            column: usize::try_from(location.column()).unwrap_or(1).max(1),
            length: usize::try_from(location.span().len()).unwrap_or(1).max(1),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { place: spanned.referenced.into(), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        serde_json::Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            entries.push(Entry {
                key: key.value,
                key_place: key.referenced.into(),
                value: access.next_value()?,
            });
        }
        Ok(Value::Mapping(Mapping::new(entries)))
    }
}

impl Tree {
    /// The value below a key; the first of several.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Mapping(entries) => entries.get(key),
            _ => None,
        }
    }

    pub(crate) fn find(&self, path: &FieldPath) -> Option<&Self> {
        path.segments().iter().try_fold(self, |tree, segment| match (segment, &tree.value) {
            (Segment::Key(key), _) => tree.entry(key).map(|entry| &entry.value),
            (Segment::Index(index), Value::Sequence(items)) => items.get(*index),
            (Segment::Index(_), _) => None,
        })
    }

    /// The value without its places; of a duplicate key the first.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(value) => value.clone().into(),
            Value::Text(value) => value.clone().into(),
            Value::Sequence(items) => items.iter().map(Self::to_json).collect(),
            Value::Mapping(entries) => {
                let mut object = serde_json::Map::new();
                for entry in entries.iter() {
                    object.entry(entry.key.clone()).or_insert_with(|| entry.value.to_json());
                }
                object.into()
            }
        }
    }

    /// What kind of value it is, with its article.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number(number) if number.is_f64() => "a decimal number",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}

impl Document {
    pub(crate) fn fault(&self, path: &FieldPath, message: impl Into<String>) -> Fault {
        Fault::new(&self.source, self.place(path), message.into()).on(path)
    }

    /// Where the key of a field stands, for faults of the key itself.
    pub(crate) fn key_place(&self, path: &FieldPath) -> Place {
        let Some((Segment::Key(key), above)) = path.segments().split_last() else {
            return self.place(path);
        };
        let above = FieldPath::from(above);
        let entry = self.root.find(&above).and_then(|tree| tree.entry(key));
        entry.map_or_else(|| self.place(path), |entry| entry.key_place)
    }

    /// Where to point for a path: at a scalar itself, at the key of anything larger, and for what is
    /// absent at the key of what should hold it.
    pub(crate) fn place(&self, path: &FieldPath) -> Place {
        let mut place = None;
        let mut tree = &self.root;
        for segment in path.segments() {
            match (segment, &tree.value) {
                (Segment::Key(key), _) => match tree.entry(key) {
                    Some(entry) => {
                        place = Some(entry.key_place);
                        tree = &entry.value;
                    }
                    None => return place.unwrap_or(Place::START),
                },
                (Segment::Index(index), Value::Sequence(items)) => match items.get(*index) {
                    Some(item) => {
                        place = Some(item.place);
                        tree = item;
                    }
                    None => return place.unwrap_or(Place::START),
                },
                (Segment::Index(_), _) => return place.unwrap_or(Place::START),
            }
        }
        match &tree.value {
            Value::Bool(_) | Value::Number(_) | Value::Text(_) => tree.place,
            _ => place.unwrap_or(Place::START),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        parse(Source::new("test.yaml", text)).unwrap()
    }

    #[test]
    fn each_value_and_key_knows_its_place() {
        let document = document("a:\n  b: [1, two]\n  c: {d: true}\n");
        let place = |path: &FieldPath| {
            let place = document.place(path);
            (place.line, place.column, place.length)
        };
        assert_eq!(place(&FieldPath::dotted("a.b").index(1)), (2, 10, 3));
        assert_eq!(place(&FieldPath::dotted("a.c.d")), (3, 10, 4));
        assert_eq!(place(&FieldPath::dotted("a.c")), (3, 3, 1), "a mapping is shown by its key");
        assert_eq!(place(&FieldPath::dotted("a.missing")), (1, 1, 1), "so is what is absent");
    }

    #[test]
    fn anchors_and_merges_are_followed() {
        let document = document("x: &x {cores: 2}\ny: {<<: *x, memory: 3G}\n");
        let y = document.root.find(&FieldPath::dotted("y")).unwrap().to_json();
        assert_eq!(y, serde_json::json!({"memory": "3G", "cores": 2}));
    }

    #[test]
    fn a_duplicate_key_is_kept_for_the_report() {
        let document = document("a: 1\na: 2\n");
        let Value::Mapping(entries) = &document.root.value else { panic!() };
        assert_eq!(entries.len(), 2);
    }

    #[test]
    fn a_tab_that_indents_is_told_on_its_own_line() {
        for (text, line, column) in [
            ("a:\n  b: 1\n\tc: 2\n", 3, 1),
            ("a:\n  b: one\n \tc: 2\n", 3, 2),
            ("a:\n\tb: 1\n", 2, 1),
            ("a: one\n\n\tb: 1\n", 3, 1),
        ] {
            let fault = parse(Source::new("test.yaml", text)).unwrap_err();
            assert_eq!((fault.line, fault.column), (line, column), "{text}: {fault}");
            assert!(fault.message.contains("a tab stands"), "{fault}");
        }
    }

    #[test]
    fn a_bottomless_document_is_refused_without_a_crash() {
        assert!(parse(Source::new("deep.yaml", &"[".repeat(100_000))).is_err());
        let deep: String = (0..500).map(|depth| format!("{:depth$}a:\n", "")).collect();
        assert!(parse(Source::new("deep.yaml", &deep)).is_err());
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
                    c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
                    e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
        assert!(parse(Source::new("bomb.yaml", bomb)).is_err());
    }
}
