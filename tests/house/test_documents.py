"""Documents point only at what exists: links, anchors, files, tests and commands."""

import re
from pathlib import Path

import pytest

from tests.support.servers import ROOT

PAGES = (
    "*.md",
    "docs/**/*.md",
    "kits/*/*.md",
    "kits/*/conformance/*.md",
    "contract/**/*.md",
    "examples/**/*.md",
)
DOCUMENTS = sorted(page for pattern in PAGES for page in ROOT.glob(pattern))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
FOLDERS = (
    "app",
    "bench",
    "contract",
    "deploy",
    "docs",
    "examples",
    "kits",
    "migrations",
    "requirements",
    "tests",
    "tools",
)
PATH = re.compile(rf"`((?:{'|'.join(FOLDERS)})/[\w./*-]*)(?:: (\w+))?`")
"""A path in backquotes, perhaps with the name of a class or a function in it."""
TARGET = re.compile(r"\bmake ([a-z][a-z-]*)\b")


def prose(document: Path) -> str:
    return FENCE.sub("", document.read_text())


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    titles = (re.sub(r"[^\w\- ]", "", title.lower()) for title in HEADING.findall(prose(document)))
    return {title.replace(" ", "-") for title in titles}


def broken(document: Path) -> list[str]:
    found = []
    for link in LINK.findall(prose(document)):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if "://" not in link and (not target.exists() or (anchor and anchor not in anchors(target))):
            found.append(link)
    return found


def missing(document: Path) -> list[str]:
    return [
        f"{path} {name}".strip()
        for path, name in PATH.findall(prose(document))
        if not any(defines(found, name) for found in ROOT.glob(path.rstrip("/")))
    ]


def defines(found: Path, name: str) -> bool:
    return (
        not name
        or re.search(rf"^\s*(?:async def|def|class) {name}\b", found.read_text(), re.MULTILINE) is not None
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere_and_every_path_exists(document: Path) -> None:
    assert broken(document) == []
    # The changelog also names what is gone.
    assert document.name == "CHANGELOG.md" or missing(document) == []


def test_a_broken_link_a_wrong_anchor_and_a_missing_path_are_noticed(tmp_path: Path) -> None:
    document = tmp_path / "page.md"
    document.write_text(
        "# A title\n[a](gone.md) [b](#a-title) [c](#another) `app/gone.py` `app/*/sessions.py` "
        "`app/domain/sessions.py: judge` `app/domain/sessions.py: gone`\n"
    )
    assert broken(document) == ["gone.md", "#another"]
    assert missing(document) == ["app/gone.py", "app/domain/sessions.py gone"]


def test_the_code_on_the_page_about_features_is_that_of_the_example() -> None:
    page = (ROOT / "docs" / "adding-a-feature.md").read_text()
    shown = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    sources = [
        (ROOT / path).read_text() for path in ("app/features/activity/http.py", "app/wiring/activity.py")
    ]
    assert len(shown) == len(sources)
    assert [code for code, source in zip(shown, sources, strict=True) if code not in source] == []


def test_every_operations_page_is_in_the_index() -> None:
    folder = ROOT / "docs" / "operations"
    listed = {link.partition("#")[0] for link in LINK.findall((folder / "README.md").read_text())}
    assert {page.name for page in folder.glob("*.md")} - {"README.md"} <= listed


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target
        for document in DOCUMENTS
        for code in re.findall(r"`[^`\n]+`", document.read_text())
        for target in TARGET.findall(code)
    }
    assert named
    assert named <= targets
