"""Headers of a request are found by name, in any case and in their order."""

import pytest

from app.http.headers import Headers

RAW = [(b"origin", b"a"), (b"accept", b"\xe9"), (b"origin", b"b"), (b"x-empty", b"")]


@pytest.mark.parametrize("name", ["origin", "Origin", "ORIGIN"])
def test_of_a_repeated_header_the_first_line_counts_and_all_lines_are_found(name: str) -> None:
    headers = Headers(RAW)
    assert headers.get(name) == "a"
    assert headers.getlist(name) == ["a", "b"]
    assert name in headers


def test_a_header_that_is_there_once_is_found_beside_repeated_ones_and_alone() -> None:
    for raw in (RAW, RAW[1:]):
        headers = Headers(raw)
        assert (headers.get("accept"), headers.getlist("accept")) == ("é", ["é"])
        assert (headers.get("x-empty", "other"), headers.getlist("x-empty")) == ("", [""])


def test_an_absent_header_has_the_default() -> None:
    headers = Headers([])
    assert (headers.get("origin"), headers.get("origin", "none"), headers.getlist("origin")) == (
        "",
        "none",
        [],
    )
    assert "origin" not in headers
