//! `auth_jwt` and its kin, by tokens that other libraries made.

use harness::{Response, Server};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::LazyLock;

/// Debian's, whose packages have the libraries.
const PYTHON: &str = "/usr/bin/python3";

/// Keys as JSON, and tokens by name.
struct Made {
    keys: String,
    tokens: BTreeMap<String, String>,
}

/// `None` where the libraries are missing.
static MADE: LazyLock<Option<Made>> = LazyLock::new(|| {
    let script = include_str!("tokens.py");
    let output = Command::new(PYTHON).args(["-c", script]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("ModuleNotFoundError"), "{error}");
        return None;
    }
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    let mut tokens: BTreeMap<_, _> = lines.map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
    let keys = tokens.remove("keys")?;
    Some(Made { keys, tokens })
});

/// The tokens; `None` once it was told that this test is skipped.
fn made() -> Option<&'static Made> {
    if MADE.is_none() {
        harness::skip::skip("python3-jwt and python3-jwcrypto are not installed");
    }
    MADE.as_ref()
}

impl Made {
    fn token(&self, name: &str) -> &str {
        &self.tokens[name]
    }

    /// The tokens whose names begin with `prefix`.
    fn all<'m>(&'m self, prefix: &'m str) -> impl Iterator<Item = (&'m str, &'m str)> {
        let tokens = self
            .tokens
            .iter()
            .map(|(name, token)| (name.as_str(), token.as_str()));
        tokens.filter(move |(name, _)| name.starts_with(prefix))
    }
}

fn with_token(server: &Server, path: &str, token: &str) -> Response {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Connection: close\r\n\r\n"
    );
    server.request(request)
}

const CHALLENGE: &str = "Bearer realm=\"closed site\"";
const REFUSAL: &str = "Bearer realm=\"closed site\",error=\"invalid_token\"";

/// Every algorithm, and every token that must not get in.
#[test]
fn tokens_let_in_who_has_a_good_one() {
    let Some(made) = made() else { return };
    let server = Server::of_one(
        r#"
        large_client_header_buffers 4 64k;
        auth_jwt "closed site";
        auth_jwt_key_file html/keys.json;
        add_header X-Sub "$jwt_claim_sub";
        location /signed { }
        location /encrypted { auth_jwt_type encrypted; }
        location /nested { auth_jwt_type nested; }
        location /late { auth_jwt_leeway 2m; }
        location /off { auth_jwt off; }
        "#,
    )
    .with_file("html/keys.json", &made.keys)
    .with_file("html/signed", "in")
    .with_file("html/encrypted", "in")
    .with_file("html/nested", "in")
    .with_file("html/late", "in")
    .with_file("html/off", "in")
    .start();
    for path in ["signed", "encrypted", "nested", "late"] {
        let mut count = 0;
        for (name, token) in made.all(&format!("{path}:")) {
            let response = with_token(&server, &format!("/{path}"), token);
            assert_eq!(
                (response.status, response.header("X-Sub")),
                (200, Some("ann")),
                "{name}"
            );
            count += 1;
        }
        assert!(count > 0, "{path}");
        let response = server.get(&format!("/{path}"));
        let challenge = response.header("WWW-Authenticate");
        assert_eq!(
            (response.status, challenge),
            (401, Some(CHALLENGE)),
            "{path}"
        );
    }
    for (name, token) in made.all("refused:") {
        let response = with_token(&server, "/signed", token);
        let challenge = response.header("WWW-Authenticate");
        assert_eq!((response.status, challenge), (401, Some(REFUSAL)), "{name}");
    }
    assert_eq!(
        with_token(&server, "/signed", made.token("huge:claims")).status,
        200
    );
    for path in ["/encrypted", "/nested"] {
        for (name, token) in made.all("unsealed:") {
            let response = with_token(&server, path, token);
            let challenge = response.header("WWW-Authenticate");
            assert_eq!((response.status, challenge), (401, Some(REFUSAL)), "{name}");
        }
    }
    let sealed = made.token("encrypted:dir-A256GCM");
    assert_eq!(with_token(&server, "/nested", sealed).status, 401);
    assert_eq!(server.get("/off").status, 200);
    server.wait_for_error_log("JWT: signature verification failed");
    server.wait_for_error_log("JWT: token has expired");
}

const VARIABLES: &str = r#"
    auth_jwt_claim_set $email info e-mail;
    auth_jwt_claim_set $admin info admin;
    auth_jwt_claim_set $roles roles;
    auth_jwt_claim_set $missing info missing;
    auth_jwt_header_set $algorithm alg;
    map $jwt_claim_sub $mapped { ann ann; admin admin; default ""; }
    map "$mapped" $again { default $mapped; }
    server {
        listen 127.0.0.1:{port};
        auth_jwt "closed site";
        auth_jwt_key_file html/keys.json;
        add_header X-Told "$jwt_claim_sub|$email|$admin|$roles|$missing|$jwt_claim_info|$jwt_claim_nothing|$jwt_claim_zero|$jwt_header_kid|$algorithm" always;
        add_header X-Payload "$jwt_payload" always;
        add_header X-Claims "$jwt_claims" always;
        add_header X-Mapped $again always;
        set $early "$jwt_claim_sub$again";
        location /open { auth_jwt off; }
        location /allowed { satisfy any; allow all; }
        location /signed { }
        location /encrypted { auth_jwt_type encrypted; }
        location /nested { auth_jwt_type nested; }
        location /before { return 200 "$jwt_claim_sub|$jwt_header_kid"; }
        location /before/encrypted {
            auth_jwt_type encrypted;
            return 200 "$jwt_claim_sub|$jwt_header_kid";
        }
        location /round { auth_jwt x token=$jwt_claim_sub; }
    }
"#;

/// What a token says, before and after it was judged.
#[test]
fn claims_and_headers_are_variables() {
    let Some(made) = made() else { return };
    let server = Server::new(VARIABLES)
        .with_file("html/keys.json", &made.keys)
        .with_file("html/signed", "in")
        .with_file("html/encrypted", "in")
        .with_file("html/nested", "in")
        .with_file("html/open", "in")
        .with_file("html/allowed", "in")
        .start();
    let told = |path: &str, name: &str| {
        let response = with_token(&server, path, made.token(name));
        let header = |name| response.header(name).unwrap_or_default().to_owned();
        (header("X-Told"), header("X-Payload"), header("X-Claims"))
    };
    let claims = "ann|ann@example.com|true|reader,writer,7||||0";
    let (signed, payload, text) = told("/signed", "signed:HS256");
    assert_eq!(
        (signed, payload),
        (format!("{claims}|s256|HS256"), String::new())
    );
    assert!(
        text.starts_with('{') && text.contains("ann@example.com"),
        "{text}"
    );
    for (path, name) in [
        ("/signed", "signed:HS256"),
        ("/encrypted", "encrypted:dir-A256GCM"),
    ] {
        let response = with_token(&server, path, made.token(name));
        assert_eq!(response.header("X-Mapped"), Some("ann"), "{path}");
    }
    let (encrypted, payload, text) = told("/encrypted", "encrypted:dir-A256GCM");
    assert_eq!((encrypted, &payload), (format!("{claims}|s256|dir"), &text));
    assert!(text.starts_with('{'), "{text}");
    let (nested, payload, text) = told("/nested", "nested:RSA");
    assert_eq!(nested, format!("{claims}|rsa|RSA-OAEP"));
    assert!(
        payload.starts_with("eyJ") && payload.split('.').count() == 3,
        "{payload}"
    );
    assert!(text.starts_with('{'), "{text}");
    // Refused, it claims nothing.
    let (refused, _, text) = told("/signed", "refused:expired");
    assert_eq!((refused.as_str(), text.as_str()), ("|||||||||", ""));
    // What nobody has judged is told to nobody, though it was read on the way.
    for path in ["/open", "/allowed"] {
        for name in ["signed:HS256", "refused:other-claims"] {
            let nothing = ("|||||||||".to_owned(), String::new(), String::new());
            assert_eq!(told(path, name), nothing, "{path} {name}");
            // Nor is what a table made of it, for the server's rules.
            let response = with_token(&server, path, made.token(name));
            assert_eq!(response.header("X-Mapped"), None, "{path} {name}");
        }
    }
    // Who asks before it was judged hears what it says of itself.
    let before = |path: &str, name: &str| with_token(&server, path, made.token(name)).text();
    assert_eq!(before("/before", "signed:HS256"), "ann|s256");
    assert_eq!(before("/before", "refused:other-claims"), "admin|s256");
    assert_eq!(
        before("/before/encrypted", "encrypted:dir-A256GCM"),
        "|s256"
    );
    assert_eq!(with_token(&server, "/round", "x").status, 401);
    // A claim cannot split a field.
    let response = with_token(&server, "/signed", made.token("crlf:claim"));
    assert_eq!(response.header("X-Evil"), None);
    server.wait_for_error_log("JWT: token has expired");
}

const SOURCES: &str = r#"
    auth_jwt "closed site";
    subrequest_output_buffer_size 64k;
    location /several { auth_jwt_key_file html/other.json; auth_jwt_key_file html/keys.json; }
    location /variable { auth_jwt_key_file html/$arg_keys.json; }
    location /missing { auth_jwt_key_file html/keys.json; auth_jwt_key_file html/missing.json; }
    location /broken { auth_jwt_key_file html/broken.json; }
    location /none { }
    location /asked { auth_jwt_key_request /keys.json; }
    location /both { auth_jwt_key_file html/other.json; auth_jwt_key_request /keys.json?a=b; }
    location /unanswered { auth_jwt_key_request /nothing; }
    location /long { auth_jwt_key_request /long.json; }
    location /changed { auth_jwt_key_file html/changed.json; }
    location /cached { auth_jwt_key_file html/changed.json; auth_jwt_key_cache 1h; }
    location /cached/asked { auth_jwt_key_request /changed.json; auth_jwt_key_cache 1h; }
    location ~ \.json$ { auth_jwt off; internal; }
    location = /long.json { auth_jwt off; internal; subrequest_output_buffer_size 1k; }
"#;

/// A broken key of a set is told, and those beside it count.
#[test]
fn a_broken_key_is_left_out() {
    let Some(made) = made() else { return };
    let broken = r#"{"keys":[{"kty":"oct","kid":"half","k":"*"},"#;
    let (_, rest) = made.keys.split_once('[').expect("a set of keys");
    let server = Server::of_one(
        "auth_jwt site; auth_jwt_key_file html/keys.json;
         location /alone { auth_jwt_key_file html/alone.json; }
         location / { }",
    )
    .with_file("html/keys.json", format!("{broken}{rest}"))
    .with_file(
        "html/alone.json",
        format!("{}]}}", broken.trim_end_matches(',')),
    )
    .with_file("html/set", "in")
    .with_file("html/alone", "in")
    .start();
    let token = made.token("signed:ES256");
    assert_eq!(with_token(&server, "/set", token).status, 200);
    let told = "key 0 (\"kid\" \"half\"): \"k\" is missing or not base64url";
    let place = server.path("html/keys.json");
    server.wait_for_error_log(&format!(
        "invalid key in \"{}\" is ignored: {told}",
        place.display()
    ));
    assert_eq!(with_token(&server, "/alone", token).status, 500);
    let place = server.path("html/alone.json");
    server.wait_for_error_log(&format!("invalid keys in \"{}\": {told}", place.display()));
}

/// Files, subrequests, several of both; what cannot be had is our own fault.
#[test]
fn keys_come_from_files_and_subrequests() {
    let Some(made) = made() else { return };
    let other = r#"{"kty":"oct","kid":"other","k":"AAAA"}"#;
    let server = Server::of_one(SOURCES)
        .with_file("html/keys.json", &made.keys)
        .with_file("html/changed.json", &made.keys)
        .with_file("html/other.json", other)
        .with_file("html/broken.json", "{\"keys\":")
        .with_file("html/long.json", &made.keys)
        .with_file("html/several", "in")
        .with_file("html/variable", "in")
        .with_file("html/asked", "in")
        .with_file("html/both", "in")
        .with_file("html/changed", "in")
        .with_file("html/cached/file", "in")
        .with_file("html/cached/asked", "in")
        .start();
    let token = made.token("signed:ES256");
    let status = |path: &str| with_token(&server, path, token).status;
    for path in ["/several", "/variable?keys=keys", "/asked", "/both"] {
        assert_eq!(status(path), 200, "{path}");
    }
    for path in [
        "/missing",
        "/broken",
        "/none",
        "/unanswered",
        "/long",
        "/variable?keys=x",
    ] {
        assert_eq!(status(path), 500, "{path}");
    }
    assert_eq!(status("/variable?keys=other"), 401);
    for line in [
        "missing.json\" failed (2: No such file or directory)",
        "invalid keys in",
        "no keys are configured",
        "key request \"/nothing\" unexpected status: 404",
        "no keys could be had of \"/long.json\"",
    ] {
        server.wait_for_error_log(line);
    }
    // A new file counts at once, unless keys were to be kept.
    for path in ["/changed", "/cached/file", "/cached/asked"] {
        assert_eq!(status(path), 200, "{path}");
    }
    server.prefix().write("html/changed.json", other.as_bytes());
    assert_eq!(status("/changed"), 401);
    assert_eq!(status("/cached/file"), 200);
    assert_eq!(status("/cached/asked"), 200);
    server
        .prefix()
        .write("html/changed.json", made.keys.as_bytes());
    assert_eq!(status("/changed"), 200);
}

const POLICIES: &str = r#"
    map $jwt_claim_sub $is_ann { ann 1; }
    limit_req_zone $jwt_claim_sub zone=subjects:1m rate=1r/m;
    server {
        listen 127.0.0.1:{port};
        auth_jwt "closed site";
        auth_jwt_key_file html/keys.json;
        location /required { auth_jwt_require $is_ann; }
        location /required/403 { auth_jwt_require $jwt_claim_sub $is_ann error=403; }
        location /required/zero { auth_jwt_require $jwt_claim_zero; }
        location /any { satisfy any; deny all; }
        location /any/allowed { satisfy any; allow all; }
        location /all { deny all; }
        location /argument { auth_jwt "to $uri" token=$arg_token; }
        location /cookie { auth_jwt x token=$cookie_token; }
        location /limited { auth_jwt off; limit_except POST { auth_jwt x; } }
        location /user { internal_redirect @user; }
        location @user { auth_jwt off; limit_req zone=subjects; }
        location /page { error_page 401 /denied; }
        location /denied { auth_jwt off; }
        location /slow { auth_delay 300ms; }
        location /require { auth_require $is_ann error=404; }
    }
"#;

/// Requirements, `satisfy`, tokens from elsewhere, limits by what a good token claims.
#[test]
fn tokens_are_judged_as_the_location_says() {
    let Some(made) = made() else { return };
    let mut builder = Server::new(POLICIES).with_file("html/keys.json", &made.keys);
    for name in [
        "required/file",
        "required/403/file",
        "required/zero/file",
        "any/file",
        "any/allowed/file",
        "all",
        "argument",
        "cookie",
        "limited",
        "user",
        "denied",
        "slow",
        "require",
    ] {
        builder = builder.with_file(&format!("html/{name}"), "in");
    }
    let server = builder.start();
    let (ann, bob) = (made.token("signed:HS256"), made.token("other:bob"));
    let status = |path: &str, token: &str| with_token(&server, path, token).status;
    assert_eq!(status("/required/file", ann), 200);
    let refused = with_token(&server, "/required/file", bob);
    assert_eq!(
        (refused.status, refused.header("WWW-Authenticate")),
        (401, Some(REFUSAL))
    );
    assert_eq!(status("/required/403/file", ann), 200);
    assert_eq!(status("/required/403/file", bob), 403);
    assert_eq!(status("/required/zero/file", ann), 401);
    assert_eq!(status("/required/zero/file", bob), 200);
    assert_eq!(status("/require", ann), 200);
    assert_eq!(status("/require", bob), 404);

    assert_eq!(status("/any/file", ann), 200);
    assert_eq!(status("/any/file", "x"), 401);
    assert_eq!(server.get("/any/allowed/file").status, 200);
    assert_eq!(
        server.get("/any/allowed/file").header("WWW-Authenticate"),
        None
    );
    assert_eq!(status("/all", ann), 403);

    assert_eq!(server.get(&format!("/argument?token={ann}")).status, 200);
    let refused = with_token(&server, "/argument", ann);
    let challenge = "Bearer realm=\"to /argument\"";
    assert_eq!(
        (refused.status, refused.header("WWW-Authenticate")),
        (401, Some(challenge))
    );
    let cookie = format!("GET /cookie HTTP/1.0\r\nCookie: a=b; token={ann}\r\n\r\n");
    assert_eq!(server.request(cookie).status, 200);
    assert_eq!(server.get("/limited").status, 401);
    assert_eq!(status("/limited", ann), 200);

    assert_eq!(status("/user", ann), 200);
    assert_eq!(status("/user", ann), 503);
    assert_eq!(status("/user", bob), 200);
    // What was forged does not count against whom it names.
    assert_eq!(status("/user", made.token("refused:none")), 401);

    let page = server.get("/page");
    assert_eq!(
        (page.status, page.header("WWW-Authenticate")),
        (401, Some(CHALLENGE))
    );
    assert_eq!(page.text(), "in");
    let before = harness::clock::now();
    assert_eq!(status("/slow", "x"), 401);
    // Counted from the start of the turn that judged the token.
    assert!(before.elapsed().as_millis() >= 250);
    assert_eq!(status("/slow", ann), 200);
    let basic = "GET /all HTTP/1.0\r\nAuthorization: Basic YTpi\r\n\r\n";
    assert_eq!(server.request(basic).status, 403);
}

const ASKED: &str = r#"
    auth_jwt x;
    auth_jwt_key_file html/keys.json;
    location /any { satisfy any; auth_request /ask/204; }
    location /any/denied { satisfy any; auth_request /ask/403; }
    location /any/unknown { satisfy any; auth_request /ask/401; }
    location /all { auth_request /ask/204; }
    location /all/denied { auth_request /ask/403; }
    location /subject { auth_request /ask/subject; }
    location /any/subject { satisfy any; auth_request /ask/subject; }
    location /any/allowed { satisfy any; allow all; auth_request /ask/500; }
    location /ask/204 { return 204; }
    location /ask/401 { return 401; }
    location /ask/403 { return 403; }
    location /ask/500 { return 500; }
    location /ask/subject { if ($jwt_claim_sub != ann) { return 403; } return 204; }
"#;

/// Both questions of who may come in, in their order; what is asked may depend on the token.
#[test]
fn tokens_and_subrequests_together() {
    let Some(made) = made() else { return };
    let expected = [
        ("any", 200, 200, 200),
        ("any/denied", 200, 200, 401),
        ("any/unknown", 200, 200, 401),
        ("all", 200, 200, 401),
        ("all/denied", 403, 403, 401),
        ("subject", 200, 403, 401),
        ("any/subject", 200, 200, 401),
        ("any/allowed", 200, 200, 200),
    ];
    let builder = Server::of_one(ASKED).with_file("html/keys.json", &made.keys);
    let server = expected
        .iter()
        .fold(builder, |builder, (path, ..)| {
            builder.with_file(&format!("html/{path}/file"), "in")
        })
        .start();
    let tokens = ["signed:HS256", "other:bob", "refused:other-claims"].map(|name| made.token(name));
    for (path, of_ann, of_bob, of_forged) in expected {
        let path = format!("/{path}/file");
        let statuses = tokens.map(|token| with_token(&server, &path, token).status);
        assert_eq!(statuses, [of_ann, of_bob, of_forged], "{path}");
    }
}
