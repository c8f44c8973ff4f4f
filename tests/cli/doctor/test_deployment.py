"""``check-config --url`` asks a real service through a real proxy, and finds what the proxy does wrong."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from cryptography.x509 import load_pem_x509_certificate
from typer.testing import CliRunner

from app.cli import cli
from app.cli.doctor import deployment as doctor
from app.cli.doctor.asking import Asker, opened
from app.cli.doctor.findings import Finding, Level, ok
from app.dev import Servers
from app.wiring import utc_now
from tests.support.proxies import FAULTS, Fault, Proxy, proxy, self_signed, speaking_tls
from tests.support.servers import Service


@pytest.fixture(scope="module")
def deployment(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """A service behind a proxy, whose address is its issuer."""
    with proxy() as front:
        behind = environment | {"AUTH_ISSUER": front.url, "AUTH_TRUSTED_PROXIES": "127.0.0.1"}
        with Service(behind, tmp_path_factory.mktemp("behind")) as service:
            front.upstream = service.port
            yield front


@pytest.fixture
def faulty(deployment: Proxy) -> Iterator[Callable[[Fault], None]]:
    def set_fault(fault: Fault) -> None:
        deployment.fault = fault

    yield set_fault
    deployment.fault = Fault()


async def ask(url: str, *, insecure: bool = False, expected: str | None = None) -> list[Finding]:
    async with opened(url, insecure=insecure) as asker:
        return await doctor.looked_at(asker, insecure=insecure, expected=expected, clock=utc_now)


def wrong(findings: list[Finding]) -> list[Finding]:
    """All but what is in order, and but that http is plain."""
    return [
        found
        for found in findings
        if found.level is not Level.OK and "reaches this machine only" not in found.text
    ]


async def test_a_proxy_that_passes_everything_on_leaves_nothing_to_mend(
    deployment: Proxy, faulty: Callable[[Fault], None]
) -> None:
    agents: list[str] = []
    faulty(Fault(to_request=lambda headers: agents.append(headers["user-agent"])))
    findings = await ask(deployment.url, expected=deployment.url)
    # Eleven requests, which say whose they are.
    assert agents == ["watchword check-config"] * 11
    assert wrong(findings) == []
    assert [finding.subject for finding in findings if finding.level is Level.NOTE] == ["tls"]
    looked_at = list(dict.fromkeys(finding.subject for finding in findings))
    subjects = ["tls", "health", "discovery", "keys", "errors", "cross-site", "cors", "cookies", "headers"]
    assert looked_at == subjects


@pytest.mark.parametrize(("fault", "where", "text"), FAULTS.values(), ids=FAULTS.keys())
async def test_what_a_proxy_does_wrong_is_found(
    deployment: Proxy, faulty: Callable[[Fault], None], fault: Fault, where: str, text: str
) -> None:
    faulty(fault)
    found = [
        (f"{finding.level} {finding.subject}", finding.text) for finding in wrong(await ask(deployment.url))
    ]
    assert [said for level, said in found if level == where and text in said], found


async def test_the_command_needs_no_setting_and_compares_the_issuer_where_one_is_set(
    deployment: Proxy,
) -> None:
    async def check(url: str, issuer: str | None, *options: str) -> tuple[int, str]:
        environment = {"AUTH_ISSUER": issuer, "AUTH_DATABASE_URL": None, "AUTH_SECRET_KEYS": None}
        arguments = ["check-config", "--url", url, *options]
        done = await asyncio.to_thread(CliRunner().invoke, cli, arguments, env=environment)
        return done.exit_code, done.output

    status, said = await check(f"{deployment.url}/", None)
    assert (status, said.splitlines()[0]) == (0, "tls")
    assert said.endswith("\n0 problems, 0 warnings, 1 note\n")
    status, said = await check(deployment.url, "https://auth.example.com", "--json")
    (problem,) = [found for found in json.loads(said) if found["level"] == "problem"]
    assert (status, problem["subject"]) == (1, "discovery")
    assert "AUTH_ISSUER is https://auth.example.com here" in problem["text"]
    for address in ("http://auth.example.com", "auth.example.com", "https://auth.example.com/?a=b"):
        status, said = await check(address, None)
        assert (status, "Invalid value" in said) == (2, True), said


async def test_an_address_that_is_not_the_issuer_is_found(deployment: Proxy) -> None:
    other = deployment.url.replace("localhost", "127.0.0.1")
    findings = wrong(await ask(other, expected="https://auth.example.com"))
    assert {(finding.level, finding.subject) for finding in findings} == {(Level.PROBLEM, "discovery")}
    first, second, third = [finding.text for finding in findings]
    assert f"The issuer is {deployment.url} and not {other}: verifiers" in first
    assert "AUTH_ISSUER is https://auth.example.com here" in second
    assert f"jwks_uri leads away, to {deployment.url}/" in third


async def test_a_certificate_that_nobody_vouches_for_is_a_problem_unless_it_is_a_test(
    deployment: Proxy, tmp_path: Path
) -> None:
    with proxy(speaking_tls(self_signed(tmp_path))) as secured:
        secured.upstream = deployment.upstream
        (refused,) = await ask(secured.url)
        assert (refused.level, refused.subject) == (Level.PROBLEM, "tls")
        assert f"Browsers refuse the certificate of {secured.url} (self-signed certificate)" in refused.text

        accepted, *others = await ask(secured.url, insecure=True)
        assert (accepted.level, accepted.subject) == (Level.NOTE, "tls")
        assert "was not checked (--insecure)" in accepted.text
        # It is at an address that is not its issuer.
        assert {finding.subject for finding in wrong(others)} == {"discovery"}


async def test_a_certificate_that_is_trusted_tells_its_end(
    deployment: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with proxy(speaking_tls(certificate)) as secured:
        secured.upstream = deployment.upstream
        trusted, *_ = await ask(secured.url)
    ends = load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    assert trusted == ok("tls", f"The certificate is trusted and names the host; it ends on {ends:%Y-%m-%d}.")


async def test_an_address_at_which_nothing_answers_is_one_finding() -> None:
    (finding,) = await ask("http://localhost:1")
    assert (finding.level, finding.subject) == (Level.PROBLEM, "tls")
    assert finding.text.startswith("Nothing answers at http://localhost:1 (")


async def test_a_public_deployment_is_asked_over_http_too_and_has_to_insist_on_https() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url}")
        if request.url.scheme == "http":
            headers = {"Location": str(request.url.copy_with(scheme="https"))}
            return httpx.Response(308, headers=headers, stream=httpx.ByteStream(b""))
        return httpx.Response(502, stream=httpx.ByteStream(b"nothing behind here"))

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        findings = await doctor.looked_at(
            Asker("https://auth.example.com", client), insecure=False, expected=None, clock=utc_now
        )
    assert asked[:3] == [
        "GET https://auth.example.com/livez",
        "GET http://auth.example.com/livez",
        "GET https://auth.example.com/readyz",
    ]
    assert ok("tls", "http://auth.example.com sends browsers on to https.") in findings
    (hsts,) = [finding.text for finding in findings if "Strict-Transport-Security" in finding.text]
    assert hsts.startswith("11 of 11 answers, such as that to GET /livez, lack")
