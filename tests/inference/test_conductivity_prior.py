from typing import Any

import numpy as np
import pytest

from tests.numerics import PAPER, all_concrete
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.errors import NumericalError, VlmrtError
from vlmrt_dist.inference.conductivity_prior import (
    ConductivityPrior,
    initial_conductivity,
    prior_of,
)
from vlmrt_dist.inference.options import Prior
from vlmrt_dist.scene.itu import MATERIALS, conductivity, is_tabulated
from vlmrt_dist.scene.model import SceneModel


def test_initial_values(room: SceneModel) -> None:
    itu = room.conductivity(PAPER.frequency)
    free = np.arange(9) != 4
    prior = ConductivityPrior(itu, np.full(9, 0.5), free)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(initial_conductivity("itu", prior, PAPER.frequency, rng), itu)
    uniform = initial_conductivity("uniform", prior, PAPER.frequency, rng)
    np.testing.assert_allclose(uniform[free], itu[free].mean())
    assert uniform[4] == itu[4]
    table = [conductivity(m, PAPER.frequency) for m in MATERIALS
             if is_tabulated(m, PAPER.frequency) and m not in ("vacuum", "metal")]  # fmt: skip
    whole = initial_conductivity("uniform_table", prior, PAPER.frequency, rng)
    np.testing.assert_allclose(whole[free], np.mean(table))
    assert whole[4] == itu[4]
    many = np.concatenate(
        [initial_conductivity("random", prior, PAPER.frequency, rng)[free] for _ in range(500)]
    )
    assert 0.01 <= many.min() < 0.0102
    assert 0.0598 < many.max() <= 0.06
    assert initial_conductivity("random", prior, PAPER.frequency, rng)[4] == itu[4]
    given = np.linspace(0.01, 0.09, 9)
    np.testing.assert_array_equal(
        initial_conductivity(given, prior, PAPER.frequency, rng)[free], given[free]
    )


@pytest.mark.parametrize(
    "given", [np.ones(8), np.zeros(9), np.full(9, np.nan), -np.ones(9), np.full(9, np.inf)]
)
def test_bad_initial_values_are_refused(room: SceneModel, given: FloatArray) -> None:
    prior = prior_of(room, PAPER, Prior(0.5))
    with pytest.raises(NumericalError, match="9 numbers, positive and finite"):
        initial_conductivity(given, prior, PAPER.frequency, np.random.default_rng(0))


def test_metal_and_vacuum_are_fixed(room: SceneModel) -> None:
    changed = room.with_materials({"box_wood": "metal", "box_marble": "vacuum"})
    prior = prior_of(changed, PAPER, Prior(0.5))
    fixed = {name for name, free in zip(room.names, prior.free, strict=True) if not free}
    assert fixed == {"box_wood", "box_marble"}
    assert set(np.flatnonzero(~prior_of(room, PAPER, Prior(0.5), ["floor"]).free)) == {0}


def test_there_has_to_be_something_to_estimate(room: SceneModel) -> None:
    with pytest.raises(
        VlmrtError, match="no object is named 'box_of_gold', 'flor'; the objects are "
    ):
        prior_of(room, PAPER, Prior(0.5), ["flor", "floor", "box_of_gold"])
    with pytest.raises(VlmrtError, match="nothing to estimate"):
        prior_of(room, PAPER, Prior(0.5), room.names)


def test_a_prior_from_elsewhere_has_its_own_medians_and_widths(room: SceneModel) -> None:
    prior = prior_of(room, PAPER, all_concrete(room), ["floor"])
    np.testing.assert_allclose(prior.median[1:], 0.12309, rtol=1e-4)
    assert prior.median[0] == room.conductivity(PAPER.frequency)[0]  # what is fixed is known
    np.testing.assert_array_equal(prior.width, np.linspace(1.5, 0.7, 9))
    metal = prior_of(
        room,
        PAPER,
        all_concrete(room, c=np.full(9, 1e7) * (np.eye(9)[3] > 0) + 0.02, d=np.zeros(9)),
    )
    assert np.flatnonzero(~metal.free).tolist() == [3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ("floor",) * 9}, "about other objects"),
        ({"c": np.full(8, 0.02)}, "9 values of c"),
        ({"c": np.full(9, np.nan)}, "finite"),
        ({"c": np.full(9, -0.1)}, "not negative"),
        ({"d": np.full(9, 1e6)}, "finite"),
        ({"width": np.full(9, -1.0)}, "widths must not be negative"),
        ({"width": np.full(9, np.nan)}, "widths must not be negative"),
        ({"width": np.zeros(9)}, "nothing to estimate"),
    ],
)
def test_an_impossible_prior_is_refused(
    room: SceneModel, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(VlmrtError, match=message):
        prior_of(room, PAPER, all_concrete(room, **changes))
