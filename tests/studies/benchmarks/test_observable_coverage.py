"""Coverage of the intervals from observables."""

import pytest

from vlmrt_dist.campaign import RadioConfig, random_campaign
from vlmrt_dist.scene import SceneModel
from vlmrt_dist.studies import ObservableCoverage


@pytest.mark.slow
@pytest.mark.parametrize("words", ["delay:10ns", "response:8@25db"])
def test_intervals_from_observables_hold_the_truth(room: SceneModel, words: str) -> None:
    positions = random_campaign(room, 1, 6, seed=1)
    task = ObservableCoverage(words, room, positions, RadioConfig(max_depth=1), 20)
    tallies = task.tallies()
    assert tallies["conductivity"].answers >= 20
    for tally in tallies.values():
        low, _ = tally.ends
        assert low < 0.08  # 5 % would be missed
