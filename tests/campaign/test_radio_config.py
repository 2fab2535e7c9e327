import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest

from vlmrt_dist.campaign.radio_config import RadioConfig
from vlmrt_dist.errors import ConfigurationError, FrequencyError


def test_defaults_and_the_papers_configuration() -> None:
    radio = RadioConfig()
    assert (radio.frequency, radio.tx_power_dbm, radio.max_depth) == (3.5e9, 44.0, 4)
    assert (radio.path_set, radio.line_of_sight) == ("exact", "limited")
    assert radio.max_reflections is radio.max_transmissions is None
    assert radio.tx_power == pytest.approx(25.1189, rel=1e-5)
    assert radio.wavelength == pytest.approx(0.0856550, rel=1e-5)
    paper = RadioConfig.paper(max_depth=6)
    assert (paper.samples_per_src, paper.path_set, paper.max_depth) == (5000, "single_solve", 6)
    assert RadioConfig.paper(path_set="exact").path_set == "exact"


def test_every_field_changes_the_key() -> None:
    base = RadioConfig()
    others: dict[str, Any] = {
        "frequency": 3.6e9,
        "tx_power_dbm": 43.0,
        "antenna_pattern": "dipole",
        "polarization": "H",
        "max_depth": 3,
        "samples_per_src": 7,
        "seed": 2,
        "max_reflections": 2,
        "max_transmissions": 0,
        "line_of_sight": "always",
        "path_set": "single_solve",
        "combining": "coherent",
        "diffuse_reflection": True,
        "scattering_points": 500,
        "diffraction": True,
        "edge_diffraction": True,
    }
    assert set(others) == {f.name for f in dataclasses.fields(RadioConfig)}
    base = base.replace(diffuse_reflection=True)
    others["diffuse_reflection"] = False
    given = [{name: value} for name, value in others.items()]
    given[-1]["diffraction"] = True  # which free edges add to
    keys = {base.replace(**each).key for each in given}
    assert len(keys | {base.key}) == len(others) + 1


def test_keys_of_smooth_surfaces_do_not_depend_on_points() -> None:
    base = RadioConfig()
    assert base.replace(scattering_points=7).key == base.key


def test_equal_values_of_other_types_are_the_same_configuration() -> None:
    other: dict[str, Any] = {"tx_power_dbm": np.float32(44), "max_depth": np.int64(4)}
    same = RadioConfig(frequency=3_500_000_000, **other)
    assert same == RadioConfig()
    assert same.key == RadioConfig().key
    assert type(same.max_depth) is int
    assert pickle.loads(pickle.dumps(same)) == same


def test_only_sampled_paths_depend_on_seed_and_rays() -> None:
    exact = RadioConfig()
    assert exact.replace(seed=5, samples_per_src=10).paths_key == exact.paths_key
    assert exact.replace(max_reflections=1).paths_key != exact.paths_key
    paper = RadioConfig.paper()
    assert paper.replace(seed=5).paths_key != paper.paths_key
    assert paper.replace(combining="coherent").paths_key == paper.paths_key


@pytest.mark.parametrize("frequency", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_frequencies(frequency: float) -> None:
    with pytest.raises(FrequencyError):
        RadioConfig(frequency=frequency)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tx_power_dbm", float("nan")),
        ("tx_power_dbm", 1e6),
        ("antenna_pattern", "parabola"),
        ("polarization", "VH"),
        ("combining", "sum"),
        ("max_depth", -1),
        ("max_depth", 2.5),
        ("max_depth", True),
        ("max_depth", 10**6),
        ("samples_per_src", 0),
        ("seed", -1),
        ("path_set", "complete"),
        ("line_of_sight", True),
        ("max_reflections", -1),
        ("max_transmissions", 1.5),
        ("diffuse_reflection", 1),
        ("frequency", "3.5e9"),
        ("samples_per_src", None),
    ],
)
def test_impossible_values_name_the_field(field: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=field):
        RadioConfig(**{field: value})
