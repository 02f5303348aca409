//! A request's life, without any optional feature.
#![forbid(unsafe_code)]
