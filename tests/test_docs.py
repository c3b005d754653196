"""The documentation is true: its Python runs, its scenarios are valid, its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import attrax
from attrax.scenarios.loader import load

ROOT = Path(attrax.__file__).parent.resolve()
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if page.exists()]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of a language, each on the lines that it has in the page."""
    text = page.read_text(encoding="utf-8")
    found = [match for match in BLOCK.finditer(text) if match[1] == language]
    return ["\n" * text.count("\n", 0, match.start(2)) + match[2] for match in found]


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def page(request, monkeypatch, tmp_path):
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    return request.param


def test_the_python_of_a_page_runs(page):
    namespace = {"__name__": page.stem}
    for block in blocks(page, "python"):
        exec(compile(block, str(page), "exec"), namespace)


def test_the_scenarios_of_a_page_are_valid(page):
    for block in blocks(page, "yaml"):
        if "system:" in block:
            Path("scenario.yaml").write_text(block, encoding="utf-8")
            load("scenario.yaml")


def test_the_links_of_a_page_lead_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target
