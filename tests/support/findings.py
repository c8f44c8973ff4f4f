"""Findings of the doctor by their level."""

from collections.abc import Iterable

from app.cli.doctor.findings import Finding, Level


def texts(findings: Iterable[Finding], level: str) -> list[str]:
    return [finding.text for finding in findings if finding.level == level]


def worst(findings: Iterable[Finding]) -> str:
    levels = [*Level]
    return max((finding.level for finding in findings), key=levels.index)
