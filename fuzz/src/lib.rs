//! Fuzz targets, one a parser; their corpora are replayed by the tests.
#![forbid(unsafe_code)]
