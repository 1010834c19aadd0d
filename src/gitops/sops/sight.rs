//! Which files are encrypted, whatever they are called.

use serde_json::Value;

/// Whether a file was written by SOPS, in one of its formats.
pub fn is_sealed(name: &str, text: &str) -> bool {
    if !text.contains("ENC[AES256_GCM,") {
        return false;
    }
    // As variables of an environment, and as INI.
    if text.lines().any(|line| line.starts_with("sops_mac=") || line.trim_end() == "[sops]") {
        return true;
    }
    match serde_saphyr::from_multiple::<Value>(text) {
        Ok(documents) => documents.iter().any(|document| document["sops"].is_object()),
        // What is broken is somebody's Secret all the same; a text that shows one is not.
        Err(_) => {
            let is_yaml = name.ends_with(".yaml") || name.ends_with(".yml");
            is_yaml && text.lines().any(|line| line.starts_with("sops:"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_of_sops_is_known_and_a_text_about_it_is_not() {
        let value = "ENC[AES256_GCM,data:a,iv:b,tag:c,type:str]";
        for (name, text) in [
            ("a", format!("a: {value}\nsops:\n  mac: {value}\n")),
            ("a", format!("a: b\n---\na: {value}\nsops:\n  mac: {value}\n")),
            ("a.json", format!("{{\"data\": \"{value}\", \"sops\": {{\"mac\": \"x\"}}}}")),
            ("a.env", format!("A={value}\nsops_mac={value}\n")),
            ("a.ini", format!("[a]\nb = {value}\n[sops]\nmac = x\n")),
            ("a.yaml", format!("a: {value}\na: [\nsops:\n")),
        ] {
            assert!(is_sealed(name, &text), "{text}");
        }
        for (name, text) in [
            ("a.yaml", "sops: {mac: x}\n".to_owned()),
            ("a.yaml", format!("about: |\n  sops: {value}\n")),
            ("a.md", format!("It looks so:\n```\na: {value}\nsops:\n  mac: [\n```\n")),
        ] {
            assert!(!is_sealed(name, &text), "{text}");
        }
    }
}
