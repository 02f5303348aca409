//! The parts between the dots: base64url and JSON.

use crate::limits::TOKEN_MAX;
use crate::refusal::Refusal;
use base::json::{self, Object, Value};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Decodes base64url without padding (RFC 7515, section 2). One text for one value: stray bits
/// at the end are refused.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The parts of a token of exactly `N`.
pub(crate) fn split<const N: usize>(token: &[u8]) -> Result<[&[u8]; N], Refusal> {
    if token.len() > TOKEN_MAX {
        return Err(Refusal::Malformed("token is too long"));
    }
    let mut parts = token.split(|byte| *byte == b'.');
    let mut found: [&[u8]; N] = [b""; N];
    for part in &mut found {
        *part = parts
            .next()
            .ok_or(Refusal::Malformed("token has too few parts"))?;
    }
    match parts.next() {
        None => Ok(found),
        Some(_) => Err(Refusal::Malformed("token has too many parts")),
    }
}

/// An object, as headers and claims are.
pub(crate) fn object(text: &[u8], wrong: &'static str) -> Result<Object, Refusal> {
    match json::parse(text) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(Refusal::Malformed(wrong)),
    }
}

/// The header of a token: a part that decodes to an object.
pub(crate) fn header(part: &[u8]) -> Result<Object, Refusal> {
    let text = decode(part).ok_or(Refusal::Malformed("token header is not base64url"))?;
    let header = object(&text, "token header is not a JSON object")?;
    // Whoever signs or encrypts may demand to be understood; we understand no extension.
    if header.contains_key("crit") || header.contains_key("zip") {
        return Err(Refusal::Extension);
    }
    Ok(header)
}

/// The text of member `name`.
pub(crate) fn text<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    object.get(name).and_then(Value::as_text)
}

/// The bytes of member `name`, which is base64url.
pub(crate) fn bytes(object: &Object, name: &str) -> Option<Vec<u8>> {
    decode(text(object, name)?.as_bytes())
}

/// The name of the key that a header gives.
///
/// # Errors
///
/// `kid` is no string.
pub(crate) fn key_id(header: &Object) -> Result<Option<&str>, Refusal> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::Text(id)) => Ok(Some(id)),
        Some(_) => Err(Refusal::Malformed("\"kid\" is not a string")),
    }
}
