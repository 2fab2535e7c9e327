import math
import os
import time

import numpy as np
import pytest

from vlmrt_dist.cost import in_own_process, looking_through, measure_replay
from vlmrt_dist.radio import RadioConfig
from vlmrt_dist.rooms import box_room
from vlmrt_dist.setups import check_campaign


def test_every_box_is_looked_through_by_a_link_of_its_own() -> None:
    room = box_room(95)
    campaign = looking_through(room, 25, 16)
    check_campaign(room, campaign)
    segment, obj, _ = room.crossings(
        np.repeat(campaign.tx, 16, axis=0)[campaign.present.ravel()],
        campaign.rx[campaign.present],
    )
    crossings = np.bincount(segment, minlength=campaign.present.sum())
    assert (crossings == 2).mean() > 0.8  # in and out of one box
    alone = np.unique(obj[crossings[segment] == 2])
    assert len(alone) >= 90


def test_the_same_seed_gives_the_same_campaign() -> None:
    one, same, other = (looking_through(box_room(10), 3, 4, seed) for seed in (1, 1, 2))
    assert one.key == same.key != other.key


def test_a_process_of_its_own_answers_fails_or_is_given_up() -> None:
    assert in_own_process(math.sqrt, 4.0) == 2.0
    assert in_own_process(os.getpid) != os.getpid()
    begin = time.monotonic()
    assert in_own_process(time.sleep, 60.0, seconds=1.0) is None
    assert time.monotonic() - begin < 30.0
    with pytest.raises(RuntimeError, match="exit code 1"):
        in_own_process(math.sqrt, -1.0)


@pytest.mark.slow
def test_a_room_costs_what_its_parts_do() -> None:
    radio = RadioConfig(max_depth=2, samples_per_src=20_000)
    cost = measure_replay(30, radio, 16, 0)
    assert (cost.num_objects, cost.num_setups) == (30, 8)
    assert 0 < cost.estimated <= cost.seen <= 30
    assert cost.mre < 0.01
    assert 0.0 < cost.extract < cost.solve
    assert cost.value < cost.fit
    assert cost.entries < 128 * 30
