//! Loads a whole configuration: the file, what stands outside of blocks, `events`, `http`.

use super::dynamic;
use super::settings::{EVENTS_DIRECTIVES, Events, MAIN_DIRECTIVES, Main};
use crate::configuration::{LoadRequest, Refusal};
use crate::paths::Paths;
use crate::source::FileSource;
use conf::{Error, Level, Source, Stamp, Tree};
use engine::derived_file::{DerivedFile, DerivedFiles};
use engine::error_log::ErrorLogs;
use engine::log_target::{LogFiles, LogTarget};
use engine::{Contexts, Directive, Line, Loading};
use http::Generation;
use http::config::registry::Registry;
use http::config::{finish, loader};
use http::core::error_log::OuterErrorLogs;
use http::core::files::Aio;
use http::core::receive::TempFolders;
use runtime::log::{Format, Level as LogLevel, LogOptions};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A configuration that can be run.
pub(super) struct Loaded {
    /// The text, for dumps and messages, without what was made of it.
    pub(super) tree: Tree,
    /// What stands outside of blocks.
    pub(super) main: Main,
    /// The `http` block, if there is one.
    pub(super) http: Option<Rc<Generation>>,
    /// Log files, not open yet.
    pub(super) log_files: LogFiles,
    /// Folders that must exist.
    pub(super) temp_folders: Vec<Rc<PathBuf>>,
    /// What was made of the configuration's files, to be kept for the next time.
    pub(super) derived_files: Vec<DerivedFile>,
    /// Warnings.
    pub(super) warnings: Vec<Error>,
}

/// Reads and checks everything. Opens and creates nothing.
///
/// # Errors
///
/// Every error that was found, not just the first.
pub(super) fn load(request: &LoadRequest<'_>, registry: &Rc<Registry>) -> Result<Loaded, Refusal> {
    let paths = request.paths;
    let (mut tree, mut errors) = conf::load_with_parameters(
        request.directives,
        &paths.file,
        &paths.prefix,
        &paths.file_prefix,
        request.source,
    );
    let source = Rc::new(OwnedSource(paths.clone()));
    let mut loading = Loading::new(&paths.prefix, &paths.file_prefix, source);
    *loading.shared() = Some(Rc::clone(request.zones));
    let mut main = Main::default();
    read_main(&tree, &mut main, &mut loading);
    default_error_log(request, &mut main, &mut loading);
    loading.shared::<OuterErrorLogs>().logs = (*main.error_log).clone();
    let http_block = tree
        .directives
        .iter()
        .find(|directive| directive.is("http"));
    let mut http = None;
    if let Some(block) = http_block {
        loader::read(block, &mut loading, registry);
        http = finish::finish(&mut loading, registry);
    }
    if let Some(generation) = &http {
        check_thread_pools(generation, &main, &mut loading);
    }
    errors.append(&mut loading.errors);
    conf::sort_errors(&mut errors);
    let needs_events = !errors.iter().any(Error::is_fatal);
    if needs_events && !main.has_events() {
        errors.push(Error::new(
            Level::Emerg,
            "no \"events\" section in configuration",
        ));
    }
    if errors.iter().any(Error::is_fatal) {
        return Err(Refusal { tree, errors });
    }
    // Nobody asks for them again, and those of a million lines are most of the program's memory.
    drop(mem::take(&mut tree.directives));
    sys::allocator::give_back();
    let log_files = loading.take_shared::<LogFiles>();
    let temp_folders = loading.take_shared::<TempFolders>().all;
    let derived_files = mem::take(&mut loading.shared::<DerivedFiles>().all);
    Ok(Loaded {
        derived_files,
        tree,
        main,
        http,
        log_files,
        temp_folders,
        warnings: errors,
    })
}

/// Without any `error_log` there is the one of the command line, for errors and worse.
fn default_error_log(request: &LoadRequest<'_>, main: &mut Main, loading: &mut Loading) {
    if main.error_log.is_set() {
        return;
    }
    let target = if request.paths.logs_to_stderr() {
        engine::log_target::stderr().map(LogTarget::Stderr)
    } else {
        let path = request.paths.error_log.clone();
        let handle = loading
            .shared::<LogFiles>()
            .handle(path, LogOptions::default());
        handle.map(LogTarget::File)
    };
    match target {
        Ok(target) => {
            let logs = ErrorLogs::default().with(target, LogLevel::Error, Format::Text);
            main.error_log.set(logs);
        }
        Err(refused) => loading
            .errors
            .push(Error::new(Level::Emerg, refused.message())),
    }
}

fn read_main(tree: &Tree, main: &mut Main, loading: &mut Loading) {
    let mut seen_http = false;
    for directive in &tree.directives {
        if directive.is("http") {
            if mem::replace(&mut seen_http, true) {
                loading
                    .errors
                    .push(Error::of(directive, "\"http\" directive is duplicate"));
            }
            if directive.block.is_none() {
                let message = "directive \"http\" has no opening \"{\"";
                loading.errors.push(Error::of(directive, message));
            }
            continue;
        }
        read_directive(directive, MAIN_DIRECTIVES, Contexts::MAIN, main, loading);
        if directive.is("events") {
            let mut events = Events::default();
            for inner in directive.block.iter().flatten() {
                read_directive(
                    inner,
                    EVENTS_DIRECTIVES,
                    Contexts::EVENTS,
                    &mut events,
                    loading,
                );
            }
            main.events.set(events);
        }
    }
}

/// Reads one directive through its table; what is wrong is collected.
fn read_directive<S>(
    directive: &conf::Directive,
    table: &[Directive<S>],
    context: Contexts,
    settings: &mut S,
    loading: &mut Loading,
) {
    let name = directive.name.display();
    let fail = |message: String| Error::of(directive, message);
    let Some(row) = table
        .iter()
        .find(|row| row.name.as_bytes() == directive.name.text)
    else {
        loading.errors.push(if dynamic::is_built_in(&name) {
            fail(format!("\"{name}\" directive is not allowed here"))
        } else {
            let known = MAIN_DIRECTIVES.iter().map(|row| row.name);
            let known = known
                .chain(EVENTS_DIRECTIVES.iter().map(|row| row.name))
                .chain(["http"]);
            Error::unknown_directive(directive, known)
        });
        return;
    };
    match (row.is_block, directive.block.is_some()) {
        (true, false) => {
            loading
                .errors
                .push(fail(format!("directive \"{name}\" has no opening \"{{\"")));
            return;
        }
        (false, true) => {
            loading.errors.push(fail(format!(
                "directive \"{name}\" is not terminated by \";\""
            )));
            return;
        }
        _ => {}
    }
    if !row.arity.admits(directive.args.len()) {
        let message = format!("invalid number of arguments in \"{name}\" directive");
        loading.errors.push(fail(message));
        return;
    }
    let nest = |_: &mut Loading, _: &conf::Directive, _: Contexts| 0;
    let mut line = Line {
        directive,
        context,
        level: 0,
        loading: &mut *loading,
        nest: &nest,
    };
    if let Err(refused) = row.apply(settings, &mut line) {
        loading
            .errors
            .push(refused.into_error(&directive.name.text, directive.end));
    }
}

/// `aio threads=name` needs a pool of that name; "default" needs no directive.
fn check_thread_pools(generation: &Generation, main: &Main, loading: &mut Loading) {
    for level in generation.levels() {
        let Aio::Threads(name) = &*level.files.aio else {
            continue;
        };
        let is_known = name == b"default" || main.thread_pools.iter().any(|p| p.name == *name);
        if !is_known {
            let message = format!("unknown thread pool \"{}\"", String::from_utf8_lossy(name));
            loading.errors.push(Error::new(Level::Emerg, message));
        }
    }
}

/// The files of this machine, for modules that read some while they load.
struct OwnedSource(Paths);

impl Source for OwnedSource {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        FileSource::new(&self.0).read(path)
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        FileSource::new(&self.0).stamp(path)
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        FileSource::new(&self.0).glob(pattern)
    }
}
