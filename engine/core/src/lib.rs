//! What the engines share: directives and their settings, inheritance between
//! levels, variables, templates and patterns.
//!
//! Nothing here knows HTTP, stream or mail; an engine brings its own levels,
//! its own session type and its own module list.
#![forbid(unsafe_code)]

pub mod access;
pub mod address;
pub mod conditions;
pub mod context;
pub mod derived_file;
pub mod directive;
pub mod error_log;
pub mod host_names;
pub mod keyval;
pub mod line;
pub mod log_target;
pub mod pattern;
pub mod peer;
pub mod resolver;
pub mod retry_budget;
pub mod setting;
pub mod slot;
pub mod template;
pub mod variable;
pub mod zones;

pub use conditions::Conditions;
pub use context::{Arity, Contexts};
pub use directive::Directive;
pub use line::{Line, Loading, Refused};
pub use pattern::Pattern;
pub use setting::Setting;
pub use slot::{Level, SettingsTable, Slot};
pub use template::Template;
pub use variable::VariableId;
