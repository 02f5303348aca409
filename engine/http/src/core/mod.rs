//! The directives and variables without which there is no HTTP server (nginx's http core
//! module), one room a concern.

pub mod client;
pub mod early_hints;
pub mod error_log;
pub mod files;
pub mod names;
pub mod post_action;
pub mod receive;
pub mod redirects;
pub mod resolver;
pub mod respond;
pub mod structure;
pub mod transfer;
pub mod variables;

use crate::module::Module;

/// The engine's own rooms.
pub static MODULES: &[&Module] = &[
    &structure::MODULE,
    &names::MODULE,
    &client::MODULE,
    &early_hints::MODULE,
    &files::MODULE,
    &post_action::MODULE,
    &receive::MODULE,
    &resolver::MODULE,
    &transfer::MODULE,
    &respond::MODULE,
    &redirects::MODULE,
    &error_log::MODULE,
    &variables::MODULE,
    &crate::gateway::MODULE,
];
