"""The two kinds of cookies: strict ones wherever the issuer is https, and those of development."""

from collections.abc import Iterator
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2
import pytest

from app.dev import Servers
from app.domain.refusals import Refused
from app.http.cookies import Cookies
from app.http.headers import Headers
from tests.support.people import Person, cookies_of, login, marker
from tests.support.servers import Service
from tests.support.waiting import client_of

pytestmark = pytest.mark.requirement("C1", "C5")

STRICT, DEVELOPMENT = Cookies.of("https://auth.example.com"), Cookies.of("http://localhost:8000")
PREFIXED = Cookies("__Host-refresh_token", "__Host-device", is_secure=True)
DAY = 86_400


@pytest.mark.parametrize(
    ("issuer", "expected"),
    [
        ("https://auth.example.com", PREFIXED),
        ("https://auth.example.com:8443/auth", PREFIXED),
        ("https://localhost", PREFIXED),
        ("https://127.0.0.1:8000", PREFIXED),
        # Settings refuse these two.
        ("http://auth.example.com", PREFIXED),
        ("http://localhost.example.com:8000", PREFIXED),
        ("http://localhost", Cookies("refresh_token_80", "device_80", is_secure=False)),
        ("http://localhost:8001", Cookies("refresh_token_8001", "device_8001", is_secure=False)),
        ("http://127.0.0.1:8000", Cookies("refresh_token_8000", "device_8000", is_secure=False)),
        ("http://[::1]:8000", Cookies("refresh_token_8000", "device_8000", is_secure=False)),
    ],
)
def test_only_http_on_a_loopback_address_has_the_cookies_of_development(
    issuer: str, expected: Cookies
) -> None:
    assert Cookies.of(issuer) == expected


@pytest.fixture(scope="module")
def strict(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service whose issuer is https."""
    secure = environment | {"AUTH_ISSUER": "https://auth.example.com"}
    with Service(secure, tmp_path_factory.mktemp("strict")) as service:
        yield service


async def test_with_https_every_cookie_has_the_prefix_and_all_attributes(
    strict: Service, person: Person
) -> None:
    always = {"path": "/", "httponly": "", "samesite": "Strict", "secure": ""}
    async with client_of(strict) as client:
        opened = await login(client, person, kind="browser")
        refresh_token, device = cookies_of(opened)
        assert (refresh_token.name, device.name) == ("__Host-refresh_token", "__Host-device")
        assert refresh_token.attributes == {**always, "max-age": str(30 * DAY)}
        assert device.attributes == {**always, "max-age": str(400 * DAY)}

        held = {"Cookie": f"__Host-refresh_token={refresh_token.value}"}
        (successor,) = cookies_of(await client.post("/refresh", headers=held))
        assert (successor.name, {*successor.attributes}) == (refresh_token.name, {*always, "max-age"})

        held = {"Cookie": f"__Host-refresh_token={successor.value}"}
        (cleared,) = cookies_of(await client.post("/logout", headers=held))
        assert (cleared.name, cleared.value) == (refresh_token.name, "")
        assert cleared.attributes == {**always, "max-age": "0"}


async def test_with_https_the_cookie_of_development_is_not_read(strict: Service, person: Person) -> None:
    async with client_of(strict) as client:
        token = cookies_of(await login(client, person, kind="browser"))[0].value
        for name in ("refresh_token_8000", "refresh_token_443", "refresh_token"):
            answer = await client.post("/refresh", headers={"Cookie": f"{name}={token}"})
            assert answer.json()["code"] == "refresh_token_missing"


async def test_two_instances_on_two_ports_do_not_sign_each_other_out(
    migrated: Servers, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory, person: Person
) -> None:
    """The jar sends a cookie to every port of its host, and a Secure one never over http: as Safari does."""
    jar = CookieJar(DefaultCookiePolicy())
    issuers = ("http://127.0.0.1:8000", "http://127.0.0.1:8001")
    folder = tmp_path_factory.mktemp("neighbours")
    with (
        Service(environment | {"AUTH_ISSUER": issuers[0]}, folder) as first,
        Service(environment | {"AUTH_ISSUER": issuers[1]}, folder) as second,
    ):
        async with (
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{first.port}", cookies=jar) as one,
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{second.port}", cookies=jar) as other,
        ):
            for client in (one, other):
                assert (await login(client, person, kind="browser")).status_code == 200
            for client in (one, other, one):
                assert (await client.post("/refresh")).status_code == 200
            assert (await one.post("/logout")).status_code == 204
            assert (await one.post("/refresh")).json()["code"] == "refresh_token_missing"
            assert (await other.post("/refresh")).status_code == 200


NAMES = {STRICT: "__Host-refresh_token", DEVELOPMENT: "refresh_token_8000"}


@pytest.mark.parametrize("cookies", NAMES, ids=NAMES.get)
def test_the_cookie_is_found_among_others(cookies: Cookies) -> None:
    name, value = NAMES[cookies], marker()
    crowd = f'prefs={{"a":1,"b":"x;y"}};{name}={value};città=è;{name}; {name}2=x; =y; long={"x" * 15_000}'
    for lines in ([crowd], ["theme=dark", f"{name}={value}"], [f"\t{name}={value} ;a=b"]):
        headers = Headers(raw=[(b"cookie", line.encode()) for line in lines])
        assert cookies.presented(headers) == value


@pytest.mark.parametrize("cookies", NAMES, ids=NAMES.get)
@pytest.mark.parametrize(
    "form", ["{0}=a; {0}=b", "{0}=a;{0}=a", "{0}=; {0}=a", "a={0}; {0}=a; x=y;\t{0}=b"], ids=str
)
def test_two_cookies_of_the_name_are_refused(cookies: Cookies, form: str) -> None:
    with pytest.raises(Refused):
        cookies.presented(Headers(raw=[(b"cookie", form.format(NAMES[cookies]).encode("latin-1"))]))


# Browsers let a subdomain plant a name that does not begin with the prefix, and a byte that a careless server
# takes for white space is such a beginning.
@pytest.mark.parametrize("cookies", NAMES, ids=NAMES.get)
@pytest.mark.parametrize(
    "form", ["{0}2=a", "x{0}=a", "\xa0{0}=a", "\x85{0}=a", "\x0b{0}=a", "\x1f{0}=a", "{0}", "refresh_token=a"]
)
def test_cookies_of_other_names_are_not_the_refresh_token(cookies: Cookies, form: str) -> None:
    headers = Headers(raw=[(b"cookie", form.format(NAMES[cookies]).encode("latin-1"))])
    assert cookies.presented(headers) is None
