import inspect
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import vlmrt_dist
from tests import ROOT

HEAVY = (
    "ray", "mitsuba", "drjit", "sionna", "numba", "trimesh", "matplotlib", "optuna", "torch",
)  # fmt: skip


def modules_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in answer.stdout.split()}


def test_importing_the_package_imports_no_engine() -> None:
    assert not modules_after("import vlmrt_dist") & set(HEAVY)


def test_rooms_campaigns_and_their_checks_need_no_engine() -> None:
    used = modules_after(
        "import vlmrt_dist as vd\n"
        "room = vd.box_room()\n"
        "vd.place('random', room, 2, 3, seed=0)\n"
        "vd.RadioConfig().key, room.key"
    )
    assert not used & {"ray", "mitsuba", "drjit", "sionna", "numba"}


def test_a_refused_estimation_imports_no_engine() -> None:
    used = modules_after(
        "import vlmrt_dist as vd\n"
        "room = vd.box_room()\n"
        "try: vd.estimate(room, vd.place('random', room, 2, 3, seed=0))\n"
        "except vd.VlmrtError: pass"
    )
    assert not used & {"ray", "mitsuba", "drjit", "sionna", "numba"}


@pytest.mark.parametrize("name", sorted(vlmrt_dist.__all__))
def test_every_public_name_is_documented(name: str) -> None:
    value = getattr(vlmrt_dist, name)
    assert value.__doc__
    assert len(value.__doc__.split()) >= 4
    if inspect.isclass(value):
        for method, function in inspect.getmembers(value, inspect.isfunction):
            if not method.startswith("_") and function.__module__.startswith("vlmrt_dist"):
                assert function.__doc__, f"{name}.{method}"
    else:
        named = [
            p for p in inspect.signature(value).parameters if p not in ("scene", "path", "name")
        ]
        for parameter in named:
            assert parameter in value.__doc__, f"{name}({parameter})"


def test_names_are_sorted_and_there() -> None:
    assert vlmrt_dist.__all__ == sorted(vlmrt_dist.__all__)
    assert vlmrt_dist.__doc__


def test_a_wheel_has_the_sweeps_and_all_that_is_no_code(tmp_path: Path) -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel")
    source = tmp_path / "source"
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        source.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, source)
    for name in ("vlmrt_dist", "sweeps"):
        shutil.copytree(ROOT / name, source / name)
    [built] = wheel.WheelBuilder(str(source)).build(directory=str(tmp_path))
    with zipfile.ZipFile(built) as archive:
        names = set(archive.namelist())
    sweeps = {f"vlmrt_dist/sweeps/{path.name}" for path in (ROOT / "sweeps").glob("*.py")}
    data = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "vlmrt_dist").rglob("*.*")
        if path.suffix in (".pyi", ".txt", ".css", ".js", ".typed")
    }
    assert sweeps | data <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"vlmrt_dist"}
    assert not [name for name in names if name.endswith((".pyc", ".md"))]
