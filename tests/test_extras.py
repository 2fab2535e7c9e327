"""What is left to extras is asked for by name, and nothing else needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.extras import need

WITHOUT = """
import json, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("ray", "google", "openai", "plotly", "great_tables"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from vlmrt_dist.cli import main
for arguments in json.loads(sys.argv[1]):
    print("exit", main(arguments), flush=True)
"""
"""A process in which none of these libraries can be imported, and its commands."""


def without(commands: list[list[str]], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, json.dumps(commands)],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "GEMINI_API_KEY": "k" * 20},
    )  # fmt: skip


@pytest.mark.parametrize("library", ["no_such_library", "no_such_library.inner", "json.no_such"])
def test_what_is_missing_is_named_with_its_extra(library: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"asking needs .*{library}.*vlmrt_dist\[vlm\]"):
        need(library, "vlm", "asking")


def test_what_is_there_passes() -> None:
    need("json.decoder", "ray", "it")


@pytest.mark.slow
def test_one_process_needs_no_extra(tmp_path: Path) -> None:
    commands = [
        ["simulate", "--out", "rss.csv", "--perturb-seed", "1", "--noise-db", "0.1"],
        ["estimate", "--measurements", "rss.csv", "--noise-db", "0.1", "--out", "e.parquet"],
        ["advise", "--setups", "1", "--receivers", "3"],
        ["advise", "--vlm", "gemini"],
        ["view", "box_room", "--out", "view.html"],
        ["report", ".", "-o", "report.html"],
    ]
    done = without(commands, tmp_path)
    codes = [line for line in done.stdout.splitlines() if line.startswith("exit ")]
    assert codes == ["exit 0"] * 3 + ["exit 2"] * 3, done.stderr
    assert "pip install 'vlmrt_dist[vlm]'" in done.stderr
    assert done.stderr.count("pip install 'vlmrt_dist[report]'") == 2
    assert not list(tmp_path.glob("*.html"))
    assert (tmp_path / "e.parquet").exists()


@pytest.mark.slow
def test_actors_name_the_extra(tmp_path: Path) -> None:
    sweep = ["sweep", "depth", "--quick", "--seeds", "1", "--num-actors", "1"]
    done = without([sweep], tmp_path)
    assert done.returncode == 2
    assert "pip install 'vlmrt_dist[ray]'" in done.stderr
    assert "Traceback" not in done.stderr
