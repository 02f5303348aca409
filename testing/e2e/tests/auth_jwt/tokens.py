"""Keys and tokens by PyJWT and jwcrypto, for the tests of auth_jwt.

Prints a line "keys JSON", the keys as a server has them, and a line "NAME TOKEN" for each token.
"""

import base64
import hashlib
import hmac
import json
import time

import jwt
from jwcrypto import jwe, jwk

NOW = int(time.time())
CLAIMS = {
    "sub": "ann",
    "exp": NOW + 3600,
    "roles": ["reader", "writer", 7],
    "info": {"e-mail": "ann@example.com", "admin": True},
    "nothing": None,
    "zero": 0,
}


def secret(kid, bits):
    return jwk.JWK.generate(kty="oct", size=bits, kid=kid)


rsa = jwk.JWK.generate(kty="RSA", size=2048, kid="rsa")
curves = {
    "ES256": jwk.JWK.generate(kty="EC", crv="P-256", kid="p256"),
    "ES384": jwk.JWK.generate(kty="EC", crv="P-384", kid="p384"),
    "ES512": jwk.JWK.generate(kty="EC", crv="P-521", kid="p521"),
    "ES256K": jwk.JWK.generate(kty="EC", crv="secp256k1", kid="k256"),
    "EdDSA": jwk.JWK.generate(kty="OKP", crv="Ed25519", kid="ed"),
}
secrets = {bits: secret(f"s{bits}", bits) for bits in (128, 192, 256, 384, 512)}
keys = [json.loads(key.export()) for key in [rsa, *secrets.values()]]
keys += [json.loads(key.export_public()) for key in curves.values()]
print("keys", json.dumps({"keys": keys}))


def part(value):
    if not isinstance(value, bytes):
        value = json.dumps(value).encode()
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def sign(algorithm, claims=CLAIMS, kid=True, key=None):
    if algorithm.startswith("HS"):
        key = key or secrets[int(algorithm[2:])]
        material = base64.urlsafe_b64decode(key["k"] + "==")
    else:
        key = key or curves.get(algorithm, rsa)
        material = key.export_to_pem(private_key=True, password=None)
    headers = {"kid": key["kid"]} if kid else {}
    return jwt.encode(claims, material, algorithm=algorithm, headers=headers)


def seal(algorithm, content, key, payload=json.dumps(CLAIMS)):
    header = {"alg": algorithm, "enc": content, "kid": key["kid"]}
    token = jwe.JWE(payload, json.dumps(header), recipient=key)
    return token.serialize(compact=True)


for name in ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]:
    print("signed:" + name, sign(name))
for name in curves:
    print("signed:" + name, sign(name))
    print("signed:nameless-" + name, sign(name, kid=False))

contents = [("A%dGCM" % bits, bits) for bits in (128, 192, 256)]
contents += [("A%dCBC-HS%d" % (bits, 2 * bits), 2 * bits) for bits in (128, 192, 256)]
for content, bits in contents:
    print("encrypted:dir-" + content, seal("dir", content, secrets[bits]))
    for size in (128, 192, 256):
        for family in ("A%dKW", "A%dGCMKW"):
            name = family % size
            print(f"encrypted:{name}-{content}", seal(name, content, secrets[size]))
    for name in ("RSA-OAEP", "RSA-OAEP-256"):
        print(f"encrypted:{name}-{content}", seal(name, content, rsa))
print("nested:dir", seal("dir", "A256GCM", secrets[256], sign("ES256")))
print("nested:RSA", seal("RSA-OAEP", "A128CBC-HS256", rsa, sign("RS256")))


def forge(header, claims, key=b""):
    signed = part(header) + "." + part(claims)
    tag = hmac.new(key, signed.encode(), hashlib.sha256).digest() if key else b""
    return signed + "." + part(tag)


public = rsa.export_to_pem()
modulus = base64.urlsafe_b64decode(rsa["n"] + "==")
stranger = jwk.JWK.generate(kty="RSA", size=2048, kid="rsa")
head, body, tag = sign("HS256").split(".")
admin = dict(CLAIMS, sub="admin")
print("refused:none", jwt.encode(admin, None, algorithm="none"))
print("refused:None", forge({"alg": "None"}, admin))
print("refused:confused", forge({"alg": "HS256", "kid": "rsa"}, admin, public))
print("refused:confused-nameless", forge({"alg": "HS256"}, admin, public))
print("refused:confused-modulus", forge({"alg": "HS256"}, admin, modulus))
print("refused:stranger", sign("RS256", admin, key=stranger))
print("refused:other-kid", sign("HS256", key=secret("s256", 256)))
print("refused:no-kid-of-ours", sign("HS256", key=secret("unknown", 256)))
print("refused:other-claims", ".".join([head, part(admin), tag]))
print("refused:no-signature", ".".join([head, body, ""]))
print("refused:short", ".".join([head, body]))
print("refused:long", ".".join([head, body, tag, tag]))
print("refused:padded", ".".join([head, body, tag + "="]))
print("refused:encrypted", seal("dir", "A256GCM", secrets[256]))
print("refused:list", sign("HS256").replace(body, part([1])))
print("refused:expired", sign("HS256", dict(CLAIMS, exp=NOW - 60)))
print("refused:early", sign("HS256", dict(CLAIMS, nbf=NOW + 600)))
raw = base64.urlsafe_b64decode(secrets[256]["k"] + "==")
for name, claims in {
    "text-exp": dict(CLAIMS, exp="never"),
    "huge-exp": b'{"exp":1e999}',
    "negative-exp": b'{"exp":-9223372036854775809}',
    "twice": b'{"sub":"ann","sub":"admin"}',
    "deep": b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}",
    "no-json": b"sub=admin",
    "no-utf8": b'{"sub":"\xff"}',
}.items():
    print("refused:" + name, forge({"alg": "HS256", "kid": "s256"}, claims, raw))
print("refused:crit", forge({"alg": "HS256", "kid": "s256", "crit": ["x"], "x": 1}, CLAIMS, raw))
print("late:leeway", sign("HS256", dict(CLAIMS, exp=NOW - 60)))
print("crlf:claim", sign("HS256", dict(CLAIMS, sub="a\r\nX-Evil: 1")))
print("other:bob", sign("HS256", dict(CLAIMS, sub="bob", zero=1)))
print("huge:claims", sign("HS256", dict(CLAIMS, text="x" * 20000)))


def changed(token, place, change):
    parts = token.split(".")
    raw = base64.urlsafe_b64decode(parts[place] + "==")
    parts[place] = part(change(raw))
    return ".".join(parts)


def header(**members):
    return lambda raw: dict(json.loads(raw), **members)


gcm = seal("dir", "A256GCM", secrets[256])
cbc = seal("dir", "A256CBC-HS512", secrets[512])
wrapped = seal("A128KW", "A128GCM", secrets[128])
print("unsealed:signed", sign("HS256"))
print("unsealed:stranger", seal("RSA-OAEP", "A128GCM", stranger))
print("unsealed:no-claims", seal("dir", "A256GCM", secrets[256], "[1]"))
print("unsealed:expired", seal("dir", "A256GCM", secrets[256], json.dumps({"exp": NOW - 60})))
print("unsealed:twice", seal("dir", "A256GCM", secrets[256], '{"sub":"ann","sub":"admin"}'))
# Would keep a server busy that derives keys from passwords as often as it is told.
for count in (1 << 31, 1 << 62, -1):
    bomb = header(alg="PBES2-HS512+A256KW", p2s="AAAAAAAAAAA", p2c=count)
    print(f"unsealed:bomb{count}", changed(wrapped, 0, bomb))
for name in ("ECDH-ES", "ECDH-ES+A128KW"):
    print("unsealed:" + name, seal(name, "A128GCM", curves["ES256"]))
off_curve = {"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}
print("unsealed:off-curve", changed(gcm, 0, header(alg="ECDH-ES", epk=off_curve)))
for name in ("RSA1_5", "none", "", "HS256", "A256KW"):
    print("unsealed:" + name, changed(gcm, 0, header(alg=name)))
for name in ("none", "", "A256CBC-HS256", "A128GCM", "A256CBC-HS512"):
    print("unsealed:enc" + name, changed(gcm, 0, header(enc=name)))
print("unsealed:zip", changed(gcm, 0, header(zip="DEF")))
print("unsealed:crit", changed(gcm, 0, header(crit=["exp"], exp=1)))
print("unsealed:header", changed(gcm, 0, header(x=1)))
for name, token in {"gcm": gcm, "cbc": cbc}.items():
    for length in (0, 1, 8, 15):
        print(f"unsealed:{name}-tag{length}", changed(token, 4, lambda raw: raw[:length]))
    for length in (0, 8, 11, 15, 17):
        print(f"unsealed:{name}-iv{length}", changed(token, 2, lambda raw: bytes(length)))
    print(f"unsealed:{name}-key", changed(token, 1, lambda raw: b"x"))
    print(f"unsealed:{name}-bit", changed(token, 3, lambda raw: raw[:-1] + bytes([raw[-1] ^ 1])))
    print(f"unsealed:{name}-cut", changed(token, 3, lambda raw: raw[:-1]))
    print(f"unsealed:{name}-empty", changed(token, 3, lambda raw: b""))
for length in (0, 8, 16, 23, 25, 4000):
    print(f"unsealed:wrapped{length}", changed(wrapped, 1, lambda raw: bytes(length)))
