//! `secure_link`: whether a link was made by somebody who knows a secret, and is still valid.
//!
//! Two ways: `secure_link` with `secure_link_md5` compare a hash that the request brings, and
//! perhaps a time at which it expires; `secure_link_secret` takes the hash from the path.
//!
//! Source: nginx documentation, ngx_http_secure_link_module.

use base::{bytes, units};
use base64::Engine;
use engine::directive::{template, text};
use engine::setting::Inherit;
use engine::{Contexts, Directive, Refused, Setting, Slot, Template};
use http::config::finish::Finishing;
use http::{Module, Request, Variable};
use md5::{Digest, Md5};
use std::cell::RefCell;

/// How links of a location are checked.
#[derive(Clone, Default)]
struct Settings {
    /// `secure_link`: the hash and, after a comma, the time.
    link: Setting<Template>,
    /// `secure_link_md5`: what is hashed.
    hashed: Setting<Template>,
    /// `secure_link_secret`
    secret: Setting<Vec<u8>>,
}

impl Inherit for Settings {
    fn inherit(&mut self, outer: &Self) {
        if self.secret.is_set() {
            return;
        }
        self.link.inherit(&outer.link);
        self.hashed.inherit(&outer.hashed);
        if !self.link.is_set() && !self.hashed.is_set() {
            self.secret.inherit(&outer.secret);
        }
    }
}

const DIRECTIVES: &[Directive<Settings>] = &[
    template("secure_link", Contexts::ALL, |s| &mut s.link),
    template("secure_link_md5", Contexts::ALL, |s| &mut s.hashed),
    text("secure_link_secret", Contexts::LOCATION, |s| &mut s.secret),
];

static SETTINGS: Slot<Settings> = Slot::location(DIRECTIVES);

/// Links that cannot be forged.
pub(crate) static MODULE: Module = Module {
    name: "secure_link",
    configure_option: Some("--with-http_secure_link_module"),
    settings: &[&SETTINGS],
    variables: &[
        Variable::new("secure_link", secure_link),
        Variable::new("secure_link_expires", secure_link_expires),
    ],
    finish: Some(finish),
    ..Module::EMPTY
};

/// What was found out about a request's link where it was last checked: for locations without
/// a check of their own that it is sent on to.
#[derive(Default)]
struct Found {
    link: RefCell<Option<Vec<u8>>>,
    expires: RefCell<Option<Vec<u8>>>,
}

/// `$secure_link`
fn secure_link(request: &Request, out: &mut Vec<u8>) -> bool {
    let settings = SETTINGS.of(&request.location.settings);
    let found = request.shared::<Found>();
    if settings.is_checked() {
        found.link.replace(settings.check(request));
    }
    let link = found.link.borrow();
    out.extend_from_slice(link.as_deref().unwrap_or_default());
    link.is_some()
}

/// `$secure_link_expires`: the time as the link has it.
fn secure_link_expires(request: &Request, out: &mut Vec<u8>) -> bool {
    let settings = SETTINGS.of(&request.location.settings);
    let found = request.shared::<Found>();
    if settings.is_checked() {
        let link = settings.link.eval(request);
        let parts = split(&link).filter(|_| !settings.secret.is_set());
        let expires = parts.and_then(|(_, expires)| expires);
        found
            .expires
            .replace(expires.map(|(text, _)| text.to_vec()));
    }
    let expires = found.expires.borrow();
    out.extend_from_slice(expires.as_deref().unwrap_or_default());
    expires.is_some()
}

impl Settings {
    /// Whether links are checked here.
    fn is_checked(&self) -> bool {
        self.secret.is_set() || self.link.is_set() && self.hashed.is_set()
    }

    /// In the first way "1", or "0" when the link has expired; in the second what is linked to.
    /// `None` where the link is wrong.
    fn check(&self, request: &Request) -> Option<Vec<u8>> {
        if self.secret.is_set() {
            let linked = linked_by_path(request.original_uri(), &self.secret);
            return linked.map(<[u8]>::to_vec);
        }
        let link = self.link.eval(request);
        let (hash, expires) = split(&link)?;
        if !is_hash_of(hash, &self.hashed.eval(request)) {
            return None;
        }
        let now = request.connection.http.worker.wall().unix_secs;
        let is_late = expires.is_some_and(|(_, time)| i128::from(time) < i128::from(now));
        Some(if is_late { b"0" } else { b"1" }.to_vec())
    }
}

/// Splits `hash,time` or `hash`; the time is given as text and in seconds since 1970. `None`
/// when there is a comma but no time that could be.
#[expect(clippy::type_complexity, reason = "both halves are explained above")]
fn split(link: &[u8]) -> Option<(&[u8], Option<(&[u8], u64)>)> {
    let Some((hash, text)) = bytes::split_once(link, b',') else {
        return Some((link, None));
    };
    let time = units::parse_decimal(text).ok().filter(|time| *time > 0)?;
    Some((hash, Some((text, time))))
}

/// Longest hash in Base64, with padding.
const HASH_MAX: usize = 24;

/// Base64 of URLs; bits beyond the last byte do not matter.
const BASE64: base64::engine::GeneralPurpose = base64::engine::GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    base64::engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// Whether `hash` is the MD5 of `hashed` in Base64.
fn is_hash_of(hash: &[u8], hashed: &[u8]) -> bool {
    if hash.len() > HASH_MAX {
        return false;
    }
    // Whatever follows the padding is not looked at.
    let digits = hash.split(|byte| *byte == b'=').next().unwrap_or_default();
    let decoded = BASE64.decode(digits);
    decoded.is_ok_and(|decoded| bytes::is_same_secret(&decoded, &Md5::digest(hashed)))
}

/// What `/prefix/hash/link` links to, if the hash is the MD5 of link and secret, in hexadecimal.
fn linked_by_path<'u>(uri: &'u [u8], secret: &[u8]) -> Option<&'u [u8]> {
    let (_, rest) = bytes::split_once(uri.get(1..)?, b'/')?;
    let (hash, link) = bytes::split_once(rest, b'/')?;
    if hash.len() != 32 || link.is_empty() {
        return None;
    }
    let (pairs, _) = hash.as_chunks::<2>();
    let digits = pairs.iter().map(|pair| {
        let value = units::parse_hex(pair).ok()?;
        u8::try_from(value).ok()
    });
    let given: Vec<u8> = digits.collect::<Option<_>>()?;
    let expected = Md5::new()
        .chain_update(link)
        .chain_update(secret)
        .finalize();
    bytes::is_same_secret(&given, &expected).then_some(link)
}

/// The two ways cannot be mixed at one level.
fn finish(finishing: &mut Finishing<'_>) -> Result<(), Refused> {
    let mut is_mixed = false;
    finishing.each(&SETTINGS, |settings, _, _| {
        is_mixed |=
            settings.secret.is_set() && (settings.link.is_set() || settings.hashed.is_set());
    });
    if is_mixed {
        return Err(Refused::new(
            "\"secure_link_secret\" cannot be mixed with \"secure_link\" and \"secure_link_md5\"",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    #[test]
    fn a_link_has_a_hash_and_perhaps_a_time() {
        assert_eq!(split(b"abc"), Some((&b"abc"[..], None)));
        assert_eq!(
            split(b"abc,12"),
            Some((&b"abc"[..], Some((&b"12"[..], 12))))
        );
        assert_eq!(split(b"abc,"), None);
        assert_eq!(split(b"abc,0"), None);
        assert_eq!(split(b"abc,1,2"), None);
    }

    #[test]
    fn hashes_are_compared_in_base64() {
        // MD5 of "abc".
        assert!(is_hash_of(b"kAFQmDzST7DWlj99KOF_cg", b"abc"));
        assert!(is_hash_of(b"kAFQmDzST7DWlj99KOF_cg==", b"abc"));
        assert!(!is_hash_of(b"kAFQmDzST7DWlj99KOF/cg==", b"abc"));
        assert!(!is_hash_of(b"kAFQmDzST7DWlj99KOF_cg", b"abd"));
        assert!(!is_hash_of(b"kAFQmDzST7DWlj99KOF_cg===", b"abc"));
        assert!(!is_hash_of(b"kAFQmDzST7DWlj99KOF_", b"abc"));
        assert!(!is_hash_of(b"", b"abc"));
    }

    #[test]
    fn a_path_holds_the_hash_of_what_it_links_to() {
        let hash = Md5::digest(b"linksecret");
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let made = format!("/p/{hash}/link");
        assert_eq!(
            linked_by_path(made.as_bytes(), b"secret"),
            Some(&b"link"[..])
        );
        let upper = made.to_ascii_uppercase().replace("LINK", "link");
        assert_eq!(
            linked_by_path(upper.as_bytes(), b"secret"),
            Some(&b"link"[..])
        );
        assert_eq!(linked_by_path(made.as_bytes(), b"other"), None);
        for wrong in [
            "/",
            "",
            "/p/",
            "/p/x/link",
            &format!("/p/{hash}/"),
            &format!("/{hash}/a"),
        ] {
            assert_eq!(linked_by_path(wrong.as_bytes(), b"secret"), None);
        }
    }

    #[test]
    fn the_two_ways_do_not_mix() {
        let location = |lines: &str| format!("server {{ location / {{ {lines} }} }}");
        check(
            &location("secure_link $arg_a; secure_link_secret b;"),
            "\"secure_link_secret\" cannot be mixed with \"secure_link\" and \"secure_link_md5\"",
        );
        check(&location("secure_link $arg_a; secure_link_md5 b;"), "");
        check(
            "secure_link $arg_a; server { location / { secure_link_secret b; } }",
            "",
        );
    }
}
