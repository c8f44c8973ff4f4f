"""Claims that do not hold, under a good signature, and claims that do."""

import json
from itertools import product

from conformance.attack import LEEWAY, MAX_TOKEN, Attack, Make, payload
from conformance.minting import LIFETIME
from conformance.spellings import of_length

_NOT_TIMES = {
    "a text": '"1790000000"',
    "a float": "1790000000.0",
    "true": "true",
    "null": "null",
    "negative": "-1",
    "infinite": "1e400",
    "too large": "253402300800",
}
REQUIRED = ("iss", "aud", "sub", "iat", "exp", "jti", "client_id")
_REASONS = {"iss": "issuer", "aud": "audience"}
CLAIMS: dict[str, Attack] = (
    {f"{name} missing": payload(_REASONS.get(name, "claim"), **{name: None}) for name in REQUIRED}
    | {f"{name} null": payload(_REASONS.get(name, "claim"), **{name: "null"}) for name in REQUIRED}
    | {
        f"{name} {what}": payload("claim", **{name: value})
        for name, (what, value) in product(("exp", "iat", "nbf", "auth_time"), _NOT_TIMES.items())
    }
    | {f"{name} a number": payload("claim", **{name: "1"}) for name in ("sub", "jti", "client_id", "sid")}
    | {f"{name} empty": payload("claim", **{name: '""'}) for name in ("sub", "jti", "client_id", "sid")}
    | {
        "iss another one": payload("issuer", iss='"https://other.example.com"'),
        "iss with a slash behind": Attack(
            "issuer", lambda mint: mint.claiming(iss=json.dumps(f"{mint.issuer}/"))
        ),
        "iss a list": Attack("issuer", lambda mint: mint.claiming(iss=json.dumps([mint.issuer]))),
        "aud another one": payload("audience", aud='"https://other.example.com"'),
        "aud a list of others": payload("audience", aud='["https://other.example.com"]'),
        "aud with a slash behind": Attack(
            "audience", lambda mint: mint.claiming(aud=json.dumps(f"{mint.audience}/"))
        ),
        "sub with a lone surrogate": payload("claim", sub='"\\ud800"'),
        "roles a text": payload("claim", roles='"admin"'),
        "roles of numbers": payload("claim", roles="[1]"),
        "roles an object": payload("claim", roles='{"admin":true}'),
        "amr a text": payload("claim", amr='"pwd"'),
    }
)


def _shifted(reason: str, **seconds: int) -> Attack:
    return Attack(
        reason,
        lambda mint: mint.claiming(**{name: str(int(mint.now()) + shift) for name, shift in seconds.items()}),
    )


TIMES: dict[str, Attack] = {
    "expired exactly the leeway ago": _shifted("expired", exp=-LEEWAY, iat=-LIFETIME),
    "expired an hour ago": _shifted("expired", exp=-3600, iat=-3600 - LIFETIME, nbf=-3600 - LIFETIME),
    "issued further ahead than the leeway": _shifted("not_yet_valid", iat=LEEWAY + 20, exp=LIFETIME),
    "not valid before more than the leeway": _shifted("not_yet_valid", nbf=LEEWAY + 20),
}
ACCEPTED: dict[str, Make] = {
    "a good token": lambda mint: mint.token(),
    "a good token of 8192 letters": lambda mint: of_length(mint, MAX_TOKEN),
    "expired within the leeway": lambda mint: _shifted("", exp=-LEEWAY + 20, iat=-LIFETIME + 20).make(mint),
    "issued ahead within the leeway": lambda mint: _shifted("", iat=LEEWAY - 20, exp=LIFETIME).make(mint),
    "not valid before, within the leeway": lambda mint: _shifted("", nbf=LEEWAY - 20).make(mint),
    "a native client": lambda mint: mint.claiming(client_id='"native"'),
    "without roles": lambda mint: mint.claiming(roles=None),
    "with a claim that means nothing": lambda mint: mint.claiming(x='{"y":[1.5,null]}'),
    "with a header member that means nothing": lambda mint: mint.headed(x='"y"'),
    "jwk, jku and x5u in the header of a good token": lambda mint: mint.headed(
        jwk="{}", jku='"https://other.example.com"', x5u='"https://other.example.com"'
    ),
    "of a service client": lambda mint: mint.claiming(
        sub='"orders"', client_id='"orders"', scope='"introspect revocations:read"', sid=None, auth_time=None,
        amr=None, roles=None,
    ),
}  # fmt: skip
ELSEWHERE: dict[str, Make] = {
    "typ application/at+jwt": lambda mint: mint.headed(typ='"application/at+jwt"'),
    "aud a list of one": lambda mint: mint.claiming(aud=json.dumps([mint.audience])),
    "aud a list of two": lambda mint: mint.claiming(
        aud=json.dumps(["https://other.example.com", mint.audience])
    ),
    "without nbf": lambda mint: mint.claiming(nbf=None),
    "sub not a UUID": lambda mint: mint.claiming(sub='"alice"'),
    "client_id of another kind": lambda mint: mint.claiming(client_id='"s6BhdRkqt3"'),
    "living for a day": lambda mint: _shifted("", exp=86_400).make(mint),
    "without auth_time and amr": lambda mint: mint.claiming(auth_time=None, amr=None),
}
"""RFC 9068 allows them, and Watchword never issues them: its own verification refuses them."""
