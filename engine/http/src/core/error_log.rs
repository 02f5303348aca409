//! `error_log` of servers and locations.

use crate::module::Module;
use engine::directive::custom;
use engine::error_log::ErrorLogs;
use engine::{Arity, Contexts, Directive, Setting, Slot, inherit_fields};

/// The error logs of a location.
#[derive(Clone, Default)]
pub struct ErrorLog {
    /// The logs.
    pub logs: Setting<ErrorLogs>,
}

inherit_fields!(ErrorLog { logs });

const DIRECTIVES: &[Directive<ErrorLog>] = &[custom(
    "error_log",
    Contexts::ALL,
    Arity { min: 1, max: 3 },
    |settings, line| {
        let logs = engine::error_log::read(&settings.logs, line)?;
        settings.logs.set(logs);
        Ok(())
    },
)];

/// Error logs.
pub static ERROR_LOG: Slot<ErrorLog> = Slot::location(DIRECTIVES);

/// What the configuration says outside of `http`, which `http` inherits.
#[derive(Default)]
pub struct OuterErrorLogs {
    /// The logs.
    pub logs: ErrorLogs,
}

/// Error logs.
pub static MODULE: Module = Module {
    name: "core_error_log",
    settings: &[&ERROR_LOG],
    finish: Some(|finishing| {
        let outer = finishing.loading.shared::<OuterErrorLogs>().logs.clone();
        finishing.each(&ERROR_LOG, |settings, _, _| {
            if !settings.logs.is_set() {
                settings.logs.set(outer.clone());
            }
        });
        Ok(())
    }),
    ..Module::EMPTY
};
