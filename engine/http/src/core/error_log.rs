//! `error_log` of servers and locations, and what `error_log_tag` adds to its lines.

use crate::module::Module;
use engine::directive::custom;
use engine::error_log::ErrorLogs;
use engine::{Arity, Contexts, Directive, Setting, Slot, Template, inherit_fields};

/// The error logs of a location.
#[derive(Clone, Default)]
pub struct ErrorLog {
    /// The logs.
    pub logs: Setting<ErrorLogs>,
    /// Names and values that are added to what identifies a request.
    pub tags: Setting<Vec<(String, Template)>>,
}

inherit_fields!(ErrorLog { logs, tags });

const DIRECTIVES: &[Directive<ErrorLog>] = &[
    custom(
        "error_log",
        Contexts::ALL,
        Arity { min: 1, max: 3 },
        |settings, line| {
            let logs = engine::error_log::read(&settings.logs, line)?;
            settings.logs.set(logs);
            Ok(())
        },
    ),
    custom(
        "error_log_tag",
        Contexts::ALL,
        Arity::between(2, 2),
        |settings, line| {
            let name = String::from_utf8_lossy(line.arg(0)).into_owned();
            let value = line.template(1)?;
            settings.tags.edit().push((name, value));
            Ok(())
        },
    ),
];

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
