"""The claims of an access token: which are required, and their JSON types (RFC 9068 sections 2.2 and 4)."""

from collections.abc import Mapping
from dataclasses import dataclass

from watchword_verifier.errors import InvalidToken, Reason
from watchword_verifier.identity import Identity, StatusReference
from watchword_verifier.jws import Jws

TYPES = ("at+jwt", "application/at+jwt")
"""RFC 9068 section 4 takes both."""
_YEAR_10000 = 253_402_300_800
_MAX_INDEX = 2**40


@dataclass(frozen=True, slots=True)
class Expected:
    """Whose tokens are accepted, for whom they must be issued, and how far clocks may differ."""

    issuer: str
    audience: str
    leeway: float = 30.0
    """Seconds."""


def parse_identity(jws: Jws, expected: Expected, *, now: float) -> Identity:
    """The identity in a token whose signature was verified. ``now`` is in seconds since 1970.

    ``exp`` and ``nbf`` are exact at the boundary, with one leeway (RFC 7519 sections 4.1.4 and 4.1.5).

    Raises:
        InvalidToken: A claim is missing, of a wrong type, or does not hold.
    """
    claims = jws.payload()
    if claims.get("iss") != expected.issuer:
        raise InvalidToken(Reason.ISSUER)
    if not _is_for(claims.get("aud"), expected.audience):
        raise InvalidToken(Reason.AUDIENCE)
    issued_at, expires_at = _time(claims, "iat"), _time(claims, "exp")
    not_before = _time(claims, "nbf") if "nbf" in claims else issued_at
    identity = Identity(
        subject=_text(claims, "sub"),
        client_id=_text(claims, "client_id"),
        token_id=_text(claims, "jti"),
        key_id=jws.kid,
        issued_at=issued_at,
        expires_at=expires_at,
        session_id=_text(claims, "sid") if "sid" in claims else None,
        roles=_texts(claims, "roles"),
        scopes=_scopes(claims),
        authenticated_at=_time(claims, "auth_time") if "auth_time" in claims else None,
        methods=_texts(claims, "amr"),
        status=_status(claims),
        claims=claims,
    )
    if now >= expires_at + expected.leeway:
        raise InvalidToken(Reason.EXPIRED)
    if now < max(not_before, issued_at) - expected.leeway:
        raise InvalidToken(Reason.NOT_YET_VALID)
    return identity


def _is_for(audience: object, expected: str) -> bool:
    """``aud`` is one string or a list of strings (RFC 7519 section 4.1.3)."""
    if isinstance(audience, list):
        return all(isinstance(one, str) for one in audience) and expected in audience
    return audience == expected


def _time(claims: Mapping[str, object], name: str) -> int:
    value = claims.get(name)
    # In Python a boolean is an integer.
    if type(value) is not int or not 0 <= value < _YEAR_10000:
        raise InvalidToken(Reason.CLAIM)
    return value


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value or not _is_unicode(value):
        raise InvalidToken(Reason.CLAIM)
    return value


def _texts(claims: Mapping[str, object], name: str) -> tuple[str, ...]:
    values = claims.get(name, [])
    if not isinstance(values, list) or not all(isinstance(one, str) and _is_unicode(one) for one in values):
        raise InvalidToken(Reason.CLAIM)
    return tuple(values)


def _scopes(claims: Mapping[str, object]) -> tuple[str, ...]:
    """``scope``: names with a space between them (RFC 6749 section 3.3)."""
    return tuple(_text(claims, "scope").split(" ")) if "scope" in claims else ()


def _status(claims: Mapping[str, object]) -> StatusReference | None:
    """Where to look up the status (draft-ietf-oauth-status-list section 6.2).

    A ``status`` with other mechanisms alone is refused as well: the issuer says that the token can be
    revoked, in a way that is not understood here.
    """
    if "status" not in claims:
        return None
    status = claims["status"]
    reference = status.get("status_list") if isinstance(status, dict) else None
    if not isinstance(reference, dict):
        raise InvalidToken(Reason.CLAIM)
    index = reference.get("idx")
    if type(index) is not int or not 0 <= index < _MAX_INDEX:
        raise InvalidToken(Reason.CLAIM)
    return StatusReference(_text(reference, "uri"), index)


def _is_unicode(text: str) -> bool:
    """Whether the text can be written as UTF-8; JSON escapes may hold half of a surrogate pair."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
