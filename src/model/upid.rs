//! Unique process ids of Proxmox tasks.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A UPID, `UPID:<node>:<pid>:<pstart>:<starttime>:<type>:<id>:<user>:` (pve-common, `PVE/UPID.pm`),
/// kept verbatim; the parts that we use are read from it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Upid(String);

/// Why a text is no [`Upid`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no UPID")]
pub struct InvalidUpid(String);

impl Upid {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The node that the task runs on: its status must be asked of that node.
    pub fn node(&self) -> &str {
        self.field(1)
    }

    /// The task's type: `qmclone`, `qmstart`, ...
    pub fn kind(&self) -> &str {
        self.field(5)
    }

    /// The id that the task works on; a clone's is the *source's* VMID.
    pub fn id(&self) -> &str {
        self.field(6)
    }

    /// Whose task it is, `user@realm` or `user@realm!token`.
    pub fn user(&self) -> &str {
        self.field(7)
    }

    /// When the task was started, in seconds since the epoch.
    pub fn start_time(&self) -> Option<i64> {
        i64::from_str_radix(self.field(4), 16).ok()
    }

    fn field(&self, index: usize) -> &str {
        self.0.split(':').nth(index).unwrap_or_default()
    }
}

impl FromStr for Upid {
    type Err = InvalidUpid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fields: Vec<&str> = text.split(':').collect();
        let hexadecimal =
            |field: &str| !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_hexdigit());
        let sound = fields.len() == 9
            && fields[0] == "UPID"
            && !fields[1].is_empty()
            && fields[2..5].iter().all(|field| hexadecimal(field))
            && !fields[5].is_empty()
            && !fields[7].is_empty()
            && fields[8].is_empty()
            && !text.contains(['/', ' ', '\n']);
        if sound { Ok(Self(text.to_owned())) } else { Err(InvalidUpid(text.to_owned())) }
    }
}

impl TryFrom<String> for Upid {
    type Error = InvalidUpid;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Upid> for String {
    fn from(upid: Upid) -> Self {
        upid.0
    }
}

impl fmt::Display for Upid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_upid_are_read_from_it() {
        let upid: Upid =
            "UPID:pve1:0000C530:001A2B3C:65A0F0F0:qmclone:9000:homelab@pve!up:".parse().unwrap();
        assert_eq!((upid.node(), upid.kind(), upid.id()), ("pve1", "qmclone", "9000"));
        assert_eq!(upid.user(), "homelab@pve!up");
        assert_eq!(upid.start_time(), Some(0x65A0_F0F0));
    }

    #[test]
    fn an_id_may_be_empty_and_other_texts_are_refused() {
        assert!("UPID:pve1:0000C530:001A2B3C:65A0F0F0:imgcopy::root@pam:".parse::<Upid>().is_ok());
        for text in
            ["", "UPID:", "UPID:n:1:2:3:t:i:u", "upid:n:1:2:3:t:i:u:", "UPID:n:x:2:3:t:i:u:"]
        {
            assert!(text.parse::<Upid>().is_err(), "{text}");
        }
    }
}
