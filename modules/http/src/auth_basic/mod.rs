//! Names and passwords by HTTP Basic authentication (RFC 7617), checked against a file of
//! password hashes.
//!
//! Runs in the access phase after `allow` and `deny`. Hashes that are made to be slow are
//! computed by threads of their own, so that guessing passwords holds up nobody but the
//! guesser.
//!
//! Source: nginx documentation, ngx_http_auth_basic_module.

mod password;

use base::place;
use engine::directive::{custom, set_once, template};
use engine::{
    Arity, Contexts, Directive, Line, Refused, Setting, SettingsTable, Slot, Template,
    inherit_fields,
};
use http::error::os_error;
use http::{Error, Flow, Handler, Module, Phase, Request};
use password::{Cost, Password};
use runtime::BlockingPool;
use runtime::log::Level;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Threads of a worker that compute slow hashes.
const HASHERS: usize = 2;

/// Slow hashes that may wait for a thread; more are refused with 503.
const WAITING_MAX: usize = 512;

/// Whom a location asks for a password.
#[derive(Clone)]
struct Settings {
    /// What clients show to their users; `off` asks nobody.
    realm: Setting<Template>,
    /// Where the hashes are.
    user_file: Setting<Option<UserFile>>,
}

/// The path of a file of hashes, from the folder of the main configuration file.
#[derive(Clone)]
struct UserFile {
    folder: Rc<Path>,
    path: Template,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            realm: Setting::new(Template::constant(b"off")),
            user_file: Setting::new(None),
        }
    }
}

inherit_fields!(Settings { realm, user_file });

const CONTEXTS: Contexts = Contexts::ALL.with(Contexts::LIMIT_EXCEPT);

const DIRECTIVES: &[Directive<Settings>] = &[
    template("auth_basic", CONTEXTS, |s| &mut s.realm),
    custom("auth_basic_user_file", CONTEXTS, Arity::ONE, read_user_file),
];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// HTTP Basic authentication.
pub(crate) static MODULE: Module = Module {
    name: "auth_basic",
    settings: &[&SETTINGS],
    handlers: &[Handler::waiting(Phase::Access, is_enabled, |request| {
        place::pinned(|| judge(request))
    })],
    ..Module::EMPTY
};

thread_local! {
    /// The threads for slow hashes, made when the first one is needed.
    static POOL: Rc<BlockingPool> = Rc::new(BlockingPool::new("auth_basic", HASHERS, WAITING_MAX));
}

fn is_enabled(settings: &SettingsTable) -> bool {
    let settings = SETTINGS.of(settings);
    settings.user_file.is_some() && settings.realm.as_constant() != Some(b"off")
}

/// Lets in who names a user of the file and the password that fits.
async fn judge(request: &mut Request) -> Result<Flow, Error> {
    let location = Rc::clone(&request.location);
    let settings = SETTINGS.of(&location.settings);
    let realm = settings.realm.eval(request);
    let Some(file) = settings.user_file.as_ref().filter(|_| realm != b"off") else {
        return Ok(Flow::Decline);
    };
    let Some((user, given)) = request.basic_credentials() else {
        request.log(
            Level::Info,
            "no user/password was provided for basic authentication",
        );
        return Ok(ask(request, &realm));
    };
    let path = file
        .folder
        .join(OsStr::from_bytes(&file.path.eval(request)));
    let stored = match std::fs::read(&path) {
        Ok(text) => password_of(&text, &user).map(Password::parse),
        Err(error) => return Ok(unreadable(request, &path, &error)),
    };
    let shown = String::from_utf8_lossy(&user).into_owned();
    let Some(stored) = stored else {
        let path = path.display();
        let message = format!("user \"{shown}\" was not found in \"{path}\"");
        request.log(Level::Error, &message);
        return Ok(ask(request, &realm));
    };
    if !fits(request, stored, given).await? {
        request.log(
            Level::Error,
            &format!("user \"{shown}\": password mismatch"),
        );
        return Ok(ask(request, &realm));
    }
    request.user = Some(user);
    Ok(Flow::Allow)
}

/// Compares where that may take its time.
async fn fits(request: &Request, stored: Password, given: Vec<u8>) -> Result<bool, Error> {
    if stored.cost() == Cost::Low {
        return Ok(stored.fits(&given));
    }
    let pool = POOL.with(Rc::clone);
    let worker = &request.connection.http.worker;
    let compared = worker.blocking(&pool, move || stored.fits(&given)).await;
    compared.map_err(|_| Error::client(503, "too many passwords are being checked"))
}

/// The answer that makes a client ask its user.
fn ask(request: &mut Request, realm: &[u8]) -> Flow {
    request.ask_who([b"Basic realm=\"", realm, b"\""].concat())
}

fn unreadable(request: &Request, path: &Path, error: &io::Error) -> Flow {
    let (level, status) = match error.kind() {
        io::ErrorKind::NotFound => (Level::Error, 403),
        _ => (Level::Crit, 500),
    };
    let (path, error) = (path.display(), os_error(error));
    request.log(level, &format!("open() \"{path}\" failed ({error})"));
    Flow::Status(status)
}

/// What a file of `name:password:comment` lines says of `user`.
fn password_of<'t>(text: &'t [u8], user: &[u8]) -> Option<&'t [u8]> {
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.starts_with(b"#"))
        .find_map(|line| line.strip_prefix(user)?.strip_prefix(b":"))
        .map(|rest| {
            let end = rest.iter().position(|byte| matches!(byte, b':' | b'\r'));
            &rest[..end.unwrap_or(rest.len())]
        })
}

/// `auth_basic_user_file file`
fn read_user_file(settings: &mut Settings, line: &mut Line<'_>) -> Result<(), Refused> {
    let folder: PathBuf = line.loading.full_conf_path(b"");
    let path = line.template(0)?;
    let file = UserFile {
        folder: folder.into(),
        path,
    };
    set_once(&mut settings.user_file, Some(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn passwords_of_users() {
        let file = b"# comment: x\nann:secret:of ann\nbob:hash\r\n#bob:no\nanna:last";
        assert_eq!(password_of(file, b"ann"), Some(&b"secret"[..]));
        assert_eq!(password_of(file, b"bob"), Some(&b"hash"[..]));
        assert_eq!(password_of(file, b"anna"), Some(&b"last"[..]));
        assert_eq!(password_of(file, b"an"), None);
        assert_eq!(password_of(file, b"#bob"), None);
        assert_eq!(password_of(file, b""), None);
    }

    #[test]
    fn each_may_stand_once() {
        check("auth_basic $host; auth_basic_user_file users;", "");
        check(
            "auth_basic a; auth_basic b;",
            "\"auth_basic\" directive is duplicate",
        );
        check(
            "auth_basic_user_file a; auth_basic_user_file b;",
            "\"auth_basic_user_file\" directive is duplicate",
        );
    }
}
