//! MaxMind databases, as `geoip2` asks them.

use crate::geoip::addresses;
use http_modules::pure::reader::{Reader, VALUE_MAX};

/// Paths into the data: keys of maps, places in arrays, and what is neither.
const PATHS: &[&[&str]] = &[
    &[],
    &["a"],
    &["country", "iso_code"],
    &["country", "names", "en"],
    &["list", "0"],
    &["list", "-1", "name"],
    &["0"],
    &["-9223372036854775808"],
    &["value"],
];

/// Takes the input for a database and asks it about addresses.
///
/// # Panics
///
/// When a value is longer than its limit, or something is written without there being one.
pub fn maxmind(data: &[u8]) {
    let Ok(reader) = Reader::parse(data.to_vec()) else {
        return;
    };
    let _ = reader.build_epoch();
    for path in PATHS {
        let path: Vec<String> = path.iter().map(|word| (*word).to_owned()).collect();
        for address in addresses(data) {
            let mut out = Vec::new();
            let is_found = reader.write(address, &path, &mut out);
            assert!(is_found || out.is_empty());
            assert!(out.len() <= VALUE_MAX);
        }
    }
}
