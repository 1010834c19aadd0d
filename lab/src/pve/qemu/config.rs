//! A guest's configuration file: what `/etc/pve/qemu-server/<vmid>.conf` holds on a real host.

use std::collections::BTreeMap;

use sha1::{Digest as _, Sha1};

/// Options by name.
pub(crate) type Section = BTreeMap<String, String>;

/// A whole configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GuestConfig {
    /// What is in force.
    pub(crate) current: Section,
    pub(crate) pending: Pending,
    /// What the cloud-init drive was last made from, where it differs (`[special:cloudinit]`).
    pub(crate) cloudinit: Section,
    pub(crate) snapshots: BTreeMap<String, Section>,
}

/// What waits for the next start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) set: Section,
    /// Options that will go; `true` where the volume goes with them.
    pub(crate) delete: BTreeMap<String, bool>,
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.delete.is_empty()
    }

    pub(crate) fn set(&mut self, option: &str, value: &str) {
        self.delete.remove(option);
        self.set.insert(option.to_owned(), value.to_owned());
    }

    pub(crate) fn delete(&mut self, option: &str, force: bool) {
        self.set.remove(option);
        self.delete.insert(option.to_owned(), force);
    }

    pub(crate) fn forget(&mut self, option: &str) {
        self.set.remove(option);
        self.delete.remove(option);
    }
}

impl GuestConfig {
    pub(crate) fn get(&self, option: &str) -> Option<&str> {
        self.current.get(option).map(String::as_str)
    }

    pub(crate) fn is_true(&self, option: &str) -> bool {
        self.get(option) == Some("1")
    }

    pub(crate) fn set(&mut self, option: &str, value: impl Into<String>) {
        self.current.insert(option.to_owned(), value.into());
    }

    pub(crate) fn is_template(&self) -> bool {
        self.is_true("template")
    }

    /// With what waits for the next start already in force.
    pub(crate) fn with_pending(&self) -> Section {
        let mut merged = self.current.clone();
        for option in self.pending.delete.keys() {
            merged.remove(option);
        }
        merged.extend(self.pending.set.clone());
        merged
    }

    /// The file's text.
    pub(crate) fn print(&self) -> String {
        let mut text = print_section(&self.current);
        if !self.pending.is_empty() {
            text += "\n[PENDING]\n";
            if !self.pending.delete.is_empty() {
                let options: Vec<String> = self
                    .pending
                    .delete
                    .iter()
                    .map(|(option, force)| format!("{}{option}", if *force { "!" } else { "" }))
                    .collect();
                text += &format!("delete: {}\n", options.join(","));
            }
            text += &print_section(&self.pending.set);
        }
        if !self.cloudinit.is_empty() {
            text += "\n[special:cloudinit]\n";
            text += &print_section(&self.cloudinit);
        }
        for (name, snapshot) in &self.snapshots {
            text += &format!("\n[{name}]\n");
            text += &print_section(snapshot);
        }
        text
    }

    /// SHA-1 of the file's text, lower-case hexadecimal.
    pub(crate) fn digest(&self) -> String {
        hex::encode(Sha1::digest(self.print()))
    }

    /// Reads a file's text; lines that say nothing are left out.
    pub(crate) fn parse(text: &str) -> Self {
        let mut config = Self::default();
        let mut section = None::<String>;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = Some(name.to_owned());
                if name != "PENDING" && name != "special:cloudinit" {
                    config.snapshots.entry(name.to_owned()).or_default();
                }
                continue;
            }
            let target = match section.as_deref() {
                None => &mut config.current,
                Some("PENDING") => &mut config.pending.set,
                Some("special:cloudinit") => &mut config.cloudinit,
                Some(name) => config.snapshots.entry(name.to_owned()).or_default(),
            };
            if let Some(comment) = line.strip_prefix('#') {
                let comment = decode(comment);
                target
                    .entry("description".to_owned())
                    .and_modify(|text| {
                        text.push('\n');
                        text.push_str(&comment);
                    })
                    .or_insert(comment);
            } else if let Some((option, value)) = line.split_once(": ") {
                target.insert(option.to_owned(), value.to_owned());
            }
        }
        if let Some(list) = config.pending.set.remove("delete") {
            for option in list.split(',').filter(|option| !option.is_empty()) {
                let name = option.trim_start_matches('!');
                config.pending.delete.insert(name.to_owned(), option.starts_with('!'));
            }
        }
        config
    }
}

fn print_section(section: &Section) -> String {
    let mut text = String::new();
    if let Some(description) = section.get("description") {
        for line in description.split('\n') {
            text += &format!("#{}\n", encode(line));
        }
    }
    for (option, value) in section {
        if option != "description" {
            text += &format!("{option}: {value}\n");
        }
    }
    text
}

/// Percent, control and other characters than ASCII's are encoded.
fn encode(line: &str) -> String {
    let mut text = String::new();
    for byte in line.bytes() {
        if byte == b'%' || !(b' '..=b'~').contains(&byte) {
            text += &format!("%{byte:02X}");
        } else {
            text.push(char::from(byte));
        }
    }
    text
}

fn decode(line: &str) -> String {
    percent_encoding::percent_decode_str(line).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> GuestConfig {
        let mut config = GuestConfig::default();
        config.set("name", "ci1");
        config.set("description", "line1\nline2 ü 100%");
        config.set("cores", "2");
        config.pending.set("cores", "4");
        config.pending.delete("net1", false);
        config.pending.delete("unused0", true);
        config.cloudinit.insert("ciuser".to_owned(), "debian".to_owned());
        config.snapshots.insert("s1".to_owned(), [("cores".to_owned(), "1".to_owned())].into());
        config
    }

    #[test]
    fn a_file_reads_back_as_it_was_written() {
        assert_eq!(GuestConfig::parse(&sample().print()), sample());
    }

    #[test]
    fn the_text_is_that_of_the_real_file() {
        assert_eq!(
            sample().print(),
            "#line1\n#line2 %C3%BC 100%25\ncores: 2\nname: ci1\n\n[PENDING]\ndelete: \
             net1,!unused0\ncores: 4\n\n[special:cloudinit]\nciuser: debian\n\n[s1]\ncores: 1\n"
        );
    }

    #[test]
    fn any_change_is_another_digest() {
        let mut other = sample();
        let digest = other.digest();
        assert_eq!(digest.len(), 40);
        assert_eq!(digest, sample().digest());
        other.pending.forget("cores");
        assert_ne!(digest, other.digest());
    }

    #[test]
    fn pending_values_and_deletions_show_in_the_merged_view() {
        let merged = sample().with_pending();
        assert_eq!(merged.get("cores").map(String::as_str), Some("4"));
        assert!(!merged.contains_key("net1"));
    }

    #[test]
    fn setting_an_option_takes_back_its_deletion() {
        let mut config = sample();
        config.pending.set("net1", "virtio");
        assert!(!config.pending.delete.contains_key("net1"));
        config.pending.delete("net1", false);
        assert!(!config.pending.set.contains_key("net1"));
    }
}
