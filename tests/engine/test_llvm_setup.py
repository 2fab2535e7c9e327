from pathlib import Path

import pytest

from tests.engine.processes import run_python
from vlmrt_dist.engine import llvm, llvm_setup


def test_set_up_takes_what_is_there(library: llvm.LlvmLibrary) -> None:
    done = run_python(
        "import sys; from vlmrt_dist.engine.llvm_setup import main; sys.exit(main())",
        VLMRT_VARIANT="llvm",
    )
    assert done.returncode == 0
    # A library that is loaded here already tells its patch level, one known by name does not.
    major, minor = library.version[:2]
    assert done.stdout.startswith(f"Engine: CPU, compiled by LLVM {major}.{minor}")
    assert done.stdout.strip().endswith(f", {library.path}.")


def test_set_up_says_the_one_command_where_it_can_do_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dnf").write_text("#!/bin/sh\n")
    (tmp_path / "dnf").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(llvm.VARIANT_VARIABLE, "llvm")
    monkeypatch.setattr(llvm_setup, "use_llvm", lambda: None)  # a machine that has none
    assert llvm_setup.main() == 1
    assert "Run: sudo dnf install llvm-libs libatomic" in capsys.readouterr().err
