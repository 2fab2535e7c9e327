from typing import Any

import numpy as np
import pytest

from vlmrt_dist.campaign.free_space import check_campaign, random_campaign
from vlmrt_dist.campaign.model import Campaign, MeasurementSetup
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.scene.files.scene_xml import bundled_scene, load_scene
from vlmrt_dist.scene.paper_room import BOX_LIFT, box_room


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
    setups = [
        MeasurementSetup(np.array([0.0, 0, 1]), np.array([[2.0, 0, 1], [0, 2, 1], [1, 1, 2]])),
        MeasurementSetup(np.array([1.0, 0, 1]), np.array([[0.0, -2, 1]])),
    ]
    check_campaign(box_room(), Campaign.from_setups(setups))


def test_long_lists_are_cut() -> None:
    c = Campaign(np.array([[0, 0, 1.0]]), np.full((1, 100, 3), 50.0))
    with pytest.raises(CampaignError, match="and 80 more"):
        check_campaign(box_room(), c)
