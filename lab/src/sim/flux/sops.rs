//! Opening what SOPS encrypted with age, as kustomize-controller does. Written for itself, so that it does not agree
//! with homelab's own writer by being the same. Simplified: the MAC is not checked, and texts are the only values.

use std::io::Read;

use aes_gcm::{
    AesGcm, KeyInit,
    aead::{AeadInOut, consts::U32},
    aes::Aes256,
};
use age::{armor::ArmoredReader, x25519::Identity};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

/// Every age key of a Secret: those of its entries whose names end with `.agekey`.
pub(super) fn keys(secret: &Value) -> Vec<Identity> {
    let entries = secret["data"].as_object().into_iter().flatten();
    let texts = entries
        .filter(|(name, _)| name.ends_with(".agekey"))
        .filter_map(|(_, value)| String::from_utf8(STANDARD.decode(value.as_str()?).ok()?).ok());
    texts
        .flat_map(|text| {
            text.lines().filter_map(|line| line.trim().parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

/// The object in the clear, without what SOPS notes in it.
pub(super) fn open(object: &Value, keys: &[Identity]) -> Result<Value, String> {
    let recipients = object["sops"]["age"].as_array().into_iter().flatten();
    let mut wrapped = recipients.filter_map(|recipient| recipient["enc"].as_str());
    let Some(key) = wrapped.find_map(|wrapped| unwrapped(wrapped, keys)) else {
        return Err("no age identity matched any of the recipients".to_owned());
    };
    let mut clear = object.clone();
    if let Some(fields) = clear.as_object_mut() {
        fields.remove("sops");
    }
    walk(&mut clear, "", &key)?;
    Ok(clear)
}

fn unwrapped(wrapped: &str, keys: &[Identity]) -> Option<[u8; 32]> {
    let decryptor = age::Decryptor::new_buffered(ArmoredReader::new(wrapped.as_bytes())).ok()?;
    let identities = keys.iter().map(|key| key as &dyn age::Identity);
    let mut bytes = Vec::new();
    decryptor.decrypt(identities).ok()?.take(64).read_to_end(&mut bytes).ok()?;
    bytes.try_into().ok()
}

/// A value is bound to its place: the names that lead there, a colon behind each.
fn walk(value: &mut Value, place: &str, key: &[u8; 32]) -> Result<(), String> {
    match value {
        Value::Object(fields) => fields
            .iter_mut()
            .try_for_each(|(name, value)| walk(value, &format!("{place}{name}:"), key)),
        // A list adds nothing to the place of its items.
        Value::Array(items) => items.iter_mut().try_for_each(|item| walk(item, place, key)),
        Value::String(text) => match text.strip_prefix("ENC[AES256_GCM,") {
            Some(sealed) => {
                let clear = opened(sealed.trim_end_matches(']'), place, key);
                *text = clear.ok_or_else(|| format!("the value at {place} cannot be opened"))?;
                Ok(())
            }
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn opened(sealed: &str, place: &str, key: &[u8; 32]) -> Option<String> {
    let field = |name: &str| {
        let found = sealed.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix(':'));
        STANDARD.decode(found?).ok()
    };
    let (nonce, tag): ([u8; 32], [u8; 16]) =
        (field("iv")?.try_into().ok()?, field("tag")?.try_into().ok()?);
    let mut bytes = field("data")?;
    AesGcm::<Aes256, U32>::new(key.into())
        .decrypt_inout_detached(
            &nonce.into(),
            place.as_bytes(),
            bytes.as_mut_slice().into(),
            &tag.into(),
        )
        .ok()?;
    String::from_utf8(bytes).ok()
}
