//! Writes a document as YAML: two blanks a level, texts of several lines as they are.

use serde_json::Value;

use crate::gitops::template;

/// The text of a mapping.
pub(super) fn write(document: &Value) -> String {
    let mut text = String::new();
    block(document, 0, &mut text);
    text
}

fn block(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                text.push_str(&format!("{indent}{}:", template::scalar(key.as_str().into())));
                entry(value, depth + 1, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                // A dash and a blank stand in the place of the first line's indent.
                let mut below = String::new();
                block(item, depth + 1, &mut below);
                text.push_str(&format!("{indent}- {}", below.trim_start_matches(' ')));
            }
        }
        scalar => text.push_str(&format!("{indent}{}\n", one_line(scalar))),
    }
}

fn entry(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            text.push('\n');
            block(value, depth, text);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            block(value, depth, text);
        }
        Value::String(lines) if is_literal(lines) => {
            text.push_str(" |\n");
            for line in lines.lines() {
                text.push_str(&format!("{}{line}\n", "  ".repeat(depth)));
            }
        }
        scalar => text.push_str(&format!(" {}\n", one_line(scalar))),
    }
}

/// Whether a block of lines says exactly this text.
fn is_literal(text: &str) -> bool {
    let sound = |line: &str| {
        // A carriage return is a control, too: to YAML it would end the line.
        !line.is_empty() && !line.starts_with(' ') && line.chars().all(template::is_plain)
    };
    text.strip_suffix('\n').is_some_and(|lines| lines.split('\n').all(sound))
}

fn one_line(value: &Value) -> String {
    match value {
        Value::String(text) => template::scalar(text.as_str().into()),
        other => other.to_string(),
    }
}
