import numpy as np
import pytest

from vlmrt_dist.campaign.free_space import check_campaign
from vlmrt_dist.errors import CampaignError
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.studies.benchmarks import box_links
from vlmrt_dist.studies.benchmarks.box_links import looking_through


def test_every_box_is_looked_through_by_a_link_of_its_own() -> None:
    room = box_room(95)
    campaign = looking_through(room, 25, 16)
    check_campaign(room, campaign)
    segment, obj, _ = room.crossings(
        np.repeat(campaign.tx, 16, axis=0)[campaign.present.ravel()],
        campaign.rx[campaign.present],
    )
    crossings = np.bincount(segment, minlength=campaign.present.sum())
    assert campaign.present.sum() == 400
    assert (crossings == 2).mean() > 0.95  # in and out of one box
    alone = np.unique(obj[crossings[segment] == 2])
    assert len(alone) >= 90


def test_the_same_seed_gives_the_same_campaign() -> None:
    one, same, other = (looking_through(box_room(10), 3, 4, seed) for seed in (1, 1, 2))
    assert one.key == same.key != other.key


@pytest.mark.parametrize("attempts", [1, 10])
def test_links_that_find_no_place_are_made_up_for(
    attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one attempt many lines cross another box; further setups stand in for those links."""
    monkeypatch.setattr(box_links, "ATTEMPTS", attempts)
    room = box_room(195)
    campaign = looking_through(room, 50, 16)
    check_campaign(room, campaign)
    assert campaign.present.sum() == 800
    assert (campaign.num_setups > 50) or attempts > 1


def test_boxes_that_leave_no_room_are_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    class Everywhere:
        setup, receiver = 0, None

    monkeypatch.setattr(box_links, "misplaced", lambda scene, campaign: [Everywhere])
    with pytest.raises(CampaignError, match="stand so close that 3 of 3 links"):
        looking_through(box_room(10), 1, 3)
