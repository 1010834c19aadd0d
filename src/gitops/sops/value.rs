//! One encrypted value: `ENC[AES256_GCM,data:...,iv:...,tag:...,type:str]`.

use aes_gcm::{
    AesGcm, KeyInit,
    aead::{AeadInOut, consts::U32},
    aes::Aes256,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::RngExt;
use serde_json::Value;
use zeroize::Zeroizing;

use super::failure;
use crate::error::Result;

/// The key of one file's values.
pub(super) type DataKey = Zeroizing<[u8; 32]>;

const TAG: usize = 16;

pub(super) fn is_encrypted(text: &str) -> bool {
    text.starts_with("ENC[AES256_GCM,")
}

/// Encrypts a text, bound to where it stands. An empty one stays what it is, as SOPS has it.
pub(super) fn encrypt(text: &str, key: &DataKey, place: &str) -> Result<String> {
    if text.is_empty() { Ok(String::new()) } else { encrypt_as("str", text.as_bytes(), key, place) }
}

/// Encrypts a value of another type, as its bytes are counted.
pub(super) fn encrypt_as(kind: &str, bytes: &[u8], key: &DataKey, place: &str) -> Result<String> {
    let nonce: [u8; 32] = rand::rng().random();
    let mut data = Zeroizing::new(bytes.to_vec());
    let tag = cipher(key)
        .encrypt_inout_detached(&nonce.into(), place.as_bytes(), data.as_mut_slice().into())
        .map_err(|_| failure("a value can't be encrypted"))?;
    let [data, nonce, tag] =
        [data.as_slice(), &nonce, tag.as_slice()].map(|bytes| STANDARD.encode(bytes));
    Ok(format!("ENC[AES256_GCM,data:{data},iv:{nonce},tag:{tag},type:{kind}]"))
}

/// A value in the clear: as it is in the document, and as the MAC counts it.
pub(super) struct Clear {
    pub(super) value: Value,
    /// `str`, `int`, `float`, `bool`, `time`, `bytes` or, of a comment, `comment`.
    pub(super) kind: String,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

pub(super) fn decrypt(text: &str, key: &DataKey, place: &str) -> Result<Clear> {
    let broken = || failure(format!("the value at `{place}` is no value of SOPS"));
    let fields = text
        .strip_prefix("ENC[AES256_GCM,")
        .and_then(|rest| rest.strip_suffix(']'))
        .ok_or_else(broken)?;
    let field = |name: &str| {
        fields.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix(':'))
    };
    let bytes =
        |name: &str| field(name).and_then(|text| STANDARD.decode(text).ok()).ok_or_else(broken);
    let nonce: [u8; 32] = bytes("iv")?.try_into().map_err(|_| broken())?;
    let tag: [u8; TAG] = bytes("tag")?.try_into().map_err(|_| broken())?;
    let mut clear = Zeroizing::new(bytes("data")?);
    cipher(key)
        .decrypt_inout_detached(
            &nonce.into(),
            place.as_bytes(),
            clear.as_mut_slice().into(),
            &tag.into(),
        )
        .map_err(|_| failure(format!("the value at `{place}` was altered or moved")))?;
    let text = std::str::from_utf8(&clear).map_err(|_| broken())?;
    let kind = field("type").ok_or_else(broken)?;
    let value = match kind {
        "str" | "bytes" | "time" | "comment" => Value::from(text),
        "int" => text.parse::<i64>().map(Value::from).map_err(|_| broken())?,
        "float" => text.parse::<f64>().map(Value::from).map_err(|_| broken())?,
        "bool" => Value::from(text == "True"),
        _ => return Err(broken()),
    };
    Ok(Clear { value, kind: kind.to_owned(), bytes: clear })
}

fn cipher(key: &DataKey) -> AesGcm<Aes256, U32> {
    AesGcm::new((&**key).into())
}
