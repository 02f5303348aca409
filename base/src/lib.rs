//! Byte strings, units, dates and tables: what every layer may use. No I/O, no clock.
#![forbid(unsafe_code)]

pub mod bytes;
pub mod cidr;
pub mod crc32;
pub mod date;
pub mod escape;
pub mod hash;
pub mod json;
pub mod place;
pub mod prefix_tree;
pub mod range_table;
pub mod units;
pub mod words;
