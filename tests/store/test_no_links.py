"""A file system without hard links, played by a library that refuses to make them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT

REFUSING = """
#include <errno.h>
int link(const char *a, const char *b) { errno = EPERM; return -1; }
int linkat(int a, const char *b, int c, const char *d, int e) { errno = EPERM; return -1; }
#ifdef NO_RENAMING
int renameat2(int a, const char *b, int c, const char *d, unsigned e) { errno = EINVAL; return -1; }
#endif
"""
SCRIPT = """
import os, sys
from vlmrt_dist.errors import StorageError
from vlmrt_dist.store import place_of
place = place_of(sys.argv[1])
try:
    print(place.create(b"first"), place.create(b"second"), place.read())
except StorageError as error:
    print(error)
print(os.listdir(os.path.dirname(sys.argv[1])))
"""


def run(folder: Path, *flags: str) -> list[str]:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    library, target = folder / "refusing.so", folder / "rows" / "file"
    subprocess.run(
        [compiler, *flags, "-shared", "-fPIC", "-x", "c", "-", "-o", library],
        input=REFUSING, text=True, check=True,
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, target], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LD_PRELOAD": str(library)},
    )  # fmt: skip
    return done.stdout.splitlines()


def test_the_first_of_two_writers_wins_all_the_same(tmp_path: Path) -> None:
    assert run(tmp_path) == ["True False b'first'", "['file']"]


def test_where_nothing_helps_another_place_is_asked_for(tmp_path: Path) -> None:
    said, left = run(tmp_path, "-DNO_RENAMING")
    assert "has neither hard links nor renaming that replaces nothing" in said
    assert "with --storage" in said
    assert left == "[]"
