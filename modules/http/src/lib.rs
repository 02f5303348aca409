//! Every HTTP module, one room each.
#![forbid(unsafe_code)]
