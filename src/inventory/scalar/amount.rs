//! Amounts that are written with their unit.

use std::{fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// An amount of bytes, written with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// Whole mebibytes.
    pub const fn mebibytes(self) -> u64 {
        self.0 >> 20
    }

    pub(crate) const fn of_gibibytes(count: u64) -> Self {
        Self(count << 30)
    }
}

impl FromStr for Size {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let end = text.find(|character: char| !character.is_ascii_digit()).ok_or(())?;
        let (number, unit) = text.split_at(end);
        let shift = match unit.strip_suffix("iB").or(unit.strip_suffix('B')).unwrap_or(unit) {
            "M" => 20,
            "G" => 30,
            "T" => 40,
            _ => return Err(()),
        };
        let number: u64 = number.parse().map_err(|_| ())?;
        match number.checked_mul(1 << shift) {
            // Proxmox counts in 63 bits.
            Some(bytes) if (1..1 << 62).contains(&bytes) => Ok(Self(bytes)),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = self.mebibytes();
        if mebibytes.is_multiple_of(1024) {
            write!(formatter, "{}G", mebibytes / 1024)
        } else {
            write!(formatter, "{mebibytes}M")
        }
    }
}

/// A stretch of time, written with a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let end = text.find(|character: char| !character.is_ascii_digit()).ok_or(())?;
        let factor = match &text[end..] {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(()),
        };
        let seconds = text[..end].parse::<u32>().map_err(|_| ())?;
        if seconds == 0 {
            return Err(());
        }
        Ok(Self(Duration::from_secs(u64::from(seconds) * factor)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            seconds if seconds.is_multiple_of(3600) => write!(formatter, "{}h", seconds / 3600),
            seconds if seconds.is_multiple_of(60) => write!(formatter, "{}m", seconds / 60),
            seconds => write!(formatter, "{seconds}s"),
        }
    }
}

macro_rules! written_as_text {
    ($type:ty, $name:literal, $format:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(|()| D::Error::custom(concat!("no ", $format)))
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "format": $format})
            }
        }
    };
}

written_as_text!(Size, "Size", "size");
written_as_text!(Span, "Duration", "duration");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_need_a_unit_and_print_as_they_are_written() {
        for (text, bytes) in [("32G", 32 << 30), ("3072M", 3072 << 20), ("1T", 1 << 40)] {
            assert_eq!(text.parse::<Size>().map(Size::bytes), Ok(bytes));
        }
        assert_eq!("32GiB".parse::<Size>().unwrap().to_string(), "32G");
        assert_eq!("1536M".parse::<Size>().unwrap().to_string(), "1536M");
        for text in ["32", "0G", "-1G", "1.5G", "32 G", "32g", "", "99999999999T"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
