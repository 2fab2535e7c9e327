"""README, documentation and what they speak of: names, errors, commands, links."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import vlmrt_dist
from tests import ROOT
from vlmrt_dist import errors

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"] + [
    page for page in sorted(DOCS.rglob("*.md")) if "_build" not in page.parts
]


def blocks(page: Path, language: str) -> Iterator[str]:
    """Fenced listings of a language."""
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(rf"^( *)```{language}\n(.*?)^\1```", text, re.M | re.S):
        yield re.sub(rf"^{found[1]}", "", found[2], flags=re.M)


def test_the_readme_is_one_page_of_100_columns() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert max(map(len, lines)) <= 100
    assert len(lines) <= 120


@pytest.mark.parametrize("page", PAGES[:3], ids=lambda page: page.name)
def test_files_that_a_page_outside_the_documentation_refers_to_are_there(page: Path) -> None:
    """Sphinx looks at the links of the documentation itself."""
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"\]\(([^)#\s]+)[^)]*\)|^\[[^]]+\]: (\S+)", text, re.M)
    for target in ("".join(each) for each in named):
        assert "://" in target or (page.parent / target).exists(), target


def test_every_public_name_has_one_place_in_the_reference() -> None:
    pages = "\n".join(
        page.read_text(encoding="utf-8") for page in (DOCS / "reference" / "python").glob("*.md")
    )
    names = Counter(re.findall(r"^\.\. auto\w+:: vlmrt_dist\.(\w+)", pages, re.M))
    documented_elsewhere = {"VlmrtError", "__version__"} & set(vlmrt_dist.__all__)
    assert set(names) | documented_elsewhere == set(vlmrt_dist.__all__)
    assert set(names.values()) == {1}


def test_every_error_and_warning_has_its_cause_and_remedy() -> None:
    text = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")
    parts = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    raised, warned = set(), set()
    for path in (ROOT / "vlmrt_dist").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
                if any(isinstance(getattr(errors, base, None), type) for base in bases):
                    raised.add(node.name)
                if "UserWarning" in bases:
                    warned.add(node.name)
    assert raised | {"VlmrtError", "Warnings"} == set(parts)
    for name in raised:
        assert "**Cause**: " in parts[name], name
        assert "**Remedy**: " in parts[name], name
    assert set(re.findall(r"^\| `(\w+)`", parts["Warnings"], re.M)) == warned


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_listings_of_python_can_be_parsed(page: Path) -> None:
    for listing in blocks(page, "python"):
        ast.parse(listing)


FRAGMENTS = {
    "antennas": "a file of an antenna's maker and a live scene that the text speaks of",
    "plan": "the function that measures is the reader's",
    "results": "reads what a study has left",
    "sionna": "continues docs/examples/live_scene.py with a data frame",
}
"""Pages whose listings of Python are not run, and why."""

RUN = [
    page for page in PAGES if list(blocks(page, "python")) and page.stem not in FRAGMENTS
]  # fmt: skip


def test_listings_that_are_not_run_are_there() -> None:
    with_listings = {page.stem for page in PAGES if list(blocks(page, "python"))}
    assert set(FRAGMENTS) <= with_listings


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_listings_of_python_run_beside_the_files_of_the_tutorial(
    page: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    shutil.copytree(ROOT / "notebooks" / "own_measurements", folder)
    for listing in blocks(page, "python"):
        done = subprocess.run(
            [sys.executable, "-c", listing],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "example", sorted((DOCS / "examples").glob("*.py")), ids=lambda example: example.stem
)
def test_examples_run(example: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, example], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def spoken_commands() -> Iterator[tuple[str, str, list[str]]]:
    """Page, command and options of each line ``vlmrt COMMAND ...`` of the listings."""
    more = [ROOT / "sweeps" / "README.md", ROOT / "vlmrt_dist" / "vlm" / "README.md"]
    for page in PAGES + more:
        for listing in [*blocks(page, "sh"), *blocks(page, "bash")]:
            for line in listing.replace("\\\n", " ").splitlines():
                found = re.search(r"\bvlmrt ([a-z-]+)(.*)", line.partition("  #")[0])
                if found:
                    yield page.name, found[1], re.findall(r"(?<!\S)--[a-z][a-z-]*", found[2])


@pytest.mark.slow
def test_options_that_the_pages_show_exist() -> None:
    from vlmrt_dist.cli.app import app

    text = app.generate_docs(output_format="markdown")
    known = {
        name: set(re.findall(r"--[a-z][a-z-]*", part))
        for name, part in re.findall(r"^## vlmrt ([a-z-]+)\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    }
    spoken = list(spoken_commands())
    assert len(spoken) > 30
    unknown = [
        (page, name, option)
        for page, name, options in spoken
        for option in options
        if name != "sweep" and option not in known[name]
    ]
    assert unknown == []


@pytest.mark.slow
def test_the_documentation_is_built_without_a_warning_and_needs_no_network(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html",
         "-d", tmp_path / "trees", DOCS, tmp_path / "html"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded = r"""<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=["']((?:https?:)?//[^"']+)"""
    for page in (tmp_path / "html").rglob("*.html"):
        assert re.findall(loaded, page.read_text(encoding="utf-8")) == [], page.name
    for sheet in (tmp_path / "html").rglob("*.css"):
        assert not re.search(r"@import|url\(\s*[\"']?(https?:)?//", sheet.read_text("utf-8")), sheet
    names = (tmp_path / "html" / "reference" / "python" / "estimation.html").read_text("utf-8")
    assert 'id="vlmrt_dist.estimate"' in names
