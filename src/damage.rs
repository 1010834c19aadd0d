//! What a broken or hostile world may hand to a reader: strategies for the properties that say what becomes of it.
//!
//! Few cases by default, so that the tests stay quick; `PROPTEST_CASES` raises all of them.

use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::Value;

/// How many cases a property gets: `few`, unless `PROPTEST_CASES` says how many.
pub(crate) fn cases(few: u32) -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    // The default reads the variable.
    if asked { ProptestConfig::default() } else { ProptestConfig::with_cases(few) }
}

/// What stands where something else should: other types, the ends of numbers, what YAML has a meaning for.
const NONSENSE: [&str; 40] = [
    "",
    "~",
    "[]",
    "{}",
    "[[[[[[[[[[[[]]]]]]]]]]]]",
    "{a: {b: {c: {d: {e: {f: 1}}}}}}",
    "&a [*a]",
    "*a",
    "&b x",
    "99999999999999999999999999",
    "-1",
    "-9223372036854775808",
    "18446744073709551615",
    "1e999",
    ".nan",
    "-.inf",
    "true",
    "2026-11-22",
    "\"\\0\"",
    "\0",
    "!!binary aGk=",
    "!custom x",
    "🦀",
    "ß\u{301}\u{202e}",
    "|\n    x",
    ">-",
    "{<<: *a}",
    "? x",
    "0x7f",
    "'",
    "\"",
    "\u{85}",
    "\u{feff}",
    "@x",
    "%x",
    "`x`",
    "10.0.0.0/33",
    "x=y,z",
    "\t",
    "---",
];

pub(crate) fn nonsense() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::sample::select(&NONSENSE[..]).prop_map(str::to_owned),
        1 => "\\PC{0,12}",
        1 => any::<i64>().prop_map(|number| number.to_string()),
    ]
}

/// One blow to a text.
#[derive(Clone, Debug)]
enum Blow {
    Remove(Index),
    Double(Index),
    Swap(Index, Index),
    /// What stands behind the first `:` or `=` of a line.
    Value(Index, String),
    Between(Index, String),
    /// At a character, inside a line.
    Inside(Index, String),
    CutAt(Index),
    CarriageReturns,
}

fn blow() -> impl Strategy<Value = Blow> {
    let at = any::<Index>;
    prop_oneof![
        2 => at().prop_map(Blow::Remove),
        2 => at().prop_map(Blow::Double),
        2 => (at(), at()).prop_map(|(one, other)| Blow::Swap(one, other)),
        4 => (at(), nonsense()).prop_map(|(line, value)| Blow::Value(line, value)),
        1 => (at(), nonsense()).prop_map(|(line, text)| Blow::Between(line, text)),
        2 => (at(), nonsense()).prop_map(|(place, text)| Blow::Inside(place, text)),
        1 => at().prop_map(Blow::CutAt),
        1 => Just(Blow::CarriageReturns),
    ]
}

impl Blow {
    fn fall_on(&self, text: &str) -> String {
        let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        if lines.is_empty() {
            return text.to_owned();
        }
        match self {
            Self::Remove(at) => drop(lines.remove(at.index(lines.len()))),
            Self::Double(at) => {
                let at = at.index(lines.len());
                lines.insert(at, lines[at].clone());
            }
            Self::Swap(one, other) => {
                let (one, other) = (one.index(lines.len()), other.index(lines.len()));
                lines.swap(one, other);
            }
            Self::Value(at, value) => {
                let line = at.get(&lines).clone();
                let key = line.find([':', '=']).map_or("", |end| &line[..=end]);
                let at = at.index(lines.len());
                lines[at] = format!("{key} {value}\n");
            }
            Self::Between(at, text) => lines.insert(at.index(lines.len()), format!("{text}\n")),
            Self::Inside(..) | Self::CutAt(_) => {
                let mut letters: Vec<char> = text.chars().collect();
                match self {
                    Self::Inside(at, inserted) => {
                        let at = at.index(letters.len());
                        letters.splice(at..at, inserted.chars());
                    }
                    Self::CutAt(at) => letters.truncate(at.index(letters.len())),
                    _ => {}
                }
                return letters.into_iter().collect();
            }
            Self::CarriageReturns => return text.replace('\n', "\r\n"),
        }
        lines.concat()
    }
}

/// A text of lines after a few blows.
pub(crate) fn damaged(sound: impl Into<String>) -> impl Strategy<Value = String> {
    let sound = sound.into();
    vec(blow(), 1..5)
        .prop_map(move |blows| blows.iter().fold(sound.clone(), |text, blow| blow.fall_on(&text)))
}

fn any_scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(vec![0_u64, 1, 100, u64::MAX, i64::MAX as u64])
            .prop_map(Value::from),
        nonsense().prop_map(Value::from),
    ]
}

/// Any JSON, not deeper than a reader follows.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    any_scalar().prop_recursive(4, 24, 4, |inner| {
        let entries = vec(("[a-zA-Z0-9_./-]{0,8}", inner.clone()), 0..4);
        prop_oneof![
            vec(inner, 0..4).prop_map(Value::from),
            entries.prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// A document of which a few values are others, or are gone.
pub(crate) fn damaged_json(sound: Value) -> impl Strategy<Value = Value> {
    vec((any::<Index>(), proptest::option::of(any_json())), 1..5).prop_map(move |blows| {
        let mut document = sound.clone();
        for (at, value) in blows {
            let mut places = Vec::new();
            note_places(&document, String::new(), &mut places);
            let place = at.get(&places).clone();
            match value {
                Some(value) => *document.pointer_mut(&place).unwrap() = value,
                None => remove(&mut document, &place),
            }
        }
        document
    })
}

/// JSON pointers to a value and to everything in it.
fn note_places(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let key = key.replace('~', "~0").replace('/', "~1");
                note_places(value, format!("{place}/{key}"), places);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                note_places(value, format!("{place}/{index}"), places);
            }
        }
        _ => {}
    }
    places.push(place);
}

fn remove(document: &mut Value, place: &str) {
    let Some((above, last)) = place.rsplit_once('/') else { return };
    match document.pointer_mut(above) {
        Some(Value::Object(entries)) => {
            entries.remove(&last.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(items)) => drop(items.remove(last.parse().unwrap())),
        _ => {}
    }
}
