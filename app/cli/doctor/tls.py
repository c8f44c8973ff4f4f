"""``tls``: encryption between browsers and the deployment, and between the service and its servers."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address

from app.cli.doctor.client import Answer, NoAnswer
from app.cli.doctor.findings import Finding, counted, note, ok, problem, warning
from app.cli.doctor.sites import is_ip

_UNTRUSTED = re.compile(r"certificate verify failed: (.*?)(?: \(_ssl|$)")
_SOON = timedelta(days=14)
_VERIFYING_MODES = {"verify-ca", "verify-full"}


def check_postgres_url(hosts: Sequence[str], mode: str | None) -> Finding:
    """Check whether an attacker on the network path can read or change the traffic with Postgres."""
    if mode in _VERIFYING_MODES:
        return ok("tls", f"Postgres is reached over TLS, and its certificate is verified (sslmode={mode}).")
    if mode == "require" and not _all_on_this_machine(hosts):
        return note(
            "tls",
            "Postgres is reached over TLS, but its certificate is not verified (sslmode=require): an "
            "attacker on the network path can pose as Postgres. sslmode=verify-full verifies it; add "
            "&sslrootcert=/path/ca.pem if the system does not trust its authority.",
        )
    return _nearby(hosts, "AUTH_DATABASE_URL", "sslmode=verify-full") or warning(
        "tls",
        f"AUTH_DATABASE_URL names {', '.join(hosts)} and does not require TLS. If the server offers none, "
        "an attacker on the network path can read and change everything. Add ?sslmode=verify-full, and "
        "&sslrootcert=/path/ca.pem if the system does not trust the authority of its certificate. Use "
        "sslmode=require where the certificate cannot be verified.",
    )


def check_redis_url(hosts: Sequence[str], *, tls: bool) -> Finding:
    """Check whether an attacker on the network path can read or change the traffic with Redis."""
    if tls:
        return ok("tls", "Redis is reached over TLS.")
    return _nearby(hosts, "AUTH_REDIS_URL", "rediss://") or warning(
        "tls",
        f"AUTH_REDIS_URL names {', '.join(hosts)} without TLS: an attacker on the network path can read its "
        "password, and can make the service forget a logout. Use rediss:// instead of redis://.",
    )


def unreachable(base: str, failure: NoAnswer) -> Finding:
    """Explain why the deployment does not answer at all."""
    untrusted = _UNTRUSTED.search(failure.reason)
    if untrusted is not None:
        return problem(
            "tls",
            f"Browsers refuse the certificate of {base} ({untrusted[1]}), so users cannot sign in. Install "
            "a certificate for this name, with its whole chain. --insecure checks the rest with a test "
            "certificate.",
        )
    return problem(
        "tls", f"{base} does not answer ({failure.reason}). Check that it runs and that the name is right."
    )


def check_certificate(base: str, until: datetime | None, *, insecure: bool, now: datetime) -> Finding:
    """Check when the certificate expires. The handshake has verified the rest, unless ``insecure``."""
    if base.startswith("http://"):
        return note("tls", f"{base} is reachable from this machine only, and the traffic is not encrypted.")
    if insecure:
        return note(
            "tls",
            "The certificate was not verified (--insecure). If browsers refuse it, users cannot sign in.",
        )
    if until is not None and until - now < _SOON:
        days = counted(max(0, (until - now).days), "day")
        return warning(
            "tls",
            f"The certificate is valid but expires on {until:%Y-%m-%d}, in {days}. From then on browsers "
            "refuse it, and users cannot sign in. Renew it.",
        )
    expiry = "" if until is None else f"; it expires on {until:%Y-%m-%d}"
    return ok("tls", f"The certificate is trusted and names the host{expiry}.")


def check_plain_http(host: str, answer: Answer) -> Finding:
    """Check that the host's http port answers with nothing but a redirect or a refusal."""
    if isinstance(answer, NoAnswer):
        return ok("tls", f"http://{host} does not answer.")
    if answer.is_redirect and answer.headers.get("location", "").startswith("https://"):
        return ok("tls", f"http://{host} redirects browsers to https.")
    if answer.is_client_error:
        return ok("tls", f"http://{host} refuses requests ({answer.status_code}).")
    return problem(
        "tls",
        f"http://{host} answers {answer.status_code} without encryption: an attacker on the network path "
        "can read passwords that are sent there. Redirect every request to https, or close port 80.",
    )


def _nearby(hosts: Sequence[str], variable: str, mend: str) -> Finding | None:
    """Return the finding for hosts on this machine or in a container network, or None for others."""
    if _all_on_this_machine(hosts):
        return ok("tls", f"{variable} does not leave this machine, so it needs no TLS.")
    if all(_is_this_machine(host) or _has_one_label(host) for host in hosts):
        return note(
            "tls",
            f"{variable} names {', '.join(hosts)} without TLS. This is fine in a network that only your own "
            f"containers use. Over any other network, use {mend}.",
        )
    return None


def _all_on_this_machine(hosts: Sequence[str]) -> bool:
    return all(_is_this_machine(host) for host in hosts)


def _is_this_machine(host: str) -> bool:
    """Return whether the host is a socket or a loopback address."""
    return host in {"", "localhost"} or host.startswith("/") or (is_ip(host) and ip_address(host).is_loopback)


def _has_one_label(host: str) -> bool:
    """Return whether the name has one label, as names inside a Docker network have."""
    return "." not in host and not is_ip(host)
