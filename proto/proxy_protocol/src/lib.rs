//! The PROXY protocol, versions 1 and 2, as a machine without I/O.
#![forbid(unsafe_code)]
