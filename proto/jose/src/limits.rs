//! The bounds of tokens and keys.

/// Longest token in bytes. Longer ones are malformed: no buffer for a request's head takes them
/// by default.
pub const TOKEN_MAX: usize = 64 * 1024;

/// Longest text of keys in bytes. A longer one is refused.
pub const KEYS_TEXT_MAX: usize = 1024 * 1024;

/// Most keys of one text. One with more is refused.
pub const KEYS_MAX: usize = 1024;

/// How many keys are tried on one token that does not name its key. Each costs a signature's
/// check, which whoever sends tokens must not be able to multiply.
pub const TRIES_MAX: usize = 32;
