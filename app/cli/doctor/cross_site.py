"""``cross-site``: whether the service recognises requests from pages of other sites."""

from http import HTTPStatus

from app.cli.doctor.client import Answer
from app.cli.doctor.errors import Expected, check_refusal
from app.cli.doctor.findings import Finding

_LOGIN = Expected(
    "A login from a page of another site",
    HTTPStatus.FORBIDDEN,
    "cross_site_request",
    "Sec-Fetch-Site does not arrive, by which the service recognises such pages; let the proxy pass it on",
    subject="cross-site",
)


def check_cross_site(answer: Answer) -> Finding:
    """Check that a login with ``Sec-Fetch-Site: cross-site`` was refused."""
    return check_refusal(_LOGIN, answer)
