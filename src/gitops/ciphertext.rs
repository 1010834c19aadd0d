//! What a file is to an age key, by what is in it and not by its name.

use age::{armor::ArmoredReader, x25519::Identity};

use super::sops;
use crate::sample::Sample;

/// A file that some key opens.
pub enum Ciphertext {
    /// Of SOPS, in one of its forms.
    Sops(String),
    /// Of age itself: its beginning, which says whose it is.
    Age(Vec<u8>),
    /// Of SOPS, and why it cannot be looked into.
    Closed(&'static str),
}

impl Ciphertext {
    /// `None` for a file that no key is needed for.
    pub fn seen(name: &str, sample: &Sample) -> Option<Self> {
        let head = sample.head();
        if is_age(head) {
            return Some(Self::Age(head.to_vec()));
        }
        if !sample.is_whole() {
            let shown = sops::shows_section(head) || sops::shows_section(sample.tail());
            return shown.then_some(Self::Closed(
                "it is encrypted and larger than 16 MiB: too large to look into",
            ));
        }
        match std::str::from_utf8(head) {
            Ok(text) => sops::is_sealed(name, text).then(|| Self::Sops(text.to_owned())),
            Err(_) => sops::is_sealed(name, &String::from_utf8_lossy(head)).then_some(
                Self::Closed("it is encrypted and no UTF-8 text: it cannot be looked into"),
            ),
        }
    }

    /// Whether one of these keys opens it.
    pub fn is_opened_by(&self, identities: &[Identity]) -> bool {
        match self {
            Self::Sops(text) => sops::is_opened_by(text, identities),
            Self::Age(head) => opens(head, identities),
            Self::Closed(_) => false,
        }
    }

    /// Whether these keys are needed still, with the one in use at hand.
    pub fn needs(&self, retired: &[Identity], in_use: &[Identity]) -> bool {
        // Of several groups each has a share of the data key.
        let is_shared = matches!(self, Self::Sops(text) if text.contains("key_groups"));
        self.is_opened_by(retired) && (is_shared || !self.is_opened_by(in_use))
    }
}

/// As `age` writes it, armoured or not.
fn is_age(head: &[u8]) -> bool {
    head.starts_with(b"age-encryption.org/v1\n")
        || head.trim_ascii_start().starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
}

fn opens(head: &[u8], identities: &[Identity]) -> bool {
    let identities = identities.iter().map(|identity| identity as &dyn age::Identity);
    // Its header alone is read: what is behind it may be cut.
    age::Decryptor::new_buffered(ArmoredReader::new(head.trim_ascii_start()))
        .is_ok_and(|decryptor| decryptor.decrypt(identities).is_ok())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn sampled(bytes: &[u8]) -> Sample {
        let mut sample = Sample::new(bytes.len() as u64);
        sample.push(bytes);
        sample
    }

    #[test]
    fn a_file_of_age_is_known_and_whose_it_is_even_of_a_large_one() {
        let (mine, other) = (Identity::generate(), Identity::generate());
        for armoured in [false, true] {
            let recipient = mine.to_public();
            let recipients = std::iter::once(&recipient as &dyn age::Recipient);
            let encryptor = age::Encryptor::with_recipients(recipients).unwrap();
            let form =
                if armoured { age::armor::Format::AsciiArmor } else { age::armor::Format::Binary };
            let output = age::armor::ArmoredWriter::wrap_output(Vec::new(), form).unwrap();
            let mut writer = encryptor.wrap_output(output).unwrap();
            writer.write_all(&vec![7; 17 << 20]).unwrap();
            let bytes = writer.finish().unwrap().finish().unwrap();
            let found = Ciphertext::seen("backup.bin", &sampled(&bytes)).unwrap();
            assert!(
                found.is_opened_by(std::slice::from_ref(&mine))
                    && !found.is_opened_by(std::slice::from_ref(&other))
            );
            assert!(found.needs(std::slice::from_ref(&mine), std::slice::from_ref(&other)));
            assert!(!found.needs(std::slice::from_ref(&mine), std::slice::from_ref(&mine)));
        }
    }

    #[test]
    fn a_large_file_counts_where_it_shows_a_section_of_sops_and_an_image_does_not() {
        let value = "ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]";
        let filler = "x".repeat(17 << 20);
        for text in [
            format!("a: {value}\nb: {filler}\nsops:\n    mac: {value}\n"),
            format!(
                "{{\n\t\"a\": \"{filler}\",\n\t\"sops\": {{\n\t\t\"mac\": \"{value}\"\n\t}}\n}}\n"
            ),
            format!("A={filler}\nsops_mac={value}\n"),
        ] {
            let found = Ciphertext::seen("a", &sampled(text.as_bytes()));
            assert!(matches!(found, Some(Ciphertext::Closed(why)) if why.contains("too large")));
        }
        assert!(Ciphertext::seen("a.png", &sampled(filler.as_bytes())).is_none());
        let latin = format!("# caf\u{e9}\na: {value}\nsops:\n  mac: {value}\n");
        let latin: Vec<u8> = latin.chars().map(|one| one as u8).collect();
        let found = Ciphertext::seen("a.yaml", &sampled(&latin));
        assert!(matches!(found, Some(Ciphertext::Closed(why)) if why.contains("no UTF-8")));
    }
}
