//! What a MaxMind database (`.mmdb`) says of an address, as text.

use maxminddb::PathElement;
use serde::de::{Deserialize, Deserializer, IgnoredAny, Visitor};
use std::fmt;
use std::net::IpAddr;

/// Longest value that is made a variable's, in bytes.
pub const VALUE_MAX: usize = 64 << 10;

/// A database in memory.
#[derive(Debug)]
pub struct Reader {
    database: maxminddb::Reader<Vec<u8>>,
}

impl Reader {
    /// Takes a file's bytes for a database. Its data is looked at when it is asked for.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        let database = maxminddb::Reader::from_source(bytes);
        let database = database.map_err(|error| error.to_string())?;
        Ok(Self { database })
    }

    /// When the database was built, in seconds since 1970.
    pub fn build_epoch(&self) -> u64 {
        self.database.metadata().build_epoch
    }

    /// Appends the value that `path` leads to, in what is known of `address`, to `out`; `false`
    /// when there is none, or one that has no text, such as a map.
    pub fn write(&self, address: IpAddr, path: &[String], out: &mut Vec<u8>) -> bool {
        let Ok(found) = self.database.lookup(address.to_canonical()) else {
            return false;
        };
        let mut elements = Vec::with_capacity(path.len());
        for word in path {
            elements.push(PathElement::Key(word));
            // A number may be the key of a map, and a place in an array.
            if let Ok(index) = word.parse::<i64>()
                && found.decode_path::<IgnoredAny>(&elements).is_err()
            {
                elements.pop();
                elements.push(place(index));
            }
        }
        match found.decode_path::<Text<'_>>(&elements) {
            Ok(Some(text)) => text.write(out),
            Ok(None) | Err(_) => false,
        }
    }
}

/// A place in an array; below zero, from its end.
fn place(index: i64) -> PathElement<'static> {
    let distance = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
    if index < 0 {
        PathElement::IndexFromEnd(distance - 1)
    } else {
        PathElement::Index(distance)
    }
}

/// A value that can be written as text.
enum Text<'d> {
    Borrowed(&'d [u8]),
    Written(String),
}

impl Text<'_> {
    fn write(&self, out: &mut Vec<u8>) -> bool {
        let text = match self {
            Self::Borrowed(text) => text,
            Self::Written(text) => text.as_bytes(),
        };
        if text.len() > VALUE_MAX {
            return false;
        }
        out.extend_from_slice(text);
        true
    }
}

impl<'d> Deserialize<'d> for Text<'d> {
    fn deserialize<D: Deserializer<'d>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AsText)
    }
}

/// Writes values as the module for nginx does.
struct AsText;

impl<'d> Visitor<'d> for AsText {
    type Value = Text<'d>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that is no map and no array")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Text<'d>, E> {
        Ok(Text::Written(u8::from(value).to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Text<'d>, E> {
        Ok(Text::Written(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Text<'d>, E> {
        Ok(Text::Written(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Text<'d>, E> {
        Ok(Text::Written(format!("{value:#034x}")))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Text<'d>, E> {
        Ok(Text::Written(format!("{value:.5}")))
    }

    fn visit_borrowed_str<E>(self, value: &'d str) -> Result<Text<'d>, E> {
        Ok(Text::Borrowed(value.as_bytes()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Text<'d>, E> {
        Ok(Text::Written(value.to_owned()))
    }

    fn visit_borrowed_bytes<E>(self, value: &'d [u8]) -> Result<Text<'d>, E> {
        Ok(Text::Borrowed(value))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A string of less than 29 bytes, as the format writes it.
    fn string(text: &str) -> Vec<u8> {
        let len = u8::try_from(text.len()).unwrap();
        assert!(len < 29);
        [&[0x40 | len], text.as_bytes()].concat()
    }

    /// A map of less than 29 pairs.
    fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut out = vec![0xe0 | u8::try_from(pairs.len()).unwrap()];
        for (key, value) in pairs {
            out.extend(string(key));
            out.extend(value);
        }
        out
    }

    /// A database of addresses with 32 bits, whose lower half is `data`; of the upper one
    /// nothing is known.
    pub(in crate::geoip2) fn database(data: &[u8]) -> Vec<u8> {
        let metadata = map(&[
            ("binary_format_major_version", vec![0xa1, 2]),
            ("binary_format_minor_version", vec![0xa0]),
            ("build_epoch", vec![0x04, 0x02, 0x65, 0x00, 0x00, 0x01]),
            ("database_type", string("Test")),
            ("description", map(&[("en", string("Test"))])),
            ("ip_version", vec![0xa1, 4]),
            ("languages", vec![0x00, 0x04]),
            ("node_count", vec![0xc1, 1]),
            ("record_size", vec![0xa1, 24]),
        ]);
        // One node: the data begins 16 bytes behind it.
        let tree = [0, 0, 17, 0, 0, 1];
        let marker = b"\xab\xcd\xefMaxMind.com";
        [&tree[..], &[0; 16], data, marker, &metadata].concat()
    }

    pub(in crate::geoip2) fn places() -> Vec<u8> {
        map(&[
            ("country", map(&[("iso_code", string("GB"))])),
            (
                "list",
                [vec![0x02, 0x04], string("a"), string("b")].concat(),
            ),
            ("numbers", map(&[("0", string("key"))])),
            ("yes", vec![0x01, 0x07]),
            ("port", vec![0xa2, 0x1f, 0x90]),
            ("depth", vec![0x04, 0x01, 0xff, 0xff, 0xff, 0xfe]),
            ("height", [&[0x68][..], &1.5_f64.to_be_bytes()].concat()),
            ("big", vec![0x02, 0x03, 0x12, 0x34]),
            ("raw", vec![0x82, 0xff, 0x00]),
        ])
    }

    fn value(reader: &Reader, path: &[&str]) -> Option<Vec<u8>> {
        let path: Vec<String> = path.iter().map(|word| (*word).to_owned()).collect();
        let mut out = Vec::new();
        let address = "10.0.0.1".parse().unwrap();
        reader.write(address, &path, &mut out).then_some(out)
    }

    #[test]
    fn values_are_text() {
        let reader = Reader::parse(database(&places())).unwrap();
        assert_eq!(reader.build_epoch(), 0x6500_0001);
        let check = |path: &[&str], expected: &[u8]| {
            assert_eq!(value(&reader, path).as_deref(), Some(expected), "{path:?}");
        };
        check(&["country", "iso_code"], b"GB");
        check(&["list", "0"], b"a");
        check(&["list", "-1"], b"b");
        check(&["numbers", "0"], b"key");
        check(&["yes"], b"1");
        check(&["port"], b"8080");
        check(&["depth"], b"-2");
        check(&["height"], b"1.50000");
        check(&["big"], b"0x00000000000000000000000000001234");
        check(&["raw"], b"\xff\x00");
    }

    #[test]
    fn what_is_not_there_has_no_value() {
        let reader = Reader::parse(database(&places())).unwrap();
        for path in [
            &["country"][..],
            &[],
            &["list"],
            &["list", "2"],
            &["list", "-3"],
            &["list", "x"],
            &["country", "iso_code", "more"],
            &["nothing"],
        ] {
            assert_eq!(value(&reader, path), None, "{path:?}");
        }
        let mut out = Vec::new();
        for address in ["200.0.0.1", "2001:db8::1"] {
            assert!(!reader.write(address.parse().unwrap(), &["yes".into()], &mut out));
        }
        assert!(out.is_empty());
    }

    #[test]
    fn a_file_that_ends_early_is_refused() {
        let whole = database(&places());
        for len in 0..whole.len() {
            assert!(Reader::parse(whole[..len].to_vec()).is_err(), "{len}");
        }
    }
}
