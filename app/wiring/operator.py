"""The use cases that the operator's commands call, built from the core's parts."""

from dataclasses import dataclass

from app.services.keys import LONGEST_VIEW
from app.services.operator.accounts import Accounts
from app.services.operator.events import Events
from app.services.operator.keys import Keys
from app.services.operator.password_hashes import PasswordHashes
from app.services.operator.sessions import Sessions
from app.settings import Settings
from app.wiring.core import Core


@dataclass(frozen=True, slots=True)
class Operator:
    """One use case an attribute."""

    accounts: Accounts
    sessions: Sessions
    keys: Keys
    events: Events
    password_hashes: PasswordHashes


def operator(core: Core, settings: Settings) -> Operator:
    """What an operator may do."""
    stores, crypto = core.stores, core.crypto
    key_policy = settings.key_policy(longest_view=LONGEST_VIEW)
    accounts = Accounts(
        stores.accounts,
        core.resources.hasher,
        core.guesses.throttle,
        core.password_rules,
        core.end_sessions,
    )
    return Operator(
        accounts,
        Sessions(stores.sessions, accounts, core.end_sessions),
        Keys(stores.keys, crypto.keys, core.key_changes, core.revocations, key_policy),
        Events(stores.events, accounts),
        PasswordHashes(stores.accounts),
    )
