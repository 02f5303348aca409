//! `geoip` and `geoip2`.

mod legacy;
mod maxmind;
mod trie;
