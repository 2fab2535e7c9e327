import dataclasses
from typing import Any

import numpy as np
import pytest

from tests.numerics import PAPER, five_point
from vlmrt_dist.arrays import FloatArray
from vlmrt_dist.campaign.model import Campaign
from vlmrt_dist.errors import ConfigurationError
from vlmrt_dist.field.evaluators import ReplayObjective
from vlmrt_dist.inference.conductivity_prior import prior_of
from vlmrt_dist.inference.options import Groups, Noise, Parameters, Prior, Quantity
from vlmrt_dist.inference.parameters import PADDED, Unknowns, _launches
from vlmrt_dist.inference.unknown_vector import unknowns_of
from vlmrt_dist.paths.path_table import PathTable
from vlmrt_dist.scene.material_prior import MaterialPrior
from vlmrt_dist.scene.model import SceneModel

ALL: tuple[Quantity, ...] = ("conductivity", "relative_permittivity", "thickness")


def asked(
    room: SceneModel,
    campaign: Campaign,
    fixed: tuple[str, ...] = (),
    quantities: tuple[Quantity, ...] = ("conductivity",),
    groups: Groups = None,
    noise: Noise | None = None,
) -> Unknowns:
    prior = prior_of(room, PAPER, Prior(0.5), fixed)
    parameters = Parameters(quantities, groups=groups)
    return unknowns_of(room, campaign, PAPER, prior, parameters, noise=noise)


@pytest.fixture(scope="module")
def two_carriers(campaign: Campaign) -> Campaign:
    """The second setup at 5 GHz."""
    return dataclasses.replace(campaign, frequency=np.array([3.5e9, 5.0e9, 3.5e9]))


def test_one_entry_for_each_object_by_default(room: SceneModel, campaign: Campaign) -> None:
    meant = asked(room, campaign)
    assert meant.label == room.names
    np.testing.assert_allclose(np.exp(meant.mean), room.conductivity(PAPER.frequency))
    np.testing.assert_array_equal(meant.width, 0.5)
    here = meant.materials(meant.mean)[PAPER.frequency]
    np.testing.assert_allclose(here.conductivity, room.conductivity(PAPER.frequency))
    np.testing.assert_array_equal(here.thickness, room.thickness)


def test_fixed_objects_are_no_unknowns(room: SceneModel, campaign: Campaign) -> None:
    mixed = room.with_materials({"box_wood": "metal"})
    meant = asked(mixed, campaign, ("floor",), quantities=ALL)
    assert len(meant.mean) == 3 * 7
    assert not {"floor", "box_wood"} & set(meant.label)
    shifted = meant.materials(meant.mean + 0.3)[PAPER.frequency]
    for name in ("floor", "box_wood"):
        k = mixed.names.index(name)
        assert shifted.conductivity[k] == mixed.conductivity(PAPER.frequency)[k]
        assert shifted.relative_permittivity[k] == mixed.relative_permittivity(3.5e9)[k]
        assert shifted.thickness[k] == mixed.thickness[k]
    assert np.isnan(meant.values("thickness", meant.mean)[mixed.names.index("floor")])


def test_objects_of_a_group_share_their_values(room: SceneModel, campaign: Campaign) -> None:
    tied = asked(room, campaign, groups="material", quantities=ALL[:2])
    assert tied.label[:5] == ("brick", "wood", "concrete", "marble", "chipboard")
    assert len(tied.mean) == 10
    sigma = tied.conductivity(tied.mean + np.linspace(0.0, 0.9, 10))
    assert len(set(sigma[:5])) == 1  # floor and walls are of brick
    walls = {name: "walls" for name in room.names if name.startswith("wall")}
    some = asked(room, campaign, groups=walls)
    assert some.label == ("floor", "walls", *room.names[5:])
    # A group of the name of an object is not that object.
    odd = asked(room, campaign, groups={"wall_west": "floor", "wall_east": "floor"})
    assert len(odd.mean) == 8


def test_one_class_shares_a_thickness_only_where_it_is_declared_equal(
    room: SceneModel, campaign: Campaign
) -> None:
    thin = room.with_materials(thickness={"wall_west": 0.05, "wall_east": 0.05})
    tied = asked(thin, campaign, groups="material", quantities=ALL)
    of_thickness = [label for q, label in zip(tied.quantity, tied.label, strict=True)
                    if q == "thickness"]  # fmt: skip
    assert of_thickness[:2] == ["brick, 10 cm", "brick, 5 cm"]
    assert tied.label[:2] == ("brick", "wood")  # σ is that of the class, whatever the thickness
    found = tied.materials(tied.mean)[PAPER.frequency]
    np.testing.assert_allclose(found.thickness, thin.thickness)
    told = [str(tie) for tie in tied.ties]
    assert told == [
        "conductivity of 5 objects of brick", "relative permittivity of 5 objects of brick",
        "thickness of 3 objects of brick, 10 cm", "thickness of 2 objects of brick, 5 cm",
    ]  # fmt: skip


def test_a_tie_of_unequal_objects_says_so(room: SceneModel, campaign: Campaign) -> None:
    thin = room.with_materials(thickness={"wall_west": 0.05}, conductivity={"wall_west": 0.5})
    walls = {"wall_west": "walls", "wall_east": "walls"}
    tied = asked(thin, campaign, groups=walls, quantities=("conductivity", "thickness"))
    sigma, thickness = map(str, tied.ties)
    assert sigma.startswith("conductivity of 2 objects of walls, for which the scene states 0.02")
    assert sigma.endswith("to 0.5 S/m")
    assert thickness.endswith("of walls, for which the scene states 0.05 to 0.1 m")
    assert asked(room, campaign).ties == ()


def test_a_fixed_object_is_in_no_group(room: SceneModel, campaign: Campaign) -> None:
    tied = asked(room, campaign, ("floor",), groups="material")
    sigma = tied.conductivity(tied.mean + 0.5)
    assert sigma[0] == room.conductivity(PAPER.frequency)[0] != sigma[1]


def test_carriers_share_conductivities_by_the_exponents_of_the_classes(
    room: SceneModel, two_carriers: Campaign
) -> None:
    meant = asked(room, two_carriers)
    found = meant.materials(meant.mean + 0.2)
    assert set(found) == {3.5e9, 5.0e9}
    for frequency, here in found.items():
        itu = room.conductivity(frequency)
        np.testing.assert_allclose(here.conductivity, itu * np.exp(0.2))
        np.testing.assert_allclose(
            here.relative_permittivity, room.relative_permittivity(frequency)
        )


def test_carriers_follow_the_exponents_of_a_prior_from_elsewhere(
    room: SceneModel, two_carriers: Campaign
) -> None:
    given = MaterialPrior(
        room.names, ("concrete",) * 9, np.full(9, 0.0462), np.full(9, 0.7822), np.ones(9),
        ("",) * 9, np.full(9, 0.7),
    )  # fmt: skip
    belief = prior_of(room, PAPER, given)
    meant = unknowns_of(room, two_carriers, PAPER, belief, Parameters(), given=given)
    here = meant.materials(meant.mean)[5.0e9]
    np.testing.assert_allclose(here.conductivity, given.conductivity(5.0e9))
    np.testing.assert_array_equal(meant.width, 0.7)


def test_a_fixed_object_is_as_the_scene_states_it_at_every_carrier(
    room: SceneModel, two_carriers: Campaign
) -> None:
    given = MaterialPrior(
        room.names, ("concrete",) * 9, np.full(9, 0.0462), np.full(9, 0.7822), np.ones(9),
        ("",) * 9, np.full(9, 0.7),
    )  # fmt: skip
    belief = prior_of(room, PAPER, given, ("floor",))
    here = unknowns_of(room, two_carriers, PAPER, belief, Parameters(), given=given)
    found = here.materials(here.mean)[5.0e9].conductivity
    np.testing.assert_allclose(found[0], room.conductivity(5.0e9)[0])
    np.testing.assert_allclose(found[1:], given.conductivity(5.0e9)[1:])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"groups": {"chair": "wood"}}, "no object is named 'chair'; the objects are floor, "),
        ({"quantities": ("conductivity", "exponent")}, "several carriers"),
    ],
)
def test_what_the_scene_or_the_campaign_does_not_have_is_refused(
    room: SceneModel, campaign: Campaign, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        asked(room, campaign, **more)


def check_jacobian(meant: Unknowns, objective: ReplayObjective) -> FloatArray:
    predict = meant.predict(objective)
    rng = np.random.default_rng(1)
    x = meant.mean + 0.05 * rng.standard_normal(len(meant.mean))
    level, jacobian = predict(x)
    used = np.isfinite(level)
    # A step for each entry by itself: five_point's is relative, and offsets are zero.
    expected = five_point(lambda y: predict(x + y - 1.0)[0][used], np.ones(len(x)), 1e-4)
    size = np.abs(expected).max(axis=0)
    assert (size > 0.0).any()
    scale = np.maximum(size, 1e-3)
    np.testing.assert_allclose(
        jacobian.toarray()[used] / scale, expected / scale, rtol=1e-5, atol=1e-7
    )
    return expected


@pytest.mark.parametrize("combining", ["power", "coherent"])
def test_the_jacobian_is_that_of_central_differences(
    room: SceneModel, campaign: Campaign, table: PathTable, combining: str
) -> None:
    radio = PAPER.replace(combining=combining)
    levels = campaign.with_rss(np.zeros((3, 8)))
    objective = ReplayObjective(room, levels, radio, table)
    noise = Noise(gain_offset_db=1.0)
    meant = asked(room, campaign, quantities=ALL, groups="material", noise=noise)
    expected = check_jacobian(meant, objective)
    np.testing.assert_allclose(expected[:8, -3:], [[1.0, 0.0, 0.0]] * 8, atol=1e-8)


def test_the_jacobian_of_several_carriers_and_exponents(
    room: SceneModel, two_carriers: Campaign, table: PathTable
) -> None:
    levels = two_carriers.with_rss(np.zeros((3, 8)))
    objective = ReplayObjective(room, levels, PAPER, table)
    for quantities in (("conductivity", "exponent"), ("exponent", "relative_permittivity")):
        check_jacobian(asked(room, two_carriers, quantities=quantities), objective)


@pytest.mark.parametrize("count", [1, 2, 5, 17, 36, 61, 70])
def test_vectors_side_by_side_have_the_bits_of_each_alone(
    room: SceneModel, campaign: Campaign, table: PathTable, count: int
) -> None:
    meant = asked(room, campaign)
    model = meant.predict(ReplayObjective(room, campaign.with_rss(np.zeros((3, 8))), PAPER, table))
    x = meant.mean + np.random.default_rng(count).normal(0.0, 0.5, (count, len(meant.mean)))
    launches = _launches(x)
    assert sum(map(len, launches)) <= 1.15 * count + PADDED
    level, jacobian = model.many(x)
    np.testing.assert_array_equal(model.many(x, slopes=False)[0], level)
    for i in {0, count // 2, count - 1}:
        one, by = model(x[i])
        np.testing.assert_array_equal(level[i], one)
        np.testing.assert_array_equal(jacobian[i], by.toarray())


def test_setups_of_several_carriers_are_those_of_one_each(
    room: SceneModel, two_carriers: Campaign, campaign: Campaign, table: PathTable
) -> None:
    blank = np.zeros((3, 8))
    both = ReplayObjective(room, two_carriers.with_rss(blank), PAPER, table)
    theta = np.array([room.conductivity(3.5e9), 1.2 * room.conductivity(3.5e9)])
    mixed, value = both.rss(theta), both.value_and_grad(theta)
    for frequency, setups in ((3.5e9, [0, 2]), (5.0e9, [1])):
        radio = PAPER.replace(frequency=frequency)
        one = ReplayObjective(room, campaign.with_rss(blank), radio, table)
        scale = room.conductivity(frequency) / room.conductivity(3.5e9)
        alone = one.value_and_grad(theta * scale)
        np.testing.assert_allclose(mixed[:, setups], one.rss(theta * scale)[:, setups], rtol=1e-12)
        np.testing.assert_allclose(value.loss[:, setups], alone.loss[:, setups], rtol=1e-12)
        np.testing.assert_allclose(
            value.gradient[:, setups], alone.gradient[:, setups] * scale, rtol=1e-10
        )
