"""One token, one spelling: whatever else base64url, JSON or HTTP would tolerate is refused.

Where the spelling is of the header or the payload, the signature is over that very spelling.
"""

import json
from collections.abc import Callable
from string import ascii_letters, digits

import httpx
import pytest

from app.crypto.access_tokens import MAX_LENGTH
from app.dev import Servers
from tests.support.people import me
from tests.support.servers import Service
from tests.support.tokens import Mint, assert_refused, b64, members, mint_for_somebody

pytestmark = pytest.mark.requirement("T8")

LETTERS = ascii_letters[26:] + ascii_letters[:26] + digits + "-_"
OTHER_ALPHABET = str.maketrans("-_", "+/")
HEADER, PAYLOAD, SIGNATURE = range(3)

Attack = Callable[[Mint], str | bytes]


@pytest.fixture(scope="module")
async def mint(service: Service, migrated: Servers) -> Mint:
    return await mint_for_somebody(service, migrated.database_url)


def padded(text: bytes, remainder: int) -> bytes:
    """The JSON text with spaces behind it, so that its base64url leaves this many bytes over."""
    return text + b" " * ((remainder - len(text)) % 3)


def respelled(part: int, respell: Callable[[str], str]) -> Attack:
    """One part in another spelling; header and payload leave one byte over, as the signature does."""

    def attack(mint: Mint) -> str:
        parts = [b64(padded(members(values, x='"???~~~"'), 1)) for values in (mint.header, mint.claims)]
        if part is not SIGNATURE:
            parts[part] = _changed(parts[part], respell)
        signature = b64(mint.sign(".".join(parts).encode()))
        parts.append(_changed(signature, respell) if part is SIGNATURE else signature)
        return ".".join(parts)

    return attack


def _changed(text: str, respell: Callable[[str], str]) -> str:
    changed = respell(text)
    assert changed != text, "the attack would not be one"
    return changed


def _with_unused_bits(text: str) -> str:
    assert len(text) % 4 == 2
    return text[:-1] + LETTERS[LETTERS.index(text[-1]) | 1]


SPELLINGS: dict[str, Callable[[str], str]] = {
    "padded with ==": lambda text: text + "==",
    "padded with =": lambda text: text + "=",
    "with non-zero unused bits": _with_unused_bits,
    "in the other base64 alphabet": lambda text: text.translate(OTHER_ALPHABET),
    "with a space in it": lambda text: f"{text[:8]} {text[8:]}",
    "with a tab in it": lambda text: f"{text[:8]}\t{text[8:]}",
    "with a letter of no alphabet": lambda text: f"{text[:8]}!{text[8:]}",
    "with a percent escape": lambda text: f"{text[:8]}%41{text[8:]}",
    "with a letter beyond ASCII": lambda text: f"{text[:8]}\u00e9{text[8:]}",
    "one letter too short": lambda text: text[:-1],
    "in the other case": str.swapcase,
    "empty": lambda _: "",
}
RESPELLED: dict[str, Attack] = {
    f"the {name} {what}": respelled(part, respell)
    for part, name in enumerate(("header", "payload", "signature"))
    for what, respell in SPELLINGS.items()
}
PARTS: dict[str, Attack] = {
    "nothing": lambda _: "",
    "one part": lambda mint: mint.token().split(".")[0],
    "two parts": lambda mint: mint.token().rpartition(".")[0],
    "four parts": lambda mint: f"{mint.token()}.e30",
    "a dot behind": lambda mint: f"{mint.token()}.",
    "a dot in front": lambda mint: f".{mint.token()}",
    "five parts, as an encrypted token has": lambda mint: f"{mint.token()}.e30.e30",
    "two dots": lambda _: "..",
    "a token of its own in front": lambda mint: f"{mint.token()},{mint.token()}",
    "another scheme between": lambda mint: f"Bearer {mint.token()}",
    "quotes": lambda mint: f'"{mint.token()}"',
    "a no-break space behind": lambda mint: mint.token().encode() + b"\xa0",
}


def header_as(spell: Callable[[bytes], bytes]) -> Attack:
    return lambda mint: mint.token(header=spell(members(mint.header)))


def payload_as(spell: Callable[[bytes], bytes]) -> Attack:
    return lambda mint: mint.token(payload=spell(members(mint.claims)))


def _again(name: str, value: str | None = None) -> Callable[[bytes], bytes]:
    """The member once more in front, with its own value or another one."""

    def spell(text: bytes) -> bytes:
        written = json.dumps(json.loads(text)[name]) if value is None else value
        return f'{{"{name}":{written},'.encode() + text[1:]

    return spell


TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "behind a byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "in UTF-16": lambda text: text.decode().encode("utf-16"),
    "in UTF-16 without a byte order mark": lambda text: text.decode().encode("utf-16-le"),
    "in UTF-32": lambda text: text.decode().encode("utf-32"),
    "with a byte that is no UTF-8": lambda text: text[:-1] + b',"x":"\xff"}',
    "with a surrogate in UTF-8": lambda text: text[:-1] + b',"x":"\xed\xa0\x80"}',
    "with a bare control character": lambda text: text[:-1] + b',"x":"\n"}',
    "with a NUL behind it": lambda text: text + b"\0",
    "with a second object behind it": lambda text: text + text,
    "with a trailing comma": lambda text: text[:-1] + b",}",
    "with a comment": lambda text: b"/**/" + text,
    "with a nested duplicate": lambda text: text[:-1] + b',"x":{"y":1,"y":1}}',
    "with a duplicate under an escape": lambda text: text[:-1] + b',"x":1,"\\u0078":1}',
}
JSON_TEXTS: dict[str, Attack] = (
    {f"a header {what}": header_as(spell) for what, spell in TEXTS.items()}
    | {f"a payload {what}": payload_as(spell) for what, spell in TEXTS.items()}
    | {
        f"a header with {name} twice": header_as(_again(name, value))
        for name, value in {"alg": '"none"', "kid": None, "typ": '"JWT"'}.items()
    }
    | {
        f"a payload with {name} twice": payload_as(_again(name, value))
        for name, value in {"sub": f'"{"0" * 36}"', "exp": "1", "aud": None, "roles": '["admin"]'}.items()
    }
    | {"a header that is a list": header_as(lambda text: b"[" + text + b"]")}
    | {"a header that is a nest of arrays": header_as(lambda _: b"[" * 4000)}
)


def of_length(mint: Mint, length: int) -> str:
    """A good token of exactly this length; the header is stretched as well, since base64url has gaps."""
    for in_header in range(4):
        header = members(mint.header, x=f'"{"h" * in_header}"')
        room = length - len(mint.token(header, members(mint.claims, x='""')))
        for in_payload in range(room * 3 // 4 - 4, room * 3 // 4 + 4):
            token = mint.token(header, members(mint.claims, x=f'"{"p" * in_payload}"'))
            if len(token) == length:
                return token
    raise AssertionError("no token has this length")


LENGTHS: dict[str, Attack] = {
    "a good token one letter too long": lambda mint: of_length(mint, MAX_LENGTH + 1),
    "a good token of 9 KiB": lambda mint: of_length(mint, 9 * 1024),
    "9 KiB of letters": lambda _: "A" * 9 * 1024,
}


@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(attack, id=name)
        for group in (RESPELLED, PARTS, JSON_TEXTS, LENGTHS)
        for name, attack in group.items()
    ],
)
async def test_another_spelling_of_a_token_is_refused(
    client: httpx.AsyncClient, mint: Mint, attack: Attack
) -> None:
    await assert_refused(client, attack(mint))


async def test_the_longest_token_is_accepted(client: httpx.AsyncClient, mint: Mint) -> None:
    token = of_length(mint, MAX_LENGTH)

    assert len(token) == 8192
    assert (await me(client, token)).status_code == 200


@pytest.mark.parametrize("remainder", [0, 1, 2])
async def test_the_tokens_that_are_respelled_are_accepted(
    client: httpx.AsyncClient, mint: Mint, remainder: int
) -> None:
    header, payload = members(mint.header, x='"???~~~"'), members(mint.claims, x='"???~~~"')

    token = mint.token(padded(header, remainder), padded(payload, remainder))

    assert (await me(client, token)).status_code == 200
