//! Every limit of the configuration language, by name.

/// Longest parameter, comment or run of either that nginx's read buffer can hold, in bytes.
///
/// Source: `NGX_CONF_BUFFER`, nginx 1.31.5.
pub const MAX_PARAMETER_BYTES: usize = 4096;

/// Deepest nesting of blocks, counted across includes. nginx has no limit but its stack.
pub const MAX_BLOCK_DEPTH: usize = 100;

/// Deepest chain of files that include one another. nginx stops at its descriptor limit.
pub const MAX_INCLUDE_DEPTH: usize = 64;

/// Most files that one configuration may read, an included file counting each time.
pub const MAX_INCLUDES: usize = 100_000;

/// Most bytes that one configuration may hold, an included file counting each time.
pub const MAX_TOTAL_BYTES: usize = 1 << 30;

/// Most errors collected; further ones would be consequences of these.
pub const MAX_ERRORS: usize = 20;

/// Longest message of an error, in bytes; nginx cuts longer ones too.
///
/// Source: `NGX_MAX_CONF_ERRSTR`, nginx 1.31.5.
pub const MAX_MESSAGE_BYTES: usize = 1024;

/// Longest name for which the nearest known one is looked up, in bytes.
pub const MAX_NEAREST_BYTES: usize = 64;
