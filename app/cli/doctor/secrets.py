"""``secrets``: how many service secrets are listed, and which users can read the files of secrets."""

from collections.abc import Iterator, Mapping
from stat import S_IROTH

from app.cli.doctor.findings import Finding, note, ok, warning


def check_secrets(number: int, file_modes: Mapping[str, int]) -> Iterator[Finding]:
    """Check the number of secrets, and the modes of the files by the variable that names each."""
    if number == 1:
        yield ok("secrets", "AUTH_SECRET_KEYS lists one secret, which is long and random enough.")
    else:
        yield note(
            "secrets",
            f"AUTH_SECRET_KEYS lists {number} secrets, as it does during a replacement. The service uses the "
            "first for everything new, and accepts all. Run `keys reseal` and wait for AUTH_SESSION_TTL; "
            "then remove the old ones.",
        )
    for variable, mode in file_modes.items():
        if mode & S_IROTH:
            yield warning(
                "secrets",
                f"Every user of this machine can read the file that {variable} names (mode "
                f"{mode & 0o777:o}). Give it to the service's user, and run chmod 400 on it.",
            )
