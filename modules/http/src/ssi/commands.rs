//! What the commands do.

use super::page::{Include, Page, Part};
use super::scanner::Command;
use super::text::{Expression, Problem, evaluate};
use super::{TIME_FORMAT, time_format};
use base::escape;
use http::subrequest::{Nested, subrequest};
use runtime::log::Level;

/// Most parameters of a command.
const PARAMS_MAX: usize = 16;

/// What is written in the place of a command that fails, until `config` says otherwise.
const ERROR_MESSAGE: &[u8] = b"[an error occurred while processing the directive]";

/// Where in its conditions and blocks a page is, and what its `config` commands said.
pub(super) struct Progress {
    /// Whether text is neither left out nor kept for later.
    shown: bool,
    /// Whether text is kept in a block.
    in_block: bool,
    condition: Condition,
    /// Whether a branch of the condition was true.
    is_chosen: bool,
    encoding: Encoding,
    error_message: Vec<u8>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            shown: true,
            in_block: false,
            condition: Condition::None,
            is_chosen: false,
            encoding: Encoding::Entity,
            error_message: ERROR_MESSAGE.to_vec(),
        }
    }
}

impl Progress {
    /// Whether text is sent.
    pub(super) fn is_shown(&self) -> bool {
        self.shown
    }

    /// Whether text is kept in a block.
    pub(super) fn is_in_block(&self) -> bool {
        self.in_block
    }
}

/// Which part of a condition a page is in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Condition {
    None,
    /// After `if` or `elif`.
    If,
    /// After `else`.
    Else,
}

/// How `echo` writes a value; stays until it is said again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    None,
    Url,
    Entity,
}

/// What is known of a command.
struct Known {
    name: &'static str,
    run: fn(&mut Page, &Params<'_>) -> Result<(), Problem>,
    /// Names of parameters; those that must be there come first.
    params: &'static [&'static str],
    /// How many must be there.
    mandatory: usize,
    /// The last part of a condition that it may follow; `None` for commands of no condition.
    after: Option<Condition>,
}

/// The values of a command's parameters, in the order of [`Known::params`].
struct Params<'c>([Option<&'c [u8]>; 5]);

impl<'c> Params<'c> {
    fn get(&self, index: usize) -> Option<&'c [u8]> {
        self.0.get(index).copied().flatten()
    }

    /// A value that must be there; empty otherwise.
    fn text(&self, index: usize) -> &'c [u8] {
        self.get(index).unwrap_or_default()
    }
}

const fn known(
    name: &'static str,
    run: fn(&mut Page, &Params<'_>) -> Result<(), Problem>,
    params: &'static [&'static str],
    mandatory: usize,
    after: Option<Condition>,
) -> Known {
    Known {
        name,
        run,
        params,
        mandatory,
        after,
    }
}

const COMMANDS: &[Known] = &[
    known(
        "include",
        include,
        &["virtual", "file", "wait", "set", "stub"],
        0,
        None,
    ),
    known("echo", echo, &["var", "default", "encoding"], 1, None),
    known("config", config, &["errmsg", "timefmt"], 0, None),
    known("set", set, &["var", "value"], 2, None),
    known("if", if_, &["expr"], 1, None),
    known("elif", elif, &["expr"], 1, Some(Condition::If)),
    known("else", else_, &[], 0, Some(Condition::If)),
    known("endif", endif, &[], 0, Some(Condition::Else)),
    known("block", block, &["name"], 1, None),
    known("endblock", endblock, &[], 0, None),
];

impl Page {
    /// Runs a command, or leaves it out where text is left out.
    pub(super) fn run(&mut self, command: &Command) {
        let name = command.name.as_slice();
        let found = COMMANDS.iter().find(|known| known.name.as_bytes() == name);
        let Some(known) = found else {
            if self.progress.shown {
                self.fail(&format!("invalid SSI command: \"{}\"", lossy(name)));
            }
            return;
        };
        if !self.progress.shown && known.name != "endblock" {
            if self.progress.in_block {
                self.memory.extend_block(&command.to_text());
                return;
            }
            if known.after.is_none() {
                return;
            }
        }
        let done = match self.check(known, command) {
            Ok(params) => (known.run)(self, &params),
            Err(problem) => Err(problem),
        };
        if let Err(problem) = done {
            self.fail(&problem);
        }
    }

    /// Logs a problem, if it was not already, and shows that there was one.
    pub(super) fn fail(&mut self, problem: &str) {
        if !problem.is_empty() {
            self.request.log(Level::Error, problem);
        }
        if !*self.settings.silent_errors {
            let message = self.progress.error_message.clone();
            self.add_text(&message);
        }
    }

    /// Checks a command's place and sorts its parameters.
    fn check<'c>(&self, known: &Known, command: &'c Command) -> Result<Params<'c>, Problem> {
        let name = known.name;
        if let Some(after) = known.after {
            let here = self.progress.condition;
            if here == Condition::None || here > after {
                return Err(format!("invalid context of SSI command: \"{name}\""));
            }
        }
        if command.params.len() > PARAMS_MAX {
            return Err(format!("too many SSI command parameters: \"{name}\""));
        }
        let mut params = Params([None; 5]);
        for (param, value) in &command.params {
            let shown = lossy(param);
            let index = known.params.iter().position(|p| p.as_bytes() == param);
            let Some(slot) = index.and_then(|index| params.0.get_mut(index)) else {
                return Err(format!(
                    "invalid parameter name: \"{shown}\" in \"{name}\" SSI command"
                ));
            };
            if slot.replace(value).is_some() {
                return Err(format!(
                    "duplicate \"{shown}\" parameter in \"{name}\" SSI command"
                ));
            }
        }
        let mandatory = known.params.iter().zip(&params.0).take(known.mandatory);
        if let Some((missing, _)) = mandatory.into_iter().find(|(_, value)| value.is_none()) {
            return Err(format!(
                "mandatory \"{missing}\" parameter is absent in \"{name}\" SSI command"
            ));
        }
        Ok(params)
    }

    /// Appends the value of a variable, of the pages or of the server.
    fn lookup(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        self.memory.write(name, out) || self.request.write_variable_named(name, out)
    }

    fn evaluate(&self, text: &[u8]) -> Result<Vec<u8>, Problem> {
        evaluate(text, |name, out| {
            self.lookup(name, out);
        })
    }

    /// The URI that `text` stands for: below the page's own unless it begins with a slash.
    fn uri(&self, text: &[u8]) -> Result<Vec<u8>, Problem> {
        let mut uri = self.evaluate(text)?;
        if !uri.starts_with(b"/") {
            let page = self.request.uri.as_slice();
            let len = page
                .iter()
                .rposition(|byte| *byte == b'/')
                .map_or(0, |at| at + 1);
            uri.splice(0..0, page.iter().take(len).copied());
        }
        Ok(uri)
    }

    /// Whether an expression is true.
    fn is_true(&self, text: &[u8]) -> Result<bool, Problem> {
        let Some(expression) = Expression::parse(text) else {
            return Err(format!("invalid expression in \"{}\"", lossy(text)));
        };
        let left = self.evaluate(&expression.left)?;
        let Some(right) = expression.right else {
            return Ok(!left.is_empty());
        };
        let text = self.evaluate(&right.text)?;
        let is_equal = match right.is_pattern {
            true => self.memory.matches(&text, &left)?,
            false => left == text,
        };
        Ok(is_equal != right.is_negative)
    }
}

fn include(page: &mut Page, params: &Params<'_>) -> Result<(), Problem> {
    let [virtual_, file, wait, set, stub] = params.0;
    let uri = match (virtual_, file) {
        (Some(uri), Some(file)) => {
            let (uri, file) = (lossy(uri), lossy(file));
            return Err(format!(
                "inclusion may be either virtual=\"{uri}\" or file=\"{file}\""
            ));
        }
        (None, None) => return Err("no parameter in \"include\" SSI command".into()),
        (uri, file) => uri.or(file).unwrap_or_default(),
    };
    if set.is_some() && stub.is_some() {
        return Err(
            "\"set\" and \"stub\" cannot be used together in \"include\" SSI command".into(),
        );
    }
    let waits = waits(wait, file)?;
    let uri = page.uri(uri)?;
    let Ok((path, args)) = http1::uri::split_unsafe(&uri) else {
        return Err(format!("unsafe URI \"{}\" was detected", lossy(&uri)));
    };
    let stub =
        match stub {
            None => None,
            Some(name) => Some(page.memory.block(name).ok_or_else(|| {
                format!("\"stub\"=\"{}\" for \"include\" not found", lossy(name))
            })?),
        };
    let args = args.unwrap_or_default().to_vec();
    // Why there can be none was logged.
    let request = subrequest(&page.request, path.into_owned(), args).map_err(|_| Problem::new())?;
    match set {
        None => page.add(Part::Include(Box::new(Include::new(request, stub))), waits),
        Some(name) => {
            page.memory.define(name);
            let value = Nested::new(request).into_memory();
            page.add(Part::Value(name.to_vec(), Box::pin(value)), true);
        }
    }
    Ok(())
}

/// Whether nothing is read behind an include until it was sent.
fn waits(wait: Option<&[u8]>, file: Option<&[u8]>) -> Result<bool, Problem> {
    let Some(wait) = wait else {
        return Ok(file.is_some());
    };
    if let Some(file) = file {
        let file = lossy(file);
        return Err(format!("\"wait\" cannot be used with file=\"{file}\""));
    }
    if wait.eq_ignore_ascii_case(b"yes") {
        Ok(true)
    } else if wait.eq_ignore_ascii_case(b"no") {
        Ok(false)
    } else {
        let wait = lossy(wait);
        Err(format!(
            "invalid value \"{wait}\" in the \"wait\" parameter"
        ))
    }
}

fn echo(page: &mut Page, params: &Params<'_>) -> Result<(), Problem> {
    let mut value = Vec::new();
    if !page.lookup(params.text(0), &mut value) {
        value.extend_from_slice(params.get(1).unwrap_or(b"(none)"));
    }
    if value.is_empty() {
        return Ok(());
    }
    match params.get(2) {
        None => {}
        Some(b"none") => page.progress.encoding = Encoding::None,
        Some(b"url") => page.progress.encoding = Encoding::Url,
        Some(b"entity") => page.progress.encoding = Encoding::Entity,
        Some(other) => {
            let shown = lossy(other);
            let message = format!("unknown encoding \"{shown}\" in the \"echo\" command");
            page.request.log(Level::Error, &message);
        }
    }
    let mut text = Vec::with_capacity(value.len());
    match page.progress.encoding {
        Encoding::None => text = value,
        Encoding::Url => escape::uri(escape::Uri::Html, &value, &mut text),
        Encoding::Entity => escape::html(&value, &mut text),
    }
    page.add_text(&text);
    Ok(())
}

fn config(page: &mut Page, params: &Params<'_>) -> Result<(), Problem> {
    if let Some(format) = params.get(1) {
        TIME_FORMAT.set(&mut page.request, time_format(format));
    }
    if let Some(message) = params.get(0) {
        page.progress.error_message = message.to_vec();
    }
    Ok(())
}

fn set(page: &mut Page, params: &Params<'_>) -> Result<(), Problem> {
    let value = page.evaluate(params.text(1))?;
    page.memory.set(params.text(0), value);
    Ok(())
}

fn if_(page: &mut Page, params: &Params<'_>) -> Result<(), Problem> {
    if page.progress.condition != Condition::None {
        return Err("the \"if\" command inside the \"if\" command".into());
    }
    elif(page, params)
}

fn elif(page: &mut Page, params: &Params<'_>) -> Result<(), Problem> {
    let is_true = !page.progress.is_chosen && page.is_true(params.text(0))?;
    page.progress.shown = is_true;
    page.progress.is_chosen |= is_true;
    page.progress.condition = Condition::If;
    Ok(())
}

fn else_(page: &mut Page, _: &Params<'_>) -> Result<(), Problem> {
    page.progress.shown = !page.progress.is_chosen;
    page.progress.condition = Condition::Else;
    Ok(())
}

fn endif(page: &mut Page, _: &Params<'_>) -> Result<(), Problem> {
    page.progress.shown = true;
    page.progress.is_chosen = false;
    page.progress.condition = Condition::None;
    Ok(())
}

fn block(page: &mut Page, params: &Params<'_>) -> Result<(), Problem> {
    page.memory.begin_block(params.text(0));
    page.progress.shown = false;
    page.progress.in_block = true;
    Ok(())
}

fn endblock(page: &mut Page, _: &Params<'_>) -> Result<(), Problem> {
    page.progress.shown = true;
    page.progress.in_block = false;
    Ok(())
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
