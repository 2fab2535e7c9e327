"""The whole estimate in one file: every bit comes back, and nothing else is believed."""

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vlmrt_dist.campaign import Campaign, RadioConfig
from vlmrt_dist.errors import StorageError
from vlmrt_dist.field import simulate
from vlmrt_dist.inference import (
    Estimate,
    LevenbergMarquardt,
    Noise,
    Parameters,
    Prior,
    WeightedDraws,
    estimate,
    level_posterior,
    read_estimate,
    write_estimate,
)
from vlmrt_dist.inference import posterior_document as module
from vlmrt_dist.inference.plain_values import array_to_plain, from_plain, to_plain
from vlmrt_dist.scene import SceneModel, prior_from_classes

RADIO = RadioConfig(max_depth=1, tx_power_dbm=20.0)


@pytest.fixture(scope="module")
def measured(room: SceneModel, campaign: Campaign) -> Campaign:
    return simulate(room, campaign, radio=RADIO, noise_db=0.3, seed=3)


@pytest.fixture(scope="module")
def result(room: SceneModel, measured: Campaign) -> Estimate:
    found = estimate(
        room, measured, radio=RADIO, solver=LevenbergMarquardt(folds=0, posterior="normal"),
        prior=Prior(width=np.inf, tails="student_t"),
        noise=Noise(
            gain_offset_db=np.inf, gain_shared={1: "old", 2: "old"}, clutter_db_per_sqrt_m=0.1,
            excess_loss_db_per_m=1.0, clutter_area="-4 -4 4 -4 4 4 -4 4; -1 -1 1 -1 1 1 -1 1",
        ),
        parameters=Parameters(
            ("conductivity", "thickness"), fixed=("floor",), widths={"thickness": 0.2},
            groups={"wall_west": "walls", "wall_east": "walls"},
        ),
    )  # fmt: skip
    joint = found.joint
    assert joint is not None
    x = joint.x + 0.1 * np.random.default_rng(0).standard_normal((50, len(joint.x)))
    draws = WeightedDraws(x, np.full(50, 0.02), np.zeros(50, int), 77)
    return dataclasses.replace(found, joint=joint._replace(draws=draws))


@pytest.fixture(scope="module")
def file(
    tmp_path_factory: pytest.TempPathFactory,
    room: SceneModel, measured: Campaign, result: Estimate,
) -> Path:  # fmt: skip
    path = tmp_path_factory.mktemp("estimate") / "estimate.json"
    return write_estimate(result, path, scene=room, campaign=measured, radio=RADIO)


@pytest.mark.parametrize("suffix", [".json", ".parquet"])
def test_a_file_predicts_what_the_estimate_does(
    room: SceneModel, measured: Campaign, result: Estimate, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"estimate{suffix}"
    write_estimate(result, path, scene=room, campaign=measured, radio=RADIO)
    back = read_estimate(path)
    one = level_posterior(room, result.calibration, measured)
    other = level_posterior(room, back, measured)
    for field in dataclasses.fields(one):
        # The two halves of a covariance differ in their last bit, and a file has one.
        np.testing.assert_allclose(
            getattr(one, field.name), getattr(other, field.name), rtol=1e-12, atol=1e-12
        )
    np.testing.assert_array_equal(one.level_dbm, other.level_dbm)
    assert back.joint is not None
    assert result.joint is not None
    np.testing.assert_array_equal(np.tril(back.joint.matrix), np.tril(result.joint.matrix))
    assert back.joint.draws is not None
    assert back.joint.draws.evaluations == 77
    assert back.origin is not None
    assert back.origin.radio == RADIO
    assert back.origin.assumed.noise.gain_shared == {1: "old", 2: "old"}
    assert result.origin is not None
    area = result.origin.assumed.noise.clutter_area
    assert area is not None
    assert back.origin.assumed.noise.clutter_area == area


def test_a_stated_prior_comes_back(room: SceneModel, measured: Campaign, tmp_path: Path) -> None:
    sure = np.full(room.num_objects, 0.9)
    table = {"brick": (0.02, 0.1), "metal": (1e7, 0.0)}
    names = ("brick",) * (room.num_objects - 1) + ("metal",)
    stated = prior_from_classes(
        room.names, names, sure, ("by hand",) * room.num_objects, table, frequency=3.5e9
    )
    solver = LevenbergMarquardt(folds=0, posterior="normal")
    found = estimate(room, measured, radio=RADIO, prior=stated, solver=solver)
    path = tmp_path / "estimate.parquet"
    write_estimate(found, path, scene=room, campaign=measured, radio=RADIO)
    again = level_posterior(room, read_estimate(path), measured)
    np.testing.assert_array_equal(again.level_dbm, found.links.replayed_dbm)


def test_too_many_unknowns_are_left_out(
    room: SceneModel, measured: Campaign, result: Estimate, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(module, "MOST_UNKNOWNS", 3)
    path = tmp_path / "estimate.json"
    with pytest.warns(UserWarning, match="joint posterior of .* unknowns is not written"):
        write_estimate(result, path, scene=room, campaign=measured, radio=RADIO)
    assert read_estimate(path).joint is None


def test_many_draws_are_thinned(
    room: SceneModel, measured: Campaign, result: Estimate, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert result.joint is not None
    monkeypatch.setattr(module, "MOST_DRAWN", 10 * len(result.joint.x))
    path = tmp_path / "estimate.json"
    write_estimate(result, path, scene=room, campaign=measured, radio=RADIO)
    joint = read_estimate(path).joint
    assert joint is not None
    assert joint.draws is not None
    assert joint.draws.x.shape == (10, len(joint.x))


def _set(*keys: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return change


def _drop(*keys: str) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        for key in keys[:-1]:
            document = document[key]
        del document[keys[-1]]

    return change


def _not_positive(document: dict[str, Any]) -> None:
    size = len(document["unknowns"]["label"])
    lower = np.zeros(size * (size + 1) // 2)
    lower[1] = 1.0  # a covariance between unknowns without variance
    document["unknowns"]["covariance"] = array_to_plain(lower)


def _nan(document: dict[str, Any]) -> None:
    size = len(document["unknowns"]["label"])
    lower = np.full(size * (size + 1) // 2, np.nan)
    document["unknowns"]["covariance"] = array_to_plain(lower)


HUGE = {"shape": [4_000_000, 4_000_000], "dtype": "<f8", "base64": ""}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_nan, "a number that is not finite"),
        (_not_positive, "negative variance"),
        (_set("format", value=99), "none of this version"),
        (_drop("unknowns", "x"), "lacks 'x'"),
        (_drop("scene"), "lacks 'scene'"),
        (_set("unknowns", value=[1]), "of another kind"),
        (_set("unknowns", "covariance", value=HUGE), "too large"),
        (_set("unknowns", "x", "base64", value="AAAA"), "more or fewer numbers"),
        (_set("unknowns", "x", "dtype", value="O"), "of another kind"),
        (_set("unknowns", "quantity", 0, value="colour"), "of those that there can be"),
        (_set("unknowns", "quantity", value=["gain"]), "another size than"),
        (
            _set("unknowns", "of_objects", "conductivity", value=array_to_plain(np.arange(9) + 90)),
            "none of those that there are",
        ),
        (_set("unknowns", "of_objects", "conductivity", value=array_to_plain(np.arange(3))),
         "other objects than the rows"),
        (_set("draws", "weight", value=array_to_plain(np.full(50, 0.5))), "impossible weights"),
        (_set("draws", "mode", value=array_to_plain(np.zeros(2, int))), "as many as their weights"),
        (_set("scene", "objects", value=[]), "other objects than the rows"),
        (_set("radio", "max_depth", value=1000), "RadioConfig is impossible"),
        (_set("radio", "shell", value="rm"), "unknown fields shell"),
        (_set("radio", value=None), "RadioConfig is no object"),
        (_set("noise", "db", value="loud"), "Noise is impossible"),
        (_set("noise", "clutter_area", value="/etc/passwd"), "no polygon"),
        (_set("noise", "clutter_area", value={"polygons": [[]]}), "fewer than three corners"),
        (_set("parameters", "quantities", value=["colour"]), "Parameters is impossible"),
        (_set("prior", "kind", value="MaterialPrior"), "MaterialPrior is impossible"),
        (_set("offsets", "by", value="colour"), "offsets are impossible"),
        (_set("offsets", "entry", value=array_to_plain(np.array([0, 0, 0]))), "of another kind"),
        (_set("noise_scale", value=-1.0), "noise scale is impossible"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(
    file: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    document = copy.deepcopy(json.loads(file.read_text()))
    change(document["provenance"]["posterior"])
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(document))
    with pytest.raises(StorageError, match=words):
        read_estimate(path)


@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_a_truncated_file_is_refused(file: Path, tmp_path: Path, share: float) -> None:
    content = file.read_bytes()
    path = tmp_path / "short.json"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(StorageError, match="is not an estimate"):
        read_estimate(path)


def test_values_come_back_with_their_kinds() -> None:
    values = (1, 2.5, None, True, "inf", float("inf"), {3: "a"}, (1.0, (2, 3)))
    assert from_plain(json.loads(json.dumps(to_plain(values)))) == values
    with pytest.raises(ValueError, match="none that an estimate holds"):
        from_plain({"path": "/etc"})
    with pytest.raises(ValueError, match="no name and no number"):
        from_plain({"mapping": [[[1], 2]]})
