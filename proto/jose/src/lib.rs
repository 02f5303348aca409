//! Tokens of JSON (JWT, RFC 7519): signed (JWS, RFC 7515), encrypted (JWE, RFC 7516), and the
//! keys for them (JWK, RFC 7517).
//!
//! A token is read in two steps: what it says of itself is there at once, what it claims is to
//! be believed once [`Jws::verify`] or [`Jwe::decrypt`] has said so. Which algorithms there are
//! is decided by a key's type together with the header, never by the header alone: a public key
//! cannot be taken for a shared secret, and `none` is no algorithm.
#![forbid(unsafe_code)]

mod algorithm;
pub mod claims;
mod jwe;
mod jws;
mod key;
pub mod limits;
mod parts;
mod refusal;

pub use claims::Claims;
pub use jwe::Jwe;
pub use jws::Jws;
pub use key::{InvalidKeys, Keys, Skipped};
pub use refusal::Refusal;
