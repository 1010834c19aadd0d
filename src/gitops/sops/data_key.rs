//! The data key, encrypted for each recipient by age.

use std::io::{Read, Write};

use age::{
    Recipient,
    armor::{ArmoredReader, ArmoredWriter, Format},
    x25519::Identity,
};
use zeroize::Zeroizing;

use super::{failure, value::DataKey};
use crate::error::Result;

/// The key, encrypted for one recipient, in age's armour.
pub(super) fn wrap(key: &DataKey, recipient: &dyn Recipient) -> Result<String> {
    let failed = |error: std::io::Error| failure("the data key can't be encrypted").because(error);
    let encryptor = age::Encryptor::with_recipients(std::iter::once(recipient))
        .map_err(|error| failure("age does not take the recipient").because(error))?;
    let armour = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor).map_err(failed)?;
    let mut writer = encryptor.wrap_output(armour).map_err(failed)?;
    writer.write_all(&key[..]).map_err(failed)?;
    let bytes = writer.finish().and_then(ArmoredWriter::finish).map_err(failed)?;
    String::from_utf8(bytes).map_err(|error| failure("age's armour is no text").because(error))
}

/// The key, opened by the first identity that fits.
pub(super) fn unwrap(sealed: &str, identities: &[Identity]) -> Option<DataKey> {
    let decryptor = age::Decryptor::new_buffered(ArmoredReader::new(sealed.as_bytes())).ok()?;
    let identities = identities.iter().map(|identity| identity as &dyn age::Identity);
    let mut key = Zeroizing::new(Vec::new());
    decryptor.decrypt(identities).ok()?.take(64).read_to_end(&mut key).ok()?;
    <[u8; 32]>::try_from(key.as_slice()).ok().map(Zeroizing::new)
}
