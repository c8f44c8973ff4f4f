"""``discovery``: the metadata that leads verifiers from the issuer to its keys."""

from collections.abc import Iterator

from app.cli.doctor.client import Answer, NoAnswer, describe, json_object
from app.cli.doctor.findings import Finding, ok, problem


def check_metadata(answer: Answer, typed: str, expected: str | None) -> Iterator[Finding]:
    """Compare the published issuer with the address as it was typed, and with AUTH_ISSUER where it is set."""
    metadata = json_object(answer)
    if metadata is None or "issuer" not in metadata or isinstance(answer, NoAnswer) or answer.is_error:
        yield problem(
            "discovery",
            f"/.well-known/openid-configuration is missing ({describe(answer)}): verifiers that start from "
            "the issuer find no keys. Route /.well-known/* to the service.",
        )
        return
    issuer = metadata["issuer"]
    if issuer in (typed, typed.rstrip("/")):
        yield ok("discovery", f"The issuer is {issuer}, and its metadata is at this address.")
    else:
        yield problem(
            "discovery",
            f"The issuer is {issuer} and not {typed}: verifiers that expect this address refuse every token. "
            "Set AUTH_ISSUER to the public address.",
        )
    if expected is not None and issuer != expected:
        yield problem(
            "discovery",
            f"The issuer is {issuer}, but AUTH_ISSUER is {expected} here: the deployment runs with other "
            "settings.",
        )
    address = metadata.get("jwks_uri")
    if not isinstance(address, str) or not address.startswith(f"{typed.rstrip('/')}/"):
        yield problem(
            "discovery", f"jwks_uri points elsewhere, to {address}: verifiers take the keys from there."
        )
