import numpy as np

from vlmrt_dist.campaign.free_space import check_campaign
from vlmrt_dist.campaign.region import Region
from vlmrt_dist.scene.paper_room import box_room
from vlmrt_dist.vlm.advice import ask
from vlmrt_dist.vlm.offline.rules import OfflineAdvisor
from vlmrt_dist.vlm.options import Offline


def test_one_advisor_says_both_and_its_rows_say_who_it_was() -> None:
    room = box_room()
    advice = ask("offline", room, 2, 4, frequency=3.5e9, seed=7)
    assert advice.prior.materials == room.materials
    expected = OfflineAdvisor().propose_positions([], room, 2, 4, seed=7)
    np.testing.assert_array_equal(advice.campaign.rx, expected.campaign.rx)
    check_campaign(room, advice.campaign)
    assert advice.label["vlm"] == "offline"
    assert advice.label["images"] == "none"
    assert "box_wood: wood 0.95" in str(advice.label["said"])
    assert "offline, which looked at no image" in str(advice)


def test_a_region_reaches_the_advisor() -> None:
    near = ask(Offline(), box_room(), 1, 2, frequency=3.5e9, region=Region(clearance=0.5))
    assert near.campaign.key != ask("offline", box_room(), 1, 2, frequency=3.5e9).campaign.key
