"""The cache folder of a user without a home."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

SCRIPT = (
    "from vlmrt_dist.store import cache_folder, results_place\n"
    "folder = cache_folder()\n"
    "folder.mkdir(exist_ok=True); (folder / 'kept').touch()\n"
    "assert cache_folder() == folder\n"
    "print(folder)\n"
    "results_place('~/x')\n"
)


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root may be somebody else"
)
def test_without_home_and_entry_a_folder_of_the_process_is_the_cache(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    done = subprocess.run(
        ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups", sys.executable, "-c",
         SCRIPT],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": "/tmp"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    folder = Path(done.stdout.strip())
    assert folder.parent == Path("/tmp")
    assert not folder.exists()
    assert done.stderr.strip().endswith(
        "there is no home folder for ~/x: set HOME, or name an absolute folder with --storage"
    )
