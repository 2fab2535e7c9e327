"""Compiled functions are kept by what they are made of, not by where their source lies."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests import ROOT
from tests.paths.exact.path_cases import box, scene_of, setup_at
from vlmrt_dist.paths import SearchLimits, prepare_scene, search_paths
from vlmrt_dist.paths.exact import compiling

SEARCH = """
from tests.paths.exact.test_compiling import number_of_paths
import vlmrt_dist
print(vlmrt_dist.__file__, number_of_paths())
"""


def number_of_paths() -> int:
    scene = scene_of(box("room", [0.0, 0.0, 0.0], [4.0, 3.0, 2.5]))
    setup = setup_at([1.0, 1.0, 1.0], [[3.0, 2.0, 1.5]])
    return len(search_paths(prepare_scene(scene), [setup], SearchLimits(2)).setup)


def test_a_copy_of_the_package_compiles_nothing_anew(tmp_path: Path) -> None:
    """As Ray unpacks one for a job on each node; a copy's files are new."""
    number = number_of_paths()
    shared, folder = Path(compiling._folder()), tmp_path / "cache" / "compiled"
    folder /= shared.name  # of its own: other tests compile into the shared one meanwhile
    folder.mkdir(parents=True)
    for pattern in ("*.nbc", "*.nbi"):  # the code before its index
        for file in shared.glob(pattern):
            shutil.copy2(file, folder)
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*")}
    assert any(file.suffix == ".nbc" for file in before)
    for name in ("vlmrt_dist", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "data")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored, copy_function=shutil.copy)
    done = subprocess.run(
        [sys.executable, "-c", SEARCH], cwd=tmp_path, check=True, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "VLMRT_CACHE_DIR": str(folder.parents[1])},
    )  # fmt: skip
    assert done.stdout.split() == [str(tmp_path / "vlmrt_dist" / "__init__.py"), str(number)]
    assert done.stderr == ""
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*")} == before
