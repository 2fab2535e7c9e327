"""The faces of the packages: their names, their documentation, and what importing them costs."""

import ast
import importlib
import inspect
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

import vlmrt_dist
from tests import ROOT
from tests.commands import children_seconds

HEAVY = {
    "cyclopts", "drjit", "google", "httpx2", "matplotlib", "mitsuba", "numba", "numpy", "obstore",
    "openai", "optuna", "pandas", "PIL", "plotly", "pyarrow", "pydantic", "rapidfuzz", "ray",
    "rich", "scipy", "sionna", "torch", "trimesh", "typer",
}  # fmt: skip
"""Libraries that ``import vlmrt_dist`` leaves to those who use them."""

ENGINES = {"drjit", "mitsuba", "numba", "ray", "sionna"}

PACKAGE = ROOT / "vlmrt_dist"
FACES = {
    ".".join(face.parent.relative_to(ROOT).parts): face
    for face in sorted(PACKAGE.rglob("__init__.pyi"))
}
"""The stub of each package's face."""

MOST_SECONDS = 0.6
"""Processor time of ``import vlmrt_dist``, Python's own start included."""


def modules_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in answer.stdout.split()}


def names_of(face: Path) -> list[str]:
    """Names that a face's stub re-exports."""
    tree = ast.parse(face.read_text(encoding="utf-8"))
    return [
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]


def test_importing_the_package_imports_no_library() -> None:
    assert modules_after("import vlmrt_dist") & HEAVY == set()


def test_importing_the_package_is_quick() -> None:
    seconds = []
    for _ in range(3):
        before = children_seconds()
        subprocess.run([sys.executable, "-c", "import vlmrt_dist"], check=True)
        seconds.append(children_seconds() - before)
    assert min(seconds) < MOST_SECONDS


def test_every_room_has_a_face() -> None:
    folders = {path.parent for path in PACKAGE.glob("*/*.py")}
    assert {PACKAGE, *folders} - {PACKAGE / "cli"} == {face.parent for face in FACES.values()}


@pytest.mark.parametrize(("room", "face"), FACES.items())
def test_every_name_of_a_face_is_there(room: str, face: Path) -> None:
    names = names_of(face)
    module = importlib.import_module(room)
    assert names
    assert sorted(module.__all__) == sorted(set(names))
    for name in names:
        assert getattr(module, name) is not None


@pytest.mark.parametrize(("room", "face"), FACES.items())
def test_no_name_of_a_face_is_that_of_a_module(room: str, face: Path) -> None:
    """Importing the module would put it in the name's place."""
    modules = {path.stem for path in face.parent.glob("*.py")}
    packages = {path.parent.name for path in face.parent.glob("*/__init__.py")}
    assert set(names_of(face)) & (modules | packages) == set(), room


def test_rooms_campaigns_and_their_checks_need_no_engine() -> None:
    """Nor does an estimation that is refused."""
    used = modules_after(
        "import vlmrt_dist as vd\n"
        "room = vd.box_room()\n"
        "campaign = vd.place('random', room, 2, 3, seed=0)\n"
        "vd.RadioConfig().key, room.key\n"
        "try: vd.estimate(room, campaign)\n"
        "except vd.VlmrtError: print('refused')"
    )
    assert "refused" in used
    assert used & ENGINES == set()


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


def test_the_version_is_stated_once_and_cited() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", vlmrt_dist.__version__)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == vlmrt_dist.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {vlmrt_dist.__version__}" in changes


def test_a_source_distribution_has_all_that_its_set_up_needs(tmp_path: Path) -> None:
    sdist = pytest.importorskip("hatchling.builders.sdist")
    built = Path(next(sdist.SdistBuilder(str(ROOT)).build(directory=str(tmp_path))))
    with tarfile.open(built) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"pyproject.toml", "constraints.txt", "Makefile", "cluster/setup.sh", "README.md",
              "LICENSE", "CITATION.cff", "sweeps/depth.py", "vlmrt_dist/py.typed",
              "docs/conf.py", "notebooks/quickstart.ipynb"}  # fmt: skip
    assert needed <= names
    assert not [name for name in names if "_build" in name or name.endswith(".pyc")]


def test_another_python_is_told_how_to_find_the_right_one() -> None:
    """As a job on a head that was started where the environment is not active."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:] += [{str(ROOT)!r}]; "
         "import vlmrt_dist"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "run .venv/bin/python" in last
    assert "cluster/start.sh" in last
