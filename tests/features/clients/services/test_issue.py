"""A client's access token: who gets one, and which key signs it."""

import pytest

from app.domain.access_tokens import ClientToken
from app.domain.refusals import Refused
from app.domain.visitors import Visitor
from app.features.clients.domain import OAuthErrorCode, OAuthRefused
from app.features.clients.services.authenticate import SecretCredentials
from tests.features.clients.conftest import Parts, parts_of
from tests.support.clients import ServiceClient, new_client
from tests.support.database import Sql, connect
from tests.support.races import inside
from tests.support.races import parts as parts_without_keys
from tests.support.servers import migrate

HERE = Visitor("192.0.2.7", "tests", "request-7")
GRANT = "client_credentials"


def secret_of(client: ServiceClient) -> SecretCredentials:
    return SecretCredentials(str(client.id), client.secret)


async def test_the_service_accepts_the_token_as_that_of_the_client(parts: Parts, sql: Sql) -> None:
    client = await new_client(sql, "b", "a")
    issued = await parts.cases.issue_token(secret_of(client), GRANT, None, HERE)
    assert (issued.expires_in, issued.scopes) == (900, ("b", "a"))
    assert issued.text not in repr(issued)
    token = await parts.service.core.authenticate(issued.text)
    assert isinstance(token, ClientToken)
    assert (token.client_id, token.scopes) == (str(client.id), ("b", "a"))


@pytest.mark.parametrize(
    ("grant", "scope", "fault"),
    [
        (None, None, OAuthErrorCode.INVALID_REQUEST),
        ("password", None, OAuthErrorCode.UNSUPPORTED_GRANT_TYPE),
        (GRANT, "c", OAuthErrorCode.INVALID_SCOPE),
    ],
)
async def test_another_request_is_refused(
    parts: Parts, sql: Sql, grant: str | None, scope: str | None, fault: OAuthErrorCode
) -> None:
    client = await new_client(sql, "a")
    with pytest.raises(OAuthRefused) as refused:
        await parts.cases.issue_token(secret_of(client), grant, scope, HERE)
    assert refused.value.fault is fault
    assert refused.value.description.isascii()


async def test_the_key_that_signs_in_postgres_signs(empty_database: str, environment: dict[str, str]) -> None:
    """A replica that has not heard of a rotation asks for the key first."""
    own = environment | {"AUTH_DATABASE_URL": empty_database}
    migrate(own)
    sql = await connect(empty_database)
    client = await new_client(sql, "a")
    await sql.close()
    async with inside(own) as service:
        parts = parts_of(service, own)
        before = await parts.cases.issue_token(secret_of(client), GRANT, None, HERE)
        await service.operator_keys.rotate(at_once=True)
        after = await parts.cases.issue_token(secret_of(client), GRANT, None, HERE)
        assert before.text.split(".")[0] != after.text.split(".")[0]
        assert isinstance(await service.core.authenticate(after.text), ClientToken)


async def test_without_a_key_nothing_is_issued_and_no_assertion_is_used_up(
    migrated: object, environment: dict[str, str], sql: Sql
) -> None:
    client = await new_client(sql, "a")
    async with parts_without_keys(environment) as service:
        with pytest.raises(Refused) as refused:
            await parts_of(service, environment).cases.issue_token(secret_of(client), GRANT, None, HERE)
    assert refused.value.refusal == "unavailable"
