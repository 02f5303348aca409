//! The state file: pairs as JSON.
//!
//! A pair without an end is `"key": "value"`, one with an end
//! `"key": {"value": "value", "until": TIME}`, in milliseconds of Unix time.

use super::Pair;
use base::json::{self, Value};
use runtime::Millis;
use std::io::Write;

/// The file for `pairs` at `wall`, milliseconds of Unix time.
pub(super) fn encode(pairs: &[Pair], wall: Millis) -> Vec<u8> {
    let mut out = b"{".to_vec();
    for (index, pair) in pairs.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"\n\"" } else { b",\n\"" });
        base::escape::json(&pair.key, &mut out);
        out.extend_from_slice(b"\": ");
        if pair.left.is_some() {
            out.extend_from_slice(b"{\"value\": ");
        }
        out.push(b'"');
        base::escape::json(&pair.value, &mut out);
        out.push(b'"');
        if let Some(left) = pair.left {
            // Writing to memory does not fail.
            let _ = write!(out, ", \"until\": {}}}", wall.saturating_add(left));
        }
    }
    out.extend_from_slice(b"\n}\n");
    out
}

/// The pairs in a file, less those whose time is over at `wall`.
///
/// # Errors
///
/// It is not JSON, or is JSON of something else.
pub(super) fn decode(text: &[u8], wall: Millis) -> Result<Vec<Pair>, String> {
    let value = json::parse(text).map_err(|error| error.to_string())?;
    let members = value.as_object().ok_or("not an object")?;
    let mut pairs = Vec::with_capacity(members.len());
    for (key, value) in members {
        let (value, until) = match value {
            Value::Text(value) => (value, None),
            Value::Object(parts) => {
                let until = match parts.get("until") {
                    Some(Value::Integer(until)) => u64::try_from(*until).ok(),
                    _ => None,
                };
                match (parts.get("value"), until) {
                    (Some(Value::Text(value)), Some(until)) => (value, Some(until)),
                    _ => return Err(format!("invalid value of \"{key}\"")),
                }
            }
            _ => return Err(format!("invalid value of \"{key}\"")),
        };
        if until.is_none_or(|until| wall < until) {
            pairs.push(Pair {
                key: key.clone().into_bytes(),
                value: value.clone().into_bytes(),
                left: until.map(|until| until - wall),
            });
        }
    }
    Ok(pairs)
}
