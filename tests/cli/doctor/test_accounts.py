"""Findings about accounts that no address leads to."""

from uuid import uuid4

from app.cli.doctor.accounts import check_addresses
from tests.support.findings import texts


def test_accounts_that_no_address_leads_to_are_named_by_id() -> None:
    ids = [uuid4() for _ in range(11)]
    assert list(check_addresses([])) == []
    (one,) = texts(check_addresses(ids[:1]), "warning")
    assert str(ids[0]) in one
    assert "1 account:" in one
    (many,) = texts(check_addresses(ids), "warning")
    assert f"{ids[9]} and more." in many
    assert str(ids[10]) not in many
