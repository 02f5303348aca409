//! DELETE and MKCOL: what needs one name only.

use super::destination::{Depth, depth};
use super::place::Guard;
use super::{Changed, Done, Settings, refuse_body};
use crate::file_work::{self, Failure};
use crate::listing::without_slash;
use engine::access;
use http::core::files;
use http::{Error, Request};
use std::path::Path;

/// Deletes the file or the whole collection that the request's URI names.
pub(super) async fn delete(request: &mut Request, settings: &Settings) -> Result<Changed, Error> {
    let checked = refuse_body(request, "DELETE with body is")
        .and_then(|()| check_depth(&request.uri, *settings.min_delete_depth));
    if let Err(failure) = checked {
        return Ok(Err(failure));
    }
    let path = files::path_of(request, &request.uri)?;
    let (guard, depth) = (Guard::of(request), depth(request));
    file_work::run(request, move || remove(&guard, &path, depth?)).await
}

/// Refuses to delete what is too near to the root, for `min_delete_depth`.
fn check_depth(uri: &[u8], min: u64) -> Result<(), Failure> {
    let segments = uri.split(|byte| *byte == b'/');
    let depth = segments.filter(|segment| !segment.is_empty()).count() as u64;
    if depth < min {
        let message = format!("insufficient URI depth:{depth} to DELETE");
        return Err(Failure::refused(409, message));
    }
    Ok(())
}

/// Removes what is at `path`, if the request says `depth` well.
fn remove(guard: &Guard, path: &Path, depth: Option<Depth>) -> Changed {
    use std::os::unix::ffi::OsStrExt;
    let is_collection = path.as_os_str().as_bytes().ends_with(b"/");
    let shown = path.display();
    let stat = sys::file::stat_link(path).map_err(|error| {
        let missing = match error.kind() {
            std::io::ErrorKind::NotADirectory => 409,
            _ => 404,
        };
        Failure::of_call("lstat()", &shown, &error, missing)
    })?;
    let refuse = |status, message: String| Err(Failure::refused(status, message));
    if !stat.is_directory() {
        if !matches!(depth, None | Some(Depth::Zero | Depth::Infinity)) {
            return refuse(400, "\"Depth\" header must be 0 or infinity".into());
        }
    } else if !is_collection {
        return refuse(
            409,
            format!("DELETE \"{shown}\" failed (21: Is a directory)"),
        );
    } else if !matches!(depth, None | Some(Depth::Infinity)) {
        return refuse(400, "\"Depth\" header must be infinity".into());
    }
    let path = without_slash(path.to_owned());
    let removed = guard.place(&path).and_then(|place| {
        if stat.is_directory() {
            std::fs::remove_dir_all(&place.path)
        } else {
            sys::file::remove_file(&place.path)
        }
    });
    let call = if stat.is_directory() {
        "rmdir()"
    } else {
        "unlink()"
    };
    removed.map_err(|error| Failure::of_call(call, path.display(), &error, 404))?;
    Ok(Done::Changed)
}

/// Makes the collection that the request's URI names.
pub(super) fn make_collection(request: &Request, settings: &Settings) -> Result<Changed, Error> {
    if let Err(failure) = refuse_body(request, "MKCOL with body is") {
        return Ok(Err(failure));
    }
    if !request.uri.ends_with(b"/") {
        let message = "MKCOL can create a collection only";
        return Ok(Err(Failure::refused(409, message)));
    }
    let path = without_slash(files::path_of(request, &request.uri)?);
    let mode = access::of_folder(*settings.access);
    let made = Guard::of(request)
        .place(&path)
        .and_then(|place| sys::file::create_directory(&place.path, mode));
    Ok(match made {
        Ok(()) => Ok(Done::CreatedHere),
        Err(error) => Err(Failure::of_call("mkdir()", path.display(), &error, 409)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uri: &str, min: u64, allowed: bool) {
        assert_eq!(check_depth(uri.as_bytes(), min).is_ok(), allowed, "{uri}");
    }

    #[test]
    fn depth_is_the_number_of_elements() {
        check("/users/00/00/name", 4, true);
        check("/users/00/00/name/pic.jpg", 4, true);
        check("/users/00/00", 4, false);
        check("/users/00/00/", 4, false);
        check("/", 1, false);
        check("/", 0, true);
        check("//a///b", 3, false);
    }
}
