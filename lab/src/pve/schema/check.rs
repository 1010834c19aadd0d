//! Checks of values against their schema, with Proxmox' error texts.

use indexmap::IndexMap;
use serde_json::Value;

use super::{Format, Kind, Parameter, Schema, format};
use crate::pve::error::ApiError;

pub(crate) const NOT_DEFINED: &str =
    "property is not defined in schema and the schema does not allow additional properties";
const MISSING: &str = "property is missing and it is not optional";

/// Checks a call's parameters against its declaration.
///
/// Single values become arrays where an array is declared, arrays become texts where a `-list`
/// format is.
///
/// # Errors
/// Status 400 with a text for each wrong parameter.
pub(crate) fn check_parameters(
    declared: &[Parameter],
    given: &mut IndexMap<String, Value>,
) -> Result<(), ApiError> {
    let mut errors = IndexMap::new();
    for parameter in declared.iter().filter(|parameter| parameter.count.is_none()) {
        // An empty form value is an undefined one: there, but missing.
        let missing = given.get(parameter.name).is_none_or(Value::is_null);
        if missing && !parameter.schema.optional {
            errors.insert(parameter.name.to_owned(), MISSING.to_owned());
        }
    }
    let names: Vec<String> = given.keys().cloned().collect();
    for (key, value) in given.iter_mut() {
        let Some(parameter) = declared.iter().find(|parameter| parameter.covers(key)) else {
            errors.insert(key.clone(), NOT_DEFINED.to_owned());
            continue;
        };
        if value.is_null() {
            continue;
        }
        adapt(value, &parameter.schema);
        check(value, &parameter.schema, key, &mut errors);
        if let Some(required) = parameter.schema.requires
            && !names.iter().any(|name| name == required)
        {
            errors.insert(required.to_owned(), format!("missing property required by '{key}'"));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(ApiError::parameters(errors)) }
}

fn adapt(value: &mut Value, schema: &Schema) {
    match (&schema.kind, &*value) {
        (Kind::Array(_), Value::Array(_)) => {}
        (Kind::Array(_), _) => *value = Value::Array(vec![value.take()]),
        (Kind::String, Value::Array(items)) => {
            if let Some(Format::Named(name) | Format::Checked(name, _)) = &schema.format
                && name.ends_with("-list")
                && let Some(texts) =
                    items.iter().map(crate::pve::request::scalar).collect::<Option<Vec<_>>>()
            {
                // Perl joins with a NUL byte, which the list formats split at.
                *value = Value::String(texts.join("\0"));
            }
        }
        _ => {}
    }
}

/// What a property string takes for a boolean.
pub(crate) fn loose_boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Some(true),
        "0" | "off" | "no" | "false" => Some(false),
        _ => None,
    }
}

/// Checks one value; an error is kept under `path`.
pub(crate) fn check(
    value: &Value,
    schema: &Schema,
    path: &str,
    errors: &mut IndexMap<String, String>,
) {
    if let Err(text) = check_value(value, schema, path, errors) {
        errors.insert(path.to_owned(), text);
    }
}

fn check_value(
    value: &Value,
    schema: &Schema,
    path: &str,
    errors: &mut IndexMap<String, String>,
) -> Result<(), String> {
    if let Kind::Array(items) = &schema.kind {
        let Value::Array(values) = value else {
            return Err("type check ('array') failed".to_owned());
        };
        for (index, item) in values.iter().enumerate() {
            check(item, items, &format!("{path}[{index}]"), errors);
        }
        return Ok(());
    }
    let text = check_type(value, &schema.kind)?;
    check_format(&text, schema, path)?;
    check_limits(&text, schema)
}

fn type_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::String => "string",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::Boolean => "boolean",
        Kind::Array(_) => "array",
    }
}

fn check_type(value: &Value, kind: &Kind) -> Result<String, String> {
    let name = type_name(kind);
    let text = match value {
        Value::Array(_) => return Err(format!("type check ('{name}') failed - got ARRAY")),
        Value::Object(_) => return Err(format!("type check ('{name}') failed - got HASH")),
        Value::Null => return Err(format!("type check ('{name}') failed - value is not null")),
        Value::Bool(_) if *kind != Kind::Boolean => {
            return Err(format!("type check ('{name}') failed - got JSON::PP::Boolean"));
        }
        scalar => crate::pve::request::scalar(scalar).unwrap_or_default(),
    };
    let fits = match kind {
        Kind::String | Kind::Array(_) => true,
        Kind::Boolean => matches!(text.as_str(), "0" | "1"),
        Kind::Integer => is_integer(&text),
        Kind::Number => is_number(&text),
    };
    if fits { Ok(text) } else { Err(format!("type check ('{name}') failed - got '{text}'")) }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}

fn is_integer(text: &str) -> bool {
    digits(unsigned(text))
}

/// `[+-]?` digits with an optional fraction and exponent, or a fraction alone.
fn is_number(text: &str) -> bool {
    let text = unsigned(text);
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            (digits(whole) && (fraction.is_empty() || digits(fraction)))
                || (whole.is_empty() && digits(fraction))
        }
        None => digits(mantissa),
    };
    mantissa_fits && exponent.is_none_or(|exponent| digits(unsigned(exponent)))
}

fn check_format(text: &str, schema: &Schema, path: &str) -> Result<(), String> {
    let result = match &schema.format {
        None => return Ok(()),
        Some(Format::Named(name)) => format::check(name, text),
        Some(Format::Checked(name, check)) => format::check_with(name, *check, text),
        Some(Format::Properties(_, keys)) => keys.parse(text, path).map(|_| ()),
    };
    result.map_err(|error| format!("invalid format - {error}\n"))
}

fn check_limits(text: &str, schema: &Schema) -> Result<(), String> {
    let length = text.chars().count();
    if let Some(maximum) = schema.max_length
        && length > maximum
    {
        return Err(format!("value may only be {maximum} characters long"));
    }
    if let Some(minimum) = schema.min_length
        && length < minimum
    {
        return Err(format!("value must be at least {minimum} characters long"));
    }
    if matches!(schema.kind, Kind::Integer | Kind::Number) {
        let value: f64 = text.parse().unwrap_or(0.0);
        if let Some(minimum) = schema.minimum
            && value < minimum
        {
            return Err(format!("value must have a minimum value of {minimum}"));
        }
        if let Some(maximum) = schema.maximum
            && value > maximum
        {
            return Err(format!("value must have a maximum value of {maximum}"));
        }
    }
    if let Some(pattern) = schema.pattern
        && !format::matches(pattern, text)
    {
        return Err("value does not match the regex pattern".to_owned());
    }
    if !schema.values.is_empty() && !schema.values.iter().any(|value| value == text) {
        return Err(format!(
            "value '{text}' does not have a value in the enumeration '{}'",
            schema.values.join(", ")
        ));
    }
    Ok(())
}
