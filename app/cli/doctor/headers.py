"""``headers``: the security headers of a deployment's answers."""

from collections.abc import Iterator, Sequence

import httpx2

from app.cli.doctor.findings import Finding, note, ok, warning

# A header, the value that it has to contain, and the harm if it is missing.
_ALWAYS = (
    (
        "X-Content-Type-Options",
        "nosniff",
        "browsers guess the content type, and may run the answer as a script",
    ),
    ("Referrer-Policy", "no-referrer", "browsers tell other sites which page a visitor comes from"),
    ("Content-Security-Policy", "frame-ancestors 'none'", "any site can show an answer in a frame"),
)
_NO_STORE = ("Cache-Control", "no-store", "a cache may serve one client's refusal to another")
_HSTS = (
    "Strict-Transport-Security",
    "max-age=",
    "a browser that is sent to http:// goes there, and an attacker on the network path can answer",
)


def check_headers(responses: Sequence[tuple[str, httpx2.Response]], *, public: bool) -> Iterator[Finding]:
    """Check that each response has the service's headers. ``public`` means https with a public name."""
    errors = [(request, response) for request, response in responses if response.is_error]
    expected = [(responses, *header) for header in _ALWAYS]
    if public:
        expected.append((responses, *_HSTS))
    expected.append((errors, *_NO_STORE))
    missing = [_missing(*header) for header in expected]
    if any(missing):
        yield from filter(None, missing)
    else:
        yield ok("headers", f"Answers have {', '.join(name for _, name, _, _ in expected)}.")
    for name in ("Server", "X-Powered-By"):
        values = {response.headers.get(name, "") for _, response in responses}
        if any(letter.isdigit() for value in values for letter in value):
            yield note(
                "headers",
                f"{name} reveals the version of a program ({', '.join(sorted(filter(None, values)))}). "
                "Let the proxy remove the header.",
            )


def _missing(
    responses: Sequence[tuple[str, httpx2.Response]], name: str, value: str, harm: str
) -> Finding | None:
    bare = [request for request, response in responses if value not in response.headers.get(name, "")]
    if not bare:
        return None
    where = f"{len(bare)} of {len(responses)} answers, such as that to {bare[0]}, lack"
    return warning(
        "headers", f"{where} {name} ({value}): {harm}. Let the proxy pass on the service's headers."
    )
