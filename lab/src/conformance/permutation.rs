//! Other names, ids and sizes for the same run: what depends on one of the recording's own would
//! show as a lower share.
//!
//! Words are exchanged in pairs, so that renaming twice takes it back: VMIDs, and the names of the
//! node, of storages, pools and guests. Memory and disks become larger by a factor each. The same
//! is done to the requests, to the expected answers, and to what the emulator is started with. The
//! storage `local` keeps its name: Proxmox' own texts use the word (`target is local node`).

use std::{collections::BTreeMap, sync::LazyLock};

use regex_lite::Regex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::pve::Config;

/// The names that are given others.
const NAMES: [&str; 15] = [
    "pve1",
    "local-lvm",
    "dirstore",
    "prov",
    "p1",
    "pq",
    "peq",
    "pjson",
    "t1",
    "ci1",
    "imp",
    "full1",
    "linked1",
    "slow",
    "back",
];
/// The VMIDs of the recording lie in here. Those from 400 on are a range that it asks for.
const VMIDS: std::ops::Range<u32> = 100..400;
/// VMIDs of guests that never were.
const ABSENT: [u32; 2] = [999, 4711];
/// The other VMIDs come from here: no number of five digits is anything else in the recording.
const OTHERS: std::ops::Range<u64> = 10_000..100_000;
/// Odd, so that a size stays in its unit: 512 MiB become 1536 MiB, never a number of GiB.
const FACTORS: [u64; 3] = [3, 5, 7];
const NAME_LENGTH: usize = 7;

/// Where a number can only be a VMID.
static PLACES: LazyLock<Regex> = LazyLock::new(|| {
    let places =
        r#"\b(?:vm|base)-(\d+)-|\bVM (\d+)\b|/(\d+)\.conf|lock-(\d+)|qemu/(\d+)|"vmid":"?(\d+)"#;
    Regex::new(places).expect("the pattern is fixed and valid")
});

/// Numbers that follow from a seed alone.
struct Draw {
    seed: u64,
    drawn: u64,
}

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.drawn += 1;
        let hash = Sha256::new()
            .chain_update(self.seed.to_be_bytes())
            .chain_update(self.drawn.to_be_bytes())
            .finalize();
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        u64::from_be_bytes(first) % bound
    }

    /// A name that is good for nodes, storages, pools and guests alike.
    fn name(&mut self) -> String {
        (0..NAME_LENGTH)
            .map(|_| char::from(b'a' + u8::try_from(self.below(26)).unwrap_or_default()))
            .collect()
    }
}

/// What is exchanged for what.
#[derive(Debug)]
pub(super) struct Permutation {
    words: BTreeMap<String, String>,
    memory: u64,
    disks: u64,
}

impl Permutation {
    /// The permutation of a seed. No new word stands anywhere in the recording.
    pub(super) fn of(seed: u64, recording: &str) -> Self {
        let mut draw = Draw { seed, drawn: 0 };
        let mut words = BTreeMap::new();
        let mut exchange = |old: String, draw: &mut dyn FnMut() -> String| loop {
            let new = draw();
            if !words.contains_key(&new) && !recording.contains(&new) {
                words.insert(new.clone(), old.clone());
                words.insert(old, new);
                return;
            }
        };
        for name in NAMES {
            exchange(name.to_owned(), &mut || draw.name());
        }
        for vmid in VMIDS.chain(ABSENT) {
            let mut other = || (OTHERS.start + draw.below(OTHERS.end - OTHERS.start)).to_string();
            exchange(vmid.to_string(), &mut other);
        }
        let mut factor = || FACTORS[usize::try_from(draw.below(3)).unwrap_or_default()];
        let (memory, disks) = (factor(), factor());
        Self { words, memory, disks }
    }

    /// What the scripts' rewriting must know (`permuted.py`).
    pub(super) fn for_scripts(&self, web: u16) -> Value {
        json!({ "words": self.words, "memory": self.memory, "disks": self.disks, "web": web })
    }

    /// How many times as large disks are.
    pub(super) fn disks(&self) -> u64 {
        self.disks
    }

    /// A text with every word exchanged. Words begin and end where no letter or digit goes on.
    pub(super) fn text(&self, text: &str) -> String {
        let mut renamed = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(next) = text[at..].chars().next() {
            let (before, rest) = text.split_at(at);
            match self.word_at(before, rest) {
                Some((old, new)) => {
                    renamed.push_str(new);
                    at += old.len();
                }
                None => {
                    renamed.push(next);
                    at += next.len_utf8();
                }
            }
        }
        renamed
    }

    /// The longest word that begins between two halves of a text.
    fn word_at(&self, before: &str, rest: &str) -> Option<(&String, &String)> {
        // `+pve1` is the version of a machine; `tap203i0` has a VMID within.
        let device = before.ends_with("tap");
        if !device && before.ends_with(|last: char| last.is_ascii_alphanumeric() || last == '+') {
            return None;
        }
        self.words
            .iter()
            .filter(|(old, _)| {
                let Some(after) = rest.strip_prefix(old.as_str()) else { return false };
                let ends = !after.starts_with(|next: char| next.is_ascii_alphanumeric());
                if !old.starts_with(|first: char| first.is_ascii_digit()) {
                    return ends && !device;
                }
                if device {
                    return after.starts_with('i');
                }
                // Numbers in addresses are no VMIDs, nor are VLAN tags.
                let goes_on = after
                    .strip_prefix('.')
                    .is_some_and(|after| after.starts_with(|next: char| next.is_ascii_digit()));
                ends && !goes_on && !before.ends_with('.') && !before.ends_with("tag=")
            })
            .max_by_key(|(old, _)| old.len())
    }

    /// A recorded answer's body as it is expected.
    pub(super) fn body(&self, body: &str) -> String {
        match serde_json::from_str::<Value>(body) {
            Ok(parsed) => self.value("", &parsed).to_string(),
            Err(_) => self.text(body),
        }
    }

    fn value(&self, key: &str, value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                fields.iter().map(|(key, value)| (self.text(key), self.value(key, value))).collect()
            }
            Value::Array(items) => items.iter().map(|item| self.value("", item)).collect(),
            Value::String(text) if key == "memory" => match text.parse::<u64>() {
                Ok(megabytes) => (megabytes * self.memory).to_string().into(),
                Err(_) => self.text(text).into(),
            },
            Value::String(text) => self.text(text).into(),
            Value::Number(number) => {
                let other = self.words.get(&number.to_string());
                other
                    .and_then(|other| other.parse::<u64>().ok())
                    .map_or_else(|| value.clone(), Value::from)
            }
            other => other.clone(),
        }
    }

    /// What of the recording's own an answer under other names tells: a name anywhere, a VMID where
    /// nothing else can stand. Numbers are masked where bodies are compared, so it would not show.
    pub(super) fn leak(&self, answer: &str) -> Option<String> {
        let vmid = PLACES.captures_iter(answer).find_map(|found| {
            let vmid = found.iter().skip(1).flatten().next()?.as_str();
            let own = vmid.parse().is_ok_and(|number| VMIDS.contains(&number));
            own.then(|| found[0].to_owned())
        });
        vmid.or_else(|| {
            answer.char_indices().find_map(|(at, _)| {
                let (before, rest) = answer.split_at(at);
                let old = NAMES.into_iter().find(|name| rest.starts_with(name))?;
                self.word_at(before, rest).filter(|(found, _)| *found == old)?;
                Some(old.to_owned())
            })
        })
    }

    /// A status line's reason with every word exchanged; its code is none.
    pub(super) fn status_line(&self, line: &str) -> String {
        let mut parts = line.splitn(3, ' ');
        let head: Vec<&str> = parts.by_ref().take(2).collect();
        match parts.next() {
            Some(reason) => format!("{} {}", head.join(" "), self.text(reason)),
            None => line.to_owned(),
        }
    }

    /// The recording's set-up under its other names, with room for the larger disks.
    pub(super) fn config(&self, mut config: Config) -> Config {
        for node in &mut config.nodes {
            node.name = self.text(&node.name);
            node.memory_bytes *= self.memory;
        }
        for storage in &mut config.storages {
            storage.id = self.text(&storage.id);
            storage.path = storage.path.as_deref().map(|path| self.text(path));
            storage.total_bytes *= self.disks;
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renaming_twice_takes_it_back() {
        let permutation = Permutation::of(7, "");
        let text = "VM 203 on node 'pve1': local-lvm:vm-203-disk-0 is no prov:iso/p1.iso";
        let renamed = permutation.text(text);
        assert_ne!(renamed, text);
        assert!(!renamed.contains("203") && !renamed.contains("pve1"), "{renamed}");
        assert_eq!(permutation.text(&renamed), text);
    }

    #[test]
    fn only_whole_words_are_exchanged() {
        let permutation = Permutation::of(7, "");
        for text in
            ["dirstores", "1203", "203M", "pve10", "at1", "10.0+pve1", "127.0.0.1", "tag=100"]
        {
            assert_eq!(permutation.text(text), text);
        }
        let (vmid, name) = (&permutation.words["203"], &permutation.words["pve1"]);
        assert_eq!(permutation.text("pve1.tap203i0"), format!("{name}.tap{vmid}i0"));
    }

    #[test]
    fn a_status_code_is_no_vmid() {
        let permutation = Permutation::of(7, "");
        assert_eq!(permutation.status_line("HTTP/1.1 200 OK"), "HTTP/1.1 200 OK");
        let other = &permutation.words["200"];
        assert_eq!(
            permutation.status_line("HTTP/1.1 500 no VM 200"),
            format!("HTTP/1.1 500 no VM {other}")
        );
    }

    #[test]
    fn a_seed_names_one_permutation_and_another_seed_another() {
        let [first, again, other] = [7, 7, 8].map(|seed| Permutation::of(seed, ""));
        assert_eq!(first.words, again.words);
        assert_ne!(first.words, other.words);
    }

    #[test]
    fn a_word_of_the_recording_is_never_a_new_name() {
        let name = Permutation::of(7, "").words["pve1"].clone();
        let careful = Permutation::of(7, &format!("somebody's {name}"));
        assert_ne!(careful.words["pve1"], name);
    }

    #[test]
    fn what_an_answer_still_tells_of_the_recording_is_found() {
        let permutation = Permutation::of(7, "");
        for (answer, leak) in [
            (r#"{"data":"local-lvm:x"}"#, Some("local-lvm")),
            (r#"{"data":"tank:vm-203-disk-0"}"#, Some("vm-203-")),
            (r#"{"data":[{"vmid":203,"uptime":1}]}"#, Some("\"vmid\":203")),
            (r#"{"data":[{"vmid":20300,"uptime":203}]}"#, None),
            (r#"{"data":"pc-q35-10.0+pve1"}"#, None),
        ] {
            assert_eq!(permutation.leak(answer).as_deref(), leak, "{answer}");
        }
    }

    #[test]
    fn answers_are_rewritten_by_what_they_mean() {
        let permutation = Permutation::of(7, "");
        let (vmid, memory) = (&permutation.words["203"], 64 * permutation.memory);
        let body = r#"{"data":{"vmid":203,"memory":"64","/vms/203":1}}"#;
        let expected =
            format!(r#"{{"data":{{"vmid":{vmid},"memory":"{memory}","/vms/{vmid}":1}}}}"#);
        assert_eq!(permutation.body(body), expected);
    }
}
