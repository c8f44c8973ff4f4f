"""Another spelling of a token: what base64url and JSON decoders tolerate is refused all the same."""

from conformance.attack import MAX_TOKEN, Attack, payload, text
from conformance.minting import Mint, members


def _object(of_header: bytes | None = None, of_payload: bytes | None = None) -> Attack:
    return Attack("malformed", lambda mint: mint.token(of_header, of_payload))


def _twice(name: str, value: str) -> Attack:
    return Attack(
        "malformed",
        lambda mint: mint.token(payload=f'{{"{name}":{value},'.encode() + members(mint.claims)[1:]),
    )


SPELLINGS: dict[str, Attack] = {
    "nothing": text("malformed", lambda _: ""),
    "two parts": text("malformed", lambda token: token.rpartition(".")[0]),
    "four parts": text("malformed", lambda token: f"{token}.e30"),
    "five parts": text("malformed", lambda token: f"{token}.e30.e30"),
    "a dot behind": text("malformed", lambda token: f"{token}."),
    "padding behind": text("malformed", lambda token: f"{token}=="),
    "a space behind": text("malformed", lambda token: f"{token} "),
    "a line feed behind": text("malformed", lambda token: f"{token}\n"),
    "another last letter of the same bytes": text("malformed", lambda token: token[:-1] + _next(token[-1])),
    "a letter beyond ASCII": text("malformed", lambda token: token[:-1] + "\u00e9"),
    "nine KiB": text("malformed", lambda _: "A" * 9 * 1024),
    "a good token one letter too long": Attack("malformed", lambda mint: of_length(mint, MAX_TOKEN + 1)),
    "a header that is a list": _object(of_header=b"[]"),
    "a header that is no JSON": _object(of_header=b"{"),
    "a header nested deeply": _object(of_header=b"[" * 4000),
    "a payload that is a list": _object(of_payload=b"[]"),
    "a payload that is a text": _object(of_payload=b'"x"'),
    "a payload nested deeply": _object(of_payload=b"[" * 4000),
    "a payload behind a byte order mark": Attack(
        "malformed", lambda mint: mint.token(payload=b"\xef\xbb\xbf" + members(mint.claims))
    ),
    "a payload in UTF-16": Attack(
        "malformed", lambda mint: mint.token(payload=members(mint.claims).decode().encode("utf-16"))
    ),
    "a payload with sub twice": _twice("sub", '"someone"'),
    "a payload with exp twice": _twice("exp", "1"),
    "a stray NaN": payload("malformed", x="NaN"),
    "a number of 5000 digits": payload("malformed", x="9" * 5000),
}


def _next(letter: str) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(letter) | 1]


def of_length(mint: Mint, length: int) -> str:
    """A good token of exactly this length; the header is stretched as well, since base64url has gaps."""
    for in_header in range(4):
        head = members(mint.header, x=f'"{"h" * in_header}"')
        room = length - len(mint.token(head, members(mint.claims, x='""')))
        for in_payload in range(max(0, room * 3 // 4 - 4), room * 3 // 4 + 4):
            token = mint.token(head, members(mint.claims, x=f'"{"p" * in_payload}"'))
            if len(token) == length:
                return token
    raise ValueError("no token has this length")
