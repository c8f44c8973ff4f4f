"""TLS to Postgres as the parameters of the URL ask for it (libpq, "SSL Support").

The driver would make the context itself, but it fails where it may not look into the home directory, and it
knows no ``sslrootcert=system``. Without ``sslrootcert``, the verifying modes trust ``~/.postgresql/root.crt``
as libpq does. Where that file is missing or cannot be read, they trust the certificates of the system.
A list of revoked certificates counts that ``sslcrl`` names, or that is beside it as ``root.crl``.
"""

import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.storage.postgres.urls import SSL_MODES, DatabaseUrl

_VERIFYING = {"verify-ca", "verify-full"}
_ENFORCING = {"require", *_VERIFYING}


@dataclass(frozen=True, slots=True)
class Encryption:
    """How connections are encrypted: not at all without a context, or only where the server offers it."""

    context: ssl.SSLContext | None
    is_optional: bool
    is_direct: bool


def encryption(url: DatabaseUrl) -> Encryption:
    """The encryption that a URL asks for; ValueError when its parameters or files do not fit."""
    mode = url.ssl_mode or "prefer"
    if mode not in SSL_MODES:
        # Else it would count as one that need not encrypt.
        raise ValueError(f"sslmode is one of {', '.join(SSL_MODES)}")
    is_direct = url.parameters.get("sslnegotiation") == "direct"
    if is_direct and mode not in _ENFORCING:
        raise ValueError(
            f"{url.shown('sslnegotiation')}=direct needs sslmode=require, verify-ca or verify-full"
        )
    if url.parameters.get("sslrootcert") == "system" and mode != "verify-full":
        raise ValueError(f"{url.shown('sslrootcert')}=system needs sslmode=verify-full")
    if mode == "disable":
        return Encryption(None, is_optional=False, is_direct=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = _version(url, "ssl_min_protocol_version") or ssl.TLSVersion.TLSv1_2
    context.maximum_version = _version(url, "ssl_max_protocol_version") or context.maximum_version
    if (
        context.maximum_version is ssl.TLSVersion.TLSv1_2
        and context.minimum_version is ssl.TLSVersion.TLSv1_3
    ):
        raise ValueError(
            f"{url.shown('ssl_max_protocol_version')} is below {url.shown('ssl_min_protocol_version')}"
        )
    context.set_alpn_protocols(["postgresql"])
    if mode in _ENFORCING:
        _trust(context, url, mode)
        context.check_hostname = mode == "verify-full"
    if url.parameters.get("sslcrl") and context.verify_mode is ssl.CERT_NONE:
        raise ValueError(
            f"{url.shown('sslcrl')} needs sslmode=verify-ca or verify-full, which check the certificate"
        )
    _identify(context, url)
    return Encryption(context, is_optional=mode not in _ENFORCING, is_direct=is_direct)


def _trust(context: ssl.SSLContext, url: DatabaseUrl, mode: str) -> None:
    named = url.parameters.get("sslrootcert")
    if named == "system":
        context.load_default_certs()
    elif named:
        _load(context, url.shown("sslrootcert"), named)
    elif not _loads_own(context, "root.crt"):
        if mode not in _VERIFYING:
            return
        context.load_default_certs()
    context.verify_mode = ssl.CERT_REQUIRED
    if revoked := url.parameters.get("sslcrl"):
        _load(context, url.shown("sslcrl"), revoked)
    if revoked or (named != "system" and _loads_own(context, "root.crl")):
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def _loads_own(context: ssl.SSLContext, name: str) -> bool:
    home = _home()
    if home is None:
        return False
    try:
        context.load_verify_locations(home / name)
    except OSError:
        return False
    return True


def _identify(context: ssl.SSLContext, url: DatabaseUrl) -> None:
    """Load the certificate of the client. One in the home directory that cannot be read is not there."""
    home, password = _home(), url.parameters.get("sslpassword", "")
    certificate, key = url.parameters.get("sslcert"), url.parameters.get("sslkey")
    if certificate:
        try:
            context.load_cert_chain(certificate, key or (home and home / "postgresql.key"), lambda: password)
        except OSError as error:
            raise ValueError(
                f"{url.shown('sslcert')} or {url.shown('sslkey')} cannot be used: {error.strerror or error}"
            ) from None
    elif home is not None:
        with suppress(OSError):
            context.load_cert_chain(home / "postgresql.crt", key or home / "postgresql.key", lambda: password)


def _load(context: ssl.SSLContext, name: str, path: str) -> None:
    try:
        context.load_verify_locations(path)
    except OSError as error:
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise ValueError(f"{name} cannot be used: {reason}") from None


def _version(url: DatabaseUrl, name: str) -> ssl.TLSVersion | None:
    asked = url.parameters.get(name)
    return ssl.TLSVersion[asked.replace(".", "_")] if asked else None


def _home() -> Path | None:
    try:
        return Path.home() / ".postgresql"
    except RuntimeError:
        return None
