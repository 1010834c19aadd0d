//! Values of a guest's configuration that hold several: `virtio=BC:24:11:00:00:01,bridge=vmbr0`.

use std::fmt;

/// A comma-separated property string (`pve-common`, `JSONSchema.pm`, `parse_property_string`), order kept.
///
/// One part may stand without a key: a drive's volume, a network device's `model=MAC` does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertyString(Vec<(Option<String>, String)>);

impl PropertyString {
    /// Reads any text; empty parts (a trailing comma) are passed over, as Proxmox does.
    pub fn parse(text: &str) -> Self {
        let part = |part: &str| match part.split_once('=') {
            Some((key, value)) => (Some(key.trim().to_owned()), value.to_owned()),
            None => (None, part.to_owned()),
        };
        Self(text.split(',').filter(|part| !part.trim().is_empty()).map(part).collect())
    }

    /// The part without a key.
    pub fn bare(&self) -> Option<&str> {
        self.0.iter().find(|(key, _)| key.is_none()).map(|(_, value)| value.as_str())
    }

    pub fn get(&self, wanted: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key.as_deref() == Some(wanted))
            .map(|(_, value)| value.as_str())
    }

    /// Sets a key in its place, or at the end.
    pub fn set(&mut self, wanted: &str, value: impl Into<String>) {
        match self.0.iter_mut().find(|(key, _)| key.as_deref() == Some(wanted)) {
            Some((_, old)) => *old = value.into(),
            None => self.0.push((Some(wanted.to_owned()), value.into())),
        }
    }

    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.set(key, value);
        self
    }

    /// The parts in order; a part without a key has `None`.
    pub fn parts(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        self.0.iter().map(|(key, value)| (key.as_deref(), value.as_str()))
    }
}

impl fmt::Display for PropertyString {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(",")?;
            }
            if let Some(key) = key {
                write!(formatter, "{key}=")?;
            }
            formatter.write_str(value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_are_found_by_key_and_keep_their_order() {
        let mut network = PropertyString::parse("virtio=BC:24:11:0A:0B:0C,bridge=vmbr0,firewall=1");
        assert_eq!(network.get("virtio"), Some("BC:24:11:0A:0B:0C"));
        assert_eq!(network.bare(), None);
        network.set("bridge", "vmbr1");
        network.set("tag", "7");
        assert_eq!(network.to_string(), "virtio=BC:24:11:0A:0B:0C,bridge=vmbr1,firewall=1,tag=7");
    }

    #[test]
    fn a_value_may_hold_an_equals_sign_and_a_trailing_comma_is_nothing() {
        let smbios = PropertyString::parse("base64=1,serial=Zm9v=,");
        assert_eq!(smbios.get("serial"), Some("Zm9v="));
        assert_eq!(smbios.to_string(), "base64=1,serial=Zm9v=");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(parts in proptest::collection::vec(
            (proptest::option::of("[a-z][a-z0-9_-]{0,8}"), "[A-Za-z0-9:/._=-]{1,12}"), 0..6)
        ) {
            // A bare value with `=` in it would read as a key: Proxmox can't tell them apart either.
            let parts: Vec<_> = parts
                .into_iter()
                .map(|(key, value)| match key {
                    Some(_) => (key, value),
                    None => (None, value.replace('=', "_")),
                })
                .collect();
            let property = PropertyString(parts);
            prop_assert_eq!(PropertyString::parse(&property.to_string()), property);
        }
    }
}
