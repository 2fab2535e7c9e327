import numpy as np
import pytest

import vlmrt_dist as vd
from vlmrt_dist.errors import MaterialError
from vlmrt_dist.inference.options import LevenbergMarquardt
from vlmrt_dist.scene import itu
from vlmrt_dist.scene.material_prior import (
    MaterialPrior,
    class_spread,
    misnamed,
    prior_from_classes,
)
from vlmrt_dist.scene.published_spreads import spread_of

FREQUENCY = 3.5e9
TABLE = itu.conductivity_table(FREQUENCY)


def one(material: str, confidence: float, **options: float) -> MaterialPrior:
    return prior_from_classes(
        ["it"], [material], [confidence], ["said"], TABLE, frequency=FREQUENCY, **options
    )


def test_the_median_is_the_classes_conductivity() -> None:
    prior = prior_from_classes(
        ["a", "b"], ["brick", "marble"], [0.9, 0.2], ["x", "y"], TABLE, frequency=FREQUENCY
    )
    expected = [itu.conductivity("brick", FREQUENCY), itu.conductivity("marble", FREQUENCY)]
    assert prior.conductivity(FREQUENCY) == pytest.approx(expected)
    assert prior.names == ("a", "b")
    assert prior.materials == ("brick", "marble")
    assert prior.sources == ("x", "y")


def test_full_trust_leaves_the_spread_within_the_class() -> None:
    measured = spread_of("concrete", FREQUENCY).conductivity
    assert one("concrete", 1.0).width == pytest.approx(measured)
    assert one("concrete", 1.0, class_width=0.1).width == pytest.approx(0.1)


def test_less_trust_is_wider() -> None:
    widths = [one("wood", p).width[0] for p in (1.0, 0.9, 0.5, 0.1, 0.0)]
    assert (np.diff(widths) > 0).all()


def test_the_width_is_the_second_moment_of_a_simulated_mixture() -> None:
    """Draw classes as the confidence says, and values within them: the moment must come out."""
    rng = np.random.default_rng(0)
    log = {m: np.log(itu.conductivity(m, FREQUENCY)) for m in TABLE if m not in ("vacuum", "metal")}
    others = [x for m, x in log.items() if m != "glass"]
    right = rng.random(200_000) < 0.7
    centre = np.where(right, log["glass"], rng.choice(others, 200_000))
    drawn = centre + 0.3 * rng.standard_normal(200_000)
    moment = np.sqrt(((drawn - log["glass"]) ** 2).mean())
    assert one("glass", 0.7, class_width=0.3).width[0] == pytest.approx(moment, rel=0.01)


def test_no_trust_reaches_most_classes_of_the_table() -> None:
    for name in class_spread(TABLE, FREQUENCY):
        prior = one(name, 0.0)
        away = [
            abs(np.log(itu.conductivity(other, FREQUENCY) / prior.conductivity(FREQUENCY)[0]))
            for other in class_spread(TABLE, FREQUENCY)
        ]
        assert np.mean(np.array(away) <= 2 * prior.width[0]) >= 0.9


@pytest.mark.parametrize("name", ["vacuum", "metal"])
def test_what_cannot_be_estimated_has_no_width_and_widens_nobody(name: str) -> None:
    assert one(name, 0.3).width == 0.0
    without = {m: row for m, row in TABLE.items() if m != name}
    assert class_spread(TABLE, FREQUENCY) == class_spread(without, FREQUENCY)


@pytest.mark.parametrize(
    ("material", "confidence", "message"),
    [
        ("floorboard", 0.5, "floorboard"),
        ("brick", float("nan"), "between 0 and 1"),
        ("brick", 1.1, "between 0 and 1"),
        ("brick", -0.1, "between 0 and 1"),
    ],
)
def test_impossible_statements_are_refused(material: str, confidence: float, message: str) -> None:
    with pytest.raises(MaterialError, match=message):
        one(material, confidence)


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(MaterialError, match="equally many"):
        prior_from_classes(["a"], ["brick"], [0.5, 0.5], ["x"], TABLE, frequency=FREQUENCY)
    with pytest.raises(MaterialError, match="class_width"):
        one("brick", 0.5, class_width=0.0)


def test_misnaming_is_as_frequent_as_asked_and_grows_with_the_rate() -> None:
    right = ["brick", "wood", "metal"] * 2000
    before = set[int]()
    for rate in (0.0, 0.05, 0.4, 1.0):
        said = misnamed(right, rate, TABLE, frequency=FREQUENCY, seed=3)
        wrong = {k for k, (a, b) in enumerate(zip(said, right, strict=True)) if a != b}
        assert len(wrong) / len(right) == pytest.approx(rate, abs=0.02)
        assert before <= wrong
        assert {said[k] for k in wrong} <= set(class_spread(TABLE, FREQUENCY))
        before = wrong
    assert misnamed(right, 0.4, TABLE, frequency=FREQUENCY, seed=4) != misnamed(
        right, 0.4, TABLE, frequency=FREQUENCY, seed=3
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("true", "said"),
    [
        ({}, {"box_wood": "metal"}),
        ({"box_marble": "metal"}, {"box_marble": "wood"}),
        ({"box_wood": "vacuum"}, {"box_wood": "concrete", "box_marble": "vacuum"}),
    ],
)
def test_metal_and_vacuum_misnamed_either_way_break_nothing(
    true: dict[str, str], said: dict[str, str]
) -> None:
    room = vd.box_room().with_materials(true)
    radio = vd.RadioConfig.paper(max_depth=2)
    campaign = vd.place("random", room, 3, 8, seed=0)
    campaign = vd.simulate(room, campaign, radio=radio, noise_db=0.1, seed=1)
    named = {**dict(zip(room.names, room.materials, strict=True)), **said}
    prior = prior_from_classes(
        room.names,
        list(named.values()),
        [0.6] * room.num_objects,
        ["said"] * room.num_objects,
        TABLE,
        frequency=FREQUENCY,
    )
    result = vd.estimate(
        room, campaign, radio=radio, prior=prior, solver=LevenbergMarquardt(initial="vlm", folds=0)
    )
    assert np.isfinite(result.conductivity).all()
    for name, material in named.items():
        k = room.names.index(name)
        fixed = material in ("metal", "vacuum")
        assert (result.verdict[k] == "fixed") == fixed
        if fixed:
            assert result.conductivity[k] == prior.conductivity(FREQUENCY)[k]
        else:
            assert result.low[k] < result.high[k]
