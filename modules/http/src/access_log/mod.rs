//! Access logs: one line a request, in a format of the operator's choice.
//!
//! Runs in the log phase, after the response was sent. Formats are compiled when the
//! configuration loads; a line is rendered into one buffer that is used again and again, and
//! leaves with the other lines of the same turn of the loop.
//!
//! Source: nginx documentation, ngx_http_log_module. The format `json` is an addition: one JSON
//! object a line, without having to be defined.

mod format;
mod open_files;
mod settings;
#[cfg(test)]
mod tests;

use engine::slot::SettingsTable;
use http::{Error, Flow, Handler, Module, Phase, Request};
use settings::{Destination, FORMATS, Log, SETTINGS};
use std::cell::RefCell;
use std::rc::Rc;

/// Access logs.
pub(crate) static MODULE: Module = Module {
    name: "log",
    settings: &[&FORMATS, &SETTINGS],
    handlers: &[Handler::now(Phase::Log, is_enabled, write_lines)],
    finish: Some(settings::add_default),
    ..Module::EMPTY
};

thread_local! {
    /// The line being rendered.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn is_enabled(settings: &SettingsTable) -> bool {
    !SETTINGS.of(settings).logs.active().is_empty()
}

/// Writes a line to each log of the location.
fn write_lines(request: &mut Request) -> Result<Flow, Error> {
    let location = Rc::clone(&request.location);
    if request.is_subrequest && !*location.respond.log_subrequest {
        return Ok(Flow::Decline);
    }
    let settings = SETTINGS.of(&location.settings);
    // Taken out, since a variable may come to log a request of its own.
    let mut line = LINE.take();
    for log in settings.logs.active() {
        if is_wanted(log, request) {
            line.clear();
            log.format.render(request, &mut line);
            write_line(&log.destination, request, &line);
        }
    }
    LINE.replace(line);
    Ok(Flow::Decline)
}

/// Whether `if=` lets the request into the log: its value is neither empty nor `0`.
fn is_wanted(log: &Log, request: &Request) -> bool {
    log.condition.as_ref().is_none_or(|condition| {
        let value = condition.eval(request);
        !value.is_empty() && value != b"0"
    })
}

fn write_line(destination: &Destination, request: &Request, line: &[u8]) {
    match destination {
        Destination::Fixed(target, sink) => {
            // It stays empty while the file is not open, which is over before requests come.
            if let Some(sink) = sink.get().or_else(|| {
                let opened = target.sink()?;
                Some(sink.get_or_init(|| opened))
            }) {
                sink.write(None, line);
            }
        }
        Destination::Variable(path) => open_files::write(path, request, line),
    }
}
