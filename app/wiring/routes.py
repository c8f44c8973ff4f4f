"""The use cases of the core, as its modules of routes take them. Only the server needs them, and FastAPI."""

from app.http.accounts import AccountCases
from app.http.discovery import DiscoveryCases
from app.http.forward_auth import ForwardAuthCases
from app.http.health import HealthCases
from app.http.keys import KeyCases
from app.http.passwords import PasswordCases
from app.http.sessions import SessionCases
from app.wiring.owner import UseCases


def records(cases: UseCases) -> tuple[object, ...]:
    """One record for each module of routes."""
    return (
        SessionCases(cases.login, cases.refresh, cases.logout, cases.logout_everywhere, cases.own_sessions),
        PasswordCases(cases.change_password, cases.who_am_i),
        AccountCases(cases.who_am_i),
        ForwardAuthCases(cases.authenticate),
        KeyCases(cases.keys),
        DiscoveryCases(cases.keys),
        HealthCases(cases.readiness),
    )
