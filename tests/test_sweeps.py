"""Sweeps of the paper's tables and figures, by their real main, and its orderings on their rows."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest

from tests import ROOT
from tests.commands import COMMAND, invoke
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.report.claims import QUICK_NOTE, claims_of, halves_of
from vlmrt_dist.report.data import description_of
from vlmrt_dist.report.paper import CLAIMS, TABLE_1, TABLE_2
from vlmrt_dist.report.verdicts import Verdict
from vlmrt_dist.store.ledger import Ledger
from vlmrt_dist.store.rows import Row
from vlmrt_dist.studies.benchmarks import link_tasks, object_tasks
from vlmrt_dist.studies.benchmarks.cost_by_objects import FIXED_PATHS
from vlmrt_dist.studies.sweeps import CommonOptions

pytestmark = pytest.mark.filterwarnings("ignore:Sionna's solver drops paths")
"""Positions that are placed for the paper's sampled paths may lie in a corner; whether Sionna says
so is tested in tests/paths/test_sionna_limits.py."""

SWEEPS = sorted(path.name for path in (ROOT / "sweeps").glob("*.py"))
COMMON = {
    "quick", "dry_run", "storage", "seeds", "threads", "num_actors", "num_gpus",
    "actor_placement",
}  # fmt: skip
PAPERS = ("depth", "rays", "initialization", "complexity", "placement", "receivers", "positions",
          "rooms")  # fmt: skip


def sweep(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"sweep_{name}", ROOT / "sweeps" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name: str, folder: Path, capsys: pytest.CaptureFixture[str], seeds: int) -> str:
    sweep(name).main(quick=True, seeds=seeds, storage=str(folder))
    printed = capsys.readouterr().out
    for suffix in ("png", "pdf"):
        figures = [f for f in folder.glob(f"{name}_quick*.{suffix}") if f.stat().st_size > 5_000]
        assert figures, f"{name} left no {suffix}"
    return printed


def median(rows: list[Row], column: str, **label: object) -> float:
    """Median of a column over Adam's rows whose label has these entries."""
    some = [r for r in rows if r.optimizer == "adam"]
    some = [r for r in some if label.items() <= json.loads(r.label).items()]
    return statistics.median(getattr(r, column) for r in some)


@pytest.mark.parametrize("name", SWEEPS)
def test_a_sweep_can_be_executed_and_asks_its_question(name: str) -> None:
    file = ROOT / "sweeps" / name
    first, second = file.read_text("utf-8").split("\n")[:2]
    assert first == "#!/usr/bin/env python3"
    assert second.startswith('"""')
    assert "?" in second
    assert os.access(file, os.X_OK)
    imports = [line for line in file.read_text("utf-8").splitlines() if "import " in line]
    first_import = next(line for line in imports if line.startswith(("import ", "from ")))
    assert first_import.startswith("import vlmrt_dist.program")


@pytest.mark.parametrize("name", SWEEPS)
def test_every_sweep_has_the_common_options(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    module = sweep(name.removesuffix(".py"))
    assert module.main.run(["--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"Usage: {name}")
    assert module.__doc__ is not None
    assert module.__doc__.split()[:5] == printed.split("\n")[2].split()[:5]
    for field in dataclasses.fields(CommonOptions):
        option = "--" + field.name.replace("_", "-")
        assert len(re.findall(rf"{option} .*\w", printed)) >= 1, option
    assert {field.name for field in dataclasses.fields(CommonOptions)} == COMMON


@pytest.mark.parametrize("name", SWEEPS)
def test_every_axis_of_a_sweep_has_a_default_and_a_description(name: str) -> None:
    ask = sweep(name.removesuffix(".py")).main.ask
    for axis in list(inspect.signature(ask).parameters.values())[1:]:
        assert axis.default is not axis.empty, axis.name
        assert f":param {axis.name}:" in (ask.__doc__ or ""), axis.name


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--depths", "one"], "--depths"),
        (["--depth", "1"], "Did you mean --depths?"),
        (["--seeds", "0"], "--seeds must be 1 or more"),
        (["--num-actors", "-1"], "--num-actors must be 0 or more"),
        (["--actor-placement", "NEAR"], "SPREAD"),
        (["--methods", "guess"], "levenberg_marquardt"),
    ],
)
def test_a_slip_on_a_sweeps_command_line_is_named(
    arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep("depth").main.run(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert word in printed.err


@pytest.mark.parametrize(
    "name", ["bench", "complexity", "large_k", "large_m", "real_scenes", "rooms", "scaling"]
)
def test_a_dry_run_computes_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(name).main(dry_run=True, storage=str(tmp_path))
    assert re.search(r"(\d+) measurements, \1 would be made", capsys.readouterr().out)
    assert list(tmp_path.rglob("*.p*")) == []


def test_quick_replaces_only_what_is_not_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep("rooms").main(dry_run=True, quick=True, storage=str(tmp_path))
    assert "3 measurements" in capsys.readouterr().out
    sweep("rooms").main(dry_run=True, quick=True, objects=(5, 7), storage=str(tmp_path))
    assert "2 measurements" in capsys.readouterr().out


def test_the_command_lists_the_sweeps_with_their_questions() -> None:
    for arguments in ([], ["--help"]):
        told = invoke("sweep", *arguments)
        assert told.exit_code == 0
        for name in SWEEPS:
            assert re.search(rf"  {name.removesuffix('.py')} +\w.*\?\n", told.stdout), name
    told = invoke("sweep", "depht")
    assert (told.exit_code, told.stdout) == (2, "")
    assert "did you mean depth?" in told.stderr


@pytest.mark.slow
def test_the_command_runs_a_sweep_with_its_own_options(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "sweep", "rooms", "--dry-run", "--objects", "5", "6",
         "--storage", str(tmp_path)],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert "2 measurements, 2 would be made" in done.stdout
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "sweep", "rooms", "--help"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.startswith("Usage: vlmrt sweep rooms [OPTIONS]")
    assert "[pixels]" in done.stdout


def test_make_reproduce_runs_every_sweep_of_the_paper_and_then_the_report() -> None:
    # Not as a part of the make that runs the tests.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "-n", "reproduce", "STORAGE=there", "READY="], cwd=ROOT, env=alone,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    named = re.findall(r"vlmrt sweep (\S+) --threads 1 --storage there", done.stdout)
    assert sorted(PAPERS) == sorted(name for names in named for name in names.split(","))
    report = done.stdout.strip().split("\n")[-1]
    assert report == ".venv/bin/vlmrt report there -o report.html --overwrite"


def test_the_papers_tables_are_those_it_prints() -> None:
    assert [TABLE_1[d].mre for d in (1, 2, 4, 6)] == [0.467, 0.504, 0.273, 0.070]
    assert [TABLE_2[u].iterations for u in (3000, 4000, 5000, 6000)] == [183, 457, 357, 263]
    for printed in (*TABLE_1.values(), *TABLE_2.values()):
        # Each row's time is its iterations times its time of one, as far as those are rounded.
        assert printed.seconds == pytest.approx(
            printed.iterations * printed.per_iteration, rel=3e-3
        )


@pytest.mark.slow
def test_vlminit_starts_nearer_and_needs_fewer_iterations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = run("initialization", tmp_path, capsys, seeds=5)
    assert "VLMInit w/o DRT" in printed
    assert (tmp_path / "initialization_quick_cdf.png").stat().st_size > 5_000
    rows = Ledger(tmp_path).rows("initialization_quick")
    for other in ("UnifInit", "UnifInit, table", "RandInit"):
        near, far = (median(rows, "initial_mre", start=name) for name in ("VLMInit", other))
        assert far > 3.0 * near
    assert QUICK_NOTE in printed
    assert not any(word in printed for word in get_args(Verdict))


@pytest.mark.slow
def test_two_receivers_are_worse_than_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("receivers", tmp_path, capsys, seeds=5)
    rows = Ledger(tmp_path).rows("receivers_quick")
    for positions in ("VLMSel (offline)", "D-optimal"):
        few, *more = (median(rows, "mre", positions=positions, N=n) for n in (2, 3, 4, 8))
        assert few > 1.1 * max(more)


@pytest.mark.slow
def test_rays_are_for_independent_truths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = run("rays", tmp_path, capsys, seeds=2)
    assert "0.185" in printed  # the paper's
    rows = Ledger(tmp_path).rows("rays_quick")
    error = [median([r for r in rows if r.protocol == "independent"], "mre", U=u)
             for u in (3000, 6000, 100_000)]  # fmt: skip
    assert error[2] < 0.2 * min(error[:2])
    exact = [r.mre for r in rows
             if r.optimizer == "levenberg_marquardt" and r.protocol == "same_paths"]  # fmt: skip
    assert len(exact) == 3 * 2
    assert max(exact) < 1e-8


@pytest.mark.slow
def test_positions_are_drawn_and_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("positions", tmp_path, capsys, seeds=2)
    assert len([*tmp_path.glob("positions_quick_*_N3.png")]) == 3
    rows = Ledger(tmp_path).rows("positions_quick")
    best = [r.mre for r in rows if json.loads(r.label)["positions"] == "D-optimal"]
    assert max(best) < 0.02


@pytest.mark.slow
def test_times_are_measured_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sweep("complexity")
    asked: dict[str, Any] = {
        "quick": True, "objects": (5, 7), "setups": (1, 2), "depth": 1, "depths": (2,),
        "ray_counts": (3000,),
    }  # fmt: skip
    module.main(**asked, storage=str(tmp_path))
    first = capsys.readouterr().out
    timings = Ledger(tmp_path).timings("complexity_quick")
    assert len(timings) == 2 * (2 + 2 + 1 + 1)
    assert {t.max_depth for t in timings} == {1, 2}
    assert {t.samples_per_src for t in timings} == {3000, 5000}
    by_engine = {e: [t for t in timings if t.engine == e] for e in ("retrace", "replay")}
    slowest = max(t.seconds_gradient for t in by_engine["replay"])
    quickest = min(t.seconds_gradient for t in by_engine["retrace"])
    assert quickest > 10.0 * slowest
    assert all(t.seconds_value > 0.0 and t.seconds_scene > 0.0 for t in timings)
    assert all(t.seconds_trace > 0.0 and t.num_paths > 0 for t in by_engine["replay"])

    def fail(_: object) -> None:
        raise AssertionError("timed again")

    monkeypatch.setattr(module, "measure", fail)
    module.main(**asked, storage=str(tmp_path))
    assert capsys.readouterr().out == first


@pytest.mark.slow
def test_sizes_are_measured_once_and_given_up_ones_with_a_larger_budget_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sweep("large_k")

    def run(budget: float) -> str:
        module.main(sizes=(9, 15), budget=budget, storage=str(tmp_path))
        return capsys.readouterr().out

    first = run(0.5)  # no time to start Sionna in
    timings = Ledger(tmp_path).timings("large_k")
    by_engine = {e: [t for t in timings if t.engine == e] for e in ("retrace", "replay")}
    assert [(t.num_objects, t.outcome) for t in by_engine["retrace"]] == [(9, "given up")]
    whole = [t for t in by_engine["replay"] if t.seconds_trace > 0.0]
    fixed = [t for t in by_engine["replay"] if not t.seconds_trace > 0.0]
    assert sorted(t.num_objects for t in whole) == sorted(t.num_objects for t in fixed) == [9, 15]
    assert all(t.num_links >= 4 * t.num_objects and t.outcome == "converged" for t in whole)
    assert {t.num_paths for t in fixed} == {FIXED_PATHS}

    asked: list[tuple[int, float | None]] = []

    def ask(work: object, size: int, *_: object, seconds: float | None = None) -> float:
        asked.append((size, seconds))
        return 2.5

    monkeypatch.setattr(object_tasks, "in_own_process", ask)
    assert run(0.5) == run(0.1) == first
    assert asked == []
    assert "2.5" in run(60.0)
    assert asked == [(9, 60.0), (15, 60.0)]
    assert "2.5" in run(60.0)
    assert len(asked) == 2
    # Another seed is another question.
    with pytest.raises(AttributeError):  # the stand-in's answer is no cost
        module.main(sizes=(9, 15), seeds=2, budget=0.0, storage=str(tmp_path))
    assert asked[2:] == [(9, None)]


@pytest.mark.slow
def test_tracing_is_measured_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sweep("large_m")
    asked: dict[str, Any] = {"quick": True, "sizes": ("4x16", "2x3"), "depth": 2}
    module.main(**asked, storage=str(tmp_path))
    first = capsys.readouterr().out
    small, large = sorted(Ledger(tmp_path).timings("large_m_quick"), key=lambda t: t.num_links)
    assert (small.num_setups, small.num_links, large.num_setups, large.num_links) == (2, 6, 4, 64)
    for timing in (small, large):
        label = json.loads(timing.label)
        assert 0.0 < label["search"] < timing.seconds_trace
        assert label["complete_to"] == 2
        assert label["one"] > 0.0
        assert timing.peak_bytes > 2e8
    compared = json.loads(small.label)
    assert compared["difference_db"] < 1e-2
    assert 0 == compared["only_sampled"] <= compared["only_exact"] < 5
    assert json.loads(large.label)["difference_db"] is None
    assert "2 x 3: a union of Sionna's solves lacks" in first
    assert (tmp_path / "large_m_quick.png").stat().st_size > 5_000

    def fail(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(link_tasks, "in_own_process", fail)
    module.main(**asked, storage=str(tmp_path))
    assert capsys.readouterr().out == first
    with pytest.raises(AssertionError, match="again"):
        module.main(**asked | {"depth": 1}, storage=str(tmp_path))
    with pytest.raises(ConfigurationError, match="'3' is no size"):
        module.main(sizes=("3",), storage=str(tmp_path))


@pytest.mark.slow
def test_rooms_are_rendered_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("rooms", tmp_path, capsys, seeds=1)
    pictures = {f.name: f.read_bytes() for f in (tmp_path / "rooms_quick").glob("*.png")}
    assert {name.split("-")[0] for name in pictures} == {"K5", "K9", "K15"}
    module = sweep("rooms")

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("rendered again")

    monkeypatch.setattr(module, "render_scene", fail)
    module.main(quick=True, storage=str(tmp_path))
    assert {f.name: f.read_bytes() for f in (tmp_path / "rooms_quick").glob("*.png")} == pictures


@pytest.mark.slow
@pytest.mark.parametrize("name", ["depth", "placement"])
def test_the_other_sweeps_of_the_paper_print_its_claims_and_no_verdict_on_few_seeds(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = run(name, tmp_path, capsys, seeds=1)
    for source in description_of(name).paper:
        assert f"the paper's {source}: {CLAIMS[source]}" in printed
    assert QUICK_NOTE in printed


@pytest.mark.slow
def test_two_disjoint_sets_of_a_hundred_seeds_give_the_same_verdicts(tmp_path: Path) -> None:
    starts = ("itu", "uniform", "random")
    sweep("initialization").main(seeds=200, methods=("adam",), starts=starts, storage=str(tmp_path))
    rows = Ledger(tmp_path).rows("initialization")
    one, two = (
        {j.claim: j.verdict for j in claims_of("initialization", some)}
        for some in ([r for r in rows if r.seed < 100], [r for r in rows if r.seed >= 100])
    )
    assert len(one) == 8
    assert one == two
    (near,) = [claim for claim, verdict in one.items() if verdict == "undecided"]
    assert near == "VLMInit starts up to 10 times nearer than UnifInit"
    told = halves_of("initialization", rows)
    assert {h.whole.claim: h.parts for h in told} == {c: (v, v) for c, v in one.items()}


@pytest.mark.slow
def test_a_reading_is_a_study_of_its_own_and_named_in_its_verdicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, Any] = {"seeds": 2, "methods": ("adam",), "protocols": ("same_paths",)}
    sweep("depth").main(**asked, reading="patience", storage=str(tmp_path))
    printed = capsys.readouterr().out
    rows = Ledger(tmp_path).rows("depth_patience")
    assert {json.loads(r.label)["reading"] for r in rows} == {"patience"}
    assert all(r.iterations < 1000 and r.outcome == "converged" for r in rows)
    assert "D = 6 gives the smallest error (same_paths): undecided (reading patience)" in printed
    assert Ledger(tmp_path).rows("depth") == []


def test_every_axis_of_the_configuration_the_solver_and_the_truth_is_an_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each changes what would be computed, so that no rows are taken for others."""
    axes: dict[str, tuple[str, ...]] = {
        "--depths": ("2", "8"), "--rays": ("4000",), "--frequency": ("5e9",),
        "--tx-power-dbm": ("30",), "--antenna-pattern": ("dipole",), "--polarization": ("H",),
        "--combining": ("coherent",), "--truth-width": ("0.05",), "--noise-db": ("0.5",),
        "--reading": ("step_decay",), "--rate": ("2e-3",), "--iterations": ("100",),
        "--adam-loss": ("decibel_squares",), "--patience": ("20",), "--positions": ("grid",),
        "--setups": ("2",), "--receivers": ("4",),
    }  # fmt: skip
    main = sweep("depth").main
    common = ["--dry-run", "--storage", str(tmp_path), "--methods", "adam", "--protocols",
              "same_paths", "--depths", "1", "--positions", "random"]  # fmt: skip
    told = set()
    for option, values in axes.items():
        arguments = [*common]
        if option in common:
            at = arguments.index(option)
            arguments[at : at + 2] = [option, *values]
        else:
            arguments += [option, *values]
        assert main.run(arguments) == 0, option
        told.add(capsys.readouterr().out)
    assert len(told) == len(axes)


def test_a_sweep_that_cannot_write_says_so(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = subprocess.run(
        [sys.executable, str(ROOT / "sweeps" / "rooms.py"), "--quick", "--storage", str(blocked)],
        capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: cannot")
