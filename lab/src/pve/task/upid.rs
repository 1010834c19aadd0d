//! The name of a worker: `UPID:<node>:<pid>:<pstart>:<starttime>:<type>:<id>:<user>:`.

use std::{fmt, str::FromStr};

/// A worker's name (grammar: PVE::UPID). No field holds a colon.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Upid {
    pub(crate) node: String,
    pub(crate) pid: u32,
    /// Ticks (1/100 s) since boot at which the process began.
    pub(crate) pstart: u64,
    /// Seconds since 1970.
    pub(crate) starttime: i64,
    /// `qmclone`, `imgcopy`, ...
    pub(crate) kind: String,
    /// Mostly a VMID; may be empty.
    pub(crate) id: String,
    /// `user@realm` or `user@realm!token`.
    pub(crate) user: String,
}

/// The text is no worker's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unable to parse worker upid")]
pub(crate) struct NotAUpid;

impl fmt::Display for Upid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "UPID:{}:{:08X}:{:08X}:{:08X}:{}:{}:{}:",
            self.node, self.pid, self.pstart, self.starttime, self.kind, self.id, self.user
        )
    }
}

impl FromStr for Upid {
    type Err = NotAUpid;

    fn from_str(text: &str) -> Result<Self, NotAUpid> {
        let fields: Vec<&str> = text.split(':').collect();
        let ["UPID", node, pid, pstart, starttime, kind, id, user, ""] = fields[..] else {
            return Err(NotAUpid);
        };
        let hexadecimal = |field: &str, lengths: std::ops::RangeInclusive<usize>| {
            if lengths.contains(&field.len()) {
                u64::from_str_radix(field, 16).map_err(|_| NotAUpid)
            } else {
                Err(NotAUpid)
            }
        };
        let named = |field: &str| !field.is_empty() && !field.contains([' ', '/', '\t', '\n']);
        if !named(node) || !named(kind) || !named(user) || id.contains([' ', '/', '\t', '\n']) {
            return Err(NotAUpid);
        }
        Ok(Self {
            node: node.to_owned(),
            pid: u32::try_from(hexadecimal(pid, 8..=8)?).map_err(|_| NotAUpid)?,
            pstart: hexadecimal(pstart, 8..=9)?,
            starttime: i64::try_from(hexadecimal(starttime, 8..=8)?).map_err(|_| NotAUpid)?,
            kind: kind.to_owned(),
            id: id.to_owned(),
            user: user.to_owned(),
        })
    }
}

impl Upid {
    /// User without the token's name, and that name.
    pub(crate) fn user_and_token(&self) -> (&str, Option<&str>) {
        match self.user.split_once('!') {
            Some((user, token)) => (user, Some(token)),
            None => (&self.user, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_it_was_printed() {
        for text in [
            "UPID:pve1:00000164:0004BCF3:6B02F90F:qmcreate:200:root@pam:",
            "UPID:pve1:000005D5:1000547A3:6B02FA72:imgcopy::op@pve!t1:",
            "UPID:pve1:0000064B:00054CDC:6B02FA80:imgdel:100@local-lvm:root@pam:",
            "UPID:pve1:0000064B:00054CDC:6B02FA80:qmmove:320-scsi0>322-scsi5:root@pam:",
        ] {
            assert_eq!(text.parse::<Upid>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_worker_is_refused() {
        for text in [
            "",
            "foo",
            "UPID:pve1:164:0004BCF3:6B02F90F:qmcreate:200:root@pam:",
            "UPID:pve1:00000164:0004BCF3:6B02F90F:qmcreate:200:root@pam",
            "UPID:pve1:00000164:0004BCF3:6B02F90F:qm create:200:root@pam:",
            "UPID::00000164:0004BCF3:6B02F90F:qmcreate:200:root@pam:",
        ] {
            assert_eq!(text.parse::<Upid>(), Err(NotAUpid), "{text}");
        }
    }

    #[test]
    fn a_token_is_told_from_its_user() {
        let upid: Upid = "UPID:n:00000001:00000001:00000001:x::op@pve!t1:".parse().unwrap();
        assert_eq!(upid.user_and_token(), ("op@pve", Some("t1")));
    }
}
