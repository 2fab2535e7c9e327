"""Studies: rows are right, resumed, and the same on actors; the sweep that users start."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import pytest

import vlmrt_dist as vd
from tests import ROOT
from vlmrt_dist.distributed.session import ActorOptions
from vlmrt_dist.errors import ConfigurationError, StorageError
from vlmrt_dist.field.simulation import perturbed
from vlmrt_dist.inference.options import Adam
from vlmrt_dist.scene.material_prior import MaterialPrior
from vlmrt_dist.store.ledger import Ledger
from vlmrt_dist.store.places import results_place
from vlmrt_dist.store.rows import Row
from vlmrt_dist.studies import levels
from vlmrt_dist.studies import runs as study
from vlmrt_dist.studies.evaluation import evaluate, evaluate_together
from vlmrt_dist.studies.truths import truth_of


@pytest.fixture(scope="module")
def point(room: vd.SceneModel, well_placed: Callable[[vd.RadioConfig], vd.Campaign]) -> study.Point:
    radio = vd.RadioConfig.paper(max_depth=1)
    campaign = well_placed(radio)
    return study.Point(
        "tested",
        room,
        campaign,
        radio,
        ("adam", "levenberg_marquardt"),
        "itu",
        "same_paths",
        seeds=(0, 1),
        label={"D": 1},
    )


@pytest.fixture(scope="module")
def rows(point: study.Point) -> list[Row]:
    return evaluate(point)


def without_times(rows: list[Row]) -> list[Row]:
    """Rows to compare: without wall times."""
    return [dataclasses.replace(r, seconds_fit=0.0, seconds_trace=0.0) for r in rows]


def test_one_row_for_each_optimizer_and_seed(point: study.Point, rows: list[Row]) -> None:
    assert [(r.optimizer, r.seed) for r in rows] == [
        ("adam", 0),
        ("adam", 1),
        ("levenberg_marquardt", 0),
        ("levenberg_marquardt", 1),
    ]
    assert [r.key for r in rows] == list(point.row_keys)
    assert [r.key for r in rows] == [point.row_key(r.optimizer, r.seed) for r in rows]
    assert [r.configuration for r in rows] == [point.configuration(r.optimizer) for r in rows]
    assert len({r.configuration for r in rows}) == 2


def test_the_error_is_that_of_the_conductivities(room: vd.SceneModel, rows: list[Row]) -> None:
    for row in rows:
        truth = perturbed(room.conductivity(3.5e9), row.seed)
        assert np.array_equal(row.truth, truth)
        assert row.mre == pytest.approx(np.mean(np.abs(np.array(row.conductivity) / truth - 1)))
        assert row.mre_history[0] == pytest.approx(row.initial_mre)


def test_adams_loss_is_kept_along_its_iterations(rows: list[Row]) -> None:
    for row in rows:
        kept = row.optimizer.startswith("adam")
        assert len(row.loss_history) == (len(row.mre_history) if kept else 0)
        assert not kept or row.loss_history[-1] == pytest.approx(row.loss)


def test_least_squares_recovers_the_truth(rows: list[Row]) -> None:
    assert max(r.mre for r in rows if r.optimizer == "levenberg_marquardt") <= 1e-8
    assert max(r.mre for r in rows if r.optimizer == "adam") <= 0.02


@pytest.mark.slow
def test_independent_truths_use_other_paths(point: study.Point) -> None:
    radio = point.radio.replace(max_depth=2)
    other = dataclasses.replace(
        point, radio=radio, protocol="independent", optimizers=("levenberg_marquardt",)
    )
    assert not set(other.row_keys) & set(point.row_keys)
    # One solve of 5000 rays finds other paths than the next: the truth cannot be met exactly.
    assert min(r.mre for r in evaluate(other)) > 1e-6


def test_a_second_run_takes_what_the_first_published(
    point: study.Point, rows: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path)
    first = study.run([point], ledger)
    assert without_times(first) == without_times(rows)

    def fail(_: list[study.Point]) -> list[list[Row]]:
        raise AssertionError("evaluated again")

    monkeypatch.setattr(study, "evaluate_together", fail)
    seen: list[tuple[int, int]] = []
    again = study.run([point], ledger, progress=lambda _, done, total: seen.append((done, total)))
    assert without_times(again) == without_times(first)
    assert seen == [(1, 1)]


@pytest.mark.slow
def test_only_what_is_missing_is_evaluated_and_in_the_same_bits(
    point: study.Point, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path)
    more = dataclasses.replace(point, seeds=(0, 1, 2, 3), noise_db=0.1)
    some = dataclasses.replace(more, optimizers=("adam",), seeds=(2, 0))
    whole = evaluate(more)
    asked: list[tuple[tuple[str, ...], tuple[int, ...]]] = []

    def seen(parts: list[study.Point]) -> list[list[Row]]:
        asked.extend((part.optimizers, part.seeds) for part in parts)
        return evaluate_together(parts)

    monkeypatch.setattr(study, "evaluate_together", seen)
    study.run([some], ledger)
    told: list[tuple[int, int]] = []
    rows = study.run([more], ledger, progress=lambda _, done, total: told.append((done, total)))
    assert asked == [
        (("adam",), (2, 0)), (("adam",), (1, 3)), (("levenberg_marquardt",), (0, 1, 2, 3)),
    ]  # fmt: skip
    assert told == [(0, 1), (1, 1)]
    assert without_times(rows) == without_times(whole)


def test_maximum_a_posteriori_with_noise(point: study.Point) -> None:
    """Rows tell the interval of every object, and how many of them hold the truth."""
    seeds = tuple(range(12))
    noisy = dataclasses.replace(
        point, optimizers=("map", "levenberg_marquardt"), seeds=seeds, noise_db=0.1, prior_width=0.1
    )
    assert not set(noisy.row_keys) & set(point.row_keys)
    rows = evaluate(noisy)
    free, alone = rows[:12], rows[12:]
    assert [r.seed for r in free] == list(seeds)
    for row in rows:
        inside = (np.array(row.low) <= row.truth) & (np.array(row.truth) <= row.high)
        assert row.coverage == pytest.approx(inside.mean())
        assert len(row.std) == len(row.verdict) == 9
    assert np.median([r.mre for r in free]) < np.median([r.initial_mre for r in free])
    assert np.median([r.mre for r in free]) < np.median([r.mre for r in alone])
    assert 0.85 <= np.mean([r.coverage for r in free]) <= 1.0
    assert max(max(r.std) for r in free) <= 0.1 * (1 + 1e-9)
    levels = {tuple(r.conductivity) for r in free}
    assert len(levels) == 12  # every seed has its own noise


@pytest.mark.slow
def test_rows_judge_permittivities_and_offsets_too(point: study.Point) -> None:
    joint = dataclasses.replace(
        point, optimizers=("map",), prior_width=0.1, gain_offset_db=1.0,
        unknowns=("conductivity", "relative_permittivity"),
        widths={"relative_permittivity": 0.05},
    )  # fmt: skip
    for row in evaluate(joint):
        assert row.loss < 1e-3  # without noise the fit explains every level
        assert row.held_out_db < 0.1
        moved = np.abs(np.array(row.permittivity_truth) - row.permittivity)
        assert moved.max() > 0.0


def test_true_offsets_are_as_wide_as_stated(point: study.Point) -> None:
    def size(stated: float) -> float:
        some = dataclasses.replace(
            point, optimizers=("map",), seeds=tuple(range(200)), gain_offset_db=stated
        )
        return float(truth_of(some, np.ones(9, bool)).gain_db.std())

    assert size(10.0) == pytest.approx(10.0, rel=0.1)
    assert size(np.inf) == pytest.approx(3.0, rel=0.1)


def test_keys_know_which_version_of_joint_points_made_the_rows(
    point: study.Point, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = dataclasses.replace(point, optimizers=("map",), gain_offset_db=1.0)
    before = list(point.row_keys), list(other.row_keys)
    monkeypatch.setattr("vlmrt_dist.studies.point.JOINT_VERSION", -1)
    assert list(point.row_keys) == before[0]
    assert not set(other.row_keys) & set(before[1])


def test_every_seed_has_its_own_prior(room: vd.SceneModel, point: study.Point) -> None:
    def believed(factor: float) -> MaterialPrior:
        c = factor * room.conductivity(3.5e9)
        return MaterialPrior(
            room.names, room.materials, c, np.zeros(9), np.ones(9), ("",) * 9, np.full(9, 0.7)
        )

    priors = (believed(1.4), believed(0.6))
    some = dataclasses.replace(
        point, optimizers=("map", "adam"), initial="vlm", priors=priors, noise_db=0.01
    )
    rows = evaluate(some)
    assert [r.initial_mre for r in rows[:2]] == [r.initial_mre for r in rows[2:]]
    assert rows[0].initial_mre != pytest.approx(rows[1].initial_mre, rel=0.05)
    assert max(r.mre for r in rows[:2]) < 0.1
    swapped = dataclasses.replace(some, priors=priors[::-1])
    assert not set(swapped.row_keys) & set(some.row_keys)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"initial": "vlm"}, "needs priors"),
        ({"priors": ()}, "one prior for each"),
        ({"seeds": (1, 1)}, "each be different"),
        ({"noise_db": -1.0}, "noise_db"),
        ({"position_error_m": -0.1}, "position_error_m"),
        ({"prior_width": 0.0}, "prior_width"),
        ({"widths": {"relative_permittivity": 0.5}}, "widths of a point"),
    ],
)
def test_points_that_make_no_sense(
    point: study.Point, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        dataclasses.replace(point, **changes)


def test_points_that_differ_in_their_start_are_evaluated_together_in_the_same_bits(
    point: study.Point, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = dataclasses.replace(point, adam=Adam(max_iterations=20), noise_db=0.1)
    others = [dataclasses.replace(few, initial=initial, label={"start": initial})
              for initial in ("random", "uniform")]  # fmt: skip
    apart = dataclasses.replace(few, position_error_m=0.01)
    points = [few, others[0], apart, others[1]]
    assert study.companions(points) == [[0, 1, 3], [2]]
    alone = [row for each in points for row in evaluate(each)]
    groups = []

    def seen(parts: list[study.Point]) -> list[list[Row]]:
        groups.append(len(parts))
        return evaluate_together(parts)

    monkeypatch.setattr(study, "evaluate_together", seen)
    together = study.run(points, Ledger(tmp_path))
    assert without_times(together) == without_times(alone)
    assert groups == [3, 1]
    assert len({r.key for r in together}) == len(together)


def test_points_of_other_positions_and_seeds_are_evaluated_together_in_the_same_bits(
    room: vd.SceneModel, point: study.Point, tmp_path: Path
) -> None:
    """Rows of many placements of few seeds, of which one is heard by no receiver."""
    few = dataclasses.replace(
        point, radio=vd.RadioConfig(max_depth=1), adam=Adam(max_iterations=20)
    )
    places = [vd.place("random", room, 3, 8, seed=seed) for seed in range(3)]
    apart = np.array([1e3, 1e3, 0.0])  # two walls lie between: nothing is heard
    places[2] = dataclasses.replace(places[2], tx=places[2].tx - apart, rx=places[2].rx + apart)
    points = [
        dataclasses.replace(few, campaign=campaign, seeds=(number, 7), initial=initial)
        for initial in ("itu", "random")
        for number, campaign in enumerate(places)
    ]
    assert study.companions(points) == [[0, 1, 2, 3, 4, 5]]
    least = [dataclasses.replace(each, optimizers=("levenberg_marquardt",)) for each in points]
    assert study.companions(least) == [[0, 3], [1, 4], [2, 5]]
    other = dataclasses.replace(few, campaign=vd.place("random", room, 2, 8, seed=0))
    assert study.companions([few, other]) == [[0], [1]]
    together = study.run(points, Ledger(tmp_path))
    alone = [row for each in points for row in evaluate(each)]
    assert repr(without_times(together)) == repr(without_times(alone))  # NaN where nothing is heard
    assert {row.outcome for row in alone if row.num_links == 0} == {"no_signal"}


def test_many_seeds_are_not_put_together(point: study.Point) -> None:
    many = dataclasses.replace(point, seeds=tuple(range(30)))
    other = dataclasses.replace(many, initial="random")
    assert study.companions([many, other]) == [[0], [1]]


def test_antennas_that_stand_elsewhere_move_the_levels_a_little(point: study.Point) -> None:
    """Errors grow with the displacement, another one for each seed, and none is without effect."""
    exact = dataclasses.replace(
        point, radio=vd.RadioConfig(max_depth=1), optimizers=("levenberg_marquardt",)
    )
    errors = [
        [row.mre for row in evaluate(dataclasses.replace(exact, position_error_m=error))]
        for error in (0.0, 1e-4, 1e-2)
    ]
    assert max(errors[0]) < 1e-8 < min(errors[1]) < max(errors[1]) < min(errors[2])
    moved = dataclasses.replace(exact, position_error_m=1e-2)
    assert moved.reported_protocol == "independent"
    first, second = levels.displaced(moved, exact.campaign)
    offsets = np.concatenate([(c.tx - exact.campaign.tx).ravel() for c in (first, second)])
    assert 0.0 < np.abs(offsets).max() <= 2.5e-2
    assert not np.array_equal(first.tx, second.tx)


def test_the_truth_may_have_a_configuration_of_its_own(point: study.Point) -> None:
    """A truth that lacks the reflections that the estimate has is not found."""
    exact = dataclasses.replace(
        point, radio=vd.RadioConfig(max_depth=1), optimizers=("levenberg_marquardt",),
        protocol="independent",
    )  # fmt: skip
    sparse = vd.RadioConfig.paper(max_depth=1, samples_per_src=50, seed=3)
    (row, _) = evaluate(dataclasses.replace(exact, truth_radio=sparse))
    assert row.mre > 1e-3
    assert row.protocol == "independent"
    same = dataclasses.replace(exact, truth_radio=exact.radio)
    assert max(r.mre for r in evaluate(same)) < 1e-8
    with pytest.raises(ConfigurationError, match="truth_radio"):
        dataclasses.replace(point, truth_radio=sparse)
    keys = {exact.configuration("levenberg_marquardt"), same.configuration("levenberg_marquardt")}
    assert len(keys) == 2


@pytest.mark.ray
def test_actors_give_the_same_rows(point: study.Point, rows: list[Row], tmp_path: Path) -> None:
    other = dataclasses.replace(point, seeds=(5,))
    both = study.run([point, other], Ledger(tmp_path), workers=ActorOptions(2))
    assert without_times(both) == without_times(rows + evaluate(other))


def test_a_relative_folder_is_refused_inside_a_ray_job(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(results_place(None)) == "results"
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    assert str(results_place(None)).startswith("/")
    assert str(results_place("/somewhere")) == "/somewhere"
    assert str(results_place("s3://bucket/results/")) == "s3://bucket/results"
    with pytest.raises(StorageError, match="absolute"):
        results_place("results")


@pytest.mark.slow
def test_the_depth_sweep_runs_as_a_script(tmp_path: Path) -> None:
    script = str(ROOT / "sweeps" / "depth.py")
    command = [sys.executable, script, "--quick", "--storage", str(tmp_path)]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for printed in ("0.467", "0.273"):
        assert printed in done.stdout
    assert "of 4 points" in done.stderr
    assert (tmp_path / "depth_quick.png").stat().st_size > 10_000
    # What the README shows: the folder of a study is one data set.
    table = ds.dataset(tmp_path / "rows", partitioning="hive").to_table()
    assert table.num_rows == 2 * 2 * 2 * 5  # depths, protocols, methods, seeds
    rows = Ledger(tmp_path).rows("depth_quick")
    # Where the truth has other paths than the estimate, these are what is left of the error.
    for protocol, most in (("same_paths", 1e-6), ("exact", 1e-6)):
        errors = [
            r.mre for r in rows if r.optimizer == "levenberg_marquardt" and r.protocol == protocol
        ]
        assert len(errors) == 10
        assert np.median(errors) <= most
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    told = subprocess.run(
        [*command, "--seeds", "6", "--dry-run"],
        cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "D=4 exact: adam, levenberg_marquardt × 6 seeds, 2 of 12 rows" in told
    assert "4 points, 8 of 48 rows would be computed" in told
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before


def test_setups_that_hear_nothing_are_left_out(point: study.Point) -> None:
    heard = np.ones((3, 8), bool)
    heard[1] = False
    heard[2, 5] = False
    carriers = dataclasses.replace(point.campaign, frequency=np.array([1e9, 2e9, 3e9]))
    kept = levels._keep(carriers, heard)
    np.testing.assert_array_equal(kept.present, heard[[0, 2]])
    np.testing.assert_array_equal(kept.tx, point.campaign.tx[[0, 2]])
    assert kept.frequency is not None
    assert kept.frequency.tolist() == [1e9, 3e9]
    assert not kept.censored.any()


def test_a_point_may_do_without_a_held_out_setup(point: study.Point, rows: list[Row]) -> None:
    without = dataclasses.replace(point, held_out=False, optimizers=("levenberg_marquardt",))
    assert not set(without.row_keys) & set(point.row_keys)
    for row, same in zip(evaluate(without), rows[2:], strict=True):
        assert np.isnan(row.held_out_db)
        assert np.isfinite(same.held_out_db)
        assert row.conductivity == same.conductivity
