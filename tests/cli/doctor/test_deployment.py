"""``check-config --url`` checks a real service through a real proxy, and finds the proxy's faults."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from cryptography.x509 import load_pem_x509_certificate
from typer.testing import CliRunner

from app.cli.commands import cli
from app.cli.doctor.client import DeploymentClient, open_client
from app.cli.doctor.deployment import check_deployment
from app.cli.doctor.findings import Finding, Level, ok
from app.dev import Servers
from app.wiring import utc_now
from tests.support.proxies import FAULTS, Fault, Proxy, proxy, self_signed, speaking_tls
from tests.support.servers import Service


@pytest.fixture(scope="module")
def deployment(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """A service behind a proxy. The proxy's address is the issuer."""
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


async def check(url: str, *, insecure: bool = False, expected: str | None = None) -> list[Finding]:
    async with open_client(url, insecure=insecure) as client:
        return await check_deployment(
            client, client.base, insecure=insecure, expected_issuer=expected, clock=utc_now
        )


def faults(findings: list[Finding]) -> list[Finding]:
    """The findings that are not in order, without the note that http is not encrypted."""
    return [
        found
        for found in findings
        if found.level is not Level.OK and "reachable from this machine only" not in found.text
    ]


async def test_a_transparent_proxy_has_no_faults(deployment: Proxy, faulty: Callable[[Fault], None]) -> None:
    agents: list[str] = []
    faulty(Fault(to_request=lambda headers: agents.append(headers["user-agent"])))
    findings = await check(deployment.url, expected=deployment.url)
    # Eleven requests, each with the name of the program.
    assert agents == ["watchword check-config"] * 11
    assert faults(findings) == []
    assert [finding.subject for finding in findings if finding.level is Level.NOTE] == ["tls"]
    printed = list(dict.fromkeys(finding.subject for finding in findings))
    subjects = ["tls", "health", "discovery", "keys", "errors", "cross-site", "cors", "cookies", "headers"]
    assert printed == subjects


@pytest.mark.parametrize(("fault", "where", "text"), FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_of_a_proxy_is_found(
    deployment: Proxy, faulty: Callable[[Fault], None], fault: Fault, where: str, text: str
) -> None:
    faulty(fault)
    found = [
        (f"{finding.level} {finding.subject}", finding.text)
        for finding in faults(await check(deployment.url))
    ]
    assert [message for level, message in found if level == where and text in message], found


async def test_the_command_needs_no_setting_and_compares_the_issuer_if_one_is_set(
    deployment: Proxy,
) -> None:
    async def run(url: str, issuer: str | None, *options: str) -> tuple[int, str]:
        environment = {"AUTH_ISSUER": issuer, "AUTH_DATABASE_URL": None, "AUTH_SECRET_KEYS": None}
        arguments = ["check-config", "--url", url, *options]
        done = await asyncio.to_thread(CliRunner().invoke, cli, arguments, env=environment)
        return done.exit_code, done.output

    status, output = await run(f"{deployment.url}/", None)
    assert (status, output.splitlines()[0]) == (0, "tls")
    assert output.endswith("\n0 problems, 0 warnings, 1 note\n")
    status, output = await run(deployment.url, "https://auth.example.com", "--json")
    (problem,) = [found for found in json.loads(output) if found["level"] == "problem"]
    assert (status, problem["subject"]) == (1, "discovery")
    assert "AUTH_ISSUER is https://auth.example.com here" in problem["text"]
    for address in ("http://auth.example.com", "auth.example.com", "https://auth.example.com/?a=b"):
        status, output = await run(address, None)
        assert (status, "Invalid value" in output) == (2, True), output


async def test_an_address_that_is_not_the_issuer_is_found(deployment: Proxy) -> None:
    other = deployment.url.replace("localhost", "127.0.0.1")
    findings = faults(await check(other, expected="https://auth.example.com"))
    assert {(finding.level, finding.subject) for finding in findings} == {(Level.PROBLEM, "discovery")}
    first, second, third = [finding.text for finding in findings]
    assert f"The issuer is {deployment.url} and not {other}: verifiers" in first
    assert "AUTH_ISSUER is https://auth.example.com here" in second
    assert f"jwks_uri points elsewhere, to {deployment.url}/" in third


async def test_a_self_signed_certificate_is_a_problem_without_insecure(
    deployment: Proxy, tmp_path: Path
) -> None:
    with proxy(speaking_tls(self_signed(tmp_path))) as secured:
        secured.upstream = deployment.upstream
        (refused,) = await check(secured.url)
        assert (refused.level, refused.subject) == (Level.PROBLEM, "tls")
        assert f"Browsers refuse the certificate of {secured.url} (self-signed certificate)" in refused.text

        accepted, *others = await check(secured.url, insecure=True)
        assert (accepted.level, accepted.subject) == (Level.NOTE, "tls")
        assert "was not verified (--insecure)" in accepted.text
        # The address is not the issuer.
        assert {finding.subject for finding in faults(others)} == {"discovery"}


async def test_the_expiry_of_a_trusted_certificate_is_reported(
    deployment: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with proxy(speaking_tls(certificate)) as secured:
        secured.upstream = deployment.upstream
        trusted, *_ = await check(secured.url)
    ends = load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    assert trusted == ok(
        "tls", f"The certificate is trusted and names the host; it expires on {ends:%Y-%m-%d}."
    )


async def test_an_address_without_an_answer_is_one_finding() -> None:
    (finding,) = await check("http://localhost:1")
    assert (finding.level, finding.subject) == (Level.PROBLEM, "tls")
    assert finding.text.startswith("http://localhost:1 does not answer (")


async def test_a_public_deployment_is_also_checked_over_http() -> None:
    requests: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(f"{request.method} {request.url}")
        if request.url.scheme == "http":
            headers = {"Location": str(request.url.copy_with(scheme="https"))}
            return httpx2.Response(308, headers=headers, stream=httpx2.ByteStream(b""))
        return httpx2.Response(502, stream=httpx2.ByteStream(b"nothing behind here"))

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer)) as http:
        findings = await check_deployment(
            DeploymentClient("https://auth.example.com", http),
            "https://auth.example.com",
            insecure=False,
            expected_issuer=None,
            clock=utc_now,
        )
    assert requests[:3] == [
        "GET https://auth.example.com/livez",
        "GET http://auth.example.com/livez",
        "GET https://auth.example.com/readyz",
    ]
    assert ok("tls", "http://auth.example.com redirects browsers to https.") in findings
    (hsts,) = [finding.text for finding in findings if "Strict-Transport-Security" in finding.text]
    assert hsts.startswith("11 of 11 answers, such as that to GET /livez, lack")
