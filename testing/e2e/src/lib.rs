//! End-to-end tests, one file a room, under `tests/`.
#![forbid(unsafe_code)]
