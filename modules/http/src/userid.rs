//! `userid`: browsers get a cookie with a number of their own, by which logs tell them apart.
//!
//! Source: nginx documentation, ngx_http_userid_module.

mod settings;
mod uid;

use http::{Body, Error, Filter, Module, Request, RequestSlot, ResponseHead, Stage, Variable};
use http1::Known;
use runtime::log::Level;
use settings::{Expires, Mode, SETTINGS, Settings};
use std::cell::OnceCell;
use std::rc::Rc;
use uid::Uid;

/// Numbers for browsers.
pub(crate) static MODULE: Module = Module {
    name: "userid",
    settings: &[&SETTINGS],
    state: &[&STATE],
    filters: &[Filter::new(Stage::Identity, settings::is_enabled, start)],
    variables: &[
        Variable::new("uid_got", uid_got),
        Variable::new("uid_set", uid_set),
        Variable::replaceable("uid_reset", |_, _| true),
    ],
    ..Module::EMPTY
};

static STATE: RequestSlot<State> = RequestSlot::new();

/// What a request's cookie says, and what is answered to it.
struct State {
    /// The cookie as it came, where it could be read.
    got: Option<Got>,
    /// Decided once: the number to send, if any.
    set: OnceCell<Option<Set>>,
}

struct Got {
    /// The cookie's value.
    text: Vec<u8>,
    uid: Uid,
}

/// A number to send.
struct Set {
    uid: Uid,
    /// Whether the browser has it already and is to get it with another mark.
    is_kept: bool,
}

/// Gives the cookie to those who need one.
fn start(request: &mut Request, head: &mut ResponseHead, _: &mut Body) -> Result<(), Error> {
    let location = Rc::clone(&request.location);
    let settings = SETTINGS.of(&location.settings);
    if request.is_subrequest || *settings.mode < Mode::V1 {
        return Ok(());
    }
    let state = state(request, settings);
    if let Some(set) = number_to_send(request, settings, state) {
        let got = state.got.as_ref().filter(|_| set.is_kept);
        let now = request.connection.http.worker.wall().unix_secs;
        let value = match got {
            Some(got) => uid::remarked(&got.text, *settings.mark),
            None => set.uid.encode(*settings.mark),
        };
        head.add("Set-Cookie", cookie(settings, &value, now));
        if !settings.p3p.is_empty() {
            head.add("P3P", settings.p3p.to_vec());
        }
    }
    Ok(())
}

/// What the request's cookie says; read at its first use.
fn state<'r>(request: &'r Request, settings: &Settings) -> &'r State {
    STATE.get_or_init(request, || State {
        got: read_cookie(request, &settings.name),
        set: OnceCell::new(),
    })
}

fn read_cookie(request: &Request, name: &[u8]) -> Option<Got> {
    let fields = request.head.parsed.all(Known::Cookie);
    let fields = fields.map(|field| field.value.of(&request.head.buf));
    let (field, text) = fields
        .filter_map(|field| Some((field, uid::find_cookie(field, name)?)))
        .next()?;
    let complain = |what: &str| {
        let shown = String::from_utf8_lossy(field);
        request.log(
            Level::Error,
            &format!("client sent {what} userid cookie \"{shown}\""),
        );
    };
    if text.len() < uid::TEXT_LENGTH {
        complain("too short");
        return None;
    }
    let Some(uid) = Uid::decode(text) else {
        complain("invalid");
        return None;
    };
    // What ends so was never given out.
    uid.is_valid().then(|| Got {
        text: text.to_vec(),
        uid,
    })
}

/// The number for the response: none where the browser has one that will do.
fn number_to_send<'s>(request: &Request, settings: &Settings, state: &'s State) -> Option<&'s Set> {
    let decide = || {
        let Some(got) = &state.got else {
            let uid = new_uid(request, settings);
            return Some(Set {
                uid,
                is_kept: false,
            });
        };
        let reset = settings.reset.and_then(|id| request.variable(id));
        let reset = reset.unwrap_or_default();
        if reset.is_empty() || reset == b"0" {
            let is_marked = uid::has_mark(&got.text, *settings.mark);
            return (!is_marked).then_some(Set {
                uid: got.uid,
                is_kept: true,
            });
        }
        if reset == b"log" {
            let name = String::from_utf8_lossy(&settings.name);
            let message = format!("userid cookie \"{name}={}\" was reset", got.uid);
            request.log(Level::Notice, &message);
        }
        Some(Set {
            uid: new_uid(request, settings),
            is_kept: false,
        })
    };
    state.set.get_or_init(decide).as_ref()
}

fn new_uid(request: &Request, settings: &Settings) -> Uid {
    let now = request.connection.http.worker.wall().unix_secs;
    let service = *settings.service;
    if *settings.mode == Mode::V1 {
        return Uid::new_v1(service.unwrap_or(0), now);
    }
    let local = || request.connection.local_addr().map(|address| address.ip());
    match service {
        Some(number) => Uid::new_v2(number.to_be_bytes(), now),
        None => Uid::new_v2(uid::service_of(local()), now),
    }
}

/// The value of `Set-Cookie`.
fn cookie(settings: &Settings, value: &[u8], now: i64) -> Vec<u8> {
    let mut out = [&settings.name, &b"="[..], value].concat();
    match *settings.expires {
        Expires::Never => {}
        Expires::Max => out.extend_from_slice(b"; expires=Thu, 31-Dec-37 23:55:55 GMT"),
        Expires::After(seconds) => {
            let at = now.saturating_add_unsigned(seconds);
            out.extend_from_slice(b"; expires=");
            out.extend_from_slice(base::date::cookie(at).as_bytes());
        }
    }
    if !settings.domain.is_empty() {
        out.extend_from_slice(b"; domain=");
        out.extend_from_slice(&settings.domain);
    }
    out.extend_from_slice(b"; path=");
    out.extend_from_slice(&settings.path);
    for flag in settings.flags() {
        out.extend_from_slice(b"; ");
        out.extend_from_slice(flag.as_bytes());
    }
    out
}

/// `$uid_got`: name and number of the cookie that came.
fn uid_got(request: &Request, out: &mut Vec<u8>) -> bool {
    let settings = SETTINGS.of(&request.location.settings);
    if *settings.mode == Mode::Off {
        return false;
    }
    let got = state(request, settings).got.as_ref();
    got.is_some_and(|got| write_uid(settings, got.uid, out))
}

/// `$uid_set`: name and number of the cookie that is sent.
fn uid_set(request: &Request, out: &mut Vec<u8>) -> bool {
    let settings = SETTINGS.of(&request.location.settings);
    if *settings.mode < Mode::V1 {
        return false;
    }
    let set = number_to_send(request, settings, state(request, settings));
    set.is_some_and(|set| write_uid(settings, set.uid, out))
}

fn write_uid(settings: &Settings, uid: Uid, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(&settings.name);
    out.extend_from_slice(format!("={uid}").as_bytes());
    true
}
