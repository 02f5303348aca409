//! Questions to DNS servers and their answers, as machines without I/O or clock.
//!
//! A [`Query`] writes itself and judges what comes back: only what answers this very question
//! under its id is an [`Answer`]. Of an answer, [`Answer::chain`] follows the aliases from the
//! name that was asked for, so that records of other names are never taken.
//!
//! No EDNS is asked for: what does not fit 512 bytes comes truncated and is asked for again over
//! TCP, which a forger cannot answer blindly.
//!
//! Source: RFC 1034, RFC 1035, RFC 2782 (SRV), RFC 3596 (AAAA), RFC 5452 (forged answers).
#![forbid(unsafe_code)]

mod answer;
pub mod limits;
mod name;
mod query;
mod reader;

pub use answer::{Answer, Chain, Data, Endless, Record};
pub use name::{InvalidName, Name};
pub use query::{Kind, Query, Rejected};
