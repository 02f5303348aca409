//! HTTP/1 as machines without I/O: request heads, chunked bodies, response heads.
#![forbid(unsafe_code)]
