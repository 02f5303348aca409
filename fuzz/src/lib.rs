//! Fuzz targets, one a parser; their corpora are replayed by the tests.
//!
//! A target takes any bytes and asserts what must hold for all of them: no panic, the same
//! answer however the input is cut, output that is what its documentation promises. See
//! README.md for how to run them.
#![forbid(unsafe_code)]

mod boxed;
mod charset;
mod chunked;
mod config;
mod dns;
mod escaping;
mod exchange;
mod geo_base;
mod geoip;
mod grammar;
mod jwt;
mod maxmind;
pub mod mutate;
mod pieces;
mod proxy;
mod ranges_and_dates;
mod request;
mod response;
mod rules;
mod ssi;
mod sub_filter;
mod uri;
mod wire;

pub use charset::charset;
pub use chunked::chunked;
pub use config::config;
pub use dns::dns;
pub use escaping::escaping;
pub use exchange::exchange;
pub use geo_base::geo_base;
pub use geoip::geoip;
pub use jwt::jwt;
pub use maxmind::maxmind;
pub use proxy::proxy_protocol;
pub use ranges_and_dates::ranges_and_dates;
pub use request::http1_request;
pub use response::http1_response;
pub use rules::rules;
pub use ssi::ssi;
pub use sub_filter::sub_filter;
pub use uri::uri;

/// A target and the name of its corpus.
pub struct Target {
    /// Folder under `corpus/`, file under `fuzz_targets/`.
    pub name: &'static str,
    /// Takes any bytes; panics when something does not hold.
    pub run: fn(&[u8]),
}

/// Every target.
pub static TARGETS: &[Target] = &[
    Target {
        name: "charset",
        run: charset,
    },
    Target {
        name: "chunked",
        run: chunked,
    },
    Target {
        name: "config",
        run: config,
    },
    Target {
        name: "dns",
        run: dns,
    },
    Target {
        name: "escaping",
        run: escaping,
    },
    Target {
        name: "exchange",
        run: exchange,
    },
    Target {
        name: "geo_base",
        run: geo_base,
    },
    Target {
        name: "geoip",
        run: geoip,
    },
    Target {
        name: "http1_request",
        run: http1_request,
    },
    Target {
        name: "http1_response",
        run: http1_response,
    },
    Target {
        name: "maxmind",
        run: maxmind,
    },
    Target {
        name: "jwt",
        run: jwt,
    },
    Target {
        name: "proxy_protocol",
        run: proxy_protocol,
    },
    Target {
        name: "ranges_and_dates",
        run: ranges_and_dates,
    },
    Target {
        name: "rules",
        run: rules,
    },
    Target {
        name: "ssi",
        run: ssi,
    },
    Target {
        name: "sub_filter",
        run: sub_filter,
    },
    Target {
        name: "uri",
        run: uri,
    },
];
