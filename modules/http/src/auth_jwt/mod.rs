//! Tokens (JWT, RFC 7519), signed or encrypted by somebody whose keys we know.
//!
//! Runs in the access phase after names and passwords. What a signed token claims can be read
//! by variables before that, as limits may need it; once a token was refused, or others have let
//! the client in without a look at it, it claims nothing any more. Keys are read from files and
//! asked of subrequests, for tokens that are well-formed.
//!
//! Source: nginx documentation, ngx_http_auth_jwt_module; RFC 6750 for fields of HTTP.

mod keys;
mod settings;
mod variables;

use crate::requirements::unmet;
use base::place;
use engine::SettingsTable;
use http::{Error, Flow, Handler, Module, Phase, Request, Variable};
use jose::{Claims, Jwe, Jws, Keys, Refusal};
use runtime::BlockingPool;
use runtime::log::Level;
use settings::{Asked, Kind, SETTINGS, Settings};
use std::rc::Rc;
use std::sync::Arc;
use variables::Token;

/// Threads of a worker that decrypt by RSA.
const DECRYPTERS: usize = 2;

/// Tokens that may wait for one of these; more are refused with 503.
const WAITING_MAX: usize = 512;

/// Access by tokens.
pub(crate) static MODULE: Module = Module {
    name: "auth_jwt",
    settings: &[&SETTINGS],
    handlers: &[
        Handler::waiting(Phase::Access, is_enabled, |request| {
            place::pinned(|| judge(request))
        }),
        Handler::now(Phase::PreContent, is_enabled, |request| {
            variables::forget_unjudged(request);
            Ok(Flow::Decline)
        }),
    ],
    variables: &[
        Variable::family("jwt_header_", variables::header),
        Variable::family("jwt_claim_", variables::claim),
        Variable::new("jwt_claims", variables::claims),
        Variable::new("jwt_payload", variables::payload),
    ],
    ..Module::EMPTY
};

thread_local! {
    /// The threads for slow decryption, made when the first one is needed.
    static POOL: Rc<BlockingPool> = Rc::new(BlockingPool::new("auth_jwt", DECRYPTERS, WAITING_MAX));
}

fn is_enabled(settings: &SettingsTable) -> bool {
    SETTINGS.of(settings).asked.is_some()
}

/// Lets in who has a token that one of the keys vouches for, and that says what it must.
async fn judge(request: &mut Request) -> Result<Flow, Error> {
    let location = Rc::clone(&request.location);
    let settings = SETTINGS.of(&location.settings);
    let Some(asked) = &*settings.asked else {
        return Ok(Flow::Decline);
    };
    let realm = asked.realm.eval(request);
    let Some(text) = token_text(request, asked) else {
        variables::refuse(request);
        request.log(Level::Info, "no token was provided for JWT authentication");
        return Ok(ask(request, &realm, b""));
    };
    let token = match Sealed::parse(settings.kind(), &text) {
        Ok(sealed) => {
            let Some(keys) = keys::load(request, settings).await else {
                variables::refuse(request);
                return Ok(Flow::Status(500));
            };
            open(request, sealed, keys).await?
        }
        Err(refusal) => Err(refusal),
    };
    let now = request.connection.http.worker.wall().unix_secs;
    let token = token.and_then(|token| {
        token.claims.check_time(now, *settings.leeway)?;
        Ok(token)
    });
    match token {
        Ok(token) => variables::accept(request, token),
        Err(refusal) => {
            variables::refuse(request);
            request.log(Level::Error, &format!("JWT: {refusal}"));
            return Ok(ask(request, &realm, b",error=\"invalid_token\""));
        }
    }
    Ok(require(request, settings, &realm))
}

/// What follows from `auth_jwt_require`, the token being good.
fn require(request: &mut Request, settings: &Settings, realm: &[u8]) -> Flow {
    match unmet(&settings.requirements, request) {
        None => Flow::Allow,
        Some(401) => ask(request, realm, b",error=\"invalid_token\""),
        Some(status) => Flow::Status(status),
    }
}

/// A token that was taken apart, and that no key has vouched for.
enum Sealed {
    Signed(Jws),
    /// Whether there is a signed token in it.
    Encrypted(Jwe, bool),
}

impl Sealed {
    fn parse(kind: Kind, text: &[u8]) -> Result<Self, Refusal> {
        Ok(match kind {
            Kind::Signed => Self::Signed(Jws::parse(text)?),
            Kind::Encrypted => Self::Encrypted(Jwe::parse(text)?, false),
            Kind::Nested => Self::Encrypted(Jwe::parse(text)?, true),
        })
    }
}

/// Finds out whether one of `keys` vouches for a token.
async fn open(
    request: &Request,
    sealed: Sealed,
    keys: Vec<Arc<Keys>>,
) -> Result<Result<Token, Refusal>, Error> {
    let (jwe, is_nested) = match sealed {
        Sealed::Signed(jws) => {
            return Ok(verified(&jws, &keys).map(|claims| Token::signed(&jws, claims)));
        }
        Sealed::Encrypted(jwe, is_nested) => (jwe, is_nested),
    };
    let header = jwe.header().clone();
    let payload = match decrypt(request, jwe, keys.clone()).await? {
        Ok(payload) => payload,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let claims = if is_nested {
        let jws = Jws::parse(&payload);
        jws.and_then(|jws| verified(&jws, &keys).map(|claims| (claims, jws.payload().to_vec())))
    } else {
        Claims::parse(&payload).map(|claims| (claims, payload.clone()))
    };
    Ok(claims.map(|(claims, text)| Token {
        header,
        claims,
        text,
        payload: Some(payload),
    }))
}

/// What a token claims, if one of `keys` has signed it.
fn verified(jws: &Jws, keys: &[Arc<Keys>]) -> Result<Claims, Refusal> {
    jws.verify(keys)?;
    Claims::parse(jws.payload())
}

/// Decrypts where that may take its time.
async fn decrypt(
    request: &Request,
    jwe: Jwe,
    keys: Vec<Arc<Keys>>,
) -> Result<Result<Vec<u8>, Refusal>, Error> {
    if !jwe.is_slow() {
        return Ok(jwe.decrypt(&keys));
    }
    let pool = POOL.with(Rc::clone);
    let worker = &request.connection.http.worker;
    let decrypted = worker.blocking(&pool, move || jwe.decrypt(&keys)).await;
    decrypted.map_err(|_| Error::client(503, "too many tokens are being decrypted"))
}

/// The token of `request`: what `token=` says, else what follows `Bearer` (RFC 6750, section
/// 2.1). `None` without one.
fn token_text(request: &Request, asked: &Asked) -> Option<Vec<u8>> {
    let text = match &asked.token {
        Some(token) => token.eval(request),
        None => bearer(request.authorization()?)?.to_vec(),
    };
    (!text.is_empty()).then_some(text)
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

/// The answer that asks a client for a token, `error` telling what was wrong with this one.
fn ask(request: &mut Request, realm: &[u8], error: &[u8]) -> Flow {
    request.ask_who([b"Bearer realm=\"", realm, b"\"", error].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearers() {
        assert_eq!(bearer(b"Bearer a.b.c"), Some(&b"a.b.c"[..]));
        assert_eq!(bearer(b"bEARER  a.b.c \t"), Some(&b"a.b.c"[..]));
        assert_eq!(bearer(b"Bearer "), Some(&b""[..]));
        assert_eq!(bearer(b"Bearer"), None);
        assert_eq!(bearer(b"Basic YTpi"), None);
        assert_eq!(bearer(b""), None);
    }
}
