//! Starts servers for tests and talks to them.
#![forbid(unsafe_code)]
