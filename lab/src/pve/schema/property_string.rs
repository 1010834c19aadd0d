//! Property strings: `virtio=BC:24:11:00:00:01,bridge=vmbr0`.

use indexmap::IndexMap;
use serde_json::Value;

use super::{Schema, check};

/// One key of a property string.
#[derive(Clone, Debug)]
pub(crate) enum Property {
    Value {
        schema: Schema,
        /// The key that a value without a key belongs to.
        default: bool,
    },
    /// Another name of a key. With `key_alias`, the alias' own name is the value of that key:
    /// `virtio=<mac>` means `model=virtio,macaddr=<mac>`.
    Alias { target: &'static str, key_alias: Option<&'static str> },
}

/// The keys of a property string.
#[derive(Clone, Debug, Default)]
pub(crate) struct PropertyString {
    pub(crate) keys: IndexMap<&'static str, Property>,
}

impl PropertyString {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn key(mut self, name: &'static str, schema: Schema) -> Self {
        self.keys.insert(name, Property::Value { schema, default: false });
        self
    }

    pub(crate) fn default_key(mut self, name: &'static str, schema: Schema) -> Self {
        self.keys.insert(name, Property::Value { schema, default: true });
        self
    }

    pub(crate) fn alias(mut self, name: &'static str, target: &'static str) -> Self {
        self.keys.insert(name, Property::Alias { target, key_alias: None });
        self
    }

    pub(crate) fn key_alias(
        mut self,
        name: &'static str,
        target: &'static str,
        key: &'static str,
    ) -> Self {
        self.keys.insert(name, Property::Alias { target, key_alias: Some(key) });
        self
    }

    fn default_name(&self) -> Option<&'static str> {
        self.keys.iter().find_map(|(name, property)| match property {
            Property::Value { default: true, .. } => Some(*name),
            _ => None,
        })
    }

    /// Splits and checks a property string (`parse_property_string`). Booleans come out as `0`
    /// and `1`. `path` is the parameter's name, for the errors.
    ///
    /// # Errors
    /// The text that stands behind `invalid format - `, without its last line feed.
    pub(crate) fn parse(&self, text: &str, path: &str) -> Result<IndexMap<String, String>, String> {
        let mut found: IndexMap<String, String> = IndexMap::new();
        let mut positional: Option<&'static str> = None;
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            if let Some((key, value)) = part.split_once('=').filter(|(key, _)| is_key(key)) {
                self.add(&mut found, key.trim_start(), value, positional)?;
            } else if let Some(default) = positional {
                return Err(format!("duplicate key in comma-separated list property: {default}"));
            } else {
                let default = self.default_name().ok_or_else(|| {
                    "value without key, but schema does not define a default key".to_owned()
                })?;
                if found.contains_key(default) {
                    return Err(format!(
                        "duplicate key in comma-separated list property: {default}"
                    ));
                }
                positional = Some(default);
                found.insert(default.to_owned(), part.to_owned());
            }
        }
        self.normalise_booleans(&mut found);
        self.verify(&found, path)?;
        Ok(found)
    }

    fn add(
        &self,
        found: &mut IndexMap<String, String>,
        key: &str,
        value: &str,
        _positional: Option<&'static str>,
    ) -> Result<(), String> {
        if found.contains_key(key) {
            return Err(format!("duplicate key in comma-separated list property: {key}"));
        }
        match self.keys.get(key) {
            Some(Property::Alias { target, key_alias }) => {
                if let Some(key_alias) = key_alias {
                    if found.contains_key(*key_alias) {
                        return Err(format!("key alias '{key_alias}' is already defined"));
                    }
                    found.insert((*key_alias).to_owned(), key.to_owned());
                }
                if found.contains_key(*target) {
                    return Err(format!("key '{target}' is already defined (via alias)"));
                }
                found.insert((*target).to_owned(), value.to_owned());
            }
            // An undeclared key is found by the verification below.
            Some(Property::Value { .. }) | None => {
                found.insert(key.to_owned(), value.to_owned());
            }
        }
        Ok(())
    }

    fn normalise_booleans(&self, found: &mut IndexMap<String, String>) {
        for (key, value) in found.iter_mut() {
            if let Some(Property::Value { schema, .. }) = self.keys.get(key.as_str())
                && schema.kind == super::Kind::Boolean
                && let Some(parsed) = check::loose_boolean(value)
            {
                *value = if parsed { "1" } else { "0" }.to_owned();
            }
        }
    }

    fn verify(&self, found: &IndexMap<String, String>, path: &str) -> Result<(), String> {
        let mut errors: IndexMap<String, String> = IndexMap::new();
        for (name, property) in &self.keys {
            let Property::Value { schema, .. } = property else { continue };
            match found.get(*name) {
                Some(value) => {
                    let value = Value::String(value.clone());
                    check::check(&value, schema, &format!("{path}.{name}"), &mut errors);
                }
                None if schema.optional => {}
                None => {
                    errors.insert(
                        format!("{path}.{name}"),
                        "property is missing and it is not optional".to_owned(),
                    );
                }
            }
        }
        for key in found.keys() {
            if !self.keys.contains_key(key.as_str()) {
                errors.insert(format!("{path}.{key}"), check::NOT_DEFINED.to_owned());
            }
        }
        if errors.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> =
            errors.iter().map(|(path, text)| format!("{path}: {text}")).collect();
        Err(format!("format error\n{}", lines.join("\n")))
    }

    /// Prints the keys as Proxmox does (`print_property_string`): the default key first and
    /// bare, the rest in the order of their names. `skip` leaves keys out.
    pub(crate) fn print(&self, values: &IndexMap<String, String>, skip: &[&str]) -> String {
        let mut parts = Vec::new();
        let mut done: Vec<String> = skip.iter().map(|name| (*name).to_owned()).collect();
        if let Some(default) = self.default_name()
            && !done.iter().any(|name| name == default)
            && let Some(value) = values.get(default)
        {
            done.push(default.to_owned());
            let alias = self.keys.iter().find_map(|(name, property)| match property {
                Property::Alias { target, key_alias: Some(key) }
                    if *key == default && name == value =>
                {
                    values.get(*target).map(|target_value| (*target, target_value))
                }
                _ => None,
            });
            match alias {
                Some((target, target_value)) => {
                    done.push(target.to_owned());
                    parts.push(format!("{value}={target_value}"));
                }
                None => parts.push(value.clone()),
            }
        }
        let mut names: Vec<&String> = values.keys().collect();
        names.sort();
        for name in names {
            if !done.contains(name) {
                parts.push(format!("{name}={}", values[name]));
            }
        }
        parts.join(",")
    }
}

/// `[^\s=]+` as Proxmox wants a key, and at least one character.
fn is_key(key: &str) -> bool {
    let key = key.trim_start();
    !key.is_empty() && !key.contains(char::is_whitespace)
}
