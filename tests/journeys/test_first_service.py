"""The services of the guide check tokens as the guide says, in each language whose tools are on the machine.

JavaScript needs npm, and CI has it. Java needs javac and jose4j, which are not asked for.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from conformance.attacks import attacks
from conformance.issuer import Issuer
from conformance.minting import Mint, new_key
from conformance.suite import AUDIENCE, Adapter, Result, Suite
from testing.clock import ManualClock
from testing.lists import Lists
from tests.support.servers import ROOT
from tests.support.verifiers import INTEROP

GUIDE = (ROOT / "docs/guides/first-service.md").read_text()
JS_LINES = """
import { createInterface } from "node:readline";
for await (const token of createInterface({ input: process.stdin })) {
  try {
    await verify(token);
    console.log("accepted");
  } catch (error) {
    console.log(error instanceof Unavailable ? "unknown" : "refused");
  }
}
"""
JAVA_LINES = """
import java.io.*;
import org.jose4j.jwt.consumer.InvalidJwtException;

public class Lines {
    public static void main(String[] arguments) throws Exception {
        AccessTokens tokens = new AccessTokens(System.getenv("ISSUER"), System.getenv("AUDIENCE"));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, "UTF-8"));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String verdict = "accepted";
            try {
                tokens.verify(line);
            } catch (InvalidJwtException error) {
                verdict = "refused";
                for (Throwable cause = error; cause != null; cause = cause.getCause()) {
                    if (cause instanceof IOException) verdict = "unknown";
                }
            }
            System.out.println(verdict);
        }
    }
}
"""
JARS = [*Path.home().glob(".m2/repository/org/bitbucket/b_c/jose4j/*/jose4j-*.jar")][:1]
JARS += [*Path.home().glob(".m2/repository/org/slf4j/slf4j-api/1.7.36/slf4j-api-*.jar")][:1]


def shown(language: str) -> str:
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    return str(block)


def javascript() -> list[str]:
    return [
        "sh",
        "-c",
        'cd "$0" && exec node --input-type=module -e "$1"',
        str(INTEROP),
        shown("js") + JS_LINES,
    ]


def java(folder: Path) -> list[str]:
    (folder / "AccessTokens.java").write_text(shown("java"))
    (folder / "Lines.java").write_text(JAVA_LINES)
    path = os.pathsep.join([str(folder), *map(str, JARS)])
    subprocess.run(["javac", "-cp", path, *map(str, folder.glob("*.java"))], check=True)
    return ["java", "-cp", path, "Lines"]


@contextmanager
def running(command: list[str]) -> Iterator[tuple[Adapter, Issuer, Mint]]:
    key = new_key("rsa", "RS256")
    with Issuer(key) as issuer:
        adapter = Adapter(command, issuer)
        try:
            yield adapter, issuer, Mint(issuer.url, AUDIENCE, key, time.time)
        finally:
            adapter.close()


def lists_of(issuer: Issuer) -> Lists:
    lists = Lists(issuer, ManualClock(time.time()))
    lists.key = new_key("rsa", "RS256")
    lists.publish()
    return lists


def test_the_service_in_javascript_reads_status_lists() -> None:
    with running(javascript()) as (adapter, issuer, mint):
        lists = lists_of(issuer)
        lists.revoke(9)

        def verdict(index: int, uri: str | None = None) -> str:
            return adapter.verdict(mint.claiming(status=lists.naming(index, uri)))

        assert [verdict(index) for index in (0, 8, 9, 10, 63, 64)] == [
            "accepted", "accepted", "refused", "accepted", "accepted", "refused"
        ]  # fmt: skip
        assert verdict(0, "https://lists.example.com/status/0") == "refused"
        assert adapter.verdict(mint.token()) == "accepted"
        assert issuer.hits["/status/0"] == 1
        issuer.stop()
        assert [verdict(index) for index in (8, 9)] == ["accepted", "refused"]


@pytest.mark.parametrize("what", ["a stranger's", "an access token", "expired", "another list's"])
def test_the_service_in_javascript_believes_no_bad_list(what: str) -> None:
    with running(javascript()) as (adapter, issuer, mint):
        lists = lists_of(issuer)
        if what == "a stranger's":
            lists.key = new_key("stranger", "RS256")
        bad = {
            "a stranger's": lists.signed({"kid": "rsa"}),
            "an access token": lists.signed({"typ": "at+jwt"}),
            "expired": lists.signed(exp=int(time.time()) - 10),
            "another list's": lists.signed(sub=f"{lists.uri}1"),
        }
        lists.publish(bad[what])

        assert adapter.verdict(mint.claiming(status=lists.naming(0))) == "unknown"


def outcomes(command: list[str]) -> dict[str, Result]:
    return {result.case: result for result in Suite(command).results()}


TRIFLES = re.compile(
    r"twice|byte order|too long|5000 digits|padding|a space|another last letter|UTF-16|NaN"
    r"|kid (missing|null)|crit empty|enc |cty JWT|auth_time|roles|amr|sid |nbf |iat |exp (infinite|too large)"
    r"|lone surrogate|(sub|jti|client_id) (empty|null|a number)|issued further ahead"
)
"""Forgeries that a library for JWTs accepts: other spellings under a good signature, and types of claims."""


def grave(results: dict[str, Result]) -> list[str]:
    """The forgeries that were accepted and matter."""
    _, _, wrong = results["forged tokens are refused"].seen.partition("not: ")
    return [one for one in re.split(r"(?<=\)), ", wrong) if one and not TRIFLES.search(one)]


def test_the_service_in_javascript_passes_the_suite_where_its_library_can() -> None:
    results = outcomes(javascript())

    assert grave(results) == []
    failed = {case for case, result in results.items() if not result.passed}
    assert failed <= {
        "forged tokens are refused",
        "unreadable keys beside a good one are skipped",
        "a key set without end is not read to it",
    }


def test_the_service_in_java_passes_the_suite_where_its_library_can(tmp_path: Path) -> None:
    results = outcomes(java(tmp_path))

    assert grave(results) == []
    failed = {case for case, result in results.items() if not result.passed}
    assert failed <= {"forged tokens are refused", "a redirect of the key set is not followed"}


async def test_the_service_in_python_greets_who_is_signed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key("rsa", "RS256")
    with Issuer(key) as issuer:
        monkeypatch.setenv("WATCHWORD_ISSUER", issuer.url)
        monkeypatch.setenv("WATCHWORD_AUDIENCE", AUDIENCE)
        (tmp_path / "greeting.py").write_text(shown("python"))
        spec = importlib.util.spec_from_file_location("greeting", tmp_path / "greeting.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "greeting", module)
        spec.loader.exec_module(module)
        mint = Mint(issuer.url, AUDIENCE, key, time.time)
        transport = httpx2.ASGITransport(module.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
            good = await client.get("/hello", headers={"Authorization": f"Bearer {mint.token()}"})
            without = await client.get("/hello")
        module.verifier.close()

    assert (good.status_code, good.json()) == (200, {"hello": mint.claims["sub"]})
    assert (without.status_code, without.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_what_counts_as_a_trifle_leaves_the_grave_forgeries() -> None:
    names = attacks(new_key("stranger", "RS256"))
    grave_ones = [name for name in names if not TRIFLES.search(f"{name} (accepted)")]
    assert {
        "signed by a stranger",
        "typ JWT",
        "aud another one",
        "expired an hour ago",
        "zip over a compressed payload",
    } <= set(grave_ones)
    assert len(grave_ones) > 60


# Left out only where a tool is missing that the README does not ask for; in CI npm has to be there.
if os.environ.get("CI") != "true" and not shutil.which("npm"):
    del test_the_service_in_javascript_reads_status_lists
    del test_the_service_in_javascript_believes_no_bad_list
    del test_the_service_in_javascript_passes_the_suite_where_its_library_can
if not (shutil.which("javac") and len(JARS) == 2):
    del test_the_service_in_java_passes_the_suite_where_its_library_can
