"""``settings``: variables that look like settings and are none."""

from collections.abc import Iterator, Mapping

from app.cli.doctor.findings import Finding, warning


def check_names(misspelt: Mapping[str, str | None]) -> Iterator[Finding]:
    """Name the variables that do nothing, each with the setting that it resembles."""
    for variable, similar in misspelt.items():
        mend = f"Perhaps {similar} is meant." if similar else "Remove it; .env.example lists all settings."
        yield warning("settings", f"{variable} is set, is no setting, and does nothing. {mend}")
