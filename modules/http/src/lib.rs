//! Every HTTP module, one room each.
#![forbid(unsafe_code)]

mod access_log;
mod file_test;
mod headers;
mod not_modified;
mod open_files;
mod range;
mod rewrite;
mod static_files;
mod symlinks;
#[cfg(test)]
mod testing;
mod try_files;

use http::Module;

/// Every module. Within one phase, and within one stage of filters, this is the order in
/// which they run; everywhere else the order means nothing.
pub static MODULES: &[&Module] = &[
    // The URI, and with it the location, is settled before anything is judged by it.
    &rewrite::MODULE,
    // Before content: which of several files it is.
    &try_files::MODULE,
    // Whoever maps a URI to something more special than a file comes first.
    // The last resort: a file of that name.
    &static_files::MODULE,
    // Filters, in the order of their stages.
    &not_modified::MODULE,
    &headers::MODULE,
    &range::MODULE,
    // After the response.
    &access_log::MODULE,
];
