//! Tokens that others made: examples of the RFCs, and of libraries for what these leave out.
#![expect(
    clippy::unwrap_used,
    reason = "a broken example fails the test that reads it"
)]

use base::json::{self, Object, Value};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::path::Path;
use std::sync::Arc;
use tidegate_jose::{Claims, Jwe, Jws, Keys, Refusal};

/// A key, a token that it verifies or decrypts, and what is in the token.
struct Example {
    name: String,
    key: Object,
    token: String,
    payload: String,
}

/// `vectors/NAME.json`: `rfcN-SECTION` is of that RFC, others are of the library of that name.
fn examples() -> Vec<Example> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut examples: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let value = json::parse(&std::fs::read(&path).unwrap()).unwrap();
            let members = value.as_object().unwrap();
            let text = |name: &str| members[name].as_text().unwrap().to_owned();
            Example {
                name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
                key: members["key"].as_object().unwrap().clone(),
                token: text("token"),
                payload: text("payload"),
            }
        })
        .collect();
    examples.sort_by(|a, b| a.name.cmp(&b.name));
    examples
}

/// An object of strings as JSON.
fn print(object: &Object) -> String {
    let member = |(name, value): (&String, &Value)| match value {
        Value::Text(text) => format!("{name:?}:{text:?}"),
        other => panic!("{other:?}"),
    };
    let members: Vec<_> = object.iter().map(member).collect();
    format!("{{{}}}", members.join(","))
}

fn keys_of(object: &Object) -> Vec<Arc<Keys>> {
    vec![Arc::new(Keys::parse(print(object).as_bytes()).unwrap())]
}

/// What `token` has in it, if one of `keys` vouches for it.
fn open(token: &str, keys: &[Arc<Keys>]) -> Result<Vec<u8>, Refusal> {
    if token.split('.').count() == 5 {
        return Jwe::parse(token.as_bytes())?.decrypt(keys);
    }
    let jws = Jws::parse(token.as_bytes())?;
    jws.verify(keys)?;
    Ok(jws.payload().to_vec())
}

fn with(object: &Object, name: &str, value: &str) -> Object {
    let mut object = object.clone();
    object.insert(name.to_owned(), Value::Text(value.to_owned()));
    object
}

#[test]
fn examples_are_good() {
    let examples = examples();
    assert!(examples.len() > 30);
    for example in &examples {
        let opened = open(&example.token, &keys_of(&example.key));
        let opened = opened.map(|payload| String::from_utf8(payload).unwrap());
        assert_eq!(
            opened.as_deref(),
            Ok(example.payload.as_str()),
            "{}",
            example.name
        );
    }
}

/// A key of RSA is for six algorithms, whichever is asked for first.
#[test]
fn keys_are_used_for_several_algorithms_in_turn() {
    let mut examples = examples();
    examples.retain(|one| one.token.split('.').count() == 3 && one.key.contains_key("n"));
    for example in &examples {
        let keys = keys_of(&example.key);
        let others = examples.iter().filter(|other| other.key == example.key);
        for one in std::iter::once(example).chain(others).cycle().take(20) {
            assert!(open(&one.token, &keys).is_ok(), "{}", one.name);
            let changed = one.token.replacen('.', ".a", 1);
            assert!(open(&changed, &keys).is_err(), "{}", one.name);
        }
    }
    let same = |key: &Object| examples.iter().filter(|one| one.key == *key).count();
    assert!(examples.iter().any(|one| same(&one.key) > 1));
}

/// Whatever is changed, and wherever: a token is the whole of it.
#[test]
fn no_byte_may_be_changed() {
    for example in examples() {
        let keys = keys_of(&example.key);
        // Decrypting by RSA takes its time.
        let step = if example.name.contains("oaep") || example.name == "rfc7520-5-2" {
            97
        } else {
            1
        };
        for at in (0..example.token.len()).step_by(step) {
            let mut changed = example.token.clone().into_bytes();
            changed[at] = match changed[at] {
                b'.' => b'A',
                b'A' => b'B',
                _ => b'A',
            };
            let changed = String::from_utf8(changed).unwrap();
            assert!(open(&changed, &keys).is_err(), "{} at {at}", example.name);
        }
        for end in 0..example.token.len() {
            if end % step == 0 {
                assert!(open(&example.token[..end], &keys).is_err());
            }
        }
        assert!(open(&format!("{}=", example.token), &keys).is_err());
        assert!(open(&format!("{}.", example.token), &keys).is_err());
    }
}

/// Keys of other people, names, purposes, algorithms.
#[test]
fn keys_are_used_for_what_they_are_for() {
    let examples = examples();
    for example in &examples {
        let verifies = example.token.split('.').count() == 3;
        let (own, other) = if verifies {
            ("sig", "enc")
        } else {
            ("enc", "sig")
        };
        let opened = |name, value| open(&example.token, &keys_of(&with(&example.key, name, value)));
        assert!(opened("use", own).is_ok(), "{}", example.name);
        assert_eq!(
            opened("use", other),
            Err(Refusal::NoKey),
            "{}",
            example.name
        );
        assert_eq!(opened("use", "x"), Err(Refusal::NoKey), "{}", example.name);
        for other in ["x", "HS1", "none", "A128CBC-HS384"] {
            let refused = Err(Refusal::NoKey);
            assert_eq!(opened("alg", other), refused, "{}", example.name);
        }
        // Every other example's key: of another type, or simply another.
        for stranger in &examples {
            if stranger.key != example.key {
                let refused = open(&example.token, &keys_of(&stranger.key));
                // Two of the examples share their key's numbers under different members.
                let same = ["n", "k", "x"].iter().any(|member| {
                    example.key.contains_key(*member)
                        && example.key.get(*member) == stranger.key.get(*member)
                });
                assert!(
                    same || refused.is_err(),
                    "{} {}",
                    example.name,
                    stranger.name
                );
            }
        }
    }
}

fn sign_hs256(header: &str, payload: &str, secret: &[u8]) -> String {
    use aws_lc_rs::hmac;
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn secret(kid: &str) -> String {
    let k = URL_SAFE_NO_PAD.encode("secret");
    format!(r#"{{"kty":"oct","kid":"{kid}","k":"{k}"}}"#)
}

fn one(key: &str) -> Vec<Arc<Keys>> {
    vec![Arc::new(Keys::parse(key.as_bytes()).unwrap())]
}

#[test]
fn unsigned_tokens_are_refused() {
    let keys = one(&secret("a"));
    for name in ["none", "None", "NONE", "nOnE", "", "HS1", "hs256"] {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{name}"}}"#));
        let token = format!("{header}.{}.", URL_SAFE_NO_PAD.encode("{}"));
        assert_eq!(open(&token, &keys), Err(Refusal::Algorithm), "{name}");
    }
    for header in [r#"{"alg":null}"#, r#"{"alg":["HS256"]}"#, "{}"] {
        let token = sign_hs256(header, "{}", b"secret");
        assert_eq!(open(&token, &keys), Err(Refusal::Algorithm), "{header}");
    }
}

/// A public key is known to all: signing with its text, or its numbers, is no proof of anything.
#[test]
fn public_keys_are_no_secrets() {
    for example in examples() {
        let secrets = [
            print(&example.key).into_bytes(),
            ["n", "x"]
                .iter()
                .filter_map(|name| example.key.get(*name)?.as_text())
                .collect::<String>()
                .into_bytes(),
        ];
        if example.key["kty"] == Value::Text("oct".to_owned()) {
            continue;
        }
        for secret in secrets {
            let token = sign_hs256(r#"{"alg":"HS256"}"#, "{}", &secret);
            assert_eq!(open(&token, &keys_of(&example.key)), Err(Refusal::NoKey));
        }
    }
}

#[test]
fn a_named_key_is_meant() {
    let keys = one(&format!(r#"{{"keys":[{},{}]}}"#, secret("a"), secret("b")));
    let token = |header| sign_hs256(header, "{}", b"secret");
    assert!(open(&token(r#"{"alg":"HS256"}"#), &keys).is_ok());
    assert!(open(&token(r#"{"alg":"HS256","kid":"b"}"#), &keys).is_ok());
    let other = token(r#"{"alg":"HS256","kid":"c"}"#);
    assert_eq!(open(&other, &keys), Err(Refusal::NoKey));
    let wrong = Refusal::Malformed("\"kid\" is not a string");
    assert_eq!(
        open(&token(r#"{"alg":"HS256","kid":1}"#), &keys),
        Err(wrong)
    );
    // Who has no name may be meant by any.
    let nameless = one(&secret("a").replace(r#""kid":"a","#, ""));
    assert!(open(&other, &nameless).is_ok());
    // Of several texts, all keys count.
    let sets = [one(&secret("a")), nameless].concat();
    assert!(open(&other, &sets).is_ok());
}

#[test]
fn extensions_are_refused() {
    let keys = one(&secret("a"));
    for header in [
        r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#,
        r#"{"alg":"HS256","zip":"DEF"}"#,
    ] {
        let token = sign_hs256(header, "{}", b"secret");
        assert_eq!(open(&token, &keys), Err(Refusal::Extension), "{header}");
    }
}

/// Two readers of such a token would believe different things.
#[test]
fn ambiguous_tokens_are_refused() {
    let keys = one(&secret("a"));
    let twice = sign_hs256(r#"{"alg":"HS256","alg":"none"}"#, "{}", b"secret");
    let wrong = Refusal::Malformed("token header is not a JSON object");
    assert_eq!(open(&twice, &keys), Err(wrong));
    for claims in [
        r#"{"sub":"ann","sub":"admin"}"#,
        r#"{"sub":"ann","\u0073ub":"admin"}"#,
        r#"{"a":{"b":1,"b":2}}"#,
        "[]",
        "",
        "1",
        "{} x",
        &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        &format!("{{\"a\":{}1{}}}", "[".repeat(32), "]".repeat(32)),
    ] {
        assert!(Claims::parse(claims.as_bytes()).is_err(), "{claims:.60}");
    }
}

#[test]
fn long_tokens_are_refused() {
    let long = "A".repeat(tidegate_jose::limits::TOKEN_MAX + 1);
    let wrong = Refusal::Malformed("token is too long");
    assert_eq!(Jws::parse(long.as_bytes()), Err(wrong));
    let claims = format!("{{\"a\":\"{}\"}}", "x".repeat(40_000));
    let token = sign_hs256(r#"{"alg":"HS256"}"#, &claims, b"secret");
    assert!(open(&token, &one(&secret("a"))).is_ok());
}

/// How many signatures a token costs does not depend on how many keys there are.
#[test]
fn not_every_key_is_tried() {
    let keys: Vec<_> = (0..tidegate_jose::limits::TRIES_MAX)
        .map(|_| r#"{"kty":"oct","k":"AAAA"}"#.to_owned())
        .chain([secret("last")])
        .collect();
    let keys = one(&format!(r#"{{"keys":[{}]}}"#, keys.join(",")));
    let token = sign_hs256(r#"{"alg":"HS256"}"#, "{}", b"secret");
    assert_eq!(open(&token, &keys), Err(Refusal::Signature));
}

#[test]
fn broken_keys_are_told() {
    let check = |text: &str, expected: &str| {
        let error = Keys::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    };
    check("", "EOF");
    check("[]", "not an object");
    check("{}", "no \"keys\"");
    check(r#"{"keys":{}}"#, "no \"keys\"");
    check(r#"{"keys":[1]}"#, "key 0: not an object");
    check(r#"{"keys":[{}]}"#, "key 0: no \"kty\"");
    check(r#"{"kty":"oct"}"#, "\"k\" is missing");
    check(r#"{"kty":"oct","k":""}"#, "\"k\" is empty");
    check(
        r#"{"kty":"oct","k":"a"}"#,
        "\"k\" is missing or not base64url",
    );
    check(r#"{"kty":"oct","k":"AAAA","kid":1}"#, "is not a string");
    check(r#"{"kty":"RSA","n":"AA","e":"AQAB"}"#, "\"n\" or \"e\"");
    check(
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}"#,
        "a private key needs",
    );
    check(
        r#"{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}"#,
        "a coordinate",
    );
    let x = "A".repeat(43);
    check(
        &format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}"}}"#),
        "no point of its curve",
    );
    let many = vec!["{}"; tidegate_jose::limits::KEYS_MAX + 1].join(",");
    check(&format!(r#"{{"keys":[{many}]}}"#), "too many keys");
    check(
        &" ".repeat(tidegate_jose::limits::KEYS_TEXT_MAX + 1),
        "too long",
    );
    // What we do not know may stand beside what we know (RFC 7517, section 5).
    let unknown =
        r#"{"keys":[{"kty":"AKP"},{"kty":"EC","crv":"P-1"},{"kty":"OKP","crv":"Ed448"}]}"#;
    assert!(Keys::parse(unknown.as_bytes()).unwrap().is_empty());
    // A token that needs one of them is refused.
    let signed_by = |name| {
        let token = sign_hs256(&format!(r#"{{"alg":"{name}"}}"#), "{}", b"secret");
        open(&token, &one(unknown))
    };
    assert_eq!(signed_by("EdDSA"), Err(Refusal::NoKey));
    assert_eq!(signed_by("Ed448"), Err(Refusal::Algorithm));
}

/// One broken key locks nobody out who has another, and lets nobody in.
#[test]
fn broken_keys_are_left_out_of_a_set() {
    let broken = [
        (r#"{"kty":"oct","kid":"b","k":"a!"}"#, "\"k\" is missing or"),
        (r#"{"kty":"oct","kid":"b","k":""}"#, "\"k\" is empty"),
        (
            r#"{"kty":"oct","kid":"b","k":"c2VjcmV0","alg":1}"#,
            "not a string",
        ),
        (r#"{"kty":"RSA","kid":"b","e":"AQAB"}"#, "\"n\" or \"e\""),
        (r#"{"kty":"EC","kid":"b","crv":"P-256"}"#, "a coordinate"),
        (r#"{"kid":"b"}"#, "no \"kty\""),
    ];
    for (key, why) in broken {
        let good = secret("good");
        let keys = Keys::parse(format!(r#"{{"keys":[{key},{good}]}}"#).as_bytes()).unwrap();
        assert_eq!(keys.len(), 1, "{key}");
        let told = keys.skipped()[0].to_string();
        assert!(told.starts_with("key 0 (\"kid\" \"b\"): "), "{told}");
        assert!(told.contains(why), "{told}");

        let keys = [Arc::new(keys)];
        let signed = |id, secret: &[u8]| {
            let header = format!(r#"{{"alg":"HS256","kid":"{id}"}}"#);
            open(&sign_hs256(&header, "{}", secret), &keys)
        };
        assert_eq!(signed("good", b"secret"), Ok(b"{}".to_vec()), "{key}");
        for secret in [&b"secret"[..], b"", b"a!", b"\x68"] {
            assert_eq!(signed("b", secret), Err(Refusal::NoKey), "{key}");
        }
    }
    let all = broken.map(|(key, _)| key).join(",");
    let error = Keys::parse(format!(r#"{{"keys":[{all}]}}"#).as_bytes()).unwrap_err();
    let first = "key 0 (\"kid\" \"b\"): \"k\" is missing or not base64url";
    assert_eq!(error.to_string(), first);
    // A name can be as long as it likes, and have in it what it likes.
    let name = format!("\\n{}", "x".repeat(1000));
    let key = format!(r#"{{"keys":[{{"kid":"{name}"}},{}]}}"#, secret("good"));
    let told = Keys::parse(key.as_bytes()).unwrap().skipped()[0].to_string();
    let shown = format!("key 0 (\"kid\" \"\\n{}\"): no \"kty\"", "x".repeat(63));
    assert_eq!(told, shown);
}

/// Keys end up in messages and memory dumps by being shown.
#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", Keys::parse(secret("name").as_bytes()).unwrap());
    assert!(
        shown.contains("name") && !shown.contains("c2Vjcm"),
        "{shown}"
    );
}
