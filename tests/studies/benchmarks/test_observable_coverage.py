"""Coverage of the intervals from observables."""

import pytest

from vlmrt_dist.campaign import RadioConfig, random_campaign
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.studies import ObservableCoverage, UnknownOf


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "unknown", "seen"),
    [
        ("delay:10ns", "offsets", "delay_offset"),
        ("response:8@25db", "offsets", "gain"),
        ("power,delay:20ns", "orientations", "tx_yaw"),
        ("power", "positions", "rx_x"),
    ],
)
def test_intervals_from_observables_hold_the_truth(
    room: SceneModel, words: str, unknown: UnknownOf, seen: str
) -> None:
    positions = random_campaign(room, 1, 6, seed=1)
    task = ObservableCoverage(words, room, positions, RadioConfig(max_depth=1), 20, unknown)
    tallies = task.tallies()
    assert tallies[seen].answers >= 20
    assert tallies["conductivity"].answers >= 20
    for tally in tallies.values():
        low, _ = tally.ends
        assert low < 0.08  # 5 % would be missed
