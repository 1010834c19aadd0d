//! The `sops` section of a file, put in another's place: everything else stays letter by letter what it is.

use serde_json::{Value, json};

use super::{form::Form, yaml};

/// The text with another section, in each of its documents; `None` when it is not written as SOPS writes it.
pub(super) fn replaced(text: &str, sops: &Value) -> Option<String> {
    match Form::of(text) {
        Form::Yaml => in_yaml(text, sops),
        Form::Json => in_json(text, sops),
        Form::Variables | Form::Ini => None,
    }
}

fn in_yaml(text: &str, sops: &Value) -> Option<String> {
    let section = yaml::write(&json!({ "sops": sops }));
    let mut lines = text.split_inclusive('\n').peekable();
    let (mut after, mut found) = (String::new(), false);
    while let Some(line) = lines.next() {
        if line.trim_end() != "sops:" {
            after.push_str(line);
            continue;
        }
        found = true;
        after.push_str(&section);
        while lines
            .next_if(|line| line.starts_with([' ', '\t']) || line.trim().is_empty())
            .is_some()
        {}
    }
    found.then_some(after)
}

/// The section is the last entry, a tab from the margin.
fn in_json(text: &str, sops: &Value) -> Option<String> {
    const BEGIN: &str = "\n\t\"sops\": {\n";
    const END: &str = "\n\t}";
    let (before, rest) = text.rsplit_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    let mut section = Vec::new();
    let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut writer = serde_json::Serializer::with_formatter(&mut section, tabs);
    serde::Serialize::serialize(&json!({ "sops": sops }), &mut writer).ok()?;
    let section = String::from_utf8(section).ok()?;
    let section = section.strip_prefix('{')?.strip_suffix("\n}")?;
    Some(format!("{before}{section}{after}"))
}
