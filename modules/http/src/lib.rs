//! Every HTTP module, one room each.
#![forbid(unsafe_code)]

mod access;
mod access_log;
mod addition;
mod auth_basic;
mod auth_jwt;
mod auth_request;
mod auth_require;
mod autoindex;
mod browser;
mod charset;
mod dav;
mod empty_gif;
mod file_test;
mod file_work;
mod forwarded;
mod geo;
mod geoip;
mod geoip2;
mod headers;
mod headers_more;
mod health_check;
mod index;
mod internal_redirect;
mod keyval;
mod limit_conn;
mod limit_req;
mod limits;
mod listing;
mod map;
mod media_types;
mod mirror;
mod not_modified;
mod num_map;
mod open_files;
mod proxy;
mod proxy_protocol_vendor;
mod random_index;
mod range;
mod realip;
mod referer;
mod requirements;
mod rewrite;
mod secure_link;
mod split_clients;
mod ssi;
mod static_files;
mod status_page;
mod stub_status;
mod sub_filter;
mod symlinks;
mod table;
#[cfg(test)]
mod testing;
mod try_files;
mod tunnel;
mod upstream;
mod userid;

use http::Module;

/// What rooms do without a request: for fuzzers, which cut their input everywhere.
pub mod pure {
    pub use crate::charset::recode;
    pub use crate::geoip::database;
    pub use crate::geoip2::reader;
    pub use crate::ssi::{scanner, text};
    pub use crate::sub_filter::editor;
}

/// Every module. Within one phase, and within one stage of filters, this is the order in
/// which they run; everywhere else the order means nothing.
pub static MODULES: &[&Module] = &[
    // Groups are complete before anybody looks for one by its name.
    &upstream::MODULE,
    &upstream::HASH,
    &upstream::IP_HASH,
    &upstream::LEAST_CONN,
    &upstream::LEAST_TIME,
    &upstream::RANDOM,
    &upstream::QUEUE,
    &upstream::STATE,
    &upstream::STICKY,
    &upstream::KEEPALIVE,
    &upstream::NTLM,
    &upstream::EJECT,
    &upstream::RETRY_BUDGET,
    &upstream::ZONE,
    // Variables by directive: nothing of them runs on its own.
    &map::MODULE,
    &num_map::MODULE,
    &keyval::MODULE,
    &geo::MODULE,
    &geoip::MODULE,
    &geoip2::MODULE,
    &split_clients::MODULE,
    &referer::MODULE,
    &secure_link::MODULE,
    &browser::MODULE,
    &proxy_protocol_vendor::MODULE,
    // Who the client is, before anything is judged by it.
    &realip::MODULE,
    // How much of it there may be: rates first, since who waits for his turn is counted later.
    &limit_req::MODULE,
    &limit_conn::MODULE,
    // The URI, and with it the location, is settled before anything is judged by it.
    &rewrite::MODULE,
    // Access: the cheapest question first.
    &access::MODULE,
    &auth_basic::MODULE,
    &auth_jwt::MODULE,
    &auth_request::MODULE,
    // By what the others have found.
    &auth_require::MODULE,
    // Elsewhere before anything is done here.
    &internal_redirect::MODULE,
    // Before content: which of several files it is.
    &try_files::MODULE,
    // Of what was asked for, not of what is made of it.
    &mirror::MODULE,
    // Directives that make a location's content their own: whatever it is, they answer it.
    &stub_status::MODULE,
    &status_page::MODULE,
    &empty_gif::MODULE,
    &proxy::MODULE,
    &tunnel::MODULE,
    // Once it is known which groups locations ask.
    &health_check::MODULE,
    // Whoever maps a URI to something more special than a file comes first: of a folder a file
    // of it, and a list of them only when no file stands for it.
    &random_index::MODULE,
    &index::MODULE,
    &autoindex::MODULE,
    &dav::MODULE,
    // The last resort: a file of that name.
    &static_files::MODULE,
    // Filters, in the order of their stages.
    &not_modified::MODULE,
    // What is there is changed, then added to.
    &headers_more::MODULE,
    &headers::MODULE,
    &userid::MODULE,
    &sub_filter::MODULE,
    &charset::MODULE,
    &ssi::MODULE,
    &addition::MODULE,
    &range::MODULE,
    // After the response.
    &access_log::MODULE,
];
