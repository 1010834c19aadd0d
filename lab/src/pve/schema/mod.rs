//! What a parameter may hold: Proxmox' dialect of JSON schema, as declarations in Rust.

pub(crate) mod check;
pub(crate) mod format;
pub(crate) mod property_string;

use std::sync::Arc;

pub(crate) use property_string::PropertyString;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    String,
    Integer,
    Number,
    Boolean,
    /// An array whose items follow the schema.
    Array(Box<Schema>),
}

/// A format that a text must have.
#[derive(Clone)]
pub(crate) enum Format {
    /// One of [`format::check`]'s; a trailing `-list` means separated values.
    Named(&'static str),
    /// A named format checked by a function of the declaring module.
    Checked(&'static str, fn(&str) -> Result<(), String>),
    /// `key=value,...` with declared keys. The name is `None` where Proxmox puts the keys inline.
    Properties(Option<&'static str>, Arc<PropertyString>),
}

impl std::fmt::Debug for Format {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(name) | Self::Checked(name, _) => write!(formatter, "Format({name})"),
            Self::Properties(name, _) => write!(formatter, "Format({name:?}, properties)"),
        }
    }
}

/// The type of a value and its limits.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    pub(crate) kind: Kind,
    pub(crate) optional: bool,
    pub(crate) values: Vec<String>,
    pub(crate) format: Option<Format>,
    /// A regular expression, without anchors: the whole value must match.
    pub(crate) pattern: Option<&'static str>,
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) min_length: Option<usize>,
    pub(crate) max_length: Option<usize>,
    /// Another parameter that must be there too.
    pub(crate) requires: Option<&'static str>,
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.values == other.values
    }
}

/// A named parameter. `scsi[n]` stands for `scsi0` to `scsi<count - 1>`.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) count: Option<u32>,
    pub(crate) schema: Schema,
}

pub(crate) fn of_kind(kind: Kind) -> Schema {
    Schema {
        kind,
        optional: false,
        values: Vec::new(),
        format: None,
        pattern: None,
        minimum: None,
        maximum: None,
        min_length: None,
        max_length: None,
        requires: None,
    }
}

pub(crate) fn string() -> Schema {
    of_kind(Kind::String)
}

pub(crate) fn integer() -> Schema {
    of_kind(Kind::Integer)
}

pub(crate) fn number() -> Schema {
    of_kind(Kind::Number)
}

pub(crate) fn boolean() -> Schema {
    of_kind(Kind::Boolean)
}

pub(crate) fn array(items: Schema) -> Schema {
    of_kind(Kind::Array(Box::new(items)))
}

/// A string out of a fixed set.
pub(crate) fn one_of<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> Schema {
    let mut schema = string();
    schema.values = values.into_iter().map(|value| value.as_ref().to_owned()).collect();
    schema
}

/// A string of a named format.
pub(crate) fn formatted(name: &'static str) -> Schema {
    string().format(name)
}

/// A property string.
pub(crate) fn properties(name: Option<&'static str>, keys: PropertyString) -> Schema {
    let mut schema = string();
    schema.format = Some(Format::Properties(name, Arc::new(keys)));
    schema
}

impl Schema {
    pub(crate) fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    pub(crate) fn format(mut self, name: &'static str) -> Self {
        self.format = Some(Format::Named(name));
        self
    }

    pub(crate) fn checked(
        mut self,
        name: &'static str,
        check: fn(&str) -> Result<(), String>,
    ) -> Self {
        self.format = Some(Format::Checked(name, check));
        self
    }

    pub(crate) fn pattern(mut self, pattern: &'static str) -> Self {
        self.pattern = Some(pattern);
        self
    }

    pub(crate) fn minimum(mut self, minimum: impl Into<f64>) -> Self {
        self.minimum = Some(minimum.into());
        self
    }

    pub(crate) fn maximum(mut self, maximum: impl Into<f64>) -> Self {
        self.maximum = Some(maximum.into());
        self
    }

    pub(crate) fn min_length(mut self, length: usize) -> Self {
        self.min_length = Some(length);
        self
    }

    pub(crate) fn max_length(mut self, length: usize) -> Self {
        self.max_length = Some(length);
        self
    }

    pub(crate) fn requires(mut self, name: &'static str) -> Self {
        self.requires = Some(name);
        self
    }

    /// The parameter of this name and schema.
    pub(crate) fn named(self, name: &'static str) -> Parameter {
        Parameter { name, count: None, schema: self }
    }

    /// The parameters `<stem>0` to `<stem><count - 1>`, written `stem[n]`; all optional.
    pub(crate) fn numbered(self, name: &'static str, count: u32) -> Parameter {
        debug_assert!(name.ends_with("[n]"), "{name} must end in [n]");
        Parameter { name, count: Some(count), schema: self.optional() }
    }
}

impl Parameter {
    /// Whether a request's key means this parameter.
    pub(crate) fn covers(&self, key: &str) -> bool {
        let Some(count) = self.count else { return self.name == key };
        let Some(index) = key.strip_prefix(self.name.trim_end_matches("[n]")) else { return false };
        let canonical = index == "0" || !index.starts_with('0');
        canonical && index.parse::<u32>().is_ok_and(|index| index < count)
    }
}

/// `node`, as most paths have it.
pub(crate) fn node() -> Parameter {
    formatted("pve-node").named("node")
}

/// `vmid`, as most guest calls have it.
pub(crate) fn vmid() -> Parameter {
    integer().format("pve-vmid").minimum(100).maximum(999_999_999).named("vmid")
}
