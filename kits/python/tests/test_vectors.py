"""The vectors of contract/tokens: the verifier reaches each verdict, for the reason that is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from watchword_verifier import InvalidToken
from watchword_verifier.claims import TYPES, Expected, parse_identity
from watchword_verifier.errors import FetchError, Reason
from watchword_verifier.jws import parse_jws
from watchword_verifier.keys import parse_key_set
from watchword_verifier.status_list import MAX_DOCUMENT, parse_status_list

FOLDER = Path(__file__).parents[3] / "contract/tokens"


def cases(name: str, kind: str = "tokens") -> list[Any]:
    document = json.loads((FOLDER / name).read_text())
    return [pytest.param(document, case, id=f"{name} {case['name']}") for case in document[kind]]


def verdict(document: dict[str, Any], token: str) -> tuple[str, str | None]:
    keys = parse_key_set(json.dumps(document["jwks"]).encode())
    expected = Expected(document["issuer"], document["audience"], document["leeway"])
    try:
        jws = parse_jws(token)
        if jws.type not in TYPES:
            raise InvalidToken(Reason.TYPE)
        if jws.kid not in keys:
            raise InvalidToken(Reason.UNKNOWN_KEY)
        keys[jws.kid].verify(jws)
        parse_identity(jws, expected, now=document["now"])
    except InvalidToken as invalid:
        return "refused", invalid.reason
    return "accepted", None


@pytest.mark.parametrize(
    ("document", "case"), [*cases("good.json"), *cases("bad.json"), *cases("elsewhere.json")]
)
def test_each_vector_gets_its_verdict(document: dict[str, Any], case: dict[str, Any]) -> None:
    assert verdict(document, case["token"]) == (case["verdict"], case.get("reason"))


@pytest.mark.parametrize(("document", "case"), cases("status_lists.json", "lists"))
def test_each_list_gets_its_verdict_and_its_values(document: dict[str, Any], case: dict[str, Any]) -> None:
    keys = parse_key_set(json.dumps(document["jwks"]).encode())

    def statuses() -> dict[str, int | None]:
        jws = parse_jws(case["document"], MAX_DOCUMENT)
        if jws.kid not in keys:
            raise FetchError("unknown key")
        keys[jws.kid].verify(jws)
        held = parse_status_list(jws, document["uri"], document["issuer"], now=document["now"])
        return {index: held.status(int(index)) for index in case["statuses"]}

    if case["verdict"] == "accepted":
        assert statuses() == case["statuses"]
    else:
        with pytest.raises((FetchError, InvalidToken)):
            statuses()
