import pickle
from typing import Any

import numpy as np
import pytest

from vlmrt_dist.campaign.model import Campaign, MeasurementSetup, check_campaign, random_campaign
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.scene.files.scene_xml import bundled_scene, load_scene
from vlmrt_dist.scene.paper_room import BOX_LIFT, box_room


def campaign(**values: Any) -> Campaign:
    given = {
        "tx": [[0.0, 0.0, 1.0], [1.0, 0.0, 1.0]],
        "rx": [[[2.0, 0, 1], [0, 2, 1]], [[0, -2, 1], [-2, 0, 1]]],
        **values,
    }
    return Campaign(**given)


def ragged() -> Campaign:
    setups = [
        MeasurementSetup([0, 0, 1], [[2, 0, 1], [0, 2, 1], [1, 1, 2]]),  # type: ignore[arg-type]
        MeasurementSetup([1, 0, 1], [[0, -2, 1]]),  # type: ignore[arg-type]
    ]
    return Campaign.from_setups(setups)


def test_shapes() -> None:
    c = campaign(rss_dbm=[[-50, -60], [-70, -80]], noise_db=0.5)
    assert (c.num_setups, c.num_receivers, c.num_links) == (2, 2, 4)
    assert c.present.all()
    assert c.noise_db == 0.5
    assert [s.rx.shape for s in c.setups] == [(2, 3), (2, 3)]
    np.testing.assert_array_equal(c.setups[1].tx, [1, 0, 1])
    assert "M=2, N=2, measured" in repr(c)


def test_ragged_campaigns_are_padded() -> None:
    c = ragged()
    assert (c.num_setups, c.num_receivers, c.num_links) == (2, 3, 4)
    assert c.present.tolist() == [[True, True, True], [True, False, False]]
    assert np.isnan(c.rx[1, 1:]).all()
    assert [s.num_receivers for s in c.setups] == [3, 1]
    measured = c.with_rss(np.full((2, 3), -60.0), noise_db=np.full((2, 3), 0.1))
    assert measured.rss_dbm is not None
    np.testing.assert_array_equal(np.isnan(measured.rss_dbm), ~c.present)
    np.testing.assert_array_equal(np.isnan(measured.noise_db), ~c.present)


def test_subset_keeps_the_padding_and_the_order() -> None:
    c = ragged().with_rss([[-1, -2, -3], [-4, 0, 0]], noise_db=0.2)
    part = c.subset([1, 0])
    assert part.num_receivers == 3
    assert part.rss_dbm is not None
    np.testing.assert_array_equal(part.rss_dbm, [[-4, np.nan, np.nan], [-1, -2, -3]])
    np.testing.assert_array_equal(part.tx, c.tx[[1, 0]])
    assert part.subset([1, 0]).key == c.key
    for indices in ([], [2], [-1]):
        with pytest.raises(CampaignError, match="0 to 1"):
            c.subset(indices)


def full() -> Campaign:
    """Every field is used."""
    setups = ragged().setups
    return Campaign.from_setups(setups, frequency=[3.5e9, 5e9]).with_rss(
        [[-1, -2, -3], [-4, 0, 0]],
        noise_db=0.2,
        censored=[[False, True, False], [True, False, False]],
    )


def test_pickle_key_and_read_only() -> None:
    c = full()
    copy = pickle.loads(pickle.dumps(c))
    assert copy.key == c.key
    np.testing.assert_array_equal(copy.censored, c.censored)
    np.testing.assert_array_equal(copy.frequency, [3.5e9, 5e9])
    for array in (copy.rx[0, 0], copy.censored[0], copy.frequency):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_nothing_is_censored_and_no_carrier_stated_unless_said() -> None:
    c = ragged()
    assert c.censored.shape == c.present.shape
    assert not c.censored.any()
    assert c.frequency is None


def test_subset_and_with_rss_keep_censoring_and_carriers_where_they_belong() -> None:
    c = full()
    part = c.subset([1])
    assert part.censored.tolist() == [[True, False, False]]
    assert part.frequency is not None
    assert part.frequency.tolist() == [5e9]
    # A new level says nothing about an old one that the receiver could not hear.
    again = c.with_rss(c.rss_dbm)
    assert not again.censored.any()
    assert again.frequency is not None
    assert again.noise_db == 0.2


def test_padding_is_never_censored() -> None:
    c = ragged().with_rss(np.zeros((2, 3)), censored=np.ones((2, 3), dtype=bool))
    np.testing.assert_array_equal(c.censored, c.present)


def test_whatever_is_measured_changes_the_key() -> None:
    base = campaign(rss_dbm=np.full((2, 2), -60.0))
    variants = [
        base,
        campaign(),
        campaign(rss_dbm=[[-60, -60], [-60, -61]]),
        base.with_rss(base.rss_dbm, noise_db=0.1),
        campaign(rss_dbm=base.rss_dbm, tx=[[0, 0, 1], [1, 0, 1.5]]),
        base.subset([0]),
        base.subset([1, 0]),
        base.with_rss(base.rss_dbm, censored=[[True, False], [False, False]]),
        campaign(rss_dbm=base.rss_dbm, frequency=[3.5e9, 3.5e9]),
        campaign(rss_dbm=base.rss_dbm, frequency=[3.5e9, 5e9]),
    ]
    assert len({c.key for c in variants}) == len(variants)
    same = base.with_rss(base.rss_dbm, noise_db=np.zeros((2, 2)))
    assert same.key == base.key


def test_padding_does_not_enter_the_key() -> None:
    one = ragged().with_rss(np.array([[-1, -2, -3], [-4, 7, 8]]))
    other = ragged().with_rss(np.array([[-1, -2, -3], [-4, np.nan, -np.inf]]))
    assert one.key == other.key


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tx": [0.0, 0, 1]}, r"tx must be \[M,3\]"),
        ({"rx": [[0.0, 0, 1]]}, r"rx must be \[M,N,3\]"),
        ({"tx": [[0.0, 0, 1]]}, r"rx must be \[M,N,3\]"),
        ({"tx": np.empty((0, 3)), "rx": np.empty((0, 2, 3))}, "empty"),
        ({"rx": np.empty((2, 0, 3))}, "empty"),
        ({"tx": [[np.nan, 0, 1], [1, 0, 1]]}, "transmitter of setup 1"),
        ({"tx": "here"}, "numbers"),
        ({"rx": [[[2, 0, 1], [0, 2, np.nan]], [[0, -2, 1], [-2, 0, 1]]]}, "setup 1, receiver 2"),
        ({"rx": [[[2, 0, 1], [0, 2, 1]], [[0, -2, 1], [np.nan] * 3]]}, "setup 2, receiver 2"),
        ({"rx": [[[2, 0, 1], [0, np.inf, 1]], [[0, -2, 1], [0, 0, 1]]]}, "setup 1, receiver 2"),
        ({"rss_dbm": [-60.0]}, "rss_dbm must be"),
        ({"rss_dbm": [[-60, -60], [np.nan, -60]]}, "setup 2, receiver 1"),
        ({"rss_dbm": [[-60, -np.inf], [-60, -60]]}, "zero watts.*setup 1, receiver 2"),
        ({"noise_db": -0.1}, "noise_db"),
        ({"noise_db": np.nan}, "noise_db"),
        ({"noise_db": [0.1, 0.2]}, "noise_db"),
        ({"present": [[True, True], [False, False]]}, "setup 2 has no receiver"),
        ({"present": [[1, 1], [1, 0]]}, "present"),
        ({"present": [True, True]}, "present"),
        ({"rss_dbm": np.zeros((2, 2)), "censored": [True, False]}, "censored must be"),
        ({"rss_dbm": np.zeros((2, 2)), "censored": [[1, 0], [0, 0]]}, "censored must be"),
        ({"censored": [[True, False], [False, False]]}, "needs rss_dbm"),
        ({"frequency": [3.5e9]}, "one carrier for each of 2 setups"),
        ({"frequency": 3.5e9}, "one carrier for each"),
        ({"frequency": [3.5e9, 0.0]}, "setup 2"),
        ({"frequency": [np.nan, 3.5e9]}, "setup 1"),
        ({"frequency": "high"}, "numbers"),
    ],
)
def test_impossible_campaigns(values: Any, message: str) -> None:
    with pytest.raises(CampaignError, match=message):
        campaign(**values)


def test_impossible_setups() -> None:
    for tx, rx in (([0, 0], [[1, 1, 1]]), ([0, 0, 0], []), ([0, 0, 0], [[1, 1, np.nan]])):
        with pytest.raises(CampaignError):
            MeasurementSetup(tx, rx)  # type: ignore[arg-type]
    with pytest.raises(CampaignError, match="empty"):
        Campaign.from_setups([])


def test_random_positions_are_free_and_repeat() -> None:
    room = box_room()
    c = random_campaign(room, 20, 30, seed=3, clearance=0.4)
    points = np.concatenate([c.tx, c.rx.reshape(-1, 3)])
    assert room.inside_bounds(points).all()
    assert (room.inside_object(points) < 0).all()
    assert room.distance_to_surface(points).min() >= 0.4
    assert random_campaign(room, 20, 30, seed=3, clearance=0.4).key == c.key
    assert random_campaign(room, 20, 30, seed=4, clearance=0.4).key != c.key
    assert len(np.unique(points, axis=0)) == len(points)
    check_campaign(room, c)


def test_random_positions_fill_the_free_space_evenly() -> None:
    room = box_room(0)
    points = random_campaign(room, 1, 4000, seed=0, clearance=0.0).rx.reshape(-1, 3)
    counts, _ = np.histogramdd(points / room.bounds[1], bins=(4, 4, 2))
    expected = 4000 / 32
    # Chi-square with 31 degrees of freedom: 61 is exceeded once in a thousand.
    assert ((counts - expected) ** 2 / expected).sum() < 61


def test_a_thousand_boxes_still_have_room_between_them() -> None:
    room = box_room(1000)
    check_campaign(room, random_campaign(room, 2, 10, seed=0, clearance=0.2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clearance": 4.0}, "lower the clearance"),
        ({"clearance": -0.1}, "clearance"),
        ({"clearance": float("nan")}, "clearance"),
        ({"num_setups": 0}, "at least one"),
        ({"num_receivers": 0}, "at least one"),
    ],
)
def test_impossible_random_campaigns(options: Any, message: str) -> None:
    with pytest.raises(CampaignError, match=message):
        random_campaign(box_room(), **{"num_setups": 1, "num_receivers": 1, "seed": 0, **options})


def test_a_flat_scene_needs_headroom() -> None:
    path = bundled_scene("simple_reflector")
    with pytest.raises(CampaignError, match="headroom="):
        random_campaign(load_scene(path), 1, 2, seed=0)
    air = load_scene(path, headroom=3.0)
    check_campaign(air, random_campaign(air, 1, 2, seed=0))


def test_receivers_that_cannot_be_there_are_all_named() -> None:
    top = 1 + BOX_LIFT
    rx = [[[-3, 3, 0.5], [6, 0, 1], [0, 0, 1]], [[3, 3, top], [1, 1, 1], [0, 2, -0.1]]]
    c = Campaign(np.array([[0, 0, 1.0], [2.9, -3, 0.2]]), np.array(rx, dtype=float))
    with pytest.raises(CampaignError) as caught:
        check_campaign(box_room(), c)
    message = str(caught.value)
    for expected in (
        "setup 1, receiver 1 at (-3, 3, 0.5) is inside 'box_wood'",
        "setup 1, receiver 2 at (6, 0, 1) is outside the room",
        "setup 1, receiver 3 at (0, 0, 1) is where its transmitter is",
        "the transmitter of setup 2 at (2.9, -3, 0.2) is inside 'box_concrete'",
        f"setup 2, receiver 1 at (3, 3, {top:g}) lies on the surface",
        "setup 2, receiver 3 at (0, 2, -0.1) is outside the room",
        "(-5, -5, 0) to (5, 5, 3) m",
        "headroom=",
    ):
        assert expected in message
    assert "setup 2, receiver 2" not in message


def test_padding_is_not_checked() -> None:
    check_campaign(box_room(), ragged())


def test_long_lists_are_cut() -> None:
    c = Campaign(np.array([[0, 0, 1.0]]), np.full((1, 100, 3), 50.0))
    with pytest.raises(CampaignError, match="and 80 more"):
        check_campaign(box_room(), c)
