"""``cors``: whether pages of an origin that is not allowed can read answers."""

from collections.abc import Sequence

import httpx2

from app.cli.doctor.findings import Finding, ok, problem, warning

ATTACKER = "https://attacker.example"


def check_cors(responses: Sequence[tuple[str, httpx2.Response]]) -> Finding:
    """Check the responses to requests whose origin was ATTACKER."""
    for request, response in responses:
        allowed = {
            value.strip()
            for value in response.headers.get_list("access-control-allow-origin", split_commas=True)
        }
        if ATTACKER in allowed:
            return problem(
                "cors",
                f"{request} allows {ATTACKER}, which no setting lists: pages of every site can read the "
                "answers. Let the proxy set no Access-Control header; the service sets them.",
            )
        if allowed:
            return warning(
                "cors",
                f"{request} allows {', '.join(sorted(allowed))}, whichever origin asks: something in front "
                "of the service sets Access-Control headers, and they make browsers refuse requests from "
                "allowed origins. Let it set none.",
            )
    return ok("cors", f"No answer lets a page of {ATTACKER} read it.")
