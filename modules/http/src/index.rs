//! `index`: answers a folder's URI with the first of its index files that is there.
//!
//! Runs in the content phase before `autoindex`. What was found is asked for by an internal
//! redirection, so that the location of the file's own URI serves it.

use crate::file_test;
use engine::directive::custom;
use engine::{Arity, Contexts, Directive, Line, Refused, Setting, Slot, Template, inherit_fields};
use http::core::files;
use http::error::os_error;
use http::{Error, Flow, Handler, Module, Phase, Request};
use http1::Method;
use runtime::log::Level;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The names that a location looks for.
#[derive(Clone)]
struct Settings {
    names: Setting<Vec<Template>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            names: Setting::new(vec![Template::constant(b"index.html")]),
        }
    }
}

inherit_fields!(Settings { names });

const DIRECTIVES: &[Directive<Settings>] =
    &[custom("index", Contexts::ALL, Arity::SOME, read_index)];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

pub(crate) static MODULE: Module = Module {
    name: "index",
    settings: &[&SETTINGS],
    handlers: &[Handler::now(Phase::Content, http::module::always, find)],
    ..Module::EMPTY
};

/// Redirects a folder's URI to its index file; leaves a folder without one to others.
fn find(request: &mut Request) -> Result<Flow, Error> {
    let may = matches!(request.method, Method::Get | Method::Head | Method::Post);
    if !may || !request.uri.ends_with(b"/") {
        return Ok(Flow::Decline);
    }
    let location = Rc::clone(&request.location);
    let mut folder = None;
    for name in &*SETTINGS.of(&location.settings).names {
        let text = name.eval(request);
        if text.starts_with(b"/") {
            return Ok(redirect(request, text));
        }
        if name.as_constant().is_none() && climbs(&text) {
            let shown = String::from_utf8_lossy(&text).into_owned();
            request.log(
                Level::Error,
                &format!("index \"{shown}\" leads out of its folder"),
            );
            return Ok(Flow::Status(404));
        }
        let is_first = folder.is_none();
        let folder = match &folder {
            Some(folder) => folder,
            None => folder.insert(files::path_of(request, &request.uri)?),
        };
        let path = append(folder, &text);
        let Err(error) = file_test::stat(request, &path) else {
            let uri = [&*request.uri, &*text].concat();
            return Ok(redirect(request, uri));
        };
        if let Some(flow) = missing(request, &path, &error, is_first.then_some(folder)) {
            return Ok(flow);
        }
    }
    Ok(Flow::Decline)
}

fn redirect(request: &Request, uri: Vec<u8>) -> Flow {
    Flow::Redirect {
        uri,
        args: request.args.clone(),
    }
}

/// Whether a name that was made of a request's values leads out of the folder. The URI that a
/// request is redirected to is taken as normalised, so nobody else would notice.
fn climbs(name: &[u8]) -> bool {
    name.split(|byte| *byte == b'/')
        .any(|segment| segment == b"..")
}

fn append(folder: &Path, name: &[u8]) -> PathBuf {
    let mut path = folder.as_os_str().to_owned();
    path.push(OsStr::from_bytes(name));
    path.into()
}

/// What follows from an index that cannot be looked at; nothing when only the file is missing.
/// The first time, when `folder` is given, the folder itself may be what is missing.
fn missing(
    request: &Request,
    path: &Path,
    error: &io::Error,
    folder: Option<&PathBuf>,
) -> Option<Flow> {
    match error.kind() {
        io::ErrorKind::PermissionDenied => return Some(forbidden(request, path, error)),
        io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => {
            return Some(not_found(request, path, error));
        }
        _ if is_refused_link(error) => return Some(Flow::Status(403)),
        _ => {}
    }
    if let Some(folder) = folder
        && let Some(flow) = missing_folder(request, folder, path)
    {
        return Some(flow);
    }
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::InvalidInput => None,
        _ => Some(failed(request, path, error)),
    }
}

/// What follows when the folder of the index `path` is none.
fn missing_folder(request: &Request, folder: &Path, path: &Path) -> Option<Flow> {
    let folder = crate::listing::without_slash(folder.to_owned());
    match file_test::stat(request, &folder) {
        Ok(stat) if stat.is_directory() => None,
        Ok(_) => {
            let shown = folder.display();
            request.log(Level::Alert, &format!("\"{shown}\" is not a directory"));
            Some(Flow::Status(500))
        }
        Err(error) if is_refused_link(&error) => Some(Flow::Status(403)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound => Some(not_found(request, path, &error)),
            // Its index could be asked for, so only reading the folder itself is forbidden.
            io::ErrorKind::PermissionDenied => None,
            _ => Some(failed(request, &folder, &error)),
        },
    }
}

fn is_refused_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(sys::errno::ELOOP)
}

fn forbidden(request: &Request, path: &Path, error: &io::Error) -> Flow {
    let (shown, why) = (path.display(), os_error(error));
    request.log(Level::Error, &format!("\"{shown}\" is forbidden ({why})"));
    Flow::Status(403)
}

fn not_found(request: &Request, path: &Path, error: &io::Error) -> Flow {
    if *request.location.files.log_not_found {
        let (shown, why) = (path.display(), os_error(error));
        request.log(Level::Error, &format!("\"{shown}\" is not found ({why})"));
    }
    Flow::Status(404)
}

fn failed(request: &Request, path: &Path, error: &io::Error) -> Flow {
    let (shown, why) = (path.display(), os_error(error));
    request.log(Level::Crit, &format!("stat() \"{shown}\" failed ({why})"));
    Flow::Status(500)
}

/// `index file ...;`, which may repeat.
fn read_index(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    if !settings.names.is_set() {
        settings.names.set(Vec::new());
    }
    let last = line.args().len().saturating_sub(1);
    for index in 0..line.args().len() {
        let name = line.arg(index);
        if name.is_empty() {
            return Err(Refused::new("index \"\" in \"index\" directive is invalid"));
        }
        if name.starts_with(b"/") && index != last {
            line.warn("only the last index in \"index\" directive should be absolute");
        }
        let name = line.template(index)?;
        settings.names.edit().push(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_segments_climb() {
        assert!(climbs(b"../x"));
        assert!(climbs(b"a/.."));
        assert!(!climbs(b"..x"));
        assert!(!climbs(b"index..html"));
    }

    #[test]
    fn names_follow_an_alias_without_slash_as_they_stand() {
        assert_eq!(append(Path::new("/a/"), b"x"), PathBuf::from("/a/x"));
        assert_eq!(append(Path::new("/a"), b"x"), PathBuf::from("/ax"));
    }
}
