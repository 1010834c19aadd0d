//! Answers, read as loosely as Proxmox prints them: numbers as strings, booleans as 0 and 1, fields that
//! are missing when a privilege is (PVE-40).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    error::Effect,
    model::{Upid, Vmid, device},
    ports::{
        AgentState, Bridge, GuestConfig, GuestStatus, GuestSummary, NodeSummary, PowerState,
        ProxmoxError, StorageSummary, TaskState, Version, Volume,
    },
};

/// The `data` of a successful answer, and which call it answers.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) call: String,
    /// Whether the call was to change something: an answer that makes no sense then leaves open what
    /// happened.
    pub(super) writes: bool,
    pub(super) data: Value,
    /// The `Date` header, in seconds since the epoch.
    pub(super) date: Option<i64>,
}

/// One JSON object of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a>(&'a Value);

/// A field that should be there and is not, or makes no sense.
type Unfit = String;

impl Answer {
    /// Reads a body; `{"data":null}` is the usual success of a call that has nothing to say.
    pub(super) fn parse(call: String, writes: bool, body: &[u8]) -> Result<Self, ProxmoxError> {
        let json: Result<Value, _> = serde_json::from_slice(body);
        let mut answer = Self { call, writes, data: Value::Null, date: None };
        match json {
            Ok(mut json) if json.is_object() => {
                answer.data = json["data"].take();
                Ok(answer)
            }
            Ok(_) => Err(answer.malformed("not a JSON object".into())),
            Err(error) => Err(answer.malformed(error.to_string())),
        }
    }

    pub(super) fn is_null(&self) -> bool {
        self.data.is_null()
    }

    pub(super) fn date(&self) -> Result<i64, ProxmoxError> {
        self.date.ok_or_else(|| self.malformed("it has no date".into()))
    }

    pub(super) fn upid(&self) -> Result<Upid, ProxmoxError> {
        let text = self.data.as_str().unwrap_or_default();
        text.parse().map_err(|_| self.malformed(format!("`{}` is no UPID", self.data)))
    }

    /// Reads each entry of a list.
    pub(super) fn each<'a, T>(
        &'a self,
        read: impl Fn(Entry<'a>) -> Result<T, Unfit>,
    ) -> Result<Vec<T>, ProxmoxError> {
        let entries = match &self.data {
            Value::Null => &[][..],
            Value::Array(entries) => entries,
            _ => return Err(self.malformed("not a list".into())),
        };
        let read = |entry| read(Entry(entry)).map_err(|unfit| self.malformed(unfit));
        entries.iter().map(read).collect()
    }

    pub(super) fn version(&self) -> Result<Version, ProxmoxError> {
        self.one(|entry| {
            let text = entry.text("version")?;
            let mut numbers = text.split(['.', '-']).map(str::parse);
            let mut next = || numbers.next().and_then(Result::ok);
            let major = next().ok_or_else(|| format!("version `{text}`"))?;
            Ok(Version { major, minor: next().unwrap_or(0), text })
        })
    }

    /// The privileges on one path, of `{path: {privilege: propagates}}`.
    pub(super) fn privileges(&self, path: &str) -> Result<BTreeSet<String>, ProxmoxError> {
        match &self.data[path] {
            Value::Null => Ok(BTreeSet::new()),
            Value::Object(privileges) => Ok(privileges.keys().cloned().collect()),
            _ => Err(self.malformed(format!("privileges on {path}"))),
        }
    }

    pub(super) fn guest_config(&self) -> Result<GuestConfig, ProxmoxError> {
        self.one(|entry| {
            let object = entry.0.as_object().ok_or("not an object")?;
            let values: BTreeMap<String, String> = object
                .iter()
                .filter(|(key, _)| *key != "digest")
                .filter_map(|(key, value)| Some((key.clone(), printed(value)?)))
                .collect();
            Ok(GuestConfig { digest: entry.text("digest")?, values })
        })
    }

    /// What `pending` tells is all that `config` does, key by key, the digest among them; merged as Proxmox
    /// merges it there.
    pub(super) fn guest_settings(&self) -> Result<(GuestConfig, Vec<String>), ProxmoxError> {
        let mut values = BTreeMap::new();
        let mut pending = Vec::new();
        for (key, value, pends) in self.each(Entry::setting)? {
            if pends {
                pending.push(key.clone());
            }
            if let Some(value) = value {
                values.insert(key, value);
            }
        }
        let digest = values.remove("digest");
        let digest = digest.ok_or_else(|| self.malformed("no `digest`".into()))?;
        Ok((GuestConfig { digest, values }, pending))
    }

    pub(super) fn guest_status(&self) -> Result<GuestStatus, ProxmoxError> {
        self.one(|entry| {
            Ok(GuestStatus {
                power: power(&entry.text("status")?),
                lock: entry.text("lock").ok(),
                uptime_seconds: entry.number("uptime").unwrap_or(0),
                agent: if entry.flag("agent") { AgentState::On } else { AgentState::Off },
            })
        })
    }

    pub(super) fn task_state(&self) -> Result<TaskState, ProxmoxError> {
        self.one(|entry| {
            let exit = entry.text("exitstatus").ok();
            Ok(super::failure::task_state(&entry.text("status")?, exit.as_deref()))
        })
    }

    fn one<'a, T>(
        &'a self,
        read: impl Fn(Entry<'a>) -> Result<T, Unfit>,
    ) -> Result<T, ProxmoxError> {
        read(Entry(&self.data)).map_err(|unfit| self.malformed(unfit))
    }

    fn malformed(&self, reason: String) -> ProxmoxError {
        let effect = if self.writes { Effect::Unknown } else { Effect::None };
        ProxmoxError::Malformed { call: self.call.clone(), reason, effect }
    }
}

impl Entry<'_> {
    pub(super) fn text(self, field: &str) -> Result<String, Unfit> {
        printed(&self.0[field]).ok_or_else(|| format!("no `{field}`"))
    }

    fn number(self, field: &str) -> Result<u64, Unfit> {
        let value = &self.0[field];
        value
            .as_u64()
            .or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
            .or_else(|| value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64))
            .ok_or_else(|| format!("no number in `{field}`"))
    }

    fn flag(self, field: &str) -> bool {
        match &self.0[field] {
            Value::Bool(on) => *on,
            _ => self.number(field).is_ok_and(|number| number != 0),
        }
    }

    fn vmid(self) -> Result<Vmid, Unfit> {
        let number = self.number("vmid")?;
        u32::try_from(number).map(Vmid).map_err(|_| format!("VMID {number}"))
    }

    pub(super) fn node_summary(self) -> Result<NodeSummary, Unfit> {
        Ok(NodeSummary {
            name: self.text("node")?,
            online: self.text("status").is_ok_and(|status| status == "online"),
            // Missing without Sys.Audit on the node.
            cpus: self.number("maxcpu").ok().and_then(|cpus| cpus.try_into().ok()).unwrap_or(0),
            memory_bytes: self.number("maxmem").unwrap_or(0),
            memory_used_bytes: self.number("mem").unwrap_or(0),
        })
    }

    pub(super) fn guest_summary(self) -> Result<GuestSummary, Unfit> {
        Ok(GuestSummary {
            vmid: self.vmid()?,
            node: self.text("node")?,
            name: self.text("name").unwrap_or_default(),
            power: power(&self.text("status").unwrap_or_default()),
            template: self.flag("template"),
            lock: self.text("lock").ok(),
            tags: device::parse_tags(&self.text("tags").unwrap_or_default()).into_iter().collect(),
            memory_bytes: self.number("maxmem").unwrap_or(0),
            is_container: self.text("type").is_ok_and(|kind| kind == "lxc"),
            pool: self.text("pool").ok().filter(|pool| !pool.is_empty()),
        })
    }

    pub(super) fn storage_summary(self) -> Result<StorageSummary, Unfit> {
        let content = self.text("content").unwrap_or_default();
        Ok(StorageSummary {
            name: self.text("storage")?,
            kind: self.text("type")?,
            content: content.split(',').map(|kind| kind.trim().to_owned()).collect(),
            active: self.flag("active"),
            shared: self.flag("shared"),
            total_bytes: self.number("total").unwrap_or(0),
            available_bytes: self.number("avail").unwrap_or(0),
        })
    }

    pub(super) fn bridge(self) -> Result<Bridge, Unfit> {
        let mtu = self.number("mtu").ok().and_then(|mtu| mtu.try_into().ok());
        let parsed = |name: &str| self.text(name).ok();
        Ok(Bridge {
            mtu,
            address: parsed("cidr").and_then(|text| text.parse().ok()),
            gateway: parsed("gateway").and_then(|text| text.parse().ok()),
            name: self.text("iface")?,
        })
    }

    pub(super) fn role(self) -> Result<(String, BTreeSet<String>), Unfit> {
        let privileges = self.text("privs").unwrap_or_default();
        let each = privileges.split([',', ' ', ';']).filter(|name| !name.is_empty());
        Ok((self.text("roleid")?, each.map(str::to_owned).collect()))
    }

    pub(super) fn volume(self) -> Result<Volume, Unfit> {
        Ok(Volume {
            id: self.text("volid")?,
            bytes: self.number("size").unwrap_or(0),
            vmid: self.vmid().ok(),
        })
    }

    /// An entry of `pending`: its key, what it will be, and whether that is still to come.
    pub(super) fn setting(self) -> Result<(String, Option<String>, bool), Unfit> {
        let pending = printed(&self.0["pending"]);
        let goes = self.flag("delete");
        let pends = pending.is_some() || goes;
        let value = pending.or_else(|| printed(&self.0["value"]).filter(|_| !goes));
        Ok((self.text("key")?, value, pends))
    }

    /// The UPID of a task that runs; the active list keeps ended ones for a while.
    pub(super) fn active_task(self) -> Result<Option<Upid>, Unfit> {
        let ended = !self.0["endtime"].is_null()
            || self.text("status").is_ok_and(|status| status != "RUNNING");
        let upid = self.text("upid")?.parse::<Upid>().map_err(|error| error.to_string())?;
        Ok((!ended).then_some(upid))
    }
}

/// Off only when Proxmox says so: of a guest on a node that is away (`unknown`) nobody should think
/// that it can be taken apart.
fn power(status: &str) -> PowerState {
    if status == "stopped" { PowerState::Stopped } else { PowerState::Running }
}

/// A scalar as text.
fn printed(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(on) => Some(u8::from(*on).to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        Answer::parse("GET /x".into(), false, body.as_bytes()).unwrap()
    }

    #[test]
    fn null_is_a_success_and_an_empty_list() {
        let nothing = answer(r#"{"data":null}"#);
        assert!(nothing.is_null());
        assert!(nothing.each(Entry::volume).unwrap().is_empty());
        assert!(Answer::parse("GET /x".into(), false, b"<html>").is_err());
    }

    #[test]
    fn numbers_may_be_strings_and_optional_fields_may_be_missing() {
        let volumes = answer(
            r#"{"data":[{"volid":"a:iso/b.iso","size":"366","ctime":"1"},{"volid":"l:vm-100-disk-0","size":1073741824,"vmid":"100"}]}"#,
        );
        let volumes = volumes.each(Entry::volume).unwrap();
        assert_eq!((volumes[0].bytes, volumes[0].vmid), (366, None));
        assert_eq!((volumes[1].bytes, volumes[1].vmid), (1 << 30, Some(Vmid(100))));
        let node = answer(r#"{"data":[{"node":"pve1","status":"online","level":""}]}"#);
        assert!(node.each(Entry::node_summary).unwrap()[0].online);
    }

    #[test]
    fn a_configuration_is_kept_as_it_is_printed() {
        let config = answer(r#"{"data":{"digest":"d1","cores":2,"memory":"2048","name":"a"}}"#)
            .guest_config()
            .unwrap();
        assert_eq!((config.get("cores"), config.get("memory")), (Some("2"), Some("2048")));
        assert_eq!((config.digest.as_str(), config.get("digest")), ("d1", None));
    }

    #[test]
    fn what_pends_counts_as_done_in_the_configuration_and_is_told() {
        let answer = answer(
            r#"{"data":[{"key":"cores","value":2,"pending":4},{"key":"ide2","value":"x","delete":1},
                {"key":"balloon","pending":0},{"key":"name","value":"a"},
                {"key":"digest","value":"d1"}]}"#,
        );
        let (config, pending) = answer.guest_settings().unwrap();
        assert_eq!(config.digest, "d1");
        let told: Vec<_> =
            config.values.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(told, [("balloon", "0"), ("cores", "4"), ("name", "a")]);
        assert_eq!(pending, ["cores", "ide2", "balloon"]);
    }

    #[test]
    fn a_guest_on_a_node_that_is_away_does_not_count_as_off() {
        assert_eq!(power("unknown"), PowerState::Running);
        assert_eq!(power("stopped"), PowerState::Stopped);
    }

    #[test]
    fn ended_tasks_of_the_active_list_are_passed_over() {
        let tasks = answer(
            r#"{"data":[{"upid":"UPID:n:1:2:3:qmclone:9:u@pve!t:","status":"RUNNING"},
                {"upid":"UPID:n:4:2:3:qmstart:9:u@pve!t:","status":"OK","endtime":1}]}"#,
        );
        let active: Vec<_> =
            tasks.each(Entry::active_task).unwrap().into_iter().flatten().collect();
        assert_eq!(active.len(), 1);
        assert_eq!(active[0].kind(), "qmclone");
    }

    #[test]
    fn versions_of_eight_and_nine_are_read() {
        let version =
            |text: &str| answer(&format!(r#"{{"data":{{"version":"{text}"}}}}"#)).version();
        let nine = version("9.2.11").unwrap();
        assert_eq!((nine.major, nine.minor), (9, 2));
        let eight = version("8.4-1").unwrap();
        assert_eq!((eight.major, eight.minor), (8, 4));
    }
}
