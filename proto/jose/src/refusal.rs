//! Why a token is refused.

use std::fmt;

/// Why a token is refused. All of it is the client's doing; what it is told is always the same,
/// so that nobody can find out piece by piece what would be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is no token: the sentence says what is wrong.
    Malformed(&'static str),
    /// It names an algorithm that we do not have, or that is none.
    Algorithm,
    /// It says that it can only be understood by those who know an extension (`crit`, `zip`).
    Extension,
    /// None of the keys is for its algorithm, or none has the name that it gives.
    NoKey,
    /// No key verifies its signature.
    Signature,
    /// No key decrypts it.
    Decryption,
    /// `exp` is over.
    Expired,
    /// `nbf` has not come.
    TooEarly,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(what) => what,
            Self::Algorithm => "unsupported algorithm",
            Self::Extension => "unsupported extension",
            Self::NoKey => "no appropriate key was found",
            Self::Signature => "signature verification failed",
            Self::Decryption => "decryption failed",
            Self::Expired => "token has expired",
            Self::TooEarly => "token is not valid yet",
        })
    }
}

impl std::error::Error for Refusal {}
