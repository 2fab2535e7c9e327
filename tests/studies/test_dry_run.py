"""``--dry-run`` of every sweep: a list of what would be computed, and nothing is written."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from tests import ROOT
from vlmrt_dist.store import cache_folder

COMPUTE_NOTHING = {"verdicts"}
SWEEPS = sorted({path.stem for path in (ROOT / "sweeps").glob("*.py")} - COMPUTE_NOTHING)
MORE = {
    "active": "--most 2",
    "search": "--optuna search.db",
    "scaling": "--num-actors 2",
    "depth": "--num-actors 2",
    "placement": "--placements random d_optimal",
    "receivers": "--receivers 2",
    "many_seeds": "--sizes 1",
}
"""Options beside --quick; fewer values than that, which are listed alike."""

pytestmark = pytest.mark.filterwarnings("ignore:Sionna's solver drops paths")


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of everything below a folder."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", SWEEPS)
def test_nothing_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Home, working folder, storage and cache are below one folder; compiled code is there, as
    from an earlier run, and matplotlib's list of fonts is its own affair."""
    import matplotlib.font_manager  # noqa: F401

    compiled = cache_folder() / "compiled"
    for part in ("home", "work", "cache"):
        (tmp_path / part).mkdir()
    (tmp_path / "cache" / "compiled").symlink_to(compiled)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VLMRT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path / "work")
    before = tree(tmp_path)
    spec = importlib.util.spec_from_file_location(name, ROOT / "sweeps" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    options = ["--quick", "--seeds", "1", "--dry-run", *MORE.get(name, "").split()]
    assert module.main.run(options) == 0
    assert re.search(r"would be (made|computed)|are there", capsys.readouterr().out)
    assert tree(tmp_path) == before
