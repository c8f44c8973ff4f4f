"""https: certificates are verified, and a proxy is asked only where one is named."""

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from conformance.issuer import KEYS, Issuer
from conformance.minting import Mint, new_key
from testing.clock import ManualClock, eventually
from testing.verdicts import AUDIENCE, Make, reason


def certificate(folder: Path, name: str = "127.0.0.1") -> tuple[Path, Path]:
    """The files of a certificate that signs itself, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    chain, private = folder / f"{name}.pem", folder / f"{name}.key"
    chain.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return chain, private


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """An issuer whose identifier is on https; started by each test with a certificate."""
    issuer = Issuer(new_key("one"))
    yield issuer
    issuer.stop()


def started(issuer: Issuer, chain: Path, private: Path) -> Mint:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, private)
    issuer.start(context)
    return Mint(issuer.url, AUDIENCE, new_key("one"), ManualClock().wall)


def test_an_issuer_with_a_certificate_of_the_named_authority_is_believed(
    make: Make, issuer: Issuer, tmp_path: Path
) -> None:
    chain, private = certificate(tmp_path)
    mint = started(issuer, chain, private)
    assert mint.issuer.startswith("https://")

    assert reason(make(ca_file=str(chain)), mint.token()) is None


@pytest.mark.parametrize("trusted", ["the system's", "another's"])
def test_an_issuer_with_a_certificate_of_another_authority_is_not_believed(
    make: Make, issuer: Issuer, tmp_path: Path, trusted: str
) -> None:
    mint = started(issuer, *certificate(tmp_path))
    other = tmp_path / "other"
    other.mkdir()
    verifier = make(ca_file=None if trusted == "the system's" else str(certificate(other)[0]))

    assert reason(verifier, mint.token()) == 1
    assert verifier.health().keys_error == "ConnectError"
    assert issuer.hits[KEYS] == 0


def test_a_certificate_for_another_host_is_not_believed(make: Make, issuer: Issuer, tmp_path: Path) -> None:
    chain, private = certificate(tmp_path, "127.0.0.2")
    mint = started(issuer, chain, private)

    assert reason(make(ca_file=str(chain)), mint.token()) == 1


def test_the_named_proxy_is_asked_for_https(
    issuer: Issuer, clock: ManualClock, make: Make, tmp_path: Path
) -> None:
    mint = started(issuer, *certificate(tmp_path))
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def serve() -> None:
            connection, _ = proxy.accept()
            with connection:
                asked.append(connection.recv(4096).split(b"\r\n")[0])

        threading.Thread(target=serve, daemon=True).start()
        verifier = make(proxy=f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert reason(verifier, mint.token()) == 1
        eventually(lambda: asked)

    assert asked == [b"CONNECT " + mint.issuer.removeprefix("https://").encode() + b" HTTP/1.1"]


def test_the_environment_names_no_proxy(
    make: Make, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, private = certificate(tmp_path)
    mint = started(issuer, chain, private)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert reason(make(ca_file=str(chain)), mint.token()) is None
