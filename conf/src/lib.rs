//! nginx.conf text to a tree that keeps file, line and column of every token.
#![forbid(unsafe_code)]
