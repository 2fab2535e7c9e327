"""What a code host does for the project: forms for issues, and the release of a tagged version."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import vlmrt_dist
from tests import ROOT

HOST = ROOT / ".github"
FORMS = sorted(set((HOST / "ISSUE_TEMPLATE").glob("*.yml")) - {HOST / "ISSUE_TEMPLATE/config.yml"})


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_asks_in_words(path: Path) -> None:
    form = read(path)
    assert form["name"]
    assert form["description"]
    ids = [field["id"] for field in form["body"]]
    assert len(ids) == len(set(ids)) > 0
    assert all(field["attributes"]["label"] for field in form["body"])
    assert any(field.get("validations", {}).get("required") for field in form["body"])


@pytest.mark.parametrize(
    ("tag", "heading", "code"),
    [
        (f"v{vlmrt_dist.__version__}", f"## {vlmrt_dist.__version__}", 0),
        (f"v{vlmrt_dist.__version__}", f"## {vlmrt_dist.__version__}, not released", 1),
        ("v99.0.0", "## 99.0.0", 1),
    ],
    ids=["agrees", "change log is open", "other version"],
)
def test_a_tag_is_released_if_all_files_name_its_version(
    tag: str, heading: str, code: int, tmp_path: Path
) -> None:
    steps = read(HOST / "workflows" / "release.yml")["jobs"]["build"]["steps"]
    [script] = [step["run"] for step in steps if "GITHUB_REF_NAME" in step.get("run", "")]
    (tmp_path / "vlmrt_dist").mkdir()
    for name in ("vlmrt_dist/__init__.py", "CITATION.cff"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CHANGELOG.md").write_text(f"# Changes\n\n{heading}\n\n- All.\n", encoding="utf-8")
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=tmp_path, check=False,
        env={**os.environ, "GITHUB_REF_NAME": tag},
    )  # fmt: skip
    assert done.returncode == code
