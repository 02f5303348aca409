//! Domain names.

use crate::limits::{LABEL_MAX, NAME_MAX};
use std::fmt;

/// A domain name in lower case, so that names that mean the same are equal.
///
/// Kept as on the wire, without compression: labels with their lengths, then a zero byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<[u8]>);

/// A text that is no domain name: empty, with an empty label, or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidName;

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid domain name")
    }
}

impl std::error::Error for InvalidName {}

impl Name {
    /// Reads `example.net`, with or without the dot at its end.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] for a name that cannot be asked for. There is no escaping: a backslash
    /// stands for itself.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidName> {
        let text = text.strip_suffix(b".").unwrap_or(text);
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in text.split(|&byte| byte == b'.') {
            let len = u8::try_from(label.len()).map_err(|_| InvalidName)?;
            if label.is_empty() || label.len() > LABEL_MAX {
                return Err(InvalidName);
            }
            wire.push(len);
            wire.extend(label.iter().map(u8::to_ascii_lowercase));
        }
        wire.push(0);
        if wire.len() > NAME_MAX {
            return Err(InvalidName);
        }
        Ok(Self(wire.into()))
    }

    /// A name from its wire form in lower case, which the caller has checked.
    pub(crate) fn from_wire(wire: &[u8]) -> Self {
        Self(wire.into())
    }

    /// The name as it is sent.
    #[must_use]
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is the root: what an SRV record without a service names (RFC 2782).
    #[must_use]
    pub fn is_root(&self) -> bool {
        *self.0 == [0]
    }

    /// The labels, the root's left out.
    fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest: &[u8] = &self.0;
        std::iter::from_fn(move || {
            let (&len, tail) = rest.split_first()?;
            let (label, tail) = tail.split_at_checked(usize::from(len))?;
            rest = tail;
            (len > 0).then_some(label)
        })
    }
}

/// With dots between labels and none at the end. What could be mistaken for a dot, or does
/// not print, is written as `\DDD`.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for (index, label) in self.labels().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            for &byte in label {
                match byte {
                    b'.' | b'\\' | 0..=b' ' | 0x7f.. => write!(f, "\\{byte:03}")?,
                    _ => write!(f, "{}", char::from(byte))?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let name = Name::parse(b"WWW.example.net").unwrap();
        assert_eq!(name.as_wire(), b"\x03www\x07example\x03net\0");
        assert_eq!(name, Name::parse(b"www.example.net.").unwrap());
        assert_eq!(name.to_string(), "www.example.net");
        for bad in ["", ".", "a..b", ".a", &"a".repeat(64)] {
            assert_eq!(Name::parse(bad.as_bytes()), Err(InvalidName), "{bad}");
        }
    }

    #[test]
    fn the_longest_name() {
        let long = |last: usize| {
            let label = "a".repeat(63);
            format!("{label}.{label}.{label}.{}", "b".repeat(last))
        };
        assert!(Name::parse(long(61).as_bytes()).is_ok());
        assert_eq!(Name::parse(long(62).as_bytes()), Err(InvalidName));
    }

    #[test]
    fn what_does_not_print_is_escaped() {
        let name = Name::from_wire(b"\x03a.b\x02\\\x00\0");
        assert_eq!(name.to_string(), "a\\046b.\\092\\000");
        assert_eq!(Name::from_wire(b"\0").to_string(), ".");
    }
}
