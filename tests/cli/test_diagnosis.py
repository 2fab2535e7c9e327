import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from tests import ROOT
from vlmrt_dist.cli import diagnosis as doctor


def shown(checks: list[doctor.Check]) -> str:
    buffer = io.StringIO()
    doctor.render(checks, Console(file=buffer, width=200))
    return buffer.getvalue()


def test_a_machine_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "a-secret-value")
    checks = doctor.diagnose()
    by_name = {check.name: check for check in checks}
    assert by_name["Engine"].status == "ok", by_name["Engine"]
    assert "a kernel and a ray" in by_name["Engine"].found
    assert "sionna-rt 2." in by_name["vlmrt_dist"].found
    assert "GEMINI_API_KEY" in by_name["API keys"].found
    text = shown(checks)
    assert all(check.name in text for check in checks)
    assert "a-secret-value" not in text
    assert "fail" not in {check.status for check in checks}


def test_json_for_programs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = [doctor.Check("Engine", "ok", "runs"), doctor.Check("LLVM", "fail", "", "get one")]
    monkeypatch.setattr(doctor, "diagnose", lambda address: checks)
    assert doctor.main(as_json=True) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["usable"] is False
    assert answer["checks"][1] == {
        "name": "LLVM", "status": "fail", "found": "", "remedy": "get one",
    }  # fmt: skip


def test_no_engine_ends_with_an_error_and_a_remedy(tmp_path: Path) -> None:
    bad = tmp_path / "libLLVM-15.so.1"
    bad.write_text("not a library")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from vlmrt_dist.cli import diagnosis as doctor; sys.exit(doctor.main())",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
        env={
            **os.environ,
            "DRJIT_LIBLLVM_PATH": str(bad),
            "VLMRT_VARIANT": "llvm",
            "COLUMNS": "300",
        },
    )
    assert done.returncode == 1
    assert done.stderr == ""
    assert "LLVM 15, and 19 is the oldest that works" in done.stdout
    assert "Engine: DRJIT_LIBLLVM_PATH names" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_compiler_that_aborts_costs_neither_the_doctor_nor_the_screen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crash = "import os, sys; sys.stderr.write('LLVM ERROR: Cannot select'); sys.stderr.flush()"
    monkeypatch.setattr(doctor, "_TRY_ENGINE", f"{crash}; os.abort()")
    monkeypatch.setenv("VLMRT_VARIANT", "llvm")
    checks = doctor.diagnose()
    text = shown(checks)
    assert "LLVM ERROR" not in text
    assert "ended by signal 6" in text
    assert "-m vlmrt_dist.engine.llvm_setup" in text
    assert [check.name for check in checks if check.status == "fail"] == ["Engine"]


def test_remedies_are_printed_below_the_table() -> None:
    text = shown([doctor.Check("GPUs", "warn", "one [bold] GPU", "mend the driver")])
    assert "one [bold] GPU" in text
    assert text.rstrip().endswith("GPUs: mend the driver")
