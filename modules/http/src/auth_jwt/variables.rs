//! What a request's token says.

use super::settings::{Kind, SETTINGS};
use super::token_text;
use base::json::Object;
use http::Request;
use jose::claims::write_value;
use jose::{Claims, Jwe, Jws};
use std::cell::RefCell;
use std::rc::Rc;

/// A token, taken apart.
pub(super) struct Token {
    pub(super) header: Object,
    pub(super) claims: Claims,
    /// The claims as they came.
    pub(super) text: Vec<u8>,
    /// What was encrypted.
    pub(super) payload: Option<Vec<u8>>,
}

impl Token {
    pub(super) fn signed(jws: &Jws, claims: Claims) -> Self {
        Self {
            header: jws.header().clone(),
            claims,
            text: jws.payload().to_vec(),
            payload: None,
        }
    }
}

/// What is known of the token of a request, and of those that are made for it.
#[derive(Default)]
enum Known {
    /// Nobody has asked.
    #[default]
    Nothing,
    /// It is being read, perhaps by variables that depend on it.
    Reading,
    /// What it says of itself, read for the location of this number.
    Unjudged(u32, Rc<Token>),
    /// It is good.
    Judged(Rc<Token>),
    /// There is none, or none that is good.
    Refused,
}

#[derive(Default)]
struct State(RefCell<Known>);

/// From now on the request has this token.
pub(super) fn accept(request: &Request, token: Token) {
    *request.shared::<State>().0.borrow_mut() = Known::Judged(Rc::new(token));
}

/// From now on the request has no token.
pub(super) fn refuse(request: &Request) {
    *request.shared::<State>().0.borrow_mut() = Known::Refused;
}

/// A token that nobody has judged by now nobody will: others have let the client in.
pub(super) fn forget_unjudged(request: &Request) {
    let state = request.shared::<State>();
    let mut known = state.0.borrow_mut();
    if !matches!(*known, Known::Judged(_)) {
        *known = Known::Refused;
    }
}

/// The request's token: a good one, or before that is known what it says of itself, where the
/// location asks for one.
fn token(request: &Request) -> Option<Rc<Token>> {
    let state = request.shared::<State>();
    let location = Rc::clone(&request.location);
    match &*state.0.borrow() {
        Known::Judged(token) => return Some(Rc::clone(token)),
        // The next who asks may hear something else.
        _ => request.read_unsettled(),
    }
    match &*state.0.borrow() {
        Known::Unjudged(id, token) if *id == location.id => return Some(Rc::clone(token)),
        Known::Reading | Known::Refused => return None,
        _ => {}
    }
    let settings = SETTINGS.of(&location.settings);
    let asked = settings.asked.as_ref()?;
    *state.0.borrow_mut() = Known::Reading;
    let text = token_text(request, asked);
    let token = text.and_then(|text| unjudged(&text, settings.kind()).map(Rc::new));
    *state.0.borrow_mut() = match &token {
        Some(token) => Known::Unjudged(location.id, Rc::clone(token)),
        None => Known::Nothing,
    };
    token
}

/// What can be read without a key.
fn unjudged(text: &[u8], kind: Kind) -> Option<Token> {
    if kind == Kind::Signed {
        let jws = Jws::parse(text).ok()?;
        let claims = Claims::parse(jws.payload()).ok()?;
        return Some(Token::signed(&jws, claims));
    }
    Some(Token {
        header: Jwe::parse(text).ok()?.header().clone(),
        claims: Claims::default(),
        text: Vec::new(),
        payload: None,
    })
}

/// Where in a token something stands.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Header,
    Claims,
}

/// Appends the value at `path`.
pub(super) fn write_member<'p>(
    request: &Request,
    place: Place,
    path: impl IntoIterator<Item = &'p str>,
    out: &mut Vec<u8>,
) -> bool {
    token(request).is_some_and(|token| {
        let object = match place {
            Place::Header => &token.header,
            Place::Claims => token.claims.members(),
        };
        write_value(object, path, out)
    })
}

/// `$jwt_header_NAME`
pub(super) fn header(request: &Request, name: &[u8], out: &mut Vec<u8>) -> bool {
    named(request, Place::Header, name, out)
}

/// `$jwt_claim_NAME`
pub(super) fn claim(request: &Request, name: &[u8], out: &mut Vec<u8>) -> bool {
    named(request, Place::Claims, name, out)
}

fn named(request: &Request, place: Place, name: &[u8], out: &mut Vec<u8>) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| write_member(request, place, [name], out))
}

/// `$jwt_claims`
pub(super) fn claims(request: &Request, out: &mut Vec<u8>) -> bool {
    let token = token(request).filter(|token| !token.text.is_empty());
    token
        .inspect(|token| out.extend_from_slice(&token.text))
        .is_some()
}

/// `$jwt_payload`
pub(super) fn payload(request: &Request, out: &mut Vec<u8>) -> bool {
    let token = token(request);
    let payload = token.as_ref().and_then(|token| token.payload.as_ref());
    payload
        .inspect(|payload| out.extend_from_slice(payload))
        .is_some()
}
