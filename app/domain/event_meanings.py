"""The meaning of each kind of event, actor, reason and detail."""

from collections.abc import Mapping
from typing import NamedTuple

from app.domain.events import Actor, EventKind, Reason


class Meaning(NamedTuple):
    """The meaning of a kind of event: when it is written, and the reasons and details that it may have."""

    sentence: str
    reasons: tuple[Reason, ...] = ()
    details: tuple[str, ...] = ()


ACTORS: Mapping[Actor, str] = {
    Actor.VISITOR: "A request that did not prove who sends it.",
    Actor.OWNER: (
        "A request with the account's password or a token of one of its sessions; `actor_id` is the account. "
        "A superseded refresh token is enough to end its session, by a logout or another sign-in."
    ),
    Actor.CLIENT: "A request with the credentials of a service client; `actor_id` is the client.",
    Actor.OPERATOR: "A command on the command line.",
    Actor.SERVICE: "The service itself.",
}
REASONS: Mapping[Reason, str] = {
    Reason.WRONG_PASSWORD: "The password was wrong.",
    Reason.UNKNOWN_ACCOUNT: "No account has the e-mail address.",
    Reason.UNKNOWN_HASH: "The stored hash has no form that this release knows, so no password matches it.",
    Reason.ACCOUNT_DISABLED: "The password was right, and the account is disabled.",
    Reason.OVERTAKEN: "The password or the account was changed after the password was verified.",
    Reason.THROTTLED: "Too many guesses had failed, so the password was not verified.",
    Reason.LOGOUT: "A client signed its session out.",
    Reason.LOGOUT_EVERYWHERE: "The owner signed out every session of the account.",
    Reason.REVOKED: "The owner ended one session by its id, or an operator ended sessions.",
    Reason.REPLACED: "A browser that still held the session signed in again.",
    Reason.DISPLACED: "A sign-in exceeded the sessions of an account; those unused longest were ended.",
    Reason.REMAINING: "Further sessions that an earlier event of the account had ended, a batch an event.",
    Reason.UNKNOWN_CLIENT: "No service client has the id.",
    Reason.WRONG_SECRET: "The secret was wrong, or is not valid any more.",
    Reason.INVALID_ASSERTION: "No key of the client signed the assertion, or a claim does not hold.",
    Reason.USED_ASSERTION: "The assertion was right, and had been used before.",
}
_MISMATCHES = (Reason.WRONG_PASSWORD, Reason.UNKNOWN_HASH)
MEANINGS: Mapping[EventKind, Meaning] = {
    EventKind.LOGIN_SUCCEEDED: Meaning("A session was opened.", details=("client",)),
    EventKind.LOGIN_FAILED: Meaning(
        "A login was refused after its password was verified.",
        (*_MISMATCHES, Reason.UNKNOWN_ACCOUNT, Reason.ACCOUNT_DISABLED, Reason.OVERTAKEN),
    ),
    EventKind.LOGIN_THROTTLED: Meaning(
        "A budget is used up, so logins are refused without verifying a password. Each process writes it "
        "once, until the budget opens or has refused no login for an hour.",
        details=("budget",),
    ),
    EventKind.SESSION_ENDED: Meaning(
        "One session, several or all of an account, or a batch of all sessions were ended on purpose.",
        (
            Reason.LOGOUT,
            Reason.LOGOUT_EVERYWHERE,
            Reason.REVOKED,
            Reason.REPLACED,
            Reason.DISPLACED,
            Reason.REMAINING,
        ),
        ("ended",),
    ),
    EventKind.SESSION_REUSE_DETECTED: Meaning(
        "A refresh token came back after its grace. Its session, or every session of the account, was ended.",
        details=("ended",),
    ),
    EventKind.PASSWORD_CHANGED: Meaning(
        "The owner or an operator set a new password. The account's sessions were ended.", details=("ended",)
    ),
    EventKind.PASSWORD_CHANGE_FAILED: Meaning(
        "A change of the password was refused because of the current password.",
        (*_MISMATCHES, Reason.OVERTAKEN, Reason.THROTTLED),
    ),
    EventKind.ACCOUNT_CREATED: Meaning("An operator created an account.", details=("roles",)),
    EventKind.ACCOUNT_ENABLED: Meaning("An operator enabled an account."),
    EventKind.ACCOUNT_DISABLED: Meaning(
        "An operator disabled an account. Its sessions were ended.", details=("ended",)
    ),
    EventKind.ACCOUNT_DELETED: Meaning(
        "An operator deleted an account. Its sessions were ended.", details=("ended",)
    ),
    EventKind.ACCOUNT_ROLES_CHANGED: Meaning(
        "An operator replaced the roles. The account's sessions were ended if a role was taken away.",
        details=("roles", "before", "ended"),
    ),
    EventKind.KEY_CREATED: Meaning(
        "A signing key was made and published.", details=("kid", "algorithm", "state")
    ),
    EventKind.KEY_ROTATED: Meaning("A standby key began to sign.", details=("kid",)),
    EventKind.KEY_DELETED: Meaning("A key was deleted, because none of its tokens lives.", details=("kid",)),
    EventKind.KEY_RETIRED: Meaning(
        "An operator retired a key. No token that it signed is accepted.", details=("kid",)
    ),
    EventKind.CLIENT_CREATED: Meaning(
        "An operator created a service client.", details=("client_id", "name", "scopes", "credential")
    ),
    EventKind.CLIENT_ROTATED: Meaning(
        "An operator gave a service client a new secret, or registered other public keys.",
        details=("client_id", "name", "credential", "former"),
    ),
    EventKind.CLIENT_SCOPES_CHANGED: Meaning(
        "An operator replaced the scopes of a service client.", details=("client_id", "name", "scopes")
    ),
    EventKind.CLIENT_DELETED: Meaning(
        "An operator deleted a service client. None of its access tokens is accepted.",
        details=("client_id", "name"),
    ),
    EventKind.CLIENT_FAILED: Meaning(
        "A service client was refused because of its credentials.",
        (Reason.UNKNOWN_CLIENT, Reason.WRONG_SECRET, Reason.INVALID_ASSERTION, Reason.USED_ASSERTION),
        ("client_id",),
    ),
    EventKind.CLIENT_THROTTLED: Meaning(
        "A budget is used up, so failures of service clients are answered with 429 and are no events. Each "
        "process writes it once, until the budget opens or has refused nothing for an hour.",
        details=("client_id", "budget"),
    ),
    EventKind.TOKEN_REVOKED: Meaning(
        "The holder of an access token, or the service client that it was issued to, revoked it.",
        details=("jti",),
    ),
}
DETAILS: Mapping[str, str] = {
    "client": "The kind of client: `browser` or `native`.",
    "budget": "The budget that is used up: `account`, `device`, `address` or `everyone`; of service clients "
    "`client`, `client-address` or `client-everyone`.",
    "ended": "How many sessions were ended. Of more than a thousand, events `session.ended` with the reason "
    "`remaining` count the others.",
    "roles": "The roles of the account, separated by spaces.",
    "before": "The roles that the account had before.",
    "kid": "The id of the key.",
    "algorithm": "The algorithm of the key.",
    "state": "The state of the key: `standby` or `signing`.",
    "client_id": "The id of the service client, if the request named one.",
    "name": "The name of the service client.",
    "scopes": "The scopes of the service client, separated by spaces.",
    "credential": "What the client got: a `secret`, or `keys`.",
    "former": "What became of the secret before: `valid` or `refused`.",
    "jti": "The id of the access token.",
}
assert ACTORS.keys() == set(Actor)  # noqa: S101 - a forgotten meaning is an import error
assert REASONS.keys() == set(Reason)  # noqa: S101 - likewise
assert MEANINGS.keys() == set(EventKind)  # noqa: S101 - likewise
