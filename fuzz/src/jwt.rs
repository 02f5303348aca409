//! Tokens, and keys.

use jose::claims::write_value;
use jose::limits::{KEYS_MAX, TOKEN_MAX};
use jose::{Claims, Jwe, Jws, Keys};
use std::sync::{Arc, LazyLock};

/// A secret that fits most algorithms, and nobody's token.
static SECRETS: LazyLock<Vec<Arc<Keys>>> = LazyLock::new(|| {
    let key = |length: usize| format!(r#"{{"kty":"oct","k":"{}"}}"#, "A".repeat(length));
    let keys = [key(22), key(32), key(43), key(64), key(86)].join(",");
    let keys = Keys::parse(format!(r#"{{"keys":[{keys}]}}"#).as_bytes());
    vec![Arc::new(keys.unwrap_or_default())]
});

/// Reads a token, a list of keys, claims; asks for a token to be believed that nobody made.
///
/// # Panics
///
/// When a limit does not hold, or a token is believed.
pub fn jwt(data: &[u8]) {
    if let Ok(jws) = Jws::parse(data) {
        assert!(data.len() <= TOKEN_MAX && jws.payload().len() < data.len());
        assert!(jws.verify(&SECRETS).is_err(), "forged");
        claims(jws.payload());
    }
    if let Ok(jwe) = Jwe::parse(data) {
        assert!(data.len() <= TOKEN_MAX && jwe.header().contains_key("alg"));
        assert!(jwe.decrypt(&SECRETS).is_err(), "forged");
    }
    if let Ok(keys) = Keys::parse(data) {
        assert!(keys.len() <= KEYS_MAX);
        // A token of nobody's, by whatever keys there are.
        let keys = [Arc::new(keys)];
        let token = b"eyJhbGciOiJFUzI1NiJ9.e30.AAAA";
        assert!(Jws::parse(token).is_ok_and(|jws| jws.verify(&keys).is_err()));
    }
    claims(data);
}

fn claims(data: &[u8]) {
    let Ok(claims) = Claims::parse(data) else {
        return;
    };
    for now in [i64::MIN, 0, i64::MAX] {
        // Leeway only ever lets more in.
        if claims.check_time(now, 0).is_ok() {
            assert!(claims.check_time(now, u64::MAX).is_ok());
        }
    }
    for name in claims.members().keys() {
        let mut out = Vec::new();
        let found = write_value(claims.members(), [name.as_str()], &mut out);
        assert!(found || out.is_empty());
    }
}
