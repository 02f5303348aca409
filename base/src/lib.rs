//! Byte strings, units, dates and tables: what every layer may use. No I/O, no clock.
#![forbid(unsafe_code)]
pub mod escape;
pub mod units;
