"""``passwords``: stored hashes that no password can match."""

from app.cli.doctor.findings import Finding, counted, ok, warning
from app.services.operator.password_hashes import HashCount


def check_hashes(count: HashCount) -> Finding:
    """Check that a verifier understands the hash of each account."""
    among = counted(count.checked, "account")
    if not count.is_complete:
        among = f"the first {among}, in the order of their ids,"
    if not count.unknown:
        return ok("passwords", f"The password hashes of {among} have known forms.")
    most_first = sorted(count.unknown.items(), key=lambda item: (-item[1], item[0]))
    formats = ", ".join(f"{name} ({number:,})" for name, number in most_first)
    return warning(
        "passwords",
        f"{counted(sum(count.unknown.values()), 'password hash', 'password hashes')} of {among} have no form "
        f"that this release knows: {formats}. No password matches them, and a login there is an event "
        "login.failed with the reason unknown_hash. Give these accounts new passwords: users set-password.",
    )
