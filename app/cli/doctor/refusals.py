"""What a deployment refuses, and whether its refusals reach the client as the service made them."""

from collections.abc import Sequence
from http import HTTPStatus

import httpx

from app.cli.doctor.asking import Silence
from app.cli.doctor.findings import Finding, ok, problem, warning
from app.cli.doctor.published import Heard, came, document
from app.http.problems import MEDIA_TYPE

ATTACKER = "https://attacker.example"


def refusal(subject: str, asked: str, answer: Heard, wanted: tuple[HTTPStatus, str], harm: str) -> Finding:
    """Whether a request was refused with this status and this code."""
    status, code = wanted
    if isinstance(answer, Silence):
        return problem(
            subject,
            f"{asked}: no answer came ({answer.reason}), where the service refuses with {status.value}: "
            "clients see a broken connection and try again. Let the proxy pass the refusal on.",
        )
    if answer.status_code != status:
        return problem(subject, f"{asked}: {answer.status_code} came and not {status.value}: {harm}.")
    if (document(answer) or {}).get("code") != code or not _is_problem(answer):
        return warning(
            subject,
            f"{asked}: something in front of the service refuses in its place ({came(answer)}): clients "
            f"find no code {code}. Let the proxy pass on errors as they are.",
        )
    return ok(subject, f"{asked}: refused with {status.value} {code}.")


def _is_problem(answer: httpx.Response) -> bool:
    return str(answer.headers.get("content-type")).startswith(MEDIA_TYPE)


def cors(answers: Sequence[tuple[str, httpx.Response]]) -> Finding:
    """Whether any answer lets pages of another origin read it; all were asked for by such a page."""
    for asked, answer in answers:
        allowed = {
            value.strip()
            for value in answer.headers.get_list("access-control-allow-origin", split_commas=True)
        }
        if ATTACKER in allowed:
            return problem(
                "cors",
                f"{asked} allows {ATTACKER}, which nobody listed: pages of every site read the answers. Let "
                "the proxy set no Access-Control header; the service does.",
            )
        if allowed:
            return warning(
                "cors",
                f"{asked} allows {', '.join(sorted(allowed))}, whoever asks: something in front of the "
                "service sets Access-Control headers, with which browsers refuse what allowed origins ask "
                "for. Let it set none.",
            )
    return ok("cors", f"No answer lets a page of {ATTACKER} read it.")
