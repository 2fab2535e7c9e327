import shutil
from pathlib import Path

import pytest

from tests.engine.processes import run_python
from vlmrt_dist.engine import llvm
from vlmrt_dist.errors import EngineUnavailable


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("libLLVM.so.19.1", (19, 1)),
        ("libLLVM-22.so", (22,)),
        ("libLLVM-14.0.6.so.1", (14, 0, 6)),
        ("libLLVM-15.so.1", (15,)),
        ("libLLVM.so", None),
        ("libLLVMX86CodeGen.so.19", None),
        ("libLLVM.so.22.1-rust-1.95.0-stable", None),
    ],
)
def test_version_from_the_file_name(name: str, version: tuple[int, ...] | None) -> None:
    assert llvm.version_from_name(name) == version


def test_newest_first_and_each_file_once(tmp_path: Path) -> None:
    for name in ("libLLVM-15.so.1", "libLLVM.so.22.1", "libLLVM.so.19.1", "libLLVMCore.so.22"):
        (tmp_path / name).touch()
    (tmp_path / "libLLVM-22.so").symlink_to("libLLVM.so.22.1")
    (tmp_path / "libLLVM-23.so").symlink_to("nowhere")
    (tmp_path / "libLLVM.so").write_text("neither a library nor a link to one")
    found = llvm.find_llvm([tmp_path, tmp_path / "not_there"])
    assert [item.version for item in found] == [(22, 1), (19, 1), (15,), ()]
    assert [item.usable for item in found] == [True, True, False, False]


def test_a_library_without_a_version_in_its_name_is_asked(
    library: llvm.LlvmLibrary, tmp_path: Path
) -> None:
    nameless = tmp_path / "libLLVM.so"
    shutil.copyfile(library.path, nameless)
    version = llvm.library_version(nameless)
    assert len(version) == 3
    assert version[0] >= llvm.MIN_VERSION


def test_choosing_needs_no_engine_library() -> None:
    done = run_python(
        "import sys, vlmrt_dist.engine.llvm as llvm; llvm.count_gpus(); llvm.use_llvm();"
        "print({'drjit', 'mitsuba', 'sionna', 'ray'} & set(sys.modules))"
    )
    assert done.stdout == "set()\n", done.stderr


def test_drjit_takes_what_was_chosen(library: llvm.LlvmLibrary) -> None:
    done = run_python(
        "from vlmrt_dist.engine.llvm import use_llvm; first = use_llvm(); import drjit as dr;"
        "assert dr.has_backend(dr.JitBackend.LLVM); assert use_llvm().path == first.path;"
        "assert dr.detail.llvm_version()[0] == first.version[0]; print(first.path)"
    )
    assert done.stdout.strip() == str(library.path), done.stderr


def test_a_newer_library_that_does_not_load_is_passed_over(
    library: llvm.LlvmLibrary, tmp_path: Path
) -> None:
    (tmp_path / "libLLVM.so.99.0").write_text("not a library")
    done = run_python(
        "from vlmrt_dist.engine import llvm; "
        "print(llvm.find_llvm()[0].version, llvm.use_llvm().path)",
        LD_LIBRARY_PATH=str(tmp_path),
    )
    assert done.stdout.strip() == f"(99, 0) {library.path}", done.stderr


@pytest.mark.parametrize("name", ["libLLVM-15.so.1", "libLLVM.so.99.0", "absent.so"])
def test_a_bad_path_in_the_environment_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name != "absent.so":
        path.write_text("not a library")
    done = run_python(
        "from vlmrt_dist.engine.llvm import use_llvm; use_llvm()", DRJIT_LIBLLVM_PATH=str(path)
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"vlmrt_dist.errors.EngineUnavailable: DRJIT_LIBLLVM_PATH names {path}")
    assert "Unset it" in last


def test_too_late_when_drjit_was_imported_without_a_library() -> None:
    done = run_python(
        "import os, drjit; del os.environ['DRJIT_LIBLLVM_PATH']\n"
        "from vlmrt_dist.engine.llvm import use_llvm; use_llvm()",
        DRJIT_LIBLLVM_PATH="/absent/libLLVM.so",
    )
    assert "EngineUnavailable: drjit was imported before" in done.stderr


@pytest.mark.parametrize("wanted", ["llvm", llvm.LLVM_VARIANT])
def test_the_variant_may_be_named(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(llvm.VARIANT_VARIABLE, wanted)
    assert llvm.choose_variant() == llvm.LLVM_VARIANT


def test_variants_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(llvm.VARIANT_VARIABLE, "scalar_rgb")
    with pytest.raises(EngineUnavailable, match="say cuda or llvm"):
        llvm.choose_variant()
    if not llvm.count_gpus():
        monkeypatch.setenv(llvm.VARIANT_VARIABLE, "cuda")
        with pytest.raises(EngineUnavailable, match="no NVIDIA GPU"):
            llvm.choose_variant()


@pytest.mark.gpu
def test_a_gpu_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(llvm.VARIANT_VARIABLE, raising=False)
    assert llvm.count_gpus() > 0
    assert llvm.prepare_engine() == llvm.CUDA_VARIANT
