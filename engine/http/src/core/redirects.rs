//! Locations that stand for something behind them, such as a gateway: a URI that lacks only
//! their last slash is redirected there (nginx: `auto_redirect`).

use crate::module::Module;
use engine::{Loading, Setting, Slot, inherit_fields};

/// Whether a location adds a missing slash.
#[derive(Clone, Default)]
pub struct AutoRedirect {
    /// Set by modules whose directive makes a location so.
    pub adds_slash: Setting<bool>,
}

inherit_fields!(AutoRedirect {} own: { adds_slash });

/// Per location.
pub static AUTO: Slot<AutoRedirect> = Slot::location(&[]);

/// Redirects.
pub static MODULE: Module = Module {
    name: "core_redirects",
    settings: &[&AUTO],
    ..Module::EMPTY
};

/// Makes the location at `level` add a missing slash.
pub fn add_slash(loading: &mut Loading, level: u32) {
    let arena = crate::config::arena::arena(loading);
    let is_prefix = arena.levels[level as usize].name.text().ends_with(b"/");
    if let Some(auto) = AUTO.edit(&mut arena.levels[level as usize].location) {
        auto.adds_slash.set(is_prefix);
    }
}
