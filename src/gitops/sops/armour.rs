//! Data keys as age's armour has them, found in a file of any form without reading the rest of it.

use age::x25519::Identity;

use super::data_key;

const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const END: &str = "-----END AGE ENCRYPTED FILE-----";
/// How long a line is, as age reads it.
const LINE: usize = 64;

/// Whether one of these keys opens a file's data key. Whether the rest of it is sound is not asked.
pub fn is_opened_by(text: &str, identities: &[Identity]) -> bool {
    armours(text).any(|armour| data_key::unwrap(&armour, identities).is_some())
}

/// Each armour, its lines as age wants them: YAML indents them, JSON, INI and variables write `\n`.
fn armours(text: &str) -> impl Iterator<Item = String> {
    text.split(BEGIN).skip(1).filter_map(|rest| {
        let body = rest.split(END).next()?.replace("\\n", "\n");
        let is_sign = |letter: &char| letter.is_ascii_alphanumeric() || "+/=".contains(*letter);
        let signs: Vec<char> = body.chars().filter(is_sign).collect();
        let lines: Vec<String> = signs.chunks(LINE).map(|line| line.iter().collect()).collect();
        Some(format!("{BEGIN}\n{}\n{END}\n", lines.join("\n")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_a_file_is_is_known_in_each_of_the_forms_of_sops() {
        let (mine, other) = (Identity::generate(), Identity::generate());
        let armour = data_key::wrap(&zeroize::Zeroizing::new([7; 32]), &mine.to_public()).unwrap();
        for text in [
            armour.replace('\n', "\n      "),
            armour.replace('\n', "\n\n      "),
            armour.replace('\n', "\\n"),
            format!("sops_age__list_0__map_enc={}\n", armour.replace('\n', "\\n")),
        ] {
            assert!(is_opened_by(&text, &[other.clone(), mine.clone()]), "{text}");
            assert!(!is_opened_by(&text, std::slice::from_ref(&other)), "{text}");
        }
    }
}
